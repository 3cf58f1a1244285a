package router

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writeCert writes a certificate of a name that signs itself, and its key.
func writeCert(t *testing.T, dir, name string) FrontTLS {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	f := FrontTLS{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem"), MinVersion: "1.2"}
	put(t, f.Cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	put(t, f.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
	return f
}

// put writes a file with a time of its own: two changes in one tick of the file
// system's clock are still two.
func put(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	fileTime = fileTime.Add(time.Second)
	if err := os.Chtimes(path, fileTime, fileTime); err != nil {
		t.Fatal(err)
	}
}

var fileTime = time.Now()

func TestANewCertificateIsShownAndABrokenOneIsNot(t *testing.T) {
	dir := t.TempDir()
	var said bytes.Buffer
	f, err := newFront(writeCert(t, dir, "one"), slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	shown := func() string { return leafOf(f.config()).Subject.CommonName }
	if shown() != "one" {
		t.Fatalf("shown: %s", shown())
	}
	writeCert(t, dir, "two")
	f.look()
	if shown() != "two" || !strings.Contains(said.String(), "a new certificate is shown") {
		t.Errorf("shown: %s; said: %s", shown(), &said)
	}

	put(t, filepath.Join(dir, "cert.pem"), []byte("half a certif"))
	said.Reset()
	f.look()
	if shown() != "two" || !strings.Contains(said.String(), "clients are shown the one before") {
		t.Errorf("shown: %s; said: %s", shown(), &said)
	}
	said.Reset()
	f.look()
	if said.Len() > 0 {
		t.Errorf("said again: %s", &said)
	}
	writeCert(t, dir, "three")
	f.look()
	if shown() != "three" {
		t.Errorf("shown after it was mended: %s", shown())
	}
}

func TestReloadTakesWhatItCanAndNamesTheRest(t *testing.T) {
	r := run(t, nil)
	next := *r.config.Load()
	next.Limits.Connections, next.Readers.Writer, next.Name = 7, WriterNever, "another"
	got, err := r.Reload(next)
	if err != nil || strings.Join(got.Taken, " ") != "limits readers" || strings.Join(got.Restart, " ") != "name" {
		t.Fatalf("%+v, %v", got, err)
	}
	now := r.config.Load()
	if now.Limits.Connections != 7 || now.Readers.Writer != WriterNever || now.Name == "another" || r.gate.limits.Connections != 7 {
		t.Errorf("%+v", now)
	}
	if got, err := r.Reload(*r.config.Load()); err != nil || len(got.Taken)+len(got.Restart) > 0 {
		t.Errorf("the same again: %+v, %v", got, err)
	}
}

func TestTheMetricsSayThatTheFileWasNotTaken(t *testing.T) {
	r := run(t, nil)
	taken := func() string {
		_, text := r.page("/metrics")
		_, rest, _ := strings.Cut(text, "\nmmm_router_config_last_reload_successful ")
		return rest[:1]
	}
	if got := taken(); got != "1" {
		t.Errorf("at the start: %s", got)
	}
	broken := *r.config.Load()
	broken.SlowLog.File = "/nowhere/slow.log"
	if _, err := r.Reload(broken); err == nil || taken() != "0" {
		t.Errorf("a slow log that cannot be: %v, %s", err, taken())
	}
	if _, err := r.Reload(*r.config.Load()); err != nil || taken() != "1" {
		t.Errorf("mended: %v, %s", err, taken())
	}
	if r.NotTaken(); taken() != "0" {
		t.Errorf("a file that cannot be read: %s", taken())
	}
}

func TestReloadWithABrokenCertificateChangesNothing(t *testing.T) {
	files := writeCert(t, t.TempDir(), "one")
	r := run(t, func(c *Config) { c.TLS = files })
	put(t, files.Cert, []byte("broken"))
	next := *r.config.Load()
	next.Limits.Connections = 7
	if _, err := r.Reload(next); err == nil || !strings.Contains(err.Error(), "tls.cert") {
		t.Errorf("%v", err)
	}
	if r.config.Load().Limits.Connections == 7 {
		t.Error("half of the file was taken")
	}
}

func TestAKeyThatNoReloadTakesIsAKeyOfTheFile(t *testing.T) {
	keys := strings.Join(keysOf(typeOfConfig), " ")
	for _, key := range fixed {
		if !strings.Contains(" "+keys+" ", " "+key+" ") {
			t.Errorf("%s is no key", key)
		}
	}
}
