package agent

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// peerPort is where agents answer each other, unless their files say otherwise.
const peerPort = 9989

// PeerConfig says how this host and others talk while etcd is away. Messages are
// signed in any case; with certificates both sides show theirs besides.
type PeerConfig struct {
	Port uint16 `yaml:"port"`
	CA   string `yaml:"ca"`   // who signed the certificates of all hosts
	Cert string `yaml:"cert"` // of this host, with its address in it
	Key  string `yaml:"key"`
}

// load reads the certificates; nil when there are none.
func (c PeerConfig) load() (*tls.Certificate, *x509.CertPool, error) {
	switch {
	case c.CA == "" && c.Cert == "" && c.Key == "":
		return nil, nil, nil
	case c.CA == "" || c.Cert == "" || c.Key == "":
		return nil, nil, errors.New("`peer` needs all of `ca`, `cert` and `key`, or none of them")
	}
	pem, err := os.ReadFile(c.CA)
	if err != nil {
		return nil, nil, fmt.Errorf("read `peer.ca`: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, nil, fmt.Errorf("`peer.ca`: %s holds no certificate", c.CA)
	}
	pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		return nil, nil, fmt.Errorf("read `peer.cert` and `peer.key`: %w", err)
	}
	return &pair, pool, nil
}

// server is the side that answers: it wants a certificate of ours.
func (c PeerConfig) server() (*tls.Config, error) {
	pair, pool, err := c.load()
	if err != nil || pair == nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}, nil
}

// client is the side that asks.
func (c PeerConfig) client() (*tls.Config, error) {
	pair, pool, err := c.load()
	if err != nil || pair == nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*pair}, RootCAs: pool}, nil
}
