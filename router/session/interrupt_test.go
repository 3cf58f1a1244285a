package session

import (
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/internal/certs/certstest"
	"github.com/mmm-ha/mmm/router"
	"github.com/mmm-ha/mmm/router/wire"
)

// only is the one session that there is.
func (r *rig) only() *Session {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.sessions {
		return s
	}
	return nil
}

// kills ends what the one session does, as KILL QUERY does.
func (r *rig) kills() {
	r.Helper()
	if err := r.only().KillQuery(r.Context(), time.Time{}); err != nil {
		r.Error(err)
	}
}

// moving is a View of a planned move.
func (r *rig) moving() {
	v := *r.world.View()
	v.Held, v.Why = true, "the writer is being moved to db2"
	r.world.set(v)
}

func TestStatementThatWaitsForAMoveIsKilledAtOnceAndRunsNowhere(t *testing.T) {
	writer, next := newPuppet(t, "db1", nil), newPuppet(t, "db2", nil)
	r := newTheatre(t, writer)
	r.all.opt.Holder.SetLimits(HoldLimits{Time: time.Hour, Statements: 9, Bytes: 1 << 20})
	k := r.talk()
	r.moving()
	k.say(wire.ComQuery, []byte("DELETE FROM t")...)
	r.until("it is held", func() bool { n, _ := r.all.opt.Holder.Waiting(); return n == 1 })
	r.kills()
	k.hear(wire.ComQuery)
	if got := k.said(); !strings.Contains(got, "error 1317 70100") {
		t.Errorf("the killed statement: %s", got)
	}
	r.reign(next)
	k.query("INSERT INTO t VALUES (1)")
	if got := k.said(); !strings.Contains(got, "ok ") || next.heard("INSERT") != 1 || next.heard("DELETE")+writer.heard("DELETE") != 0 {
		t.Errorf("after the move: %s; the killed one ran on the old one %d times, on the new one %d", got, writer.heard("DELETE"), next.heard("DELETE"))
	}
	if n, _ := r.all.opt.Holder.Waiting(); n != 0 {
		t.Errorf("%d wait still", n)
	}
}

func TestKilledStatementThatWaitedLeavesItsTransaction(t *testing.T) {
	writer := newPuppet(t, "db1", func(h *stagehand) bool {
		if h.text != "BEGIN" {
			return false
		}
		h.fine(wire.InTransaction)
		return true
	})
	r := newTheatre(t, writer)
	r.all.opt.Holder.SetLimits(HoldLimits{Time: time.Hour, Statements: 9, Bytes: 1 << 20})
	k := r.talk()
	k.query("BEGIN")
	k.said()
	r.world.stale.Store(true)
	k.say(wire.ComQuery, []byte("DELETE FROM t")...)
	r.until("it is held", func() bool { n, _ := r.all.opt.Holder.Waiting(); return n == 1 })
	r.kills()
	k.hear(wire.ComQuery)
	if got := k.said(); !strings.Contains(got, "error 1317 70100") {
		t.Errorf("the killed statement: %s", got)
	}
	r.world.stale.Store(false)
	k.query("COMMIT")
	if got := k.said(); !strings.Contains(got, "ok ") || writer.heard("COMMIT") != 1 || writer.heard("DELETE") != 0 {
		t.Errorf("the end of its transaction: %s", got)
	}
}

func TestSessionThatWaitsForAMoveIsKilled(t *testing.T) {
	writer, next := newPuppet(t, "db1", nil), newPuppet(t, "db2", nil)
	r := newTheatre(t, writer)
	r.all.opt.Holder.SetLimits(HoldLimits{Time: time.Hour, Statements: 9, Bytes: 1 << 20})
	k := r.talk()
	r.moving()
	k.say(wire.ComQuery, []byte("DELETE FROM t")...)
	r.until("it is held", func() bool { n, _ := r.all.opt.Holder.Waiting(); return n == 1 })
	r.only().Close(&router.Refusal{Code: 1927, State: "70100", Message: "Connection was killed"})
	r.until("it has ended", func() bool { return r.only() == nil })
	r.reign(next)
	if n := next.heard("DELETE") + writer.heard("DELETE"); n != 0 {
		t.Errorf("the killed statement ran %d times", n)
	}
}

func TestStatementThatWaitsForAWriterOutOfReachIsKilled(t *testing.T) {
	writer, gone := newPuppet(t, "db1", nil), newPuppet(t, "db2", nil)
	r := newTheatre(t, writer)
	r.all.opt.Holder.SetLimits(HoldLimits{Time: time.Hour, Statements: 9, Bytes: 1 << 20})
	k := r.talk()
	gone.quit()
	r.reign(gone)
	k.say(wire.ComQuery, []byte("DELETE FROM t")...)
	r.until("it runs", func() bool { return r.only().State().Phase == router.Running })
	r.kills()
	k.hear(wire.ComQuery)
	if got := k.said(); !strings.Contains(got, "error 1317 70100") {
		t.Errorf("the killed statement: %s", got)
	}
}

func TestLongDataThatWasKilledFailsTheExecution(t *testing.T) {
	writer := newPuppet(t, "db1", prepares)
	r := newTheatre(t, writer)
	r.all.opt.Holder.SetLimits(HoldLimits{Time: time.Hour, Statements: 9, Bytes: 1 << 20})
	k := r.talk()
	k.prepare("s", "INSERT INTO t VALUES (?)")
	k.said()
	r.world.stale.Store(true)
	k.longData("s", "killed")
	r.until("it is held", func() bool { n, _ := r.all.opt.Holder.Waiting(); return n == 1 })
	r.kills()
	r.until("it is idle", func() bool { return r.only().State().Phase == router.Idle })
	r.world.stale.Store(false)
	k.execute("s", false, true, []string{"-"})
	if got := k.said(); !strings.Contains(got, "error 1317 70100") || writer.heard("COM_STMT_EXECUTE") != 0 {
		t.Errorf("executed %d times: %s", writer.heard("COM_STMT_EXECUTE"), got)
	}
	k.longData("s", "again")
	k.execute("s", false, true, []string{"-"})
	if got := k.said(); !strings.Contains(got, "ok ") || writer.heard("killed") != 0 {
		t.Errorf("the next try: %s", got)
	}
}

func TestLongDataThatWasKilledBeforeItWasSentFailsTheExecution(t *testing.T) {
	writer := newPuppet(t, "db1", prepares)
	r := newTheatre(t, writer)
	next := newPuppet(t, "db2", func(h *stagehand) bool {
		if h.command == wire.ComStmtPrepare && h.heard("COM_STMT_PREPARE") == 1 {
			r.kills()
		}
		return prepares(h)
	})
	k := r.talk()
	k.prepare("s", "INSERT INTO t VALUES (?)")
	k.said()
	r.reign(next)
	k.longData("s", "killed")
	k.execute("s", false, true, []string{"-"})
	if got := k.said(); !strings.Contains(got, "error 1317 70100") || next.heard("COM_STMT_EXECUTE")+next.heard("killed") != 0 {
		t.Errorf("executed %d times: %s", next.heard("COM_STMT_EXECUTE"), got)
	}
	k.longData("s", "again")
	k.execute("s", false, true, []string{"-"})
	if got := k.said(); !strings.Contains(got, "ok ") || next.heard("again") != 1 {
		t.Errorf("the next try: %s", got)
	}
}

// startTLS makes the listener offer TLS, and sends what asks for it, with more behind it.
func (r *rig) startTLS(more func(net.Conn) []byte) net.Conn {
	r.Helper()
	dir := r.TempDir()
	ours, err := certstest.New(dir, "ours")
	if err != nil {
		r.Fatal(err)
	}
	cert, key, err := ours.Sign(dir, certstest.Want{Name: "router"})
	if err != nil {
		r.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		r.Fatal(err)
	}
	r.tls = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	r.serveAll()
	c, err := net.Dial("tcp", r.address)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(answerLimit))
	if _, _, err := wire.NewReader(c, 1<<20).Next(); err != nil {
		r.Fatal(err)
	}
	login := wire.Login{Capabilities: plainCaps | wire.TLS, MaxPacket: 1 << 24, Charset: 45}
	b, _ := wire.AppendPacket(nil, login.AppendTLSRequest(nil), 1)
	if _, err := c.Write(append(b, more(c)...)); err != nil {
		r.Fatal(err)
	}
	return c
}

// What somebody on the way puts behind the request for TLS must not be taken for what
// the client says by TLS.
func TestWhatComesInTheClearBehindTheRequestForTLSIsNotRead(t *testing.T) {
	writer := newPuppet(t, "db1", nil)
	r := newTheatre(t, writer)
	c := r.startTLS(func(net.Conn) []byte {
		login := wire.Login{Capabilities: plainCaps | wire.TLS, MaxPacket: 1 << 24, Charset: 45, User: "mallory", Plugin: "mysql_native_password"}
		b, _ := wire.AppendPacket(nil, login.Append(nil), 2)
		return b
	})
	secret := tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	if err := secret.HandshakeContext(t.Context()); err == nil {
		t.Error("TLS begins although something was said in the clear before it")
	}
	r.until("the session has ended", func() bool { return r.only() == nil })
	if n := writer.greeted(); n != 0 {
		t.Errorf("%d were let in", n)
	}
}

// helloFirst is a connection on which the begin of TLS was written already.
type helloFirst struct {
	net.Conn
	held []byte
	hold bool
}

func (h *helloFirst) Write(b []byte) (int, error) {
	if !h.hold {
		return h.Conn.Write(b)
	}
	h.held = append(h.held, b...)
	h.hold = false
	return len(b), nil
}

func TestClientThatBeginsTLSWithItsRequestIsUnderstood(t *testing.T) {
	writer := newPuppet(t, "db1", nil)
	r := newTheatre(t, writer)
	first := &helloFirst{hold: true}
	secret := tls.Client(first, &tls.Config{InsecureSkipVerify: true})
	begun, done := make(chan struct{}), make(chan error, 1)
	c := r.startTLS(func(c net.Conn) []byte {
		first.Conn = &signals{Conn: c, begun: begun}
		go func() { done <- secret.HandshakeContext(t.Context()) }()
		<-begun // it wants to read: its hello is written
		return first.held
	})
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	login := wire.Login{Capabilities: plainCaps | wire.TLS, MaxPacket: 1 << 24, Charset: 45, User: "app", Plugin: "mysql_native_password"}
	b, _ := wire.AppendPacket(nil, login.Append(nil), 2)
	_ = c.SetDeadline(time.Now().Add(answerLimit))
	if _, err := secret.Write(b); err != nil {
		t.Fatal(err)
	}
	if p, _, err := wire.NewReader(secret, 1<<20).Next(); err != nil || p[0] != 0xff {
		t.Errorf("the answer to a login without a password is %q, %v", p, err)
	}
}

// signals says when it is read from for the first time.
type signals struct {
	net.Conn
	begun chan struct{}
	said  bool
}

func (s *signals) Read(b []byte) (int, error) {
	if !s.said {
		s.said = true
		close(s.begun)
	}
	return s.Conn.Read(b)
}

func TestAStatementIsNotKilledForTheOneBeforeIt(t *testing.T) {
	hangs, goesOn := make(chan struct{}), make(chan struct{})
	writer := newPuppet(t, "db1", func(h *stagehand) bool {
		if h.text == "INSERT INTO t SELECT SLEEP(9)" {
			close(hangs)
			<-goesOn
		}
		return false
	})
	r := newTheatre(t, writer)
	k := r.talk()
	k.query("INSERT INTO t VALUES (1)")
	before := r.only().State().Since
	over := make(chan struct{})
	go func() { defer close(over); k.query("INSERT INTO t SELECT SLEEP(9)") }()
	<-hangs
	for _, since := range []time.Time{before, r.only().State().Since.Add(time.Nanosecond)} {
		if err := r.only().KillQuery(t.Context(), since); err != nil {
			t.Error(err)
		}
	}
	if n := writer.heard("KILL"); n != 0 {
		t.Errorf("it was killed %d times", n)
	}
	if err := r.only().KillQuery(t.Context(), r.only().State().Since); err != nil {
		t.Error(err)
	}
	if n := writer.heard("KILL QUERY"); n != 1 {
		t.Errorf("the one that was meant was killed %d times", n)
	}
	close(goesOn)
	<-over
}
