package dbops_test

import (
	"errors"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/topology"
)

// Fact: while somebody waits for an acknowledgement read_only cannot be set; the
// server gives up by itself and changes nothing. Everything that we read answers.
func TestReadOnlyIsRefusedWhileSomebodyWaits(t *testing.T) {
	w := writer(t)
	r := replica(t, w)
	must(t, w.ops.BecomeSource(patiently(t)))
	must(t, r.ops.StopIO(patiently(t)))
	first := w.insert(t, 1)
	w.eventually(t, "one waiter", func(p topology.Probe) bool { return p.Waiting == 1 })
	second, third := w.insert(t, 2), w.insert(t, 3)
	w.eventually(t, "three waiters", func(p topology.Probe) bool { return p.Waiting == 3 })
	if n, err := w.ops.Waiters(patiently(t)); n != 3 || err != nil {
		t.Fatalf("Waiters = %d, %v; want 3", n, err)
	}

	if err := w.ops.SetReadOnly(patiently(t)); !errors.Is(err, dbops.ErrLockWait) {
		t.Fatalf("SetReadOnly: %v, want ErrLockWait", err)
	}
	if p := w.observe(t); p.ReadOnly || p.Waiting != 3 {
		t.Fatalf("after the refusal: read-only %t, %d wait; want it unchanged", p.ReadOnly, p.Waiting)
	}
	if _, err := w.ops.KillIdleClients(patiently(t)); !errors.Is(err, dbops.ErrWritable) {
		t.Fatalf("KillIdleClients on a writable server: %v, want ErrWritable", err)
	}
	for _, done := range []<-chan error{first, second, third} {
		hangs(t, done)
	}
	must(t, r.ops.StartIO(patiently(t)))
	for _, done := range []<-chan error{first, second, third} {
		must(t, ended(t, done))
	}
	w.eventually(t, "nobody waits", func(p topology.Probe) bool { return p.Waiting == 0 })
	must(t, w.ops.SetReadOnly(patiently(t)))
}

func TestLeaveSourceNeverReleasesAWaiter(t *testing.T) {
	w := writer(t)
	r := replica(t, w)
	must(t, w.ops.BecomeSource(patiently(t)))
	must(t, r.ops.StopIO(patiently(t)))
	must(t, w.ops.SetReadOnly(patiently(t)))
	nudged := make(chan error, 1)
	go func() { nudged <- w.ops.WriteNudge(patiently(t), "") }()
	w.eventually(t, "a waiter", func(p topology.Probe) bool { return p.Waiting == 1 })
	if err := w.ops.LeaveSource(patiently(t)); !errors.Is(err, dbops.ErrWaiting) {
		t.Fatalf("LeaveSource: %v, want ErrWaiting", err)
	}
	hangs(t, nudged)
	must(t, r.ops.StartIO(patiently(t)))
	must(t, ended(t, nudged))
	must(t, w.ops.LeaveSource(patiently(t)))
}

// Fact (P13): a replica never acknowledges what it had before it attached. The
// next transaction releases the one that waits.
func TestNudgeReleasesWhoWaitsInVain(t *testing.T) {
	w := writer(t)
	r := replica(t, w)
	must(t, r.ops.SetSemiReplica(patiently(t), false))
	must(t, w.ops.BecomeSource(patiently(t)))
	stuck := w.insert(t, 1)
	p := w.eventually(t, "a waiter", func(p topology.Probe) bool { return p.Waiting == 1 })
	r.eventually(t, "the row received", func(q topology.Probe) bool { return q.Received.Contains(p.Position) })
	must(t, r.ops.SetSemiReplica(patiently(t), true))
	r.eventually(t, "attached", func(p topology.Probe) bool { return p.Replication.Attached && p.Replication.IO == "Yes" })
	hangs(t, stuck)
	must(t, w.ops.WriteNudge(patiently(t), ""))
	must(t, ended(t, stuck))
}

func TestOnlyOneNudgeIsOutstanding(t *testing.T) {
	w := writer(t)
	must(t, w.ops.BecomeSource(patiently(t)))
	if err := w.ops.WriteNudge(within(t, 200*time.Millisecond), ""); !errors.Is(err, dbops.ErrTimeout) {
		t.Fatalf("nudge without a replica: %v, want ErrTimeout", err)
	}
	if err := w.ops.WriteNudge(patiently(t), ""); !errors.Is(err, dbops.ErrOutstanding) {
		t.Fatalf("second nudge: %v, want ErrOutstanding", err)
	}
	if p := w.observe(t); p.Waiting != 1 {
		t.Fatalf("%d wait, want 1", p.Waiting)
	}
}

// Fact (R27): two concurrent commits stick so that a nudge cannot enter the
// binlog; one attachment by file and position releases all.
func TestReattachReleasesWhatANudgeCannot(t *testing.T) {
	w := writer(t)
	r := replica(t, w)
	must(t, r.ops.SetSemiReplica(patiently(t), false))
	must(t, w.ops.BecomeSource(patiently(t)))
	first := w.insert(t, 1)
	w.eventually(t, "a waiter", func(p topology.Probe) bool { return p.Waiting == 1 })
	second := w.insert(t, 2)
	p := w.eventually(t, "two waiters", func(p topology.Probe) bool { return p.Waiting == 2 })
	must(t, r.ops.WaitApplied(patiently(t), p.Position))
	must(t, r.ops.SetSemiReplica(patiently(t), true))
	r.eventually(t, "attached", func(p topology.Probe) bool { return p.Replication.Attached && p.Replication.IO == "Yes" })
	hangs(t, first)
	r.reattach(t, w)
	must(t, ended(t, first))
	must(t, ended(t, second))
	r.caughtUp(t, w)
	must(t, ended(t, w.insert(t, 3)))
}

func TestAnotherCallOfWriteEpochRowWaitsForTheFirstRow(t *testing.T) {
	w := writer(t)
	r := replica(t, w)
	must(t, r.ops.StopIO(patiently(t)))
	must(t, w.ops.BecomeSource(patiently(t)))
	row := topology.EpochRow{Cluster: "c", Epoch: 5, ID: "w"}
	if _, err := w.ops.WriteEpochRow(within(t, 300*time.Millisecond), "", row, 2_000_000); !errors.Is(err, dbops.ErrTimeout) {
		t.Fatalf("err = %v, want ErrTimeout", err)
	}
	again := make(chan error, 1)
	go func() { _, err := w.ops.WriteEpochRow(patiently(t), "", row, 2_000_000); again <- err }()
	must(t, r.ops.StartIO(patiently(t)))
	must(t, ended(t, again))
	if n := w.Query("SELECT COUNT(*) FROM mmm.epoch"); n != "1" {
		t.Fatalf("%s rows of the epoch", n)
	}
	if _, err := r.ops.WriteEpochRow(patiently(t), "", row, 3_000_000); !errors.Is(err, dbops.ErrReplica) {
		t.Fatalf("on a replica: %v, want ErrReplica", err)
	}
}

func TestClientsAreToldApart(t *testing.T) {
	w := writer(t)
	r := replica(t, w)
	w.Exec("SET sql_log_bin=0", "CREATE USER app@localhost", "GRANT ALL ON app.* TO app@localhost")
	conn, err := w.Root().Conn(t.Context())
	must(t, err)
	defer func() { _ = conn.Close() }()
	_, err = conn.ExecContext(t.Context(), "BEGIN")
	must(t, err)
	_, err = conn.ExecContext(t.Context(), "INSERT INTO app.t VALUES (1, 'x')")
	must(t, err)

	// Fact (row 11): an open transaction does not hold read_only up.
	must(t, w.ops.SetReadOnly(patiently(t)))
	w.eventually(t, "the open transaction idles", func(topology.Probe) bool {
		return w.Query("SELECT COUNT(*) FROM information_schema.INNODB_TRX AS t JOIN information_schema.PROCESSLIST AS p "+
			"ON p.ID=t.trx_mysql_thread_id WHERE p.COMMAND='Sleep'") == "1"
	})
	busy := make(chan error, 1)
	go func() {
		_, err := w.Root().ExecContext(t.Context(), "DO SLEEP(2)")
		busy <- err
	}()
	w.eventually(t, "a client is busy", func(topology.Probe) bool {
		return w.Query("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO='DO SLEEP(2)'") == "1"
	})
	defer func() { // R12: who runs a statement may be waiting for an acknowledgement
		if err := <-busy; err != nil {
			t.Errorf("the busy client was hit: %v", err)
		}
	}()
	n, err := w.ops.KillIdleClients(patiently(t))
	if err != nil || n == 0 {
		t.Fatalf("KillIdleClients = %d, %v; want at least the open transaction", n, err)
	}
	if _, err := conn.ExecContext(t.Context(), "COMMIT"); err == nil {
		t.Fatal("the idle client lives")
	}
	if p := r.observe(t); p.Replication.IO != "Yes" {
		t.Fatalf("the replica was hit: %+v", p.Replication)
	}

	n, err = w.ops.DisconnectReplica(patiently(t), loopback)
	if err != nil || n != 1 {
		t.Fatalf("DisconnectReplica = %d, %v; want 1", n, err)
	}
	if n, err = w.ops.DisconnectReplica(patiently(t), stranger); n != 0 || err != nil {
		t.Fatalf("DisconnectReplica of a stranger = %d, %v; want 0", n, err)
	}
}

// Fact (row 13): administrative statements of the agent's sessions leave no
// transaction on a replica, because they do not log.
func TestTheAgentLeavesNoTraceInTheBinlog(t *testing.T) {
	h := start(t)
	h.Exec("FLUSH TABLES")
	if h.observe(t).Position.Empty() {
		t.Fatal("FLUSH TABLES is not logged any more: row 13 of the facts is no longer true")
	}
	before := h.observe(t).Position
	must(t, h.ops.SetWritable(patiently(t), ""))
	must(t, h.ops.SetReadOnly(patiently(t)))
	must(t, h.ops.BecomeSource(patiently(t)))
	must(t, h.ops.LeaveSource(patiently(t)))
	must(t, h.ops.Follow(patiently(t), h.source()))
	must(t, h.ops.StopIO(patiently(t)))
	if after := h.observe(t).Position; !after.Equal(before) {
		t.Fatalf("the verbs moved the binlog from %s to %s", before, after)
	}
}

// R19: what was decided on one run of mysqld is not done to the next: that one may
// have lost transactions, would give their numbers a second time, or let clients
// write that nobody acknowledges.
func TestNothingIsDoneToAnotherRunOfMysqld(t *testing.T) {
	h := start(t)
	must(t, h.ops.EnsureTables(patiently(t)))
	before := h.observe(t)
	other := before.Incarnation + "0" // the same pid, begun at another time
	if err := h.ops.WriteNudge(patiently(t), other); !errors.Is(err, dbops.ErrOtherRun) {
		t.Errorf("a nudge: %v, want %v", err, dbops.ErrOtherRun)
	}
	row := topology.EpochRow{Cluster: "shop", Epoch: 7, ID: "h"}
	if _, err := h.ops.WriteEpochRow(patiently(t), other, row, before.Position.Highest()+1_000_000); !errors.Is(err, dbops.ErrOtherRun) {
		t.Errorf("an epoch row: %v, want %v", err, dbops.ErrOtherRun)
	}
	must(t, h.ops.SetReadOnly(patiently(t)))
	if err := h.ops.SetWritable(patiently(t), other); !errors.Is(err, dbops.ErrOtherRun) {
		t.Errorf("to open: %v, want %v", err, dbops.ErrOtherRun)
	}
	if !h.observe(t).ReadOnly {
		t.Error("another run of mysqld was opened")
	}
	must(t, h.ops.SetWritable(patiently(t), before.Incarnation))
	if after := h.observe(t); after.Position.String() != before.Position.String() {
		t.Errorf("the binlog went on from %s to %s", before.Position, after.Position)
	}
	must(t, h.ops.WriteNudge(patiently(t), before.Incarnation))
}
