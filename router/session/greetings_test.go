package session

import (
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/router/follow"
	"github.com/mmm-ha/mmm/router/wire"
)

// askedBy is a client that agrees on all that it is offered of these.
func (r *rig) askedBy(caps wire.Capability) *talker {
	r.Helper()
	r.serveAll()
	k, err := greet(r.address, caps, "app", "secret", "")
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(k.close)
	return k
}

func TestClientIsPromisedWhatAllServersCan(t *testing.T) {
	newer, older := newPuppet(t, "db1", nil), newPuppet(t, "db2", nil)
	newer.version, newer.offers = "11.8.3-MariaDB", puppetCaps|wire.MariaBulk|wire.MariaExtendedMetadata
	older.version, older.offers = "10.11.9-MariaDB", puppetCaps|wire.MariaBulk
	r := newTheatre(t, newer, older)
	r.askedBy(wire.MariaBulk).answers("SELECT 1", "SELECT a FROM t") // by this the router has heard both
	k := r.askedBy(wire.MariaBulk)
	g := k.greeting
	if g.Version != "10.11.9-MariaDB" || !g.Capabilities.Has(wire.MariaBulk) || g.Capabilities.Has(wire.MariaExtendedMetadata) {
		t.Errorf("greeted with %s, %#x", g.Version, g.Capabilities)
	}
	before := older.heard("SELECT a FROM t")
	k.answers("SELECT a FROM t")
	if older.heard("SELECT a FROM t") != before+1 {
		t.Error("who was promised what both can is not read for at the older one")
	}
	if got := older.heard("UUID_V7"); got != 0 {
		t.Errorf("what only the newer one has: %d", got)
	}
	k.answers("SELECT UUID_V7()")
	if older.heard("UUID_V7") != 0 || newer.heard("UUID_V7") != 1 {
		t.Error("a function that only the newer one has went to the older one")
	}
}

func TestVersionsAreComparedAsNumbers(t *testing.T) {
	var g greetings
	for host, v := range map[string]string{"db1": "5.5.5-10.11.9-MariaDB", "db2": "10.6.22-MariaDB", "db3": "11.8.3-MariaDB", "db4": "8.0.40"} {
		g.heard(host, wire.Greeting{Version: v})
	}
	v := &follow.View{Writer: follow.Host{Name: "db1"}, Readers: []follow.Reader{{Host: follow.Host{Name: "db3"}}, {Host: follow.Host{Name: "db4"}}, {Host: follow.Host{Name: "db2"}}}}
	if got, ok := g.common(v); !ok || got.Version != "10.6.22-MariaDB" {
		t.Errorf("the oldest of its kind is %q", got.Version)
	}
	if got, ok := g.common(&follow.View{}); !ok || got.Version == "" {
		t.Error("while there is no server nobody is greeted")
	}
	if _, ok := new(greetings).common(v); ok {
		t.Error("a greeting came from nowhere")
	}
}

func TestNextWriterThatCanLessEndsTheSessionAndBreaksNoAnswer(t *testing.T) {
	writer, less, other := newPuppet(t, "db1", nil), newPuppet(t, "db2", nil), newPuppet(t, "db3", nil)
	less.offers = puppetCaps &^ wire.DeprecateEOF
	other.version = "8.0.40"
	for _, next := range []*puppet{less, other} {
		r := newTheatre(t, writer, less, other)
		v := *r.world.View()
		v.Readers = nil
		r.world.set(v)
		k := r.askedBy(wire.DeprecateEOF)
		k.answers("DELETE FROM t")
		r.reign(next)
		began := time.Now()
		if got := k.answers("DELETE FROM u"); !strings.Contains(got, "error 2013") || !strings.Contains(got, next.host.Name) {
			t.Errorf("%s: %s", next.host.Name, got)
		}
		if next.heard("DELETE") != 0 || time.Since(began) > answerLimit/2 {
			t.Errorf("%s was told to do it, or tried in vain", next.host.Name)
		}
		if k.answers("DELETE FROM v"); k.broken == nil {
			t.Errorf("%s: the session goes on", next.host.Name)
		}
		if k = r.askedBy(wire.DeprecateEOF); k.greeting.Capabilities.Has(wire.DeprecateEOF) != (next == other) || k.greeting.MariaDB() != (next == less) {
			t.Errorf("who comes then is promised %s, %#x", k.greeting.Version, k.greeting.Capabilities)
		}
		if got := k.answers("DELETE FROM w"); !strings.Contains(got, "ok ") || next.heard("DELETE FROM w") != 1 {
			t.Errorf("who comes then: %s", got)
		}
	}
}

func TestReaderOfAnotherKindIsNotReadFrom(t *testing.T) {
	writer, other := newPuppet(t, "db1", nil), newPuppet(t, "db2", nil)
	other.version = "8.0.40"
	r := newTheatre(t, writer, other)
	said := r.noted()
	k := r.talk()
	if k.answers("SELECT a FROM t"); writer.heard("SELECT a FROM t") != 1 || other.heard("SELECT") != 0 {
		t.Error("it was read from")
	}
	if got := said.String(); strings.Count(got, "db2 is of another kind") != 1 {
		t.Errorf("the log says: %s", got)
	}
}
