package session

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/router/wire"
)

// longData is a part of the first parameter.
func (k *talker) longData(name, part string) {
	k.about(wire.ComStmtLongData, name, append(make([]byte, 2), part...)...)
}

func TestLongDataThatFoundNoWriterFailsTheExecution(t *testing.T) {
	for _, before := range []int{0, 1} { // parts that were sent before
		writer := newPuppet(t, "db1", prepares)
		r := newTheatre(t, writer)
		r.all.opt.Holder.SetLimits(HoldLimits{Time: 50 * time.Millisecond, Statements: 9, Bytes: 1 << 20})
		k := r.talk()
		k.prepare("s", "INSERT INTO t VALUES (?)")
		for range before {
			k.longData("s", "sent")
		}
		k.query("DO 1")
		r.world.stale.Store(true)
		k.longData("s", "dropped")
		k.query("DELETE FROM t") // waits likewise: when that is answered the part is dropped
		r.world.stale.Store(false)
		k.said()
		k.execute("s", false, true, []string{"-"})
		if got := k.said(); !strings.Contains(got, "error 1290") || !strings.Contains(got, "hold.time") || writer.heard("COM_STMT_EXECUTE") != 0 {
			t.Errorf("%d parts before: executed %d times without a part: %s", before, writer.heard("COM_STMT_EXECUTE"), got)
		}
		k.longData("s", "again")
		k.execute("s", false, true, []string{"-"})
		if got := k.said(); !strings.Contains(got, "ok ") || writer.heard("again") != 1 {
			t.Errorf("%d parts before, the next try: %s", before, got)
		}
		if got := writer.heard("COM_STMT_CLOSE"); got != before {
			t.Errorf("%d parts before: the statement to which they belong was closed %d times", before, got)
		}
	}
}

func TestResetForgetsLongDataThatWasDropped(t *testing.T) {
	writer := newPuppet(t, "db1", prepares)
	r := newTheatre(t, writer)
	r.all.opt.Holder.SetLimits(HoldLimits{Time: 50 * time.Millisecond, Statements: 9, Bytes: 1 << 20})
	k := r.talk()
	k.prepare("s", "INSERT INTO t VALUES (?)")
	r.world.stale.Store(true)
	k.longData("s", "dropped")
	k.query("DELETE FROM t")
	r.world.stale.Store(false)
	k.said()
	k.about(wire.ComStmtReset, "s")
	k.execute("s", false, true, []string{"whole"})
	if got := k.said(); strings.Contains(got, "error") || writer.heard("COM_STMT_EXECUTE") != 1 {
		t.Errorf("%s", got)
	}
}

func TestLongDataThatWentDownWithItsConnectionFailsTheExecution(t *testing.T) {
	var closed atomic.Bool
	breaks := breaksOnce(func(h *stagehand) bool { return h.command == wire.ComStmtLongData })
	writer := newPuppet(t, "db1", func(h *stagehand) bool {
		defer closed.Store(h.command == wire.ComStmtLongData)
		return breaks(h)
	})
	r := newTheatre(t, writer)
	k := r.talk()
	k.prepare("s", "INSERT INTO t VALUES (?)")
	k.longData("s", "lost")
	r.until("the server has closed", closed.Load)
	for range 3 { // the first is answered that nobody is there
		k.longData("s", "more")
	}
	k.said()
	k.execute("s", false, true, []string{"-"})
	if n := writer.heard("COM_STMT_EXECUTE"); n != 0 {
		t.Errorf("executed without its long data: %s", k.said())
	}
	if got := k.said(); !strings.Contains(got, "error 1105") || !strings.Contains(got, "was lost") {
		t.Errorf("the client is told: %s", got)
	}
}

// breaksOnce closes the connection in place of the first answer to that; else it prepares.
func breaksOnce(what func(*stagehand) bool) func(*stagehand) bool {
	var once atomic.Bool
	return func(h *stagehand) bool {
		if what(h) && once.CompareAndSwap(false, true) {
			_ = h.conn.Close()
			return true
		}
		return prepares(h)
	}
}

func prepare(h *stagehand) bool { return h.command == wire.ComStmtPrepare }

func TestServerThatBreaksBeforeItIsSentAnythingIsDialledAgain(t *testing.T) {
	writer, next := newPuppet(t, "db1", prepares), newPuppet(t, "db2", breaksOnce(prepare))
	r := newTheatre(t, writer)
	k := r.talk()
	k.prepare("s", "DELETE FROM t")
	k.said()
	r.reign(next)
	k.execute("s", false, true, nil)
	if got := k.said(); !strings.Contains(got, "ok ") || next.heard("COM_STMT_EXECUTE") != 1 || next.greeted() != 2 {
		t.Errorf("%d logins, executed %d times: %s", next.greeted(), next.heard("COM_STMT_EXECUTE"), got)
	}
}

func TestTransactionIsLostWithAConnectionThatTheRouterAskedInVain(t *testing.T) {
	writer := newPuppet(t, "db1", prepares)
	broken := breaksOnce(prepare)
	next := newPuppet(t, "db2", func(h *stagehand) bool {
		if h.text != "BEGIN" {
			return broken(h)
		}
		h.fine(wire.InTransaction)
		return true
	})
	r := newTheatre(t, writer)
	k := r.talk()
	k.prepare("s", "DELETE FROM t")
	r.reign(next)
	k.query("BEGIN")
	k.said()
	k.execute("s", false, true, nil)
	if got := k.said(); !strings.Contains(got, "error 1213") || next.heard("COM_STMT_EXECUTE") != 0 {
		t.Errorf("executed outside of its transaction %d times: %s", next.heard("COM_STMT_EXECUTE"), got)
	}
	k.query("DELETE FROM t")
	if got := k.said(); !strings.Contains(got, "ok ") {
		t.Errorf("after it: %s", got)
	}
}

func TestReadOnlyTransactionIsLostWithItsReader(t *testing.T) {
	begins := func(h *stagehand) bool {
		if !strings.HasPrefix(h.text, "START") && h.command != wire.ComStmtExecute {
			return prepares(h)
		}
		h.fine(wire.InTransaction | wire.InReadOnlyTransaction)
		return true
	}
	writer, one, two := newPuppet(t, "db1", begins), newPuppet(t, "db2", begins), newPuppet(t, "db3", begins)
	r := newTheatre(t, writer, one, two)
	k := r.talk()
	k.prepare("s", "SELECT a FROM t WHERE b=?")
	k.prepare("u", "SELECT b FROM t WHERE b=?")
	k.query("START TRANSACTION READ ONLY")
	k.execute("s", false, true, []string{"x"})
	k.execute("u", false, true, []string{"x"})
	one.shut()
	two.shut()
	k.about(wire.ComStmtClose, "s")
	time.Sleep(20 * time.Millisecond)
	k.about(wire.ComStmtClose, "u")
	k.said()
	before := one.heard("SELECT c") + two.heard("SELECT c")
	k.query("SELECT c FROM t")
	if got := k.said(); !strings.Contains(got, "error 1213") || one.heard("SELECT c")+two.heard("SELECT c") != before {
		t.Errorf("read outside of its transaction: %s", got)
	}
}

func TestResetThatFailsForgetsNothing(t *testing.T) {
	writer := newPuppet(t, "db1", func(h *stagehand) bool {
		switch {
		case h.command == wire.ComResetConnection:
			h.refuse(1047, "08S01", "Unknown command")
		case h.text == "BEGIN":
			h.fine(wire.InTransaction)
		case h.text == "CREATE TEMPORARY TABLE x (a INT)":
			h.fine(0, 2, 2, 1, '1')
		default:
			return prepares(h)
		}
		return true
	})
	next := newPuppet(t, "db2", prepares)
	r := newTheatre(t, writer)
	k := r.talk()
	k.query("CREATE TEMPORARY TABLE x (a INT)")
	k.prepare("s", "INSERT INTO x VALUES (?)")
	k.said()
	k.say(wire.ComResetConnection)
	k.hear(wire.ComResetConnection)
	k.execute("s", false, true, []string{"y"})
	if got := k.said(); !strings.Contains(got, "error 1047") || !strings.Contains(got, "ok ") {
		t.Errorf("the reset, and a statement that was prepared before it: %s", got)
	}
	r.reign(next)
	k.query("INSERT INTO x VALUES (1)")
	if got := k.said(); !strings.Contains(got, "error 2013") || next.heard("INSERT") != 0 {
		t.Errorf("its temporary table is forgotten: %s", got)
	}

	r = newTheatre(t, writer)
	k = r.talk()
	k.query("CREATE TEMPORARY TABLE x (a INT)")
	r.reign(next)
	k.said()
	k.say(wire.ComResetConnection)
	k.hear(wire.ComResetConnection)
	k.query("INSERT INTO t VALUES (1)")
	if got := k.said(); strings.Contains(got, "error") || next.heard("INSERT INTO t") != 1 {
		t.Errorf("a reset after the writer has changed: %s", got)
	}
}
