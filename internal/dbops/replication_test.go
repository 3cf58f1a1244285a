package dbops_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/topology"
)

// Fact: restarting the IO thread alone, with a SQL thread that runs but has not
// applied what came in, loses nothing and fetches nothing twice; not while the
// source lives, and not when it is dead.
func TestRestartOfTheIOThreadKeepsTheRelayLog(t *testing.T) {
	w := writer(t)
	r := replica(t, w)
	release := r.stall(t)
	for id := range 5 {
		must(t, ended(t, w.insert(t, id)))
	}
	end := w.observe(t).Position
	r.eventually(t, "all received", func(p topology.Probe) bool { return p.Received.Contains(end) })
	for _, on := range []bool{false, true} {
		must(t, r.ops.SetSemiReplica(patiently(t), on))
		p := r.observe(t)
		if !p.Received.Contains(end) || p.Applied.Contains(end) {
			t.Fatalf("after acknowledging=%t: received %s, applied %s; want %s received only", on, p.Received, p.Applied, end)
		}
	}
	must(t, r.ops.StopIO(patiently(t)))
	w.Kill()
	must(t, r.ops.StartIO(patiently(t)))
	must(t, r.ops.StopIO(patiently(t)))
	if p := r.observe(t); !p.Received.Contains(end) || p.Replication.IO != "No" || !p.Replication.SQL {
		t.Fatalf("source dead: %+v; want %s received and only the IO thread stopped", p, end)
	}
	release()
	must(t, r.ops.WaitApplied(patiently(t), end))
	if n := r.Query("SELECT COUNT(*) FROM app.t"); n != "5" {
		t.Fatalf("%s rows of 5", n)
	}
}

// Fact (why R11 stops one thread only): with both threads stopped, a start of
// either deletes the relay log. The verbs refuse to do it.
func TestBothThreadsStoppedIsNeverStartedOverAnUnappliedRelayLog(t *testing.T) {
	w := writer(t)
	r := replica(t, w)
	r.delay(t)
	must(t, ended(t, w.insert(t, 1)))
	end := w.observe(t).Position
	r.eventually(t, "received", func(p topology.Probe) bool { return p.Received.Contains(end) })
	must(t, r.ops.StopIO(patiently(t)))
	w.Kill()
	r.Exec("STOP SLAVE SQL_THREAD")
	if p := r.observe(t); p.Applied.Contains(end) || !p.Received.Contains(end) {
		t.Fatalf("applied %s, received %s; want %s received only", p.Applied, p.Received, end)
	}
	for name, verb := range map[string]func() error{
		"StartSQL":     func() error { return r.ops.StartSQL(patiently(t)) },
		"StartIO":      func() error { return r.ops.StartIO(patiently(t)) },
		"BecomeSource": func() error { return r.ops.BecomeSource(patiently(t)) },
		"Follow same":  func() error { return r.ops.Follow(patiently(t), w.source()) },
		"Follow other": func() error {
			return r.ops.Follow(patiently(t), dbops.Source{Address: netip.MustParseAddr("127.0.0.2"), Port: 1})
		},
		"Reattach": func() error { return r.ops.Reattach(patiently(t)) },
	} {
		if err := verb(); !errors.Is(err, dbops.ErrUnapplied) {
			t.Errorf("%s: %v, want ErrUnapplied", name, err)
		}
	}
	if err := r.ops.WaitApplied(patiently(t), end); !errors.Is(err, dbops.ErrSQLStopped) {
		t.Errorf("WaitApplied: %v, want ErrSQLStopped", err)
	}
	if p := r.observe(t); !p.Received.Contains(end) {
		t.Fatalf("the refused verbs lost something: received %s", p.Received)
	}
	r.Exec("START SLAVE SQL_THREAD")
	p := r.observe(t)
	if p.Received.Contains(end) {
		t.Fatalf("this server keeps its relay log: row 8 of the facts is no longer true, and the refusals can go")
	}
}

// Fact: CHANGE MASTER deletes the relay log and leaves Gtid_IO_Pos at its old
// value; Received must not believe it.
func TestReceivedDoesNotBelieveAStaleIOPosition(t *testing.T) {
	w := writer(t)
	r := replica(t, w)
	r.delay(t)
	must(t, ended(t, w.insert(t, 1)))
	end := w.observe(t).Position
	before := r.eventually(t, "received", func(p topology.Probe) bool { return p.Received.Contains(end) })
	must(t, r.ops.StopIO(patiently(t)))
	r.Exec("STOP SLAVE")
	r.Exec("CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=1, MASTER_USE_GTID=slave_pos")
	if got := r.Query("SELECT @@gtid_slave_pos"); got != before.Applied.String() {
		t.Fatalf("applied %s, want %s", got, before.Applied)
	}
	if p := r.observe(t); p.Received.Contains(end) {
		t.Fatalf("received %s; the relay log with %s is deleted", p.Received, end)
	}
	// It is the same with threads that try in vain to connect.
	r.Exec("START SLAVE")
	if p := r.observe(t); p.Received.Contains(end) {
		t.Fatalf("received %s while connecting; the relay log with %s is deleted", p.Received, end)
	}
}

func TestRestartedReplicaClaimsNothingItHasNotApplied(t *testing.T) {
	w := writer(t)
	r := replica(t, w)
	_ = r.stall(t)
	must(t, ended(t, w.insert(t, 1)))
	end := w.observe(t).Position
	r.eventually(t, "received", func(p topology.Probe) bool { return p.Received.Contains(end) })
	r.Kill()
	r.Restart()
	if p := r.observe(t); p.Received.Contains(end) || p.Replication.IO != "No" || p.Replication.SQL {
		t.Fatalf("after a restart: %+v; want nothing running and nothing claimed", p)
	}
	must(t, r.ops.Follow(patiently(t), w.source()))
	r.caughtUp(t, w)
}

func TestFollowDoesNotTouchWhatIsRight(t *testing.T) {
	w := writer(t)
	r := replica(t, w)
	must(t, ended(t, w.insert(t, 1)))
	r.caughtUp(t, w)
	thread := func() string {
		return r.Query("SELECT MIN(ID) FROM information_schema.PROCESSLIST WHERE COMMAND='Slave_IO'")
	}
	before := thread()
	must(t, r.ops.Follow(patiently(t), w.source()))
	if after := thread(); after != before || before == "" {
		t.Fatalf("the IO thread is session %s, was %s", after, before)
	}
	must(t, r.ops.SetSemiReplica(patiently(t), true))
	if after := thread(); after != before {
		t.Fatalf("acknowledging was on already, yet the IO thread was restarted")
	}
	must(t, r.ops.SetWritable(patiently(t), ""))
	other := dbops.Source{Address: netip.MustParseAddr("2001:db8::1"), Port: 3309}
	if err := r.ops.Follow(patiently(t), other); !errors.Is(err, dbops.ErrWritable) {
		t.Fatalf("Follow on a writable server: %v, want ErrWritable", err)
	}
	must(t, r.ops.SetReadOnly(patiently(t)))
	must(t, r.ops.Follow(patiently(t), other))
	if p := r.observe(t); p.Replication.Source != "[2001:db8::1]:3309" || !p.Received.Contains(w.observe(t).Position) {
		t.Fatalf("after re-pointing: %+v", p)
	}
	if err := r.ops.Follow(patiently(t), dbops.Source{}); err == nil {
		t.Fatal("a source without address was accepted")
	}
}

func TestFailoverKeepsAcknowledgedRowsAndTheOldWriterRejoins(t *testing.T) {
	a := writer(t)
	b := replica(t, a)
	c := replica(t, a)
	must(t, a.ops.BecomeSource(patiently(t)))
	must(t, ended(t, a.insert(t, 1)))
	for _, h := range []host{b, c} { // one has acknowledged it; whoever is to be source must have it
		h.caughtUp(t, a)
	}

	// Nobody acknowledges any more: the next row is a's alone.
	must(t, b.ops.StopIO(patiently(t)))
	must(t, c.ops.StopIO(patiently(t)))
	tail := a.insert(t, 2)
	a.eventually(t, "a waiter", func(p topology.Probe) bool { return p.Waiting == 1 })
	a.Kill()
	if err := ended(t, tail); err == nil {
		t.Fatal("an insert that nobody acknowledged was acknowledged")
	}

	for _, h := range []host{b, c} {
		must(t, h.ops.WaitApplied(patiently(t), h.observe(t).Received))
	}
	must(t, b.ops.BecomeSource(patiently(t)))
	row := topology.EpochRow{Cluster: "c1", Epoch: 42, ID: "b"}
	const jump = 1_000_007
	id, err := b.ops.EpochGTID(patiently(t), jump)
	must(t, err)
	written := make(chan error, 1)
	go func() { _, err := b.ops.WriteEpochRow(patiently(t), "", row, jump); written <- err }()
	p := b.eventually(t, "the row in the binlog", func(p topology.Probe) bool { return p.Position.Equal(id) && p.Waiting > 0 })
	if p.Epoch.Epoch == 42 {
		t.Fatal("the row can be read before anybody acknowledged it")
	}
	hangs(t, written)
	must(t, c.ops.Follow(patiently(t), b.source()))
	must(t, ended(t, written))
	p = b.eventually(t, "the row", func(p topology.Probe) bool { return p.Epoch.Epoch == 42 })
	if !p.Epoch.GTID.Equal(id) || p.Waiting != 0 {
		t.Fatalf("after the acknowledgement: %+v", p)
	}
	must(t, b.ops.SetWritable(patiently(t), ""))
	must(t, ended(t, b.insert(t, 3)))

	// Fact: init_rpl_role=SLAVE takes the unacknowledged tail off at the restart.
	a.Restart()
	if n := a.Query("SELECT COUNT(*) FROM app.t WHERE id=2"); n != "0" {
		t.Fatal("the old writer kept a row that nobody acknowledged")
	}
	must(t, a.ops.Follow(patiently(t), b.source()))
	must(t, a.ops.SetSemiReplica(patiently(t), true))
	a.caughtUp(t, b)
	c.caughtUp(t, b)
	for _, h := range []host{a, b, c} {
		if rows := h.Query("SELECT GROUP_CONCAT(id ORDER BY id) FROM app.t"); rows != "1,3" {
			t.Errorf("%s has rows %s, want 1,3", h.Dir, rows)
		}
	}
}

// Fact: a server passes over events that bear its own id, and counts them as
// applied, unless it connects with semi-sync on. A writer whose crash cut off
// what others had received already needs them back.
func TestServerTakesItsOwnEventsBackOnlyWhenItAcknowledges(t *testing.T) {
	for _, acks := range []bool{false, true} {
		a := writer(t)
		b := replica(t, a)
		must(t, ended(t, a.insert(t, 1)))
		short := a.observe(t).Position
		must(t, ended(t, a.insert(t, 2)))
		b.caughtUp(t, a)
		b.Exec("STOP SLAVE", "RESET SLAVE ALL")

		// As after a crash: the last row and its number are gone.
		a.Exec("SET sql_log_bin=0", "SET GLOBAL read_only=1", "DELETE FROM app.t WHERE id=2", "RESET MASTER",
			"SET GLOBAL gtid_slave_pos='"+short.String()+"'")
		must(t, a.ops.SetSemiReplica(patiently(t), acks))
		must(t, a.ops.Follow(patiently(t), b.source()))
		end := b.observe(t).Position
		a.eventually(t, "all applied by number", func(p topology.Probe) bool { return p.Applied.Contains(end) || p.Replication.Error != "" })
		want := map[bool]string{false: "1", true: "2"}[acks]
		if n := a.Query("SELECT COUNT(*) FROM app.t"); n != want {
			t.Errorf("acknowledging=%t: %s rows, want %s", acks, n, want)
		}
	}
}

func TestPlannedSwitchoverAndBack(t *testing.T) {
	a := writer(t)
	b := replica(t, a)
	must(t, a.ops.BecomeSource(patiently(t)))
	must(t, ended(t, a.insert(t, 1)))
	if err := a.ops.LeaveSource(patiently(t)); !errors.Is(err, dbops.ErrWritable) {
		t.Fatalf("LeaveSource on a writable server: %v, want ErrWritable", err)
	}
	from, to := a, b
	for id := 2; id <= 3; id++ {
		must(t, from.ops.SetReadOnly(patiently(t)))
		to.caughtUp(t, from)
		must(t, to.ops.BecomeSource(patiently(t)))
		must(t, to.ops.BecomeSource(patiently(t)))
		must(t, from.ops.LeaveSource(patiently(t)))
		must(t, from.ops.Follow(patiently(t), to.source()))
		must(t, from.ops.SetSemiReplica(patiently(t), true))
		must(t, to.ops.SetWritable(patiently(t), ""))
		must(t, ended(t, to.insert(t, id)))
		from.caughtUp(t, to)
		from, to = to, from
	}
	if rows := a.Query("SELECT COUNT(*) FROM app.t"); rows != "3" {
		t.Fatalf("%s rows of 3", rows)
	}
}

func TestStopIOWorksWhileTheSourceIsFrozenOrDead(t *testing.T) {
	w := writer(t)
	r := replica(t, w)
	w.Freeze()
	must(t, r.ops.StopIO(patiently(t)))
	must(t, r.ops.StartIO(patiently(t)))
	w.Kill()
	must(t, r.ops.StopIO(patiently(t)))
	must(t, r.ops.StopIO(patiently(t)))
	if p := r.observe(t); p.Replication.IO != "No" || !p.Replication.SQL {
		t.Fatalf("replication %+v, want only the IO thread stopped", p.Replication)
	}
}

func TestDivergedReplicaIsNamedInTheError(t *testing.T) {
	w := writer(t)
	r := start(t)
	r.Exec("CREATE DATABASE mine")
	must(t, r.ops.Follow(patiently(t), w.source()))
	// The server writes the error down a moment before its thread has ended.
	r.eventually(t, "an error and an ended thread", func(p topology.Probe) bool {
		return p.Replication.Error != "" && (p.Replication.IO != "Yes" || !p.Replication.SQL)
	})
}

// The simulation's servers do the same (chaos/sim).
func TestSourceWithoutHistoryDeniesNothing(t *testing.T) {
	w := writer(t)
	r := replica(t, w)
	must(t, ended(t, w.insert(t, 1)))
	r.caughtUp(t, w)
	end := r.observe(t).Position
	empty := start(t)
	empty.Exec("RESET MASTER")
	must(t, r.ops.Follow(patiently(t), empty.source()))
	r.eventually(t, "attached", func(p topology.Probe) bool { return p.Replication.IO == "Yes" && p.Replication.Error == "" })

	empty.Exec("CREATE DATABASE mine")
	must(t, r.ops.StopIO(patiently(t)))
	must(t, r.ops.StartIO(patiently(t)))
	p := r.eventually(t, "denied", func(p topology.Probe) bool { return p.Replication.Error != "" })
	if want := "connecting slave requested to start from GTID " + end.String() + ", which is not in the master's binlog"; !strings.Contains(p.Replication.Error, want) {
		t.Fatalf("%q, want %q", p.Replication.Error, want)
	}
}

// A transaction stands in the position of the binlog before it is committed. Here
// it stays between the two, because nobody acknowledges what the replica logs.
func TestWhatIsOnlyInTheBinlogIsNotApplied(t *testing.T) {
	w := writer(t)
	r := replica(t, w)
	r.Exec("SET GLOBAL rpl_semi_sync_master_wait_no_slave=1", "SET GLOBAL rpl_semi_sync_master_timeout=1000000000", "SET GLOBAL rpl_semi_sync_master_enabled=1")
	w.Exec("INSERT INTO app.t VALUES (1, 'x')")
	end := w.observe(t).Position
	r.eventually(t, "it is in the binlog", func(p topology.Probe) bool { return p.Position.Contains(end) })
	if n := r.Query("SELECT COUNT(*) FROM app.t"); n != "0" {
		t.Fatalf("%s rows: it is committed, and nothing proven", n)
	}
	if err := r.ops.WaitApplied(within(t, time.Second), end); !errors.Is(err, dbops.ErrTimeout) {
		t.Errorf("WaitApplied: %v, want ErrTimeout", err)
	}
	r.Exec("SET GLOBAL rpl_semi_sync_master_enabled=0")
	must(t, r.ops.WaitApplied(patiently(t), end))
	if n := r.Query("SELECT COUNT(*) FROM app.t"); n != "1" {
		t.Errorf("%s rows of what is applied", n)
	}
	// What somebody wrote here himself is nothing that the SQL thread will ever say.
	r.Exec("INSERT INTO app.t VALUES (2, 'x')")
	must(t, r.ops.WaitApplied(patiently(t), r.observe(t).Position))
}

func TestWaitAppliedTellsTimeout(t *testing.T) {
	w := writer(t)
	r := replica(t, w)
	far := set(t, "0-1-4000000000")
	if err := r.ops.WaitApplied(within(t, 100*time.Millisecond), far); !errors.Is(err, dbops.ErrTimeout) {
		t.Fatalf("err = %v, want ErrTimeout", err)
	}
}
