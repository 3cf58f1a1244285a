package session

import (
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/router"
	"github.com/mmm-ha/mmm/router/auth"
	"github.com/mmm-ha/mmm/router/backend"
	"github.com/mmm-ha/mmm/router/follow"
	"github.com/mmm-ha/mmm/router/tally"
	"github.com/mmm-ha/mmm/router/wire"
	"golang.org/x/sys/unix"
)

// A procedure commits each of its statements by itself.
func TestProcedureThatTheWriterRefusesMidwayIsNotCalledAgain(t *testing.T) {
	next := newPuppet(t, "db2", nil)
	var now atomic.Pointer[rig]
	writer := newPuppet(t, "db1", func(h *stagehand) bool {
		if !strings.Contains(h.text, "CALL") && !strings.Contains(h.text, "IF 1") {
			return false
		}
		mine := now.Load() // the refusal may begin the next round
		h.refuse(1290, "HY000", "The MariaDB server is running with the --read-only option so it cannot execute this statement")
		mine.reign(next)
		return true
	})
	for _, q := range []string{"CALL pay()", "CALL pay(); SELECT 1", "SET STATEMENT max_statement_time=1 FOR CALL pay()", "BEGIN NOT ATOMIC CALL pay(); END", "IF 1 THEN CALL pay(); END IF"} {
		r := newTheatre(t, writer)
		now.Store(r)
		k := r.talk()
		k.query(q)
		if got := k.said(); !strings.Contains(got, "error 1290") {
			t.Errorf("%s: %s", q, got)
		}
	}
	if n := next.heard("pay"); n != 0 {
		t.Errorf("the next writer was told %d times", n)
	}
}

// The refusal of one statement means that nothing was done.
func TestStatementThatTheWriterRefusesGoesToTheNextWriter(t *testing.T) {
	next := newPuppet(t, "db2", nil)
	var now atomic.Pointer[rig]
	writer := newPuppet(t, "db1", func(h *stagehand) bool {
		if !strings.Contains(h.text, "INSERT") {
			return false
		}
		mine := now.Load() // the refusal may begin the next round
		h.refuse(1290, "HY000", "The MariaDB server is running with the --read-only option so it cannot execute this statement")
		mine.reign(next)
		return true
	})
	r := newTheatre(t, writer)
	now.Store(r)
	k := r.talk()
	k.query("INSERT INTO t VALUES (f(1))")
	if got := k.said(); !strings.Contains(got, "ok ") || next.heard("INSERT") != 1 {
		t.Errorf("%s; the next writer was told %d times", got, next.heard("INSERT"))
	}
}

func TestTheSecondFileOfATextIsNoCommand(t *testing.T) {
	files := []string{}
	writer := newPuppet(t, "db1", func(h *stagehand) bool {
		if !strings.Contains(h.text, "LOAD") {
			return false
		}
		files = append(files, h.file("a"))
		h.fine(wire.MoreResults)
		files = append(files, h.file("b"))
		h.fine(0)
		return true
	})
	r := newTheatre(t, writer)
	k := r.talk()
	k.file = []byte("\x03DROP TABLE t")
	k.query("LOAD DATA LOCAL INFILE 'a' INTO TABLE t; LOAD DATA LOCAL INFILE 'b' INTO TABLE t")
	if n := writer.heard("COM_QUERY DROP"); n != 0 {
		t.Fatalf("what stands in a file was run %d times", n)
	}
	k.query("SELECT @@version")
	if len(files) != 2 || files[0] != files[1] || k.broken != nil {
		t.Errorf("files %q; %s", files, k.said())
	}
}

// setsMode answers SET as a server that reports it.
func setsMode(h *stagehand) bool {
	if !strings.HasPrefix(h.text, "SET sql_mode") {
		return false
	}
	h.fine(0, []byte("\x00\x0f\x08sql_mode\x05TABLE")...)
	return true
}

func TestWriterThatRefusesASettingIsDialledOnce(t *testing.T) {
	writer := newPuppet(t, "db1", setsMode)
	next := newPuppet(t, "db2", func(h *stagehand) bool {
		if strings.HasPrefix(h.text, "SET SESSION `sql_mode`") {
			h.refuse(1231, "42000", "Variable 'sql_mode' can't be set to the value of 'TABLE'")
			return true
		}
		return false
	})
	r := newTheatre(t, writer)
	k := r.talk()
	k.query("SET sql_mode='TABLE'")
	r.reign(next)
	k.query("INSERT INTO t VALUES (1)")
	if got := k.said(); !strings.Contains(got, "error 1231") {
		t.Errorf("the statement: %s", got)
	}
	next.mu.Lock()
	defer next.mu.Unlock()
	if next.logins != 1 {
		t.Errorf("dialled %d times", next.logins)
	}
}

// In gbk the second byte of a letter may be a backslash.
func TestTheCharacterSetOfALoginCounts(t *testing.T) {
	writer, reader := newPuppet(t, "db1", nil), newPuppet(t, "db2", nil)
	r := newTheatre(t, writer, reader)
	r.serveAll()
	const gbk = 28
	c, err := backend.Dial(r.Context(), backend.Target{Name: "router", Address: addrPort(r.address)},
		backend.Who{User: "app", Charset: gbk, Capabilities: plainCaps}, auth.ClearSecret("secret"), backend.TLS{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	p := &plainClient{conn: c.Conn, in: make([]byte, 4096)}
	q, _ := wire.AppendPacket(nil, []byte("\x03SELECT a FROM t WHERE b='\xbf\x5c' FOR UPDATE # '"), 0)
	p.roundTrip(t, q)
	reset, _ := wire.AppendPacket(nil, []byte{byte(wire.ComResetConnection)}, 0)
	p.roundTrip(t, reset)
	p.roundTrip(t, q)
	if n := reader.heard("FOR UPDATE"); n != 0 {
		t.Errorf("a reader was told to lock %d times", n)
	}
}

// prepares answers what is about prepared statements.
func prepares(h *stagehand) bool {
	if h.command != wire.ComStmtPrepare {
		return false
	}
	h.prepared(uint32(len(h.text)), uint16(strings.Count(h.text, "?")))
	return true
}

func TestLongDataIsNotForgottenWhenAnotherStatementRuns(t *testing.T) {
	writer, reader := newPuppet(t, "db1", prepares), newPuppet(t, "db2", prepares)
	r := newTheatre(t, writer, reader)
	k := r.talk()
	k.prepare("long", "SELECT a FROM t WHERE b=?")
	k.prepare("other", "DELETE FROM t")
	k.about(wire.ComStmtLongData, "long", append(make([]byte, 2), "a part"...)...)
	k.execute("other", false, true, nil)
	k.about(wire.ComStmtReset, "other")
	k.execute("long", false, true, []string{"-"})
	if n := reader.heard("COM_STMT_EXECUTE"); n != 0 {
		t.Errorf("it was run on a reader, which does not have what was sent before")
	}
	if n := writer.heard("COM_STMT_EXECUTE"); n != 2 {
		t.Errorf("run on the writer %d times of 2\n%s", n, k.said())
	}
}

func TestWhatIsNoLongerFreshAfterTheDialIsNotWritten(t *testing.T) {
	writer, next := newPuppet(t, "db1", nil), newPuppet(t, "db2", nil)
	r := newTheatre(t, writer)
	next.welcomed = func(int) { r.world.stale.Store(true) } // it took so long
	k := r.talk()
	r.reign(next)
	k.query("INSERT INTO t VALUES (1)")
	if n := next.heard("INSERT"); n != 0 {
		t.Errorf("written although nobody knows who the writer is: %s", k.said())
	}
}

func TestCloseEndsASessionWhoseServerDoesNotAnswerTheRouter(t *testing.T) {
	silent := make(chan struct{})
	defer close(silent)
	writer := newPuppet(t, "db1", setsMode)
	reader := newPuppet(t, "db2", func(h *stagehand) bool {
		if strings.HasPrefix(h.text, "SET SESSION `sql_mode`") {
			<-silent
		}
		return false
	})
	r := newTheatre(t, writer, reader)
	k := r.talk()
	k.query("SET sql_mode='TABLE'")
	k.say(wire.ComQuery, []byte("SELECT a FROM t")...)
	r.until("the reader is asked", func() bool { return reader.heard("sql_mode") == 1 })
	r.mu.Lock()
	for _, s := range r.sessions {
		s.Close(shutdownForTests)
	}
	r.mu.Unlock()
	r.until("the session has ended", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.sessions) == 0 })
}

func TestWhoseTransactionWasLostIsInNone(t *testing.T) {
	writer := newPuppet(t, "db1", func(h *stagehand) bool {
		switch h.text {
		case "BEGIN":
			h.fine(wire.InTransaction)
		case "DELETE FROM t":
			_ = h.conn.Close()
		default:
			return false
		}
		return true
	})
	r := newTheatre(t, writer)
	k := r.talk()
	k.query("BEGIN")
	k.query("DELETE FROM t")
	k.say(wire.ComPing)
	k.said()
	k.hear(wire.ComQuery)
	if got := k.said(); !strings.Contains(got, "status=0002") {
		t.Error(got)
	}
}

func TestSettingsOfTheNextTransactionGoAlongToTheNextWriter(t *testing.T) {
	text := "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;"
	writer := newPuppet(t, "db1", func(h *stagehand) bool {
		if !strings.HasPrefix(h.text, "SET TRANSACTION") {
			return false
		}
		h.fine(0, append([]byte{4, byte(len(text) + 1), byte(len(text))}, text...)...)
		return true
	})
	next := newPuppet(t, "db2", nil)
	r := newTheatre(t, writer)
	k := r.talk()
	k.query("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
	r.reign(next)
	k.query("BEGIN")
	if n := next.heard("ISOLATION LEVEL SERIALIZABLE"); n != 1 {
		t.Errorf("the next writer was told %d times: %s", n, k.said())
	}
}

func TestReaderThatBreaksStatementsIsAside(t *testing.T) {
	writer := newPuppet(t, "db1", nil)
	reader := newPuppet(t, "db2", func(h *stagehand) bool { _ = h.conn.Close(); return true })
	r := newTheatre(t, writer, reader)
	k := r.talk()
	for range 3 {
		k.query("SELECT a FROM t")
	}
	load := r.all.opt.Picker.Load("db2")
	if busy, _, _ := load.Now(); busy != 0 {
		t.Errorf("%d statements under way", busy)
	}
	other := follow.Reader{Host: follow.Host{Name: "db3", Address: writer.host.Address}, Weight: 1}
	picked := r.all.opt.Picker.Pick(candidates(follow.NewView(follow.View{Readers: []follow.Reader{r.world.View().Readers[0], other}}), Rules{}, nil))
	if picked != 1 {
		t.Errorf("it is chosen after three statements broke: %s", k.said())
	}
}

func TestTheWriterAsOneAmongTheReadersServesTheirListener(t *testing.T) {
	writer, reader := newPuppet(t, "db1", nil), newPuppet(t, "db2", nil)
	for name, readers := range map[string][]*puppet{"a reader": {reader}, "none": nil} {
		r := newTheatre(t, writer, readers...)
		r.mode = router.ReaderOnly
		r.all.opt.Rules = func() Rules { return Rules{Writer: AlwaysToo} }
		r.all.opt.Picker.Load("db2").Took() // the writer is the cheaper one
		before := writer.greeted()
		k := r.talk()
		for range 5 {
			k.query("SELECT a FROM t")
		}
		if got := k.said(); strings.Contains(got, "error") || writer.heard("SELECT") == 0 {
			t.Errorf("%s: %s", name, got)
		}
		if n := writer.greeted() - before; n != 1 {
			t.Errorf("%s: the writer was dialled %d times", name, n)
		}
	}
}

func TestAServerWhoseMachineIsGoneIsNoticed(t *testing.T) {
	writer := newPuppet(t, "db1", nil)
	c, err := backend.Dial(t.Context(), backend.Target{Name: "db1", Address: writer.host.Address}, backend.Who{User: "app", Capabilities: plainCaps},
		auth.ClearSecret("secret"), backend.TLS{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	raw, err := c.Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) {
		unsaid, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
		if err != nil || unsaid == 0 || unsaid > 10_000 {
			t.Errorf("what is not acknowledged is waited for for %d ms, %v", unsaid, err)
		}
		idle, _ := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPIDLE)
		every, _ := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPINTVL)
		count, _ := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPCNT)
		if idle+every*count > 10 {
			t.Errorf("silence is noticed after %d s", idle+every*count)
		}
	})
}

func TestWhatIsWrittenDownOfALoadIsNotTheFile(t *testing.T) {
	writer := newPuppet(t, "db1", func(h *stagehand) bool {
		if strings.Contains(h.text, "LOAD") {
			_ = h.file("a")
		}
		return false
	})
	r := newTheatre(t, writer)
	r.board = &tally.Board{Trace: tally.NewTracer()}
	r.board.Trace.ShowLiterals(true)
	heard := r.board.Trace.Listen(0)
	defer heard.Close()
	k := r.talk()
	k.file = []byte(strings.Repeat("Erika Mustermann, ", 20))
	k.query("LOAD DATA LOCAL INFILE 'a' INTO TABLE t")
	if said := <-heard.C; said.SQL != "LOAD DATA LOCAL INFILE 'a' INTO TABLE t" {
		t.Errorf("%q", said.SQL)
	}
}

func TestSessionLeavesItsReaderForOneThatHasLessToDo(t *testing.T) {
	writer, first, second := newPuppet(t, "db1", nil), newPuppet(t, "db2", nil), newPuppet(t, "db3", nil)
	r := newTheatre(t, writer, first, second)
	r.rules.Review = time.Nanosecond
	k := r.talk()
	k.query("SELECT a FROM t")
	from, to := first, second
	if second.heard("SELECT") == 1 {
		from, to = second, first
	}
	for range 3 {
		k.query("SELECT a FROM t")
	}
	if n := from.heard("SELECT"); n != 4 {
		t.Errorf("it left, though the other had no less to do: %d of 4", n)
	}
	for range 20 {
		r.all.opt.Picker.Load(from.host.Name).Took()
	}
	k.query("START TRANSACTION READ ONLY")
	k.query("SELECT a FROM t")
	k.query("COMMIT")
	for range 3 {
		k.query("SELECT a FROM t")
	}
	if got := k.said(); strings.Contains(got, "error") || to.heard("SELECT") < 3 {
		t.Errorf("it stayed: %s", got)
	}
}

// writes answers a write with a position, as MariaDB does.
func writes(h *stagehand) bool {
	if !strings.HasPrefix(h.text, "INSERT") {
		return false
	}
	h.fine(wire.SessionStateChanged, []byte("\x00\x10\x09last_gtid\x050-1-7")...)
	return true
}

func TestOnlyOneSessionWaitsForAReaderThatIsBehind(t *testing.T) {
	writer, reader := newPuppet(t, "db1", writes), newPuppet(t, "db2", nil) // that never has a position
	r := newTheatre(t, writer, reader)
	for range 5 {
		k := r.talk()
		k.query("INSERT INTO t VALUES (1)")
		k.query("SELECT a FROM t")
		if got := k.said(); strings.Contains(got, "error") {
			t.Fatal(got)
		}
	}
	if n := reader.heard("MASTER_GTID_WAIT"); n != 1 {
		t.Errorf("the reader was asked to catch up %d times within a second", n)
	}
	if n := writer.heard("SELECT a FROM t"); n != 5 {
		t.Errorf("%d of 5 reads went to the writer", n)
	}
}

func TestTheNextClientGetsAlsoTheConnectionOnWhichNothingWasAsked(t *testing.T) {
	writer, reader := newPuppet(t, "db1", nil), newPuppet(t, "db2", nil)
	r := newTheatre(t, writer, reader)
	pool := backend.NewPool(10, time.Minute)
	r.all.opt.Pool = pool
	t.Cleanup(pool.Close)
	for range 3 {
		k := r.talk()
		k.query("SELECT a FROM t")
		k.close()
		r.until("both are kept", func() bool { return pool.Idle() == 2 })
	}
	if n, m := writer.greeted(), reader.greeted(); n != 1 || m != 1 {
		t.Errorf("for three clients one after the other the writer was dialled %d times, the reader %d times", n, m)
	}
}

func TestWhatASessionHasOnItsReaderHoldsItThereAndIsLostWithIt(t *testing.T) {
	writer, first, second := newPuppet(t, "db1", nil), newPuppet(t, "db2", nil), newPuppet(t, "db3", nil)
	r := newTheatre(t, writer, first, second)
	r.mode = router.ReaderOnly
	r.rules.Review = time.Nanosecond
	k := r.talk()
	k.query("SET @a=1")
	from, to := first, second
	if second.heard("@a=1") == 1 {
		from, to = second, first
	}
	for range 20 {
		r.all.opt.Picker.Load(from.host.Name).Took()
	}
	for range 3 {
		k.query("SELECT @a")
	}
	if got := k.said(); to.heard("SELECT") != 0 {
		t.Fatalf("it left its variable for a reader that has less to do: %s", got)
	}
	r.reign(writer, to)
	k.query("SELECT @a")
	if got := k.said(); !strings.Contains(got, "error 2013") || !strings.Contains(got, "user variables") || to.heard("SELECT") != 0 {
		t.Errorf("its reader is gone with the variable: %s", got)
	}
}
