package auth

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"os"
)

// keyBits is what servers make for this purpose.
const keyBits = 2048

// KeyPair is the router's own RSA key, for which clients of
// caching_sha2_password encrypt their passwords where there is no TLS.
type KeyPair struct {
	private *rsa.PrivateKey
	public  []byte // PEM, as it is sent
}

// NewKeyPair makes one that lives as long as the process. It takes a tenth of a
// second or more: make it once, at start.
func NewKeyPair() (*KeyPair, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return keyPair(key)
}

// ReadKeyPair reads a private key in PEM (PKCS#1 or PKCS#8), of which clients may
// have been given the public half. Nobody but the owner may read the file.
func ReadKeyPair(path string) (*KeyPair, error) {
	raw, err := readPrivate(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, fmt.Errorf("read the key %s: it is no PEM", path)
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return keyPair(key)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the key %s: %w", path, err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("read the key %s: it is %T; caching_sha2_password knows RSA alone", path, parsed)
	}
	return keyPair(key)
}

func keyPair(key *rsa.PrivateKey) (*KeyPair, error) {
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("write down the public key: %w", err)
	}
	return &KeyPair{key, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})}, nil
}

// Public is the public half in PEM.
func (k *KeyPair) Public() []byte { return k.public }

// readPrivate reads a file that others must not read.
func readPrivate(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read a file of secrets: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read a file of secrets: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("read %s: others may read it (mode %04o); run chmod 600 %s", path, mode, path)
	}
	raw, err := io.ReadAll(f)
	if err != nil {
		return nil, fmt.Errorf("read a file of secrets: %w", err)
	}
	return raw, nil
}
