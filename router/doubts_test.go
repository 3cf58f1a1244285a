package router

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestFilesThatCannotBeUsedAreNamedWithTheirLines(t *testing.T) {
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.pem")
	if err := os.WriteFile(broken, []byte("no certificate"), 0o644); err != nil {
		t.Fatal(err)
	}
	three := "{ca: " + broken + ", cert: " + broken + ", key: " + broken + "}\n"
	path := filepath.Join(dir, "mmmrouter.yaml")
	text := "cluster: shop\ntls: " + three + "backend: " + three + "peer: " + three + "users: {passwordFile: " + broken + "}\nadmin: here\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := CheckConfig(path)
	for _, want := range []string{">  2 | tls:", ">  3 | backend:", "`backend.ca`", ">  4 | peer:", "`peer.ca`", ">  5 | users:", "chmod 0600", ">  6 | admin:"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in:\n%v", want, err)
		}
	}
	if _, err := ReadConfig(path); err == nil || strings.Contains(err.Error(), "`backend.ca`") {
		t.Errorf("who only asks where the pages are need not read keys: %v", err)
	}
}

func TestACertificateThatEndsIsSaidInTime(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for end, want := range map[time.Time]string{
		now.Add(soon):           "",
		now.Add(24 * time.Hour): "expires in 24h0m0s: put a new one",
		now:                     "has expired at 1970-01-12 13:46:40",
	} {
		if got := lifeOf(end, now); (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q", end, got)
		}
	}
	var said bytes.Buffer
	f, err := newFront(writeCert(t, t.TempDir(), "one"), slog.New(slog.NewTextHandler(&said, nil))) // for an hour
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	for s := 0; s < 24*3600; s += 5 {
		f.life(begin.Add(time.Duration(s) * time.Second))
	}
	if n, expired := strings.Count(said.String(), "\n"), strings.Count(said.String(), "has expired"); n != 4 || expired != 3 {
		t.Errorf("%d lines in a day, %d of a certificate that has expired:\n%s", n, expired, &said)
	}
}

func TestFewFilesAreSaidWithTheWayOut(t *testing.T) {
	l := Limits{Connections: 1000, Queue: 1000}
	if got := l.fewFiles(5300); got != "" {
		t.Errorf("5300: %s", got)
	}
	if got := l.fewFiles(1024); !strings.Contains(got, "may open 1024 files") || !strings.Contains(got, "LimitNOFILE") {
		t.Errorf("1024: %s", got)
	}
	r := run(t, nil)
	next := *r.config.Load()
	next.Limits.Connections = maxWaiting
	if _, err := r.Reload(next); err != nil {
		t.Fatal(err)
	}
	if may := mayOpen(); may < 4*maxWaiting && !strings.Contains(r.said.String(), "clients may be refused before their limit is reached") {
		t.Errorf("%d files for a million clients: %s", may, r.said)
	}
}

func TestDoubtsAreSaidOfAFileThatIsRight(t *testing.T) {
	c := small(func(c *Config) { c.TLS = writeCert(t, t.TempDir(), "router") })
	got := strings.Join(c.Doubts(time.Now()), "\n")
	if !strings.Contains(got, "expires in 1h0m0s") || !strings.Contains(got, "users.passwordFile") {
		t.Error(got)
	}
	c.Users.PasswordFile, c.TLS = "/etc/mmm/router.password", FrontTLS{}
	if got := c.Doubts(time.Now()); len(got) != 0 {
		t.Error(got)
	}
}
