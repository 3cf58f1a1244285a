package auth

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // OAEP with SHA-1 is what the plugin does
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
)

// What caching_sha2_password says besides scrambles. Bytes behind a 0x01
// (AuthMoreData) come from the server; askKey is a client's whole payload.
const (
	fastDone   = 3 // the scramble was right, OK follows
	fullNeeded = 4 // send the password
	askKey     = 2 // send me your public key

	askKeySHA256 = 1 // the same for sha256_password
)

// answerSHA2 is SHA256(pw) XOR SHA256(SHA256(SHA256(pw)) + salt). An empty
// password has an empty answer.
func answerSHA2(password string, salt []byte) []byte {
	if password == "" {
		return nil
	}
	once := sha256.Sum256([]byte(password))
	twice := sha256.Sum256(once[:])
	h := sha256.New()
	h.Write(twice[:])
	h.Write(bare(salt))
	return xor(once[:], h.Sum(nil))
}

// seal encrypts a password for the owner of the key, as a client does where
// there is no TLS.
func seal(password string, salt []byte, key *rsa.PublicKey) ([]byte, error) {
	masked := xor(append([]byte(password), 0), bare(salt))
	sealed, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, key, masked, nil)
	if err != nil {
		return nil, fmt.Errorf("encrypt the password with the server's key: %w", err)
	}
	return sealed, nil
}

// unseal is the other end of seal.
func unseal(sealed, salt []byte, key *rsa.PrivateKey) (string, bool) {
	masked, err := rsa.DecryptOAEP(sha1.New(), nil, key, sealed, nil)
	if err != nil || len(masked) == 0 {
		return "", false
	}
	return terminated(xor(masked, bare(salt)))
}

// terminated is the text before the NUL that must end it.
func terminated(b []byte) (string, bool) {
	text, found := bytes.CutSuffix(b, []byte{0})
	return string(text), found && !bytes.ContainsRune(text, 0)
}

// parseServerKey reads the public key that a server sends.
func parseServerKey(text []byte) (*rsa.PublicKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("read the server's public key: it is no PEM")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the server's public key: %w", err)
	}
	key, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("read the server's public key: it is %T, not RSA", parsed)
	}
	return key, nil
}
