package session

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/mmm-ha/mmm/router/route"
	"github.com/mmm-ha/mmm/router/wire"
)

// dies closes all connections in place of an answer to what contains a text.
func dies(text string, then func()) func(*stagehand) bool {
	return func(h *stagehand) bool {
		if !strings.Contains(h.text, text) {
			return prepares(h)
		}
		if then != nil {
			then()
		}
		_ = h.conn.Close()
		return true
	}
}

// rereads is how often the sessions of a rig have sent a read again.
func (r *rig) rereads() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.sessions {
		n += s.req.rereads
	}
	return n
}

func TestReadIsSentAgainWhenItsReaderDies(t *testing.T) {
	writer := newPuppet(t, "db1", nil)
	one := newPuppet(t, "db2", breaksOnce(func(h *stagehand) bool { return strings.Contains(h.text, "SELECT a") }))
	r := newTheatre(t, writer, one)
	k := r.talk()
	k.query("SELECT a FROM t")
	if got := k.said(); !strings.Contains(got, "ok ") || one.heard("SELECT a") != 2 || r.rereads() != 1 {
		t.Errorf("the reader was asked %d times: %s", one.heard("SELECT a"), got)
	}
	k.query("INSERT INTO t VALUES (1)")
	if got := k.said(); !strings.Contains(got, "ok ") {
		t.Errorf("the session goes on: %s", got)
	}
}

func TestReadGoesToTheWriterAfterTwoReadersAndThenNowhere(t *testing.T) {
	writer := newPuppet(t, "db1", dies("SELECT b", nil))
	one := newPuppet(t, "db2", dies("SELECT", nil))
	r := newTheatre(t, writer, one)
	k := r.talk()
	k.query("SELECT a FROM t")
	if got := k.said(); !strings.Contains(got, "error 1213") || one.heard("SELECT a") != 1+mostRereads {
		t.Errorf("asked %d times of the reader: %s", one.heard("SELECT a"), got)
	}
	r.reign(writer) // without readers
	k.query("SELECT b FROM t")
	if got := k.said(); !strings.Contains(got, "error 1213") || writer.heard("SELECT b") != 1 {
		t.Errorf("without a reader the writer was asked %d times: %s", writer.heard("SELECT b"), got)
	}
}

func TestReadOfWhichTheClientHasAPartIsNotSentAgain(t *testing.T) {
	one := newPuppet(t, "db2", func(h *stagehand) bool {
		if !strings.Contains(h.text, "SELECT") {
			return false
		}
		h.send([]byte{1}, []byte("\x03def\x00\x00\x00\x01a\x00\x0c\x3f\x00\x04\x00\x00\x00\xfd\x00\x00\x00\x00\x00"), []byte("\x01x"))
		_ = h.conn.Close()
		return true
	})
	r := newTheatre(t, newPuppet(t, "db1", nil), one)
	k := r.talk()
	k.query("SELECT a FROM t")
	if k.broken == nil || one.heard("SELECT a") != 1 {
		t.Errorf("asked %d times, and the client is told %s", one.heard("SELECT a"), k.said())
	}
}

func TestPreparedReadIsSentAgainAndMeansTheSameStatement(t *testing.T) {
	one := newPuppet(t, "db2", breaksOnce(func(h *stagehand) bool { return h.command == wire.ComStmtExecute }))
	r := newTheatre(t, newPuppet(t, "db1", prepares), one)
	k := r.talk()
	k.prepare("s", "SELECT a FROM t WHERE b=?")
	k.said()
	k.execute("s", false, true, []string{"x"})
	if got := k.said(); !strings.Contains(got, "ok ") || one.heard("COM_STMT_PREPARE SELECT a") != 2 || one.heard("COM_STMT_EXECUTE") != 2 {
		t.Errorf("prepared %d and executed %d times: %s", one.heard("COM_STMT_PREPARE"), one.heard("COM_STMT_EXECUTE"), got)
	}
}

func TestPreparingIsAskedAgainWhenTheWriterDies(t *testing.T) {
	next := newPuppet(t, "db2", prepares)
	var now atomic.Pointer[rig]
	writer := newPuppet(t, "db1", func(h *stagehand) bool {
		return dies("DELETE", func() { now.Load().reign(next) })(h)
	})
	r := newTheatre(t, writer)
	now.Store(r)
	k := r.talk()
	k.prepare("s", "DELETE FROM t")
	if got := k.said(); strings.Contains(got, "error") || next.heard("COM_STMT_PREPARE") != 1 {
		t.Fatalf("%s", got)
	}
	k.execute("s", false, true, nil)
	if got := k.said(); !strings.Contains(got, "ok ") || next.heard("COM_STMT_EXECUTE") != 1 {
		t.Errorf("executed %d times: %s", next.heard("COM_STMT_EXECUTE"), got)
	}
}

// R59: the writer that answers a read may have written, by a function in a view.
func TestReadThatWasLostWithTheWriterIsAnsweredByAReaderOrNotAtAll(t *testing.T) {
	for _, writes := range []bool{false, true} {
		var now atomic.Pointer[rig]
		next, reader := newPuppet(t, "db2", nil), newPuppet(t, "db3", func(h *stagehand) bool {
			if writes && strings.Contains(h.text, "SELECT") {
				h.refuse(1290, "HY000", "The MariaDB server is running with the --read-only option so it cannot execute this statement")
				return true
			}
			return false
		})
		writer := newPuppet(t, "db1", dies("SELECT", func() { now.Load().reign(next, reader) }))
		r := newTheatre(t, writer)
		now.Store(r)
		k := r.talk()
		k.query("SELECT a FROM view_that_calls")
		got := k.said()
		if writer.heard("SELECT") != 1 || reader.heard("SELECT") != 1 || next.heard("SELECT") != 0 {
			t.Errorf("asked of the writer %d, of a reader %d, of the next writer %d times", writer.heard("SELECT"), reader.heard("SELECT"), next.heard("SELECT"))
		}
		if writes && k.broken == nil || !writes && !strings.Contains(got, "ok ") {
			t.Errorf("it writes: %v; the client is told %s", writes, got)
		}
	}
}

func TestReadThatAReaderRefusedIsNotSentAgainWhenTheWriterDies(t *testing.T) {
	refuses := func(h *stagehand) bool {
		if strings.Contains(h.text, "SELECT") {
			h.refuse(1290, "HY000", "The MariaDB server is running with the --read-only option so it cannot execute this statement")
			return true
		}
		return false
	}
	writer, reader := newPuppet(t, "db1", dies("SELECT", nil)), newPuppet(t, "db2", refuses)
	r := newTheatre(t, writer, reader)
	k := r.talk()
	k.query("SELECT a FROM t")
	if writer.heard("SELECT") != 1 || reader.heard("SELECT") != 1 {
		t.Errorf("asked of the writer %d and of the reader %d times: %s", writer.heard("SELECT"), reader.heard("SELECT"), k.said())
	}
}

// R59.
func TestWhatMayDoMoreThanReadIsSentOnce(t *testing.T) {
	for _, q := range []string{
		"INSERT INTO t VALUES (1)", "SELECT a FROM t FOR UPDATE", "SELECT own(1)", "SELECT GET_LOCK('a', 1)", "SELECT NEXTVAL(q)",
		"SELECT @a := 1", "CALL pay()", "SELECT 1; SELECT 2", "SET @a = 1", "SELECT a INTO @b FROM t", "SELECT @@version", "ANALYZE SELECT 1",
		"/* mmm:writer */ SELECT a FROM t",
	} {
		writer := newPuppet(t, "db1", func(h *stagehand) bool {
			_ = h.conn.Close()
			return true
		})
		reader := newPuppet(t, "db2", nil)
		r := newTheatre(t, writer, reader)
		k := r.talk()
		k.query(q)
		if n := writer.heard("COM_QUERY") + reader.heard("COM_QUERY"); n != 1 {
			t.Errorf("%s: sent %d times; %s", q, n, k.said())
		}
	}
}

func TestReadOfASessionThatIsTiedToTheWriterIsSentOnce(t *testing.T) {
	for name, before := range map[string]string{"transaction": "BEGIN", "pin": "SET @a = 1", "autocommit": "SET autocommit=0"} {
		writer := newPuppet(t, "db1", func(h *stagehand) bool {
			switch {
			case strings.Contains(h.text, "SELECT"):
				_ = h.conn.Close()
			case h.text == "BEGIN":
				h.fine(wire.InTransaction)
			case strings.Contains(h.text, "autocommit"):
				ok := wire.OK{}
				h.send(ok.Append(nil, h.caps))
			default:
				return false
			}
			return true
		})
		reader := newPuppet(t, "db2", nil)
		r := newTheatre(t, writer, reader)
		k := r.talk()
		k.query(before)
		k.query("SELECT a FROM t")
		if n := writer.heard("SELECT") + reader.heard("SELECT"); n != 1 {
			t.Errorf("%s: sent %d times; %s", name, n, k.said())
		}
	}
}

func TestWhereAReadGoesThatIsSentOnceMore(t *testing.T) {
	read := route.Class{Kind: route.Read}
	for _, one := range []struct {
		r    request
		want route.Target
	}{
		{request{class: read, rereads: 1}, route.Reader},
		{request{class: read, rereads: 1, retried: true}, route.Writer},
		{request{class: read, retried: true}, route.Writer},
		{request{class: route.Class{Kind: route.Write}}, route.Writer},
	} {
		if got := one.r.nextTarget(); got != one.want {
			t.Errorf("%+v: %s", one.r, got)
		}
	}
}
