package etcdembed

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/internal/certs/certstest"
)

// certificates writes a CA and one certificate for 127.0.0.1 that it signed.
func certificates(t *testing.T) TLSFiles {
	t.Helper()
	dir := t.TempDir()
	ca, err := certstest.New(dir, "ca")
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := ca.Sign(dir, certstest.Want{Name: "member", Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
	if err != nil {
		t.Fatal(err)
	}
	return TLSFiles{Cert: cert, Key: key, CA: ca.File}
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

	at := b.access("db1", "db2")
	mine, err1 := files.open("clientTLS")
	stranger, err2 := TLSFiles{CA: files.CA}.open("clientTLS")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	at.TLS = mine
	if members, err := Members(t.Context(), at); err != nil || labels(members) != "db1, db2" {
		t.Errorf("members %v, %v", members, err)
	}

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
