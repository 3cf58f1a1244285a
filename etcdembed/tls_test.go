package etcdembed

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certificates writes a CA and one certificate for 127.0.0.1 that it signed.
func certificates(t *testing.T) TLSFiles {
	t.Helper()
	dir := t.TempDir()
	caKey, leafKey := newKey(t), newKey(t)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "member"},
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	caDER, err1 := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	leafDER, err2 := x509.CreateCertificate(rand.Reader, leaf, ca, &leafKey.PublicKey, caKey)
	keyDER, err3 := x509.MarshalECPrivateKey(leafKey)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return TLSFiles{
		Cert: write("cert.pem", "CERTIFICATE", leafDER),
		Key:  write("key.pem", "EC PRIVATE KEY", keyDER),
		CA:   write("ca.pem", "CERTIFICATE", caDER),
	}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestMembersWithCertificatesJoinAndRefuseStrangers(t *testing.T) {
	b := newBench(t, "db1", "db2", "db3")
	files := certificates(t)
	for _, urls := range []map[string]string{b.urls, b.peers} {
		for name := range urls {
			urls[name] = strings.Replace(urls[name], "http:", "https:", 1)
		}
	}
	secured := func(name string, cluster ...string) Options {
		o := b.options(name, cluster...)
		o.ClientTLS, o.PeerTLS = files, files
		return o
	}
	first := b.start(secured("db1", "db1"))
	b.ready(first)
	joiner := secured("db2", "db1")
	joiner.Join = true
	b.ready(b.start(joiner))

	info := tlsInfo(files)
	config, err := info.ClientConfig()
	if err != nil {
		t.Fatal(err)
	}
	at := b.access("db1", "db2")
	at.TLS = config
	if members, err := Members(t.Context(), at); err != nil || labels(members) != "db1, db2" {
		t.Errorf("members %v, %v", members, err)
	}

	stranger := config.Clone()
	stranger.GetClientCertificate, stranger.Certificates = nil, nil
	at.TLS = stranger
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if members, err := Members(ctx, at); err == nil {
		t.Errorf("a client without a certificate was told %v", members)
	}

	missing := secured("db3", "db3")
	missing.ClientTLS.Cert = "/nowhere/cert.pem"
	if err := b.refused(missing); !strings.Contains(err.Error(), "/nowhere/cert.pem") {
		t.Errorf("missing file: %v", err)
	}
}
