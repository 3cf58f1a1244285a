package session

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/router"
	"github.com/mmm-ha/mmm/router/wire"
)

// door writes down who asks for a place.
type door struct {
	mu     sync.Mutex
	asked  []string
	refuse error
}

func (d *door) admit(_ context.Context, user string, most int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, fmt.Sprint(user, " ", most))
	return d.refuse
}

func (d *door) all() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.asked, ", ")
}

// letsIn asks everybody for a proof and takes any.
func letsIn(h *stagehand) bool { _, ok := h.asks(); return ok }

func TestNameAloneTakesNoPlace(t *testing.T) {
	writer := newPuppet(t, "db1", nil)
	writer.judges = func(h *stagehand) bool {
		if _, ok := h.asks(); ok {
			h.refuse(1045, "28000", "Access denied")
		}
		return false
	}
	r, d := newTheatre(t, writer), &door{}
	r.admit = d.admit
	r.serveAll()
	for _, user := range []string{"app", "unknown"} {
		if _, err := greet(r.address, 0, user, "wrong", ""); err == nil || !strings.Contains(err.Error(), "Access denied") {
			t.Errorf("%s: %v", user, err)
		}
	}
	if got := d.all(); got != "" {
		t.Errorf("places were taken without a proof: %s", got)
	}
	writer.judges = nil
	r.talk()
	if got := d.all(); got != "app 7" {
		t.Errorf("with the proof: %q", got)
	}
}

func TestAJudgedLoginTakesAPlaceOnceAndMayBeRefusedOne(t *testing.T) {
	writer := newPuppet(t, "db1", nil)
	writer.judges = letsIn
	r, d := newTheatre(t, writer), &door{}
	r.admit = d.admit
	r.serveAll()
	k, err := greet(r.address, 0, "other", "any", "")
	if err != nil {
		t.Fatal(err)
	}
	defer k.close()
	if got := d.all(); got != "other 0" {
		t.Errorf("places: %q", got)
	}
	d.refuse = &router.Refusal{Code: 1203, State: "42000", Message: "User other already has more"}
	if _, err := greet(r.address, 0, "other", "any", ""); err == nil || !strings.Contains(err.Error(), "already has more") {
		t.Errorf("the second: %v", err)
	}
}

func TestWhoBecomesAnotherUserAsksForThatUsersPlace(t *testing.T) {
	writer := newPuppet(t, "db1", nil)
	r, d := newTheatre(t, writer), &door{}
	r.admit = d.admit
	k := r.talk()
	writer.judges = letsIn
	k.changeUser("other", "any", "")
	k.query("DO 1")
	if got := k.said(); d.all() != "app 7, other 0" || !strings.Contains(got, "ok ") {
		t.Errorf("places %q: %s", d.all(), got)
	}
	d.refuse = &router.Refusal{Code: 1203, State: "42000", Message: "User third already has more"}
	k.changeUser("third", "any", "")
	k.query("DO 2")
	if got := k.said(); !strings.Contains(got, "already has more") || writer.heard("DO 2") != 0 || k.broken == nil {
		t.Errorf("the user with too many: %s", got)
	}
}

func TestWhoBecomesAnotherUserHasTheTimeOfALogin(t *testing.T) {
	writer := newPuppet(t, "db1", nil)
	r := newTheatre(t, writer)
	k := r.talk()
	writer.judges = letsIn
	s := r.only()
	time.Sleep(50 * time.Millisecond)
	login := wire.Login{User: "other", Charset: 45, Plugin: "mysql_native_password"}
	b, _ := wire.AppendPacket(nil, login.AppendChangeUser(nil, k.caps), 0)
	if _, err := k.conn.Write(b); err != nil {
		t.Fatal(err)
	}
	if p := k.next(); len(p) == 0 || p[0] != 0xfe {
		t.Fatalf("asked by %q", p)
	}
	if got := s.State(); got.Phase != router.LoggingIn || got.Waited < 50*time.Millisecond {
		t.Errorf("whoever does not answer is %s, after %s that do not count", got.Phase, got.Waited)
	}
	b, _ = wire.AppendPacket(nil, make([]byte, 20), 2)
	_, _ = k.conn.Write(b)
	k.hear(wire.ComQuery)
	if got := k.said(); !strings.Contains(got, "ok ") {
		t.Error(got)
	}
	r.until("it is idle", func() bool { return s.State().Phase == router.Idle })
}

// asked begins a login of somebody whom the writer must judge, up to its question.
func (r *rig) asked() (net.Conn, *wire.Reader) {
	r.Helper()
	c, err := net.Dial("tcp", r.address)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(answerLimit))
	packets := wire.NewReader(c, 1<<20)
	if _, _, err := packets.Next(); err != nil {
		r.Fatal(err)
	}
	login := wire.Login{Capabilities: plainCaps &^ wire.ConnectWithDB, MaxPacket: 1 << 24, Charset: 45, User: "other", Plugin: "mysql_native_password"}
	b, _ := wire.AppendPacket(nil, login.Append(nil), 1)
	if _, err := c.Write(b); err != nil {
		r.Fatal(err)
	}
	if p, _, err := packets.Next(); err != nil || p[0] != 0xfe {
		r.Fatalf("%q, %v", p, err)
	}
	return c, packets
}

func TestLoginThatItsClientBreaksOffIsEndedAtTheServer(t *testing.T) {
	answers := make(chan []byte, 1)
	writer := newPuppet(t, "db1", nil)
	writer.judges = func(h *stagehand) bool {
		answer, ok := h.asks()
		if !ok {
			answer = []byte("nothing: the connection was closed")
		}
		answers <- answer
		h.refuse(1045, "28000", "Access denied")
		return false
	}
	r := newTheatre(t, writer)
	r.serveAll()
	c, _ := r.asked()
	_ = c.Close()
	if got := <-answers; len(got) != 0 {
		t.Errorf("the server's question was answered with %q", got)
	}
}

func TestQuestionWhatServersAreLikeIsNoBrokenLogin(t *testing.T) {
	writer := newPuppet(t, "db1", nil)
	r := newTheatre(t, writer)
	r.talk() // the first client, for whose greeting it is asked
	writer.mu.Lock()
	defer writer.mu.Unlock()
	if len(writer.strangers) != 1 || !writer.strangers[0] {
		t.Errorf("logins that were ended by an answer: %v", writer.strangers)
	}
}

func TestAnswerOfAnotherLengthIsPassedOnAsAWrongOne(t *testing.T) {
	answers := make(chan []byte, 1)
	writer := newPuppet(t, "db1", nil)
	writer.judges = func(h *stagehand) bool {
		answer, _ := h.asks()
		answers <- answer
		h.refuse(1045, "28000", "Access denied")
		return false
	}
	r := newTheatre(t, writer)
	r.serveAll()
	c, _ := r.asked()
	b, _ := wire.AppendPacket(nil, []byte("short"), 3)
	_, _ = c.Write(b)
	if got := <-answers; len(got) != 20 {
		t.Errorf("the server was told %q, which it counts as a broken handshake", got)
	}
}

func TestClientMayThinkLongerThanAServerMayTake(t *testing.T) {
	silent := make(chan struct{})
	defer close(silent)
	writer := newPuppet(t, "db1", nil)
	writer.judges = letsIn
	r := newTheatre(t, writer)
	r.rules.Dial = 500 * time.Millisecond
	r.serveAll()
	answer, _ := wire.AppendPacket(nil, make([]byte, 20), 3)
	c, packets := r.asked()
	time.Sleep(2 * r.rules.Dial)
	_, _ = c.Write(answer)
	if p, _, err := packets.Next(); err != nil || p[0] != 0 {
		t.Errorf("who thought was told %q, %v", p, err)
	}

	writer.judges = func(h *stagehand) bool {
		_, _ = h.asks()
		<-silent
		return false
	}
	c, packets = r.asked()
	_, _ = c.Write(answer)
	if p, _, err := packets.Next(); err == nil && p[0] != 0xff || err != nil && isTimeout(err) {
		t.Errorf("of a server that says nothing: %q, %v", p, err)
	}
}

func TestWaitForAPlaceIsSeenAndCounted(t *testing.T) {
	granted := make(chan struct{})
	writer := newPuppet(t, "db1", nil)
	r := newTheatre(t, writer)
	r.admit = func(context.Context, string, int) error { <-granted; return nil }
	r.serveAll()
	done := make(chan error, 1)
	go func() {
		k, err := greet(r.address, 0, "app", "secret", "")
		if err == nil {
			r.Cleanup(k.close)
		}
		done <- err
	}()
	state := func() (s router.State) {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, one := range r.sessions {
			s = one.State()
		}
		return s
	}
	r.until("it waits", func() bool { return state().Phase == router.Waiting })
	time.Sleep(20 * time.Millisecond)
	if writer.greeted() != 0 {
		t.Error("a server was asked before there was a place")
	}
	close(granted)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	r.until("it is in", func() bool { return state().Phase == router.Idle })
	if got := state().Waited; got < 20*time.Millisecond || got > answerLimit {
		t.Errorf("it waited %s", got)
	}
}
