package election

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// steady is a clock that stands still until it is moved, by both hands.
type steady struct{ boot time.Duration }

func (s *steady) clock() Clock { return Clock{Boot: func() time.Duration { return s.boot }} }

const hour = time.Hour // long beside what a test takes

func TestPromiseBindsTheNextAgentOfTheHost(t *testing.T) {
	dir, s := t.TempDir(), &steady{boot: hour}
	p, err := LoadPromises(dir, s.clock())
	if err != nil {
		t.Fatal(err)
	}
	m := Promise{To: "db1", Reign: true, TTL: hour}
	p.Bind(m)
	if err := p.Save(m); err != nil {
		t.Fatal(err)
	}
	next, err := LoadPromises(dir, s.clock())
	if err != nil {
		t.Fatal(err)
	}
	if reign, claim, to := next.Left(); reign < hour || claim < hour || to != "db1" {
		t.Errorf("bound for %s and %s to %q", reign, claim, to)
	}
}

func TestPromiseOfAnEarlierBootBindsForItsWholeTime(t *testing.T) {
	dir, s := t.TempDir(), &steady{boot: 100 * hour}
	text := `{"v":1,"boot":"another","to":"db1","reign":60,"claim":60,"ttl":3600000000000}`
	if err := os.WriteFile(filepath.Join(dir, promisesFile), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := LoadPromises(dir, s.clock())
	if err != nil {
		t.Fatal(err)
	}
	if reign, _, _ := p.Left(); reign <= 0 {
		t.Errorf("bound for %s after a reboot", reign)
	}
}

func TestDamagedPromisesAreNotTakenForNone(t *testing.T) {
	for _, text := range []string{"", "{", `{"v":9}`} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, promisesFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadPromises(dir, Clock{}); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestPromiseToReadersDoesNotBindTheReign(t *testing.T) {
	p, err := LoadPromises(t.TempDir(), Clock{})
	if err != nil {
		t.Fatal(err)
	}
	p.Bind(Promise{To: "db3", TTL: hour})
	if reign, claim, _ := p.Left(); reign > 0 || claim <= 0 {
		t.Errorf("bound for %s and %s", reign, claim)
	}
}

func TestPromiseIsNeverShortened(t *testing.T) {
	p, err := LoadPromises(t.TempDir(), Clock{})
	if err != nil {
		t.Fatal(err)
	}
	p.Bind(Promise{To: "db1", Reign: true, TTL: hour})
	p.Bind(Promise{To: "db2", Reign: true, TTL: time.Millisecond})
	if reign, _, _ := p.Left(); reign < hour/2 {
		t.Errorf("bound for %s only", reign)
	}
}

// A suspended machine's monotonic clock stands still: the promise then binds too
// long, never too short.
func TestPromiseBindsUntilItIsOverOnBothClocks(t *testing.T) {
	s := &steady{boot: hour}
	p, err := LoadPromises(t.TempDir(), s.clock())
	if err != nil {
		t.Fatal(err)
	}
	p.Bind(Promise{To: "db1", Reign: true, TTL: hour})
	s.boot += 2 * hour
	if reign, _, _ := p.Left(); reign <= 0 {
		t.Error("over on one clock only, and not kept any more")
	}
}

func TestPromiseThatCannotBeWrittenIsAnError(t *testing.T) {
	dir := t.TempDir()
	p, err := LoadPromises(dir, Clock{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, promisesFile), 0o700); err != nil {
		t.Fatal(err)
	}
	m := Promise{To: "db1", Reign: true, TTL: hour}
	p.Bind(m)
	if err := p.Save(m); err == nil {
		t.Error("it was not said")
	}
	if reign, _, _ := p.Left(); reign <= 0 {
		t.Error("it does not bind in this process")
	}
}

func TestKeyOfTheHostIsKeptAndPrivate(t *testing.T) {
	dir := t.TempDir()
	first, created, err := PrivateKey(dir)
	if err != nil || !created {
		t.Fatal(created, err)
	}
	again, created, err := PrivateKey(dir)
	if err != nil || created || !first.Equal(again) {
		t.Errorf("another key: %t %v", created, err)
	}
	info, err := os.Stat(filepath.Join(dir, keyFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %s, %v", info.Mode(), err)
	}
	if err := os.WriteFile(filepath.Join(dir, keyFile), []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := PrivateKey(dir); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged key was taken: %v", err)
	}
}
