package session

import (
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/router/follow"
	"github.com/mmm-ha/mmm/router/wire"
)

// hangs does not answer that, nor does the server greet anybody from then on.
func hangs(text string, frozen chan struct{}) func(*stagehand) bool {
	return func(h *stagehand) bool {
		if !strings.Contains(h.text, text) {
			return false
		}
		h.mu.Lock()
		h.frozen = frozen
		h.mu.Unlock()
		<-frozen
		return true
	}
}

// sweeps lets so much time go by, in the steps of a sweeper.
func (r *rig) sweeps(d time.Duration) {
	for past := time.Duration(0); past <= d; past += time.Second {
		r.clock = r.clock.Add(time.Second)
		r.all.Sweep(r.Context(), r.clock)
	}
}

func TestWhatWaitsForAServerThatHangsEndsWithItsReign(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"INSERT INTO t VALUES (1)", "the connection ended"},
		{"/* mmm:writer */ SELECT a FROM t", "error 1213"},
	} {
		frozen := make(chan struct{})
		writer, next := newPuppet(t, "db1", hangs(c.text, frozen)), newPuppet(t, "db2", nil)
		t.Cleanup(func() { close(frozen) })
		r := newTheatre(t, writer)
		r.all.patience = 50 * time.Millisecond
		k := r.talk()
		k.say(wire.ComQuery, []byte(c.text)...)
		r.until("it hangs", func() bool { return writer.heard(c.text) == 1 })
		r.sweeps(silentGrace)
		if k.brings() {
			t.Errorf("%s: ended while its server reigns: %s", c.text, k.said())
		}
		r.reign(next)
		r.sweeps(silentGrace - time.Second)
		if k.brings() {
			t.Errorf("%s: ended at once", c.text)
		}
		r.sweeps(time.Second)
		k.hear(wire.ComQuery)
		if got := k.said(); !strings.Contains(got, c.want) {
			t.Errorf("%s: the client heard %s", c.text, got)
		}
	}
}

func TestReadOfAReaderThatHangsEndsWhenNobodyReadsFromItAnyMore(t *testing.T) {
	frozen := make(chan struct{})
	writer, reader, other := newPuppet(t, "db1", nil), newPuppet(t, "db2", hangs("SELECT", frozen)), newPuppet(t, "db3", nil)
	t.Cleanup(func() { close(frozen) })
	r := newTheatre(t, writer, reader)
	r.all.patience = 50 * time.Millisecond
	k := r.talk()
	k.say(wire.ComQuery, []byte("SELECT a FROM t")...)
	r.until("it hangs", func() bool { return reader.heard("SELECT") == 1 })
	r.sweeps(silentGrace)
	if k.brings() {
		t.Errorf("ended while the reader is one: %s", k.said())
	}
	r.world.set(follow.View{Epoch: 7, Writer: writer.host, Readers: []follow.Reader{{Host: other.host, Weight: 1}}})
	r.sweeps(silentGrace)
	k.hear(wire.ComQuery)
	if got, n := k.said(), writer.heard("SELECT")+other.heard("SELECT"); !strings.Contains(got, "ok ") || n != 1 {
		t.Errorf("another one was asked in its place %d times; the client heard %s", n, got)
	}
}

// After a planned move the old writer ends what runs on it.
func TestLongStatementOnAServerThatAnswersGoesOnAfterItsReign(t *testing.T) {
	ends := make(chan struct{})
	writer, next := newPuppet(t, "db1", func(h *stagehand) bool {
		if strings.Contains(h.text, "SELECT") {
			<-ends
		}
		return false
	}), newPuppet(t, "db2", nil)
	r := newTheatre(t, writer)
	k := r.talk()
	k.say(wire.ComQuery, []byte("SELECT a FROM t FOR UPDATE")...)
	r.until("it runs", func() bool { return writer.heard("SELECT") == 1 })
	r.reign(next)
	r.sweeps(2 * silentGrace)
	close(ends)
	k.hear(wire.ComQuery)
	if got := k.said(); !strings.Contains(got, "ok ") {
		t.Errorf("the client heard %s", got)
	}
}

// A reader whose host is gone, or whose process hangs, says nothing for seconds; its
// agent or its lease says it sooner.
func TestReaderThatHangsWhileItIsDialledIsLeftWhenItIsNoneAnyMore(t *testing.T) {
	frozen := make(chan struct{})
	writer, reader := newPuppet(t, "db1", nil), newPuppet(t, "db2", nil)
	t.Cleanup(func() { close(frozen) })
	r := newTheatre(t, writer, reader)
	r.rules.Dial = time.Hour
	k := r.talk()
	reader.mu.Lock()
	reader.frozen = frozen
	reader.mu.Unlock()
	k.say(wire.ComQuery, []byte("SELECT a FROM t")...)
	r.until("it is dialled", func() bool {
		reader.mu.Lock()
		defer reader.mu.Unlock()
		return len(reader.conns) > 0
	})
	view := *r.world.View()
	r.world.set(follow.View{Epoch: view.Epoch, Writer: view.Writer, Readers: view.Readers}) // nothing new: it ends nothing
	if k.brings() {
		t.Errorf("the client heard %s", k.said())
	}
	r.world.set(follow.View{Epoch: view.Epoch, Writer: view.Writer})
	k.hear(wire.ComQuery)
	if got := k.said(); !strings.Contains(got, "ok ") || writer.heard("SELECT") != 1 {
		t.Errorf("the client heard %s, the writer %d", got, writer.heard("SELECT"))
	}
}
