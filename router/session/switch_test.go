package session

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/router"
	"github.com/mmm-ha/mmm/router/follow"
	"github.com/mmm-ha/mmm/router/wire"
)

// promote makes db2 the writer of the next epoch; db1 is out.
func (r *rig) promote() {
	r.Helper()
	r.servers["db2"].Exec("STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only=0")
	v := r.view()
	r.world.set(follow.View{Epoch: v.Epoch + 1, Writer: hostOf("db2", r.servers["db2"])})
}

// noWriter is what is seen between two reigns.
func (r *rig) noWriter() {
	v := r.view()
	r.world.set(follow.View{Epoch: v.Epoch, Why: "there is no writer; one is being elected", Readers: v.Readers})
}

// caughtUp waits until db2 has all that db1 has.
func (r *rig) caughtUp() {
	r.servers["db2"].Exec("SELECT MASTER_GTID_WAIT('" + position(r.TB, r.servers["db1"]) + "', 20)")
}

func TestIdleSessionGoesOnAtTheNextWriter(t *testing.T) {
	r := newRig(t, 1)
	db := r.client("")
	write, err := db.Prepare("INSERT INTO t (a) VALUES (?)")
	if err != nil {
		t.Fatal(err)
	}
	r.exec(db, "SET sql_mode='ANSI_QUOTES', time_zone='+02:00'")
	if _, err := write.Exec("before"); err != nil {
		t.Fatal(err)
	}
	r.caughtUp()
	r.noWriter()
	r.servers["db1"].Kill()
	done := make(chan error, 1)
	go func() { _, err := write.Exec("after"); done <- err }()
	r.until("the statement is held", func() bool { n, _ := r.all.opt.Holder.Waiting(); return n == 1 })
	r.promote()
	if err := <-done; err != nil {
		t.Fatalf("the held statement: %v", err)
	}
	if got := r.count("db2", "SELECT COUNT(*) FROM app.t WHERE a='after'"); got != 1 {
		t.Errorf("written %d times", got)
	}
	if got := r.text(db, "SELECT @@session.time_zone"); got != "+02:00" {
		t.Errorf("time zone %s", got)
	}
}

func TestBigExecutionWithoutTypesGoesOnAtTheNextWriter(t *testing.T) {
	r := newRig(t, 1)
	for _, name := range []string{"db1", "db2"} {
		r.servers[name].Exec("SET GLOBAL max_allowed_packet=67108864")
	}
	k, err := greet(r.address, wire.DeprecateEOF, "app", "secret", "app")
	if err != nil {
		t.Fatal(err)
	}
	defer k.close()
	k.prepare("s", "INSERT INTO t (a) VALUES (LENGTH(?))")
	k.execute("s", false, true, []string{"small"})
	r.caughtUp()
	r.promote()
	const big = 2*wire.MaxPayload + 5
	k.execute("s", false, false, []string{strings.Repeat("x", big)})
	if got := k.said(); strings.Contains(got, "error") {
		t.Error(got)
	}
	if got := r.count("db2", fmt.Sprintf("SELECT COUNT(*) FROM app.t WHERE a='%d'", big)); got != 1 {
		t.Errorf("written %d times", got)
	}
}

func TestLastInsertIDGoesAlongToTheNextWriter(t *testing.T) {
	r := newRig(t, 1)
	db := r.client("")
	r.exec(db, "INSERT INTO t (a) VALUES ('x')")
	id := r.text(db, "SELECT LAST_INSERT_ID()")
	r.caughtUp()
	r.noWriter()
	r.servers["db1"].Kill()
	r.promote()
	if got := r.text(db, "SELECT LAST_INSERT_ID()"); got != id || id == "0" {
		t.Errorf("LAST_INSERT_ID() is %s, was %s", got, id)
	}
}

func TestTransactionOfADeadWriterIsRetryable(t *testing.T) {
	r := newRig(t, 1)
	db := r.client("")
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("INSERT INTO t (a) VALUES ('lost')"); err != nil {
		t.Fatal(err)
	}
	r.noWriter()
	r.servers["db1"].Kill()
	r.promote()
	if _, err := tx.Exec("INSERT INTO t (a) VALUES ('lost, too')"); code(err) != 1213 {
		t.Errorf("a statement of the transaction: %v, want 1213", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Errorf("ROLLBACK of what is rolled back: %v", err)
	}
	r.exec(db, "INSERT INTO t (a) VALUES ('again')")
	if got := r.count("db2", "SELECT COUNT(*) FROM app.t WHERE a LIKE 'lost%'"); got != 0 {
		t.Errorf("%d rows of a transaction that was not committed", got)
	}
}

func TestCommitThatWasNotSentIsRetryable(t *testing.T) {
	r := newRig(t, 1)
	db := r.client("")
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("INSERT INTO t (a) VALUES ('lost')"); err != nil {
		t.Fatal(err)
	}
	r.promote()
	if err := tx.Commit(); code(err) != 1213 {
		t.Errorf("COMMIT: %v, want 1213", err)
	}
}

// R59.
func TestStatementWithoutAnswerIsNotSentAgain(t *testing.T) {
	r := newRig(t, 1)
	db := r.client("")
	lost := make(chan error, 1)
	go func() {
		_, err := db.Exec("INSERT INTO t (a) SELECT CONCAT('once', SLEEP(5))")
		lost <- err
	}()
	r.until("it runs", func() bool {
		return r.count("db1", "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'INSERT INTO t%'") == 1
	})
	r.servers["db1"].Kill()
	err := <-lost
	if err == nil || code(err) == 1213 {
		t.Fatalf("a write of unknown outcome ended with %v; want a broken connection", err)
	}
	r.promote()
	if got := r.count("db2", "SELECT COUNT(*) FROM app.t WHERE a LIKE 'once%'"); got != 0 {
		t.Errorf("it was sent again")
	}
}

func TestSessionWithAPinIsLostWithItsWriter(t *testing.T) {
	r := newRig(t, 1)
	db := r.client("")
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.ExecContext(context.Background(), "CREATE TEMPORARY TABLE x (a INT)"); err != nil {
		t.Fatal(err)
	}
	r.promote()
	if _, err := conn.ExecContext(context.Background(), "INSERT INTO t (a) VALUES ('y')"); code(err) != 2013 {
		t.Errorf("%v, want 2013 with what is lost", err)
	} else {
		t.Log(err)
	}
}

func TestWritesWaitWhileAViewIsOldAndReadsDoNot(t *testing.T) {
	r := newRig(t, 1)
	db, other := r.client(""), r.client("")
	r.exec(db, "INSERT INTO t (a) VALUES ('x')")
	r.world.stale.Store(true)
	done := make(chan error, 1)
	go func() { _, err := db.Exec("INSERT INTO t (a) VALUES ('held')"); done <- err }()
	r.until("it is held", func() bool { n, _ := r.all.opt.Holder.Waiting(); return n == 1 })
	if got := r.text(other, "SELECT COUNT(*) FROM t WHERE a='held'"); got != "0" {
		t.Errorf("a write was sent although nobody knew who the writer is")
	}
	r.world.stale.Store(false)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestStatementsWaitNoLongerThanTheyMay(t *testing.T) {
	r := newRig(t, 0)
	db := r.client("")
	r.text(db, "SELECT @@version")
	r.all.opt.Holder.SetLimits(HoldLimits{Time: 200 * time.Millisecond, Statements: 10, Bytes: 1 << 20})
	r.noWriter()
	if _, err := db.Exec("DELETE FROM t"); code(err) != 1290 {
		t.Errorf("%v, want 1290", err)
	} else {
		t.Log(err)
	}
}

func TestPlannedMoveLetsATransactionEnd(t *testing.T) {
	r := newRig(t, 1)
	db, other := r.client(""), r.client("")
	r.exec(other, "INSERT INTO t (a) VALUES ('x')")
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	v := r.view()
	v.Held, v.Why = true, "the writer is being moved to db2"
	r.world.set(v)
	if _, err := tx.Exec("INSERT INTO t (a) VALUES ('y')"); err != nil {
		t.Fatalf("a transaction that was open: %v", err)
	}
	held := make(chan error, 1)
	go func() { _, err := other.Exec("INSERT INTO t (a) VALUES ('z')"); held <- err }()
	r.until("a new write is held", func() bool { n, _ := r.all.opt.Holder.Waiting(); return n == 1 })
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	r.caughtUp()
	r.promote()
	if err := <-held; err != nil {
		t.Fatal(err)
	}
	if got := r.count("db2", "SELECT COUNT(*) FROM app.t WHERE a IN ('y', 'z')"); got != 2 {
		t.Errorf("%d of 2 rows", got)
	}
}

func TestTransactionThatAPlannedMoveDoesNotWaitForIsRetryable(t *testing.T) {
	r := newRig(t, 1)
	db := r.client("")
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("INSERT INTO t (a) VALUES ('too long')"); err != nil {
		t.Fatal(err)
	}
	v := r.view()
	v.Held, v.Why = true, "the writer is being moved to db2"
	r.world.over.Store(true)
	r.world.set(v)
	if err := tx.Commit(); code(err) != 1213 {
		t.Fatalf("COMMIT: %v, want 1213", err)
	}
	held := make(chan error, 1)
	go func() { _, err := db.Exec("INSERT INTO t (a) VALUES ('again')"); held <- err }()
	r.until("the next write is held", func() bool { n, _ := r.all.opt.Holder.Waiting(); return n == 1 })
	r.promote()
	if err := <-held; err != nil {
		t.Fatal(err)
	}
	if got := r.count("db1", "SELECT COUNT(*) FROM app.t WHERE a='too long'"); got != 0 {
		t.Error("the transaction was committed after all")
	}
}

func TestWhatIsUnderWayOnTheWriterIsCounted(t *testing.T) {
	r := newRig(t, 1)
	count := func(what string, running, open int) {
		t.Helper()
		r.until(fmt.Sprintf("%s: %d running, %d open", what, running, open), func() bool {
			a, b := r.all.Writing()
			return a == running && b == open
		})
	}
	db, other := r.client(""), r.client("")
	r.exec(db, "INSERT INTO t (a) VALUES ('x')")
	r.text(other, "SELECT COUNT(*) FROM t")
	count("two idle clients", 0, 0)
	var wait sync.WaitGroup
	wait.Go(func() { r.text(other, "SELECT SLEEP(1) FROM t LIMIT 1") })
	r.until("a reader reads", func() bool {
		return r.count("db2", "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'SELECT SLEEP%'") == 1
	})
	count("a reader reads", 0, 0)
	wait.Wait()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	count("a transaction", 0, 1)
	wait.Go(func() { _, _ = tx.Exec("INSERT INTO t (a) SELECT SLEEP(1)") })
	count("it writes", 1, 0)
	wait.Wait()
	count("it rests", 0, 1)
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	count("it has ended", 0, 0)
	v := r.view()
	v.Held, v.Why = true, "the writer is being moved to db2"
	r.world.set(v)
	wait.Go(func() { r.exec(db, "INSERT INTO t (a) VALUES ('y')") })
	r.until("a write is held", func() bool { n, _ := r.all.opt.Holder.Waiting(); return n == 1 })
	count("held", 0, 0)
	r.caughtUp()
	r.promote()
	wait.Wait()
	count("released", 0, 0)
	_, _ = db.Close(), other.Close()
	r.until("nobody is left", func() bool { r.all.mu.Lock(); defer r.all.mu.Unlock(); return len(r.all.sessions) == 0 })
}

func TestReaderThatDiesIsReplaced(t *testing.T) {
	r := newRig(t, 2)
	db := r.client("")
	first := r.text(db, which)
	name := "db2"
	if first == fmt.Sprint(r.servers["db3"].ServerID) {
		name = "db3"
	}
	r.servers[name].Kill()
	time.Sleep(1100 * time.Millisecond) // a rested connection is looked at before it is used
	if second := r.text(db, which); second == first {
		t.Errorf("%s answered again", second)
	}
}

func TestDrainEndsIdleSessionsAndLetsTransactionsEnd(t *testing.T) {
	r := newRig(t, 0)
	db, busy := r.client(""), r.client("")
	r.text(db, "SELECT @@version")
	tx, err := busy.Begin()
	if err != nil {
		t.Fatal(err)
	}
	goodbye := shutdownForTests
	r.mu.Lock()
	for _, s := range r.sessions {
		s.Drain(goodbye)
	}
	r.mu.Unlock()
	r.until("the idle session is gone", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.sessions) == 1 })
	if _, err := tx.Exec("INSERT INTO t (a) VALUES ('x')"); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	r.until("the other is gone, too", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.sessions) == 0 })
}

func TestCloseEndsARunningStatement(t *testing.T) {
	r := newRig(t, 0)
	db := r.client("")
	lost := make(chan error, 1)
	go func() { _, err := db.Exec("DO SLEEP(20)"); lost <- err }()
	r.until("it runs", func() bool {
		return r.count("db1", "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'DO SLEEP%'") == 1
	})
	r.mu.Lock()
	for _, s := range r.sessions {
		s.Close(shutdownForTests)
	}
	r.mu.Unlock()
	select {
	case err := <-lost:
		if err == nil {
			t.Error("it ended well")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on")
	}
}

var shutdownForTests = &router.Refusal{Code: 1053, State: "08S01", Message: "Server shutdown in progress"}

func TestWriterThatSaysItIsReadOnlyHasDoneNothing(t *testing.T) {
	r := newRig(t, 1)
	db, trx := r.client(""), r.client("")
	tx, err := trx.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("INSERT INTO t (a) VALUES ('lost')"); err != nil {
		t.Fatal(err)
	}
	write, err := db.Prepare("INSERT INTO t (a) VALUES (?)")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := write.Exec("before"); err != nil {
		t.Fatal(err)
	}
	r.servers["db1"].Exec("SET GLOBAL read_only=1")
	if _, err := tx.Exec("INSERT INTO t (a) VALUES ('lost')"); code(err) != 1213 {
		t.Errorf("in a transaction: %v, want 1213", err)
	}
	_ = tx.Rollback()
	done := make(chan error, 1)
	go func() { _, err := write.Exec("after"); done <- err }()
	r.until("it is held", func() bool { n, _ := r.all.opt.Holder.Waiting(); return n == 1 })
	r.caughtUp()
	r.promote()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := r.count("db2", "SELECT COUNT(*) FROM app.t WHERE a IN ('before', 'after')"); got != 2 {
		t.Errorf("%d of 2 rows", got)
	}
}

func TestClientLogsInWhileThereIsNoWriter(t *testing.T) {
	r := newRig(t, 1)
	r.exec(r.client(""), "INSERT INTO t (a) VALUES ('x')") // the router knows what servers are like
	r.caughtUp()
	r.servers["db1"].Kill()
	db := r.client("")
	done := make(chan error, 1)
	go func() { _, err := db.Exec("INSERT INTO t (a) VALUES ('y')"); done <- err }()
	time.Sleep(100 * time.Millisecond)
	r.noWriter()
	time.Sleep(100 * time.Millisecond)
	r.promote()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestDefinitionThatIsLostInATransactionLeavesItUnknown(t *testing.T) {
	r := newRig(t, 1)
	db := r.client("")
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("INSERT INTO t (a) VALUES ('committed unasked')"); err != nil {
		t.Fatal(err)
	}
	lost := make(chan error, 1)
	go func() { _, err := tx.Exec("CREATE TABLE slow AS SELECT SLEEP(5)"); lost <- err }()
	r.until("it is committed", func() bool { return r.count("db1", "SELECT COUNT(*) FROM app.t WHERE a LIKE 'committed%'") == 1 })
	r.servers["db1"].Kill()
	if err := <-lost; err == nil || code(err) == 1213 {
		t.Fatalf("%v; the transaction was committed, so nobody may say that it was not", err)
	}
}

// A host that dies while it is dialled says nothing for seconds.
func TestWriterThatHangsWhileItIsDialledIsLeftForTheNextOne(t *testing.T) {
	frozen := make(chan struct{})
	writer, hangs, next := newPuppet(t, "db1", nil), newPuppet(t, "db2", nil), newPuppet(t, "db3", nil)
	t.Cleanup(func() { close(frozen) }) // before the puppets wait for theirs
	r := newTheatre(t, writer)
	r.rules.Dial = time.Hour
	r.all.opt.Holder.SetLimits(HoldLimits{Time: time.Hour, Statements: 9, Bytes: 1 << 20})
	k := r.talk()
	hangs.frozen = frozen
	r.reign(hangs)
	k.say(wire.ComQuery, []byte("INSERT INTO t VALUES (1)")...)
	r.until("it is dialled", func() bool {
		hangs.mu.Lock()
		defer hangs.mu.Unlock()
		return len(hangs.conns) > 0
	})
	r.world.set(follow.View{Epoch: r.world.View().Epoch, Writer: hangs.host}) // the same reign: it ends nothing
	r.reign(next)
	r.until("the next one is asked", func() bool { return next.heard("INSERT") == 1 })
	k.hear(wire.ComQuery)
	if got := k.said(); !strings.Contains(got, "ok ") {
		t.Errorf("the client heard %s", got)
	}
}
