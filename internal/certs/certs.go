package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
)

// Files names the PEM files of one side.
type Files struct {
	CA, Cert, Key string // paths; without CA those count that the machine trusts
	Names         Names
}

// Given reports whether any file is named.
func (f Files) Given() bool { return f.CA != "" || f.Cert != "" || f.Key != "" }

// Names is what an operator calls the three files in a configuration: "`etcd.ca`".
type Names struct{ CA, Cert, Key string }

// Certs is one side of connections that show certificates. Its methods may be
// called from many goroutines; nil stands for plain TCP.
type Certs struct {
	files Files

	mu   sync.Mutex
	last material
}

// material is what the files held when they were last whole.
type material struct {
	roots *x509.CertPool    // nil: those of the machine
	pairs []tls.Certificate // none, or one
}

// Open reads the files and refuses what cannot work, whoever is on the other side.
// Whether a certificate is still valid is for the other side to say. Without any
// file it trusts whom the machine trusts, and shows nothing.
func Open(f Files) (*Certs, error) {
	m, err := f.read()
	if err != nil {
		return nil, err
	}
	return &Certs{files: f, last: m}, nil
}

// Client is the configuration of one connection to a server whose certificate the
// CA has signed.
func (c *Certs) Client() *tls.Config {
	if c == nil {
		return nil
	}
	m := c.newest()
	conf := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: m.roots}
	if len(m.pairs) > 0 {
		// Shown whatever CA the other side asks for: what it says then is the cause.
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &m.pairs[0], nil }
	}
	return conf
}

// Server is the configuration of a listener, for as long as it lives. Who connects
// must show a certificate that the CA has signed.
func (c *Certs) Server() *tls.Config {
	if c == nil {
		return nil
	}
	fresh := func(*tls.ClientHelloInfo) (*tls.Config, error) {
		m := c.newest()
		return &tls.Config{MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: m.roots, Certificates: m.pairs}, nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, GetConfigForClient: fresh}
}

// newest is what the files hold now, or held when they were last whole.
func (c *Certs) newest() material {
	m, err := c.files.read()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.last = m
	}
	return c.last
}

func (f Files) read() (material, error) {
	var m material
	if (f.Cert == "") != (f.Key == "") {
		return m, fmt.Errorf("%s and %s belong together: give both, or neither", f.Names.Cert, f.Names.Key)
	}
	if f.CA != "" {
		pem, err := content(f.Names.CA, f.CA)
		if err != nil {
			return m, err
		}
		m.roots = x509.NewCertPool()
		if !m.roots.AppendCertsFromPEM(pem) {
			return m, fmt.Errorf("%s: %s holds no certificate in PEM: put the certificate of the CA there", f.Names.CA, f.CA)
		}
	}
	if f.Cert == "" {
		return m, nil
	}
	pair, err := f.pair()
	m.pairs = []tls.Certificate{pair}
	return m, err
}

// pair reads the own certificate and its key.
func (f Files) pair() (tls.Certificate, error) {
	certPEM, err := content(f.Names.Cert, f.Cert)
	if err != nil {
		return tls.Certificate{}, err
	}
	if !x509.NewCertPool().AppendCertsFromPEM(certPEM) {
		return tls.Certificate{}, fmt.Errorf("%s: %s holds no certificate in PEM: put this side's certificate there", f.Names.Cert, f.Cert)
	}
	keyPEM, err := content(f.Names.Key, f.Key)
	if err != nil {
		return tls.Certificate{}, err
	}
	if info, err := os.Stat(f.Key); err == nil && info.Mode().Perm()&0o007 != 0 {
		return tls.Certificate{}, fmt.Errorf("%s: everybody may read %s: chmod 0600 it", f.Names.Key, f.Key)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%s: %s is not the key of the certificate in %s (%w): put both there together", f.Names.Key, f.Key, f.Cert, err)
	}
	return pair, nil
}

// content reads one file. The error is a sentence.
func content(name, path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: there is no file %s: put it there, or correct the path", name, path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%s: this user (uid %d) may not read %s: chown or chmod it", name, os.Geteuid(), path)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return data, nil
}
