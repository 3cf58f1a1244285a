package backend_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/internal/certs/certstest"
	"github.com/mmm-ha/mmm/internal/dbops/dbopstest"
	"github.com/mmm-ha/mmm/router/auth"
	"github.com/mmm-ha/mmm/router/backend"
)

// believes is a TLS configuration that believes one authority.
func believes(t *testing.T, a *certstest.Authority) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(a.File)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}

func TestModesOfTLSToAServer(t *testing.T) {
	dir := t.TempDir()
	ours, err := certstest.New(dir, "ours")
	if err != nil {
		t.Fatal(err)
	}
	others, err := certstest.New(dir, "others")
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := ours.Sign(dir, certstest.Want{Name: "db1", Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
	if err != nil {
		t.Fatal(err)
	}
	secret := dbopstest.Start(t, "read_only=0", "ssl_cert="+cert, "ssl_key="+key)
	plain := dbopstest.Start(t, "read_only=0")
	for _, s := range []*dbopstest.Server{secret, plain} {
		s.Exec("CREATE USER app@'%' IDENTIFIED BY 'secret'")
	}
	secret.Exec("CREATE USER careful@'%' IDENTIFIED BY 'secret' REQUIRE SSL")
	for _, c := range []struct {
		name, user string
		server     *dbopstest.Server
		policy     backend.TLS
		secret     bool
		refusal    string
	}{
		{"off", "app", secret, backend.TLS{Mode: backend.TLSOff}, false, ""},
		{"off, and the account wants it", "careful", secret, backend.TLS{}, false, "1045"},
		{"prefer", "careful", secret, backend.TLS{Mode: backend.TLSPrefer, Config: believes(t, others)}, true, ""},
		{"prefer, and there is none", "app", plain, backend.TLS{Mode: backend.TLSPrefer, Config: believes(t, ours)}, false, ""},
		{"require", "careful", secret, backend.TLS{Mode: backend.TLSRequire, Config: believes(t, others)}, true, ""},
		{"require, and there is none", "app", plain, backend.TLS{Mode: backend.TLSRequire, Config: believes(t, ours)}, false, "offers no TLS"},
		{"verify", "careful", secret, backend.TLS{Mode: backend.TLSVerify, Config: believes(t, ours)}, true, ""},
		{"verify, by another authority", "careful", secret, backend.TLS{Mode: backend.TLSVerify, Config: believes(t, others)}, false, "unknown authority"},
	} {
		got, err := backend.Dial(within(t), target(c.server), who(c.user), auth.ClearSecret("secret"), c.policy)
		switch {
		case (err == nil) != (c.refusal == "") || err != nil && !strings.Contains(err.Error(), c.refusal):
			t.Errorf("%s: %v", c.name, err)
		case err == nil && got.Secret != c.secret:
			t.Errorf("%s: TLS is %v", c.name, got.Secret)
		}
		if err == nil {
			query(t, got, "DO 1")
			got.Quit()
		}
	}
}

func TestConnectionByTLSIsPooled(t *testing.T) {
	dir := t.TempDir()
	ours, err := certstest.New(dir, "ours")
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := ours.Sign(dir, certstest.Want{Name: "db1", Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
	if err != nil {
		t.Fatal(err)
	}
	s := dbopstest.Start(t, "read_only=0", "ssl_cert="+cert, "ssl_key="+key)
	s.Exec("CREATE USER careful@'%' IDENTIFIED BY 'secret' REQUIRE SSL")
	pool := backend.NewPool(1, 1<<40)
	defer pool.Close()
	policy, clear := backend.TLS{Mode: backend.TLSVerify, Config: believes(t, ours)}, auth.ClearSecret("secret")
	first, err := pool.Dial(within(t), target(s), who("careful"), clear, policy)
	if err != nil {
		t.Fatal(err)
	}
	pool.Keep(within(t), first, who("careful"), clear, policy)
	second, err := pool.Dial(within(t), target(s), who("careful"), clear, policy)
	if err != nil || second.Greeting.Connection != first.Greeting.Connection || !second.Secret {
		t.Fatalf("%+v, %v", second, err)
	}
	query(t, second, "DO 1")
	second.Quit()
}

func TestConnectionThatItsServerHasClosedIsKnownByItsLook(t *testing.T) {
	dir := t.TempDir()
	ours, err := certstest.New(dir, "ours")
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := ours.Sign(dir, certstest.Want{Name: "db1", Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
	if err != nil {
		t.Fatal(err)
	}
	s := dbopstest.Start(t, "read_only=0", "ssl_cert="+cert, "ssl_key="+key)
	s.Exec("CREATE USER app@'%' IDENTIFIED BY 'secret'")
	for _, policy := range []backend.TLS{{Mode: backend.TLSOff}, {Mode: backend.TLSVerify, Config: believes(t, ours)}} {
		c, err := backend.Dial(within(t), target(s), who("app"), auth.ClearSecret("secret"), policy)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		if c.Closed() {
			t.Errorf("TLS %s: a new one counts as closed", policy.Mode)
		}
		query(t, c, "DO 1")
		if c.Closed() {
			t.Errorf("TLS %s: one that answers counts as closed", policy.Mode)
		}
		s.Exec("KILL " + fmt.Sprint(c.Greeting.Connection))
		for end := time.Now().Add(10 * time.Second); !c.Closed(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("TLS %s: nobody sees that it is closed", policy.Mode)
			}
		}
	}
}

// What TLS itself says after its begin, as a ticket, is no farewell.
func TestTicketOfTLSIsNoFarewell(t *testing.T) {
	dir := t.TempDir()
	ours, err := certstest.New(dir, "ours")
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := ours.Sign(dir, certstest.Want{Name: "db1", Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			err = c.(*tls.Conn).HandshakeContext(t.Context())
		}
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}()
	secret, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{RootCAs: believes(t, ours).RootCAs, ClientSessionCache: tls.NewLRUClientSessionCache(1), MinVersion: tls.VersionTLS13})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = secret.Close() }()
	server := <-accepted
	c := &backend.Conn{Conn: secret}
	if c.Closed() {
		t.Error("a ticket that nobody has read counts as a farewell")
	}
	_ = server.Close()
	for end := time.Now().Add(10 * time.Second); !c.Closed(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nobody sees that it is closed")
		}
	}
}
