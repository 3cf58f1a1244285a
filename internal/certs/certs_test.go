package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"github.com/mmm-ha/mmm/internal/certs/certstest"
)

var loopback = netip.MustParseAddr("127.0.0.1")

// bench has an authority, another one that nobody trusts, and the files of a
// client that is welcome.
type bench struct {
	t         *testing.T
	dir       string
	ca, other *certstest.Authority
	good      Files
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir()}
	var err1, err2 error
	b.ca, err1 = certstest.New(b.dir, "ca")
	b.other, err2 = certstest.New(b.dir, "other")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	b.good = b.files(b.ca, certstest.Want{Name: "good"})
	return b
}

// files are those of a side whose certificate an authority signs.
func (b *bench) files(a *certstest.Authority, w certstest.Want) Files {
	b.t.Helper()
	cert, key, err := a.Sign(b.dir, w)
	if err != nil {
		b.t.Fatal(err)
	}
	return Files{CA: b.ca.File, Cert: cert, Key: key, Names: Names{CA: "`ca`", Cert: "`cert`", Key: "`key`"}}
}

func (b *bench) open(f Files) *Certs {
	b.t.Helper()
	c, err := Open(f)
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

// serve starts a server of gRPC with this certificate; nil: a plain one.
func (b *bench) serve(c *Certs) string {
	b.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	creds := insecure.NewCredentials()
	if c != nil {
		conf := c.Server()
		conf.NextProtos = []string{"h2"}
		creds = credentials.NewTLS(conf)
	}
	server := grpc.NewServer(grpc.Creds(creds))
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	b.t.Cleanup(func() { server.Stop(); <-done })
	return l.Addr().String()
}

// server is a server whose certificate the authority signs.
func (b *bench) server(w certstest.Want) string {
	b.t.Helper()
	return b.serve(b.open(b.files(b.ca, w)))
}

// call connects anew and asks for something that the server does not know: that is
// the answer of one that let the client in. It returns what told heard last.
func (b *bench) call(c *Certs, address string) (explained, err error) {
	b.t.Helper()
	creds := insecure.NewCredentials()
	heard := make(chan error, 100)
	if c != nil {
		creds = c.Credentials(func(err error) { heard <- err })
	}
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(creds))
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.t.Context(), 10*time.Second)
	defer cancel()
	err = conn.Invoke(ctx, "/nobody/knows", nil, nil, grpc.ForceCodecV2(nothing{}))
	_ = conn.Close()
	if c == nil {
		return c.Explain(err), err
	}
	for len(heard) > 0 {
		if e := <-heard; e != nil {
			explained = e
		}
	}
	return explained, err
}

func TestConnectionThatDoesNotComeAboutIsExplained(t *testing.T) {
	b := newBench(t)
	past := time.Now().Add(-time.Hour)
	here := []netip.Addr{loopback}
	client := func(w certstest.Want) *Certs { return b.open(b.files(b.ca, w)) }
	noCA, noCert, wrongCA, notMine := b.good, b.good, b.good, b.files(b.other, certstest.Want{Name: "stranger"})
	noCA.CA, noCert.Cert, noCert.Key, wrongCA.CA = "", "", "", b.other.File
	good := b.server(certstest.Want{Name: "db1", Addresses: here})
	tests := []struct {
		name   string
		client *Certs
		server string
		want   []string
	}{
		{"certificate for another address", b.open(b.good), b.server(certstest.Want{Name: "elsewhere", Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}),
			[]string{"its certificate is not for 127.0.0.1 but for 192.0.2.1", "subjectAltName"}},
		{"certificate without an address", b.open(b.good), b.server(certstest.Want{Name: "nowhere"}), []string{"but for no address at all", "subjectAltName"}},
		{"server's certificate expired", b.open(b.good), b.server(certstest.Want{Name: "old", Addresses: here, Until: past}), []string{"its certificate expired on", "renew it there"}},
		{"server's clock is ahead", b.open(b.good), b.server(certstest.Want{Name: "early", Addresses: here, Until: time.Now().Add(72 * time.Hour)}), []string{"valid only from", "clocks"}},
		{"server with a certificate of clients", b.open(b.good), b.server(certstest.Want{Name: "c", Addresses: here, Usages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}), []string{"serverAuth"}},
		{"another CA", b.open(wrongCA), good, []string{"not signed by the CA in " + b.other.File + " (`ca`)", "put the CA there that signed it"}},
		{"no CA", b.open(noCA), good, []string{"no", "CA that this machine trusts", "`ca`"}},
		{"no certificate", b.open(noCert), good, []string{"it wants to see a certificate: give `cert` and `key`"}},
		{"certificate of another CA", b.open(notMine), good, []string{"it does not trust the CA that signed our certificate in " + notMine.Cert + " (`cert`)"}},
		{"own certificate expired", client(certstest.Want{Name: "late", Until: past}), good, []string{"late.pem (`cert`) has expired: renew it", "no restart is needed"}},
		{"client with a certificate of servers", client(certstest.Want{Name: "s", Usages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}), good, []string{"s.pem (`cert`)", "clientAuth"}},
		{"TLS to a plain server", b.open(b.good), b.serve(nil), []string{"TLS", "http://"}},
		{"plain to a server with TLS", nil, good, []string{"plain http", "https://"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for range 20 { // what the other side says races with its hanging up
				explained, err := b.call(tt.client, tt.server)
				var e *Explained
				if !errors.As(explained, &e) || status.Code(err) != codes.Unavailable {
					t.Fatalf("explained %v, error %v", explained, err)
				}
				for _, want := range tt.want {
					if !strings.Contains(e.Text, want) {
						t.Fatalf("it says %q, not %q", e.Text, want)
					}
				}
			}
		})
	}
	if explained, err := b.call(b.open(b.good), good); explained != nil || status.Code(err) != codes.Unimplemented {
		t.Errorf("a client that is welcome: %v, %v", explained, err)
	}
}

// Each new connection shows what is on disk then, on both sides, and so it is with
// the CA; a file that is no good does not take the place of one that was.
func TestFilesRenewedOnDiskAreTakenForTheNextConnection(t *testing.T) {
	b := newBench(t)
	late := certstest.Want{Name: "db1", Addresses: []netip.Addr{loopback}, Until: time.Now().Add(-time.Hour)}
	server := b.server(late)
	mine := b.open(b.files(b.ca, certstest.Want{Name: "mine"}))
	refused := func(what string) {
		t.Helper()
		if explained, err := b.call(mine, server); explained == nil || status.Code(err) != codes.Unavailable {
			t.Fatalf("%s: %v, %v", what, explained, err)
		}
	}
	welcome := func(what string) {
		t.Helper()
		if explained, err := b.call(mine, server); explained != nil || status.Code(err) != codes.Unimplemented {
			t.Fatalf("%s: %v, %v", what, explained, err)
		}
	}
	refused("server expired")
	late.Until = time.Time{}
	b.files(b.ca, late)
	welcome("server renewed")
	b.files(b.ca, certstest.Want{Name: "mine", Until: time.Now().Add(-time.Hour)})
	refused("client expired")
	b.files(b.ca, certstest.Want{Name: "mine"})
	welcome("client renewed")
	if err := os.WriteFile(mine.files.Key, []byte("half a k"), 0o600); err != nil {
		t.Fatal(err)
	}
	welcome("key half written")
	ca, err := os.ReadFile(b.ca.File)
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := certstest.New(b.dir, "ca")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"db1", "mine"} {
		if _, _, err := fresh.Sign(b.dir, certstest.Want{Name: name, Addresses: late.Addresses}); err != nil {
			t.Fatal(err)
		}
	}
	welcome("another CA on both sides")
	if err := os.WriteFile(b.ca.File, ca, 0o644); err != nil {
		t.Fatal(err)
	}
	refused("the first CA again")
}

func TestFilesThatCannotWorkAreRefusedWithTheirNames(t *testing.T) {
	b := newBench(t)
	garbage := filepath.Join(b.dir, "garbage")
	if err := os.WriteFile(garbage, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	open := b.files(b.ca, certstest.Want{Name: "open"})
	if err := os.Chmod(open.Key, 0o644); err != nil {
		t.Fatal(err)
	}
	another := b.files(b.ca, certstest.Want{Name: "another"})
	tests := []struct {
		name   string
		change func(*Files)
		want   []string
	}{
		{"no CA file", func(f *Files) { f.CA = "/nowhere/ca.pem" }, []string{"`ca`", "there is no file /nowhere/ca.pem"}},
		{"no certificate file", func(f *Files) { f.Cert = "/nowhere/c.pem" }, []string{"`cert`", "there is no file /nowhere/c.pem"}},
		{"no key file", func(f *Files) { f.Key = "/nowhere/k.pem" }, []string{"`key`", "there is no file /nowhere/k.pem"}},
		{"CA is a directory", func(f *Files) { f.CA = b.dir }, []string{"`ca`", b.dir, "directory"}},
		{"CA is no PEM", func(f *Files) { f.CA = garbage }, []string{"`ca`", garbage, "PEM"}},
		{"certificate is no PEM", func(f *Files) { f.Cert = garbage }, []string{"`cert`", garbage, "PEM"}},
		{"key is no PEM", func(f *Files) { f.Key = garbage }, []string{"`key`", garbage, "is not the key of"}},
		{"key of another", func(f *Files) { f.Key = another.Key }, []string{"`key`", another.Key, "is not the key of the certificate in " + b.good.Cert}},
		{"key that everybody may read", func(f *Files) { *f = open }, []string{"`key`", open.Key, "chmod 0600"}},
		{"certificate without its key", func(f *Files) { f.Key = "" }, []string{"`cert` and `key` belong together"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := b.good
			tt.change(&files)
			_, err := Open(files)
			if err == nil {
				t.Fatal("taken")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
					t.Errorf("it says %q, not %q", err, want)
				}
			}
		})
	}
	if c := (*Certs)(nil); c.Client() != nil || c.Server() != nil {
		t.Error("plain TCP has certificates")
	}
}

// A listener lets in who shows a certificate of the CA, and nobody else.
func TestServerWantsACertificateOfItsCA(t *testing.T) {
	b := newBench(t)
	address := b.server(certstest.Want{Name: "db1", Addresses: []netip.Addr{loopback}})
	for name, conf := range map[string]*tls.Config{
		"nobody":   {InsecureSkipVerify: true},
		"stranger": b.open(b.files(b.other, certstest.Want{Name: "stranger"})).Client(),
	} {
		conn, err := tls.Dial("tcp", address, conf)
		if err == nil {
			_, err = conn.Read(make([]byte, 1)) // the word of the server comes after the handshake
			_ = conn.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "tls: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// nothing is a codec of messages that are empty.
type nothing struct{}

func (nothing) Marshal(any) (mem.BufferSlice, error) { return nil, nil }
func (nothing) Unmarshal(mem.BufferSlice, any) error { return nil }
func (nothing) Name() string                         { return "nothing" }
