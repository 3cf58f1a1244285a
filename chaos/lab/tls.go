package lab

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/mmm-ha/mmm/internal/certs"
	"github.com/mmm-ha/mmm/internal/certs/certstest"
)

// loopback is where a way to etcd begins (see Ways): a member's certificate is for
// that, too.
var loopback = netip.MustParseAddr("127.0.0.1")

// makeCertificates makes an authority, and one certificate for each host that is
// etcd's, its clients' and the agents' at once.
func (b *Bed) makeCertificates() error {
	if !b.options.TLS {
		return nil
	}
	dir := b.tlsDir()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	var err error
	if b.authority, err = certstest.New(dir, "ca"); err != nil {
		return err
	}
	for _, h := range b.options.Hosts {
		if err := b.Certify(certstest.Want{Name: h.Name}); err != nil {
			return err
		}
	}
	return nil
}

// Certify puts another certificate in place of the one that a host has, w.Name,
// signed by the authority of the bed. Without addresses in w it is for those of
// the host.
func (b *Bed) Certify(w certstest.Want) error {
	m, err := b.machine(w.Name)
	if err != nil {
		return err
	}
	if w.Addresses == nil {
		w.Addresses = []netip.Addr{m.Address, loopback}
	}
	_, _, err = b.authority.Sign(b.tlsDir(), w)
	return err
}

// Certificates are the files of a host, for a bed with TLS.
func (b *Bed) Certificates(host string) certs.Files {
	in := func(name string) string { return filepath.Join(b.tlsDir(), name) }
	return certs.Files{CA: in("ca.pem"), Cert: in(host + ".pem"), Key: in(host + ".key"),
		Names: certs.Names{CA: "CA of the bed", Cert: "certificate of " + host, Key: "key of " + host}}
}

// certs is what a program on a host shows to etcd; nil: the bed has no TLS.
func (b *Bed) certs(host string) (*certs.Certs, error) {
	if !b.options.TLS {
		return nil, nil //nolint:nilnil // plain TCP, as certs has it
	}
	return certs.Open(b.Certificates(host))
}

func (b *Bed) tlsDir() string { return filepath.Join(b.options.Work, "tls") }

// trio writes the files of a host as the value of a key in YAML; empty: no TLS.
func (b *Bed) trio(m *machine) string {
	if !b.options.TLS {
		return ""
	}
	f := b.Certificates(m.Name)
	return fmt.Sprintf("ca: %s, cert: %s, key: %s", f.CA, f.Cert, f.Key)
}
