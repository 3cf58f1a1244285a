package main

import (
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/internal/certs/certstest"
	"github.com/mmm-ha/mmm/router"
)

func TestNewCertificatesForServersCountAndBrokenOnesDoNot(t *testing.T) {
	dir := t.TempDir()
	one, err := certstest.New(dir, "ca")
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := one.Sign(dir, certstest.Want{Name: "router"})
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	s, err := newServers(router.BackendTLS{TLS: router.BackendVerify, CA: one.File, Cert: cert, Key: key}, slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	db1 := netip.MustParseAddrPort("192.0.2.161:3306")
	if c := s.demanded(db1); c == nil || c.ServerName != "192.0.2.161" || c.InsecureSkipVerify {
		t.Errorf("%+v", c)
	}
	before := s.policy().Config
	s.look()
	if s.policy().Config != before || said.Len() > 0 {
		t.Errorf("nothing has changed, and it is said: %s", &said)
	}
	replace := func(content []byte) {
		if err := os.WriteFile(one.File, content, 0o600); err != nil {
			t.Fatal(err)
		}
		later := time.Now().Add(time.Duration(said.Len()+1) * time.Second)
		if err := os.Chtimes(one.File, later, later); err != nil {
			t.Fatal(err)
		}
	}
	replace([]byte("half a certif"))
	s.look()
	s.look()
	if s.policy().Config != before || strings.Count(said.String(), "were not taken") != 1 || !strings.Contains(said.String(), "`backend.ca`") {
		t.Errorf("a broken one: %s", &said)
	}
	other, err := certstest.New(t.TempDir(), "ca")
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(other.File)
	if err != nil {
		t.Fatal(err)
	}
	replace(content)
	s.look()
	if s.policy().Config.RootCAs.Equal(before.RootCAs) || !strings.Contains(said.String(), "new certificates are used") {
		t.Errorf("another authority is not taken: %s", &said)
	}
}

func TestWithoutTLSNothingIsReadForServers(t *testing.T) {
	s, err := newServers(router.BackendTLS{TLS: router.BackendOff, CA: "/nowhere"}, slog.New(slog.DiscardHandler))
	if err != nil || s.policy().Config != nil || s.demanded(netip.AddrPort{}) != nil {
		t.Errorf("%+v, %v", s.policy(), err)
	}
}
