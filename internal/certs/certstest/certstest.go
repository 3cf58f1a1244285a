// Package certstest makes certificates for tests and test beds: a CA, and what it
// signs, good or wrong in one way. Its keys are worth nothing.
package certstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// lifetime is that of everything, unless a Want says otherwise.
const lifetime = 24 * time.Hour

// Authority is a CA whose certificate stands in a file.
type Authority struct {
	File string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Want says what a certificate shall be. The zero value of a field means right:
// valid for a day, for servers and clients.
type Want struct {
	Name      string // of its owner, and of the files
	Addresses []netip.Addr
	Until     time.Time // when it ends; it begins a day earlier
	Usages    []x509.ExtKeyUsage
}

// New makes an authority and writes its certificate to dir/name.pem.
func New(dir, name string) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make CA: %w", err)
	}
	now := time.Now()
	a := &Authority{File: filepath.Join(dir, name+".pem"), key: key, cert: &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-lifetime), NotAfter: now.Add(lifetime),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}}
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, &key.PublicKey, key)
	if err == nil {
		err = write(a.File, "CERTIFICATE", der, 0o644)
	}
	if err != nil {
		return nil, fmt.Errorf("make CA: %w", err)
	}
	return a, nil
}

// Sign makes a certificate and its key, in dir/name.pem and dir/name.key. Both
// files appear whole, the certificate last.
func (a *Authority) Sign(dir string, w Want) (cert, key string, err error) {
	if w.Until.IsZero() {
		w.Until = time.Now().Add(lifetime)
	}
	if w.Usages == nil {
		w.Usages = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: w.Name},
		NotBefore: w.Until.Add(-2 * lifetime), NotAfter: w.Until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: w.Usages,
	}
	for _, ip := range w.Addresses {
		leaf.IPAddresses = append(leaf.IPAddresses, ip.AsSlice())
	}
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", fmt.Errorf("sign for %s: %w", w.Name, err)
	}
	certDER, err1 := x509.CreateCertificate(rand.Reader, leaf, a.cert, &own.PublicKey, a.key)
	keyDER, err2 := x509.MarshalECPrivateKey(own)
	cert, key = filepath.Join(dir, w.Name+".pem"), filepath.Join(dir, w.Name+".key")
	if err = errors.Join(err1, err2); err == nil {
		err = errors.Join(write(key, "EC PRIVATE KEY", keyDER, 0o600), write(cert, "CERTIFICATE", certDER, 0o644))
	}
	if err != nil {
		return "", "", fmt.Errorf("sign for %s: %w", w.Name, err)
	}
	return cert, key, nil
}

// write puts a whole file in place of whatever is there.
func write(path, kind string, der []byte, mode os.FileMode) error {
	fresh := path + ".new"
	if err := os.WriteFile(fresh, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}
