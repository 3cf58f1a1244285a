package auth

import (
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/base64"
	"fmt"

	"filippo.io/edwards25519"
)

// publicKey is what MariaDB stores for its plugin ed25519, in base64 without the
// padding. The plugin is Ed25519 but for the private key, which is made from the
// SHA-512 of the password instead of that of a seed.
type publicKey [ed25519.PublicKeySize]byte

func parsePublicKey(stored string) (publicKey, error) {
	raw, err := base64.RawStdEncoding.DecodeString(stored)
	if err != nil || len(raw) != ed25519.PublicKeySize {
		return publicKey{}, fmt.Errorf("read a public key of ed25519: it must be 43 characters of base64")
	}
	return publicKey(raw), nil
}

func (k publicKey) verify(nonce, signature []byte) bool {
	return len(signature) == ed25519.SignatureSize && ed25519.Verify(k[:], nonce, signature)
}

// signer is the private half, made from a password.
type signer struct {
	scalar *edwards25519.Scalar
	prefix []byte
	public publicKey
}

func newSigner(password string) signer {
	h := sha512.Sum512([]byte(password))
	scalar, err := edwards25519.NewScalar().SetBytesWithClamping(h[:32])
	if err != nil {
		panic("auth: 32 bytes are a scalar: " + err.Error())
	}
	public := new(edwards25519.Point).ScalarBaseMult(scalar).Bytes()
	return signer{scalar, h[32:], publicKey(public)}
}

func (s signer) sign(nonce []byte) []byte {
	r := digest(s.prefix, nonce)
	commitment := new(edwards25519.Point).ScalarBaseMult(r).Bytes()
	challenge := digest(commitment, s.public[:], nonce)
	return append(commitment, edwards25519.NewScalar().MultiplyAdd(challenge, s.scalar, r).Bytes()...)
}

func digest(parts ...[]byte) *edwards25519.Scalar {
	h := sha512.New()
	for _, p := range parts {
		h.Write(p)
	}
	out, err := edwards25519.NewScalar().SetUniformBytes(h.Sum(nil))
	if err != nil {
		panic("auth: 64 bytes are a uniform scalar: " + err.Error())
	}
	return out
}
