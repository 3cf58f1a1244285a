package dbops_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

func (h host) mark(t *testing.T) topology.Incarnation {
	t.Helper()
	must(t, h.ops.MarkRun(patiently(t), h.Datadir))
	return h.Incarnation()
}

// kept is what is left of a run now.
func (h host) kept(t *testing.T, run topology.Incarnation) (topology.Kept, bool) {
	t.Helper()
	runs, err := dbops.KeptRuns(h.Datadir, h.observe(t).Position)
	must(t, err)
	i := slices.IndexFunc(runs, func(k topology.Kept) bool { return k.Run == run })
	if i < 0 {
		return topology.Kept{}, false
	}
	return runs[i], true
}

func (h host) wantKept(t *testing.T, run topology.Incarnation, beyond gtid.Set) {
	t.Helper()
	if k, ok := h.kept(t, run); !ok || !k.Beyond.Equal(beyond) {
		t.Fatalf("kept %+v (%t), want what goes up to %q", k, ok, beyond)
	}
}

// fallen is a writer that was killed while n inserts waited for an
// acknowledgement, and was started again: its restart has cut them off.
func fallen(t *testing.T, n int) (w host, run topology.Incarnation, tail gtid.Set) {
	t.Helper()
	w = writer(t)
	run = w.mark(t)
	must(t, w.ops.BecomeSource(patiently(t)))
	for i := range n {
		_ = w.insert(t, i+1)
	}
	before := w.observe(t).Position.Highest()
	p := w.eventually(t, "all wait", func(p topology.Probe) bool { return p.Waiting >= n })
	_ = before
	w.Kill()
	if w.keep(t, 1) == "" {
		t.Fatal("nothing was kept")
	}
	// Commits queue: what is in the binlog is what was kept, not what was asked for.
	w.Restart()
	k, ok := w.kept(t, run)
	if !ok || k.Beyond.Empty() {
		t.Fatalf("kept %+v (%t); the binlog ended at %s", k, ok, p.Position)
	}
	return w, run, k.Beyond
}

func TestWhatACrashCutOffIsTakenInUnderItsOwnGTID(t *testing.T) {
	w, run, tail := fallen(t, 1)
	if w.Query("SELECT COUNT(*) FROM app.t") != "0" {
		t.Fatal("the restart cut nothing off: nothing proven")
	}
	must(t, w.ops.Replay(patiently(t), w.Datadir, run))
	if p := w.observe(t); !p.Position.Equal(tail) || !p.Applied.Equal(tail) {
		t.Errorf("position %s, applied %s, want %s", p.Position, p.Applied, tail)
	}
	if n := w.Query("SELECT COUNT(*) FROM app.t"); n != "1" {
		t.Errorf("%s rows", n)
	}
	w.wantKept(t, run, gtid.Set{})
	must(t, w.ops.Replay(patiently(t), w.Datadir, run)) // again: nothing to do
	if p := w.observe(t); !p.Position.Equal(tail) {
		t.Errorf("the second replay wrote: %s", p.Position)
	}
	// And the line goes on: a replica takes it, and what follows.
	must(t, w.ops.SetWritable(patiently(t), ""))
	r := replica(t, w)
	must(t, w.ops.BecomeSource(patiently(t)))
	must(t, ended(t, w.insert(t, 9)))
	r.caughtUp(t, w)
	if n := r.Query("SELECT COUNT(*) FROM app.t"); n != "2" {
		t.Errorf("%s rows on the replica", n)
	}
}

// downed is an acker that was killed with 20 inserts received and not applied,
// and started again.
func downed(t *testing.T, statements ...string) (w, r host, run topology.Incarnation, end gtid.Set) {
	t.Helper()
	w = writer(t)
	r = replica(t, w)
	run = r.mark(t)
	must(t, w.ops.BecomeSource(patiently(t)))
	_ = r.stall(t)
	for i := range 20 {
		must(t, ended(t, w.insert(t, i+1)))
	}
	if len(statements) > 0 {
		w.Exec(statements...)
	}
	end = w.observe(t).Position
	r.eventually(t, "received", func(p topology.Probe) bool { return p.Received.Contains(end) })
	r.Kill()
	if r.keep(t, 1) == "" {
		t.Fatal("nothing was kept")
	}
	r.Restart()
	if p := r.observe(t); p.Received.Contains(end) {
		t.Fatal("it claims what it has not applied: nothing proven")
	}
	r.wantKept(t, run, end)
	return w, r, run, end
}

func TestAckerTakesItsRelayLogInAndFollowsOn(t *testing.T) {
	w, r, run, end := downed(t)
	must(t, r.ops.Replay(patiently(t), r.Datadir, run))
	if p := r.observe(t); !p.Position.Equal(end) || !p.Applied.Equal(end) || p.Replication.SQL || p.Replication.IO == "Yes" {
		t.Fatalf("position %s, applied %s, want %s; replication %+v", p.Position, p.Applied, end, p.Replication)
	}
	if n := r.Query("SELECT COUNT(*) FROM app.t"); n != "20" {
		t.Errorf("%s rows", n)
	}
	r.wantKept(t, run, gtid.Set{})
	must(t, r.ops.SetSemiReplica(patiently(t), true))
	must(t, r.ops.Follow(patiently(t), w.source()))
	must(t, ended(t, w.insert(t, 100)))
	r.caughtUp(t, w)
	const all = "SELECT GROUP_CONCAT(id, b ORDER BY id) FROM app.t"
	if a, b := w.Query(all), r.Query(all); a != b {
		t.Errorf("the writer has %s, the acker %s", a, b)
	}
}

// A replay that is killed together with its server, again and again, comes to
// the same end.
func TestReplayMayBeInterruptedAnywhere(t *testing.T) {
	_, r, run, end := downed(t)
	for i := 1; ; i++ {
		// Each time a little longer: some die before the first commit, some between two.
		ctx, cancel := context.WithTimeout(patiently(t), time.Duration(i)*time.Millisecond)
		err := r.ops.Replay(ctx, r.Datadir, run)
		cancel()
		if err == nil {
			break
		}
		if i%3 == 0 {
			r.Kill()
			_ = r.keep(t, 100+i)
			r.Restart()
		}
		if _, ok := r.kept(t, run); !ok {
			t.Fatalf("after try %d (%v) nobody knows of the run any more", i, err)
		}
		if i > 200 {
			t.Fatal("it never came to an end")
		}
	}
	if p := r.observe(t); !p.Position.Equal(end) {
		t.Errorf("position %s, want %s", p.Position, end)
	}
	if n := r.Query("SELECT COUNT(*) FROM app.t"); n != "20" {
		t.Errorf("%s rows", n)
	}
}

// What was torn off in the middle of an event was never on disk as a whole, and
// so never acknowledged: the rest counts.
func TestTornTailIsTakenInUpToTheTear(t *testing.T) {
	_, r, run, end := downed(t)
	relays, _ := filepath.Glob(filepath.Join(r.Datadir, dbops.KeptDir, "*Z", "relay-bin.0*"))
	var path string
	for _, p := range relays {
		if info, err := os.Stat(p); err == nil && info.Size() > 2000 {
			path = p
		}
	}
	raw, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, raw[:len(raw)-10], 0o600))
	k, ok := r.kept(t, run)
	if !ok || gtid.Distance(end, k.Beyond) != 1 {
		t.Fatalf("kept %+v (%t), want all but the last of %s", k, ok, end)
	}
	must(t, r.ops.Replay(patiently(t), r.Datadir, run))
	if n := r.Query("SELECT COUNT(*) FROM app.t"); n != "19" {
		t.Errorf("%s rows", n)
	}
	// A byte that is wrong ends it just so; what follows is not trusted either.
	raw[len(raw)/2] ^= 0xff
	must(t, os.WriteFile(path, raw, 0o600))
	if k, ok := r.kept(t, run); ok && !k.Beyond.Empty() {
		t.Errorf("kept %+v of a file with a wrong byte", k)
	}
}

func TestStatementsAreLeftToAnAdministrator(t *testing.T) {
	_, r, run, _ := downed(t, "CREATE TABLE app.u (id INT)", "INSERT INTO app.u VALUES (1)")
	if err := r.ops.Replay(patiently(t), r.Datadir, run); !errors.Is(err, dbops.ErrByHand) {
		t.Fatalf("got %v, want ErrByHand", err)
	}
	if n := r.Query("SELECT COUNT(*) FROM app.t"); n != "20" {
		t.Errorf("%s rows of what stands before", n)
	}
	if k, ok := r.kept(t, run); !ok || k.Beyond.Empty() {
		t.Errorf("kept %+v (%t): what is left is forgotten", k, ok)
	}
}

// Its writer fell with it, and for as long as the writer's lease lasted it tried
// to follow it. Seen: the election waited for ever for what was kept here.
func TestAckerThatHasTriedToFollowTheDeadWriterTakesItsRelayLogIn(t *testing.T) {
	w, r, run, end := downed(t)
	w.Kill()
	must(t, r.ops.Follow(patiently(t), w.source()))
	r.eventually(t, "trying", func(p topology.Probe) bool { return p.Replication.SQL && p.Replication.IO != "No" })
	must(t, r.ops.Replay(patiently(t), r.Datadir, run))
	if p := r.observe(t); !p.Position.Equal(end) || !p.Applied.Equal(end) || p.Replication.SQL || p.Replication.IO != "No" {
		t.Fatalf("position %s, applied %s, want %s; replication %+v", p.Position, p.Applied, end, p.Replication)
	}
}

func TestReplayRefuses(t *testing.T) {
	w, run, _ := fallen(t, 1)
	must(t, w.ops.SetWritable(patiently(t), ""))
	if err := w.ops.Replay(patiently(t), w.Datadir, run); !errors.Is(err, dbops.ErrWritable) {
		t.Errorf("on a writable server: %v", err)
	}
	w.Exec("SET timestamp=1", "INSERT INTO app.t VALUES (50, 'another way')")
	must(t, w.ops.SetReadOnly(patiently(t)))
	if err := w.ops.Replay(patiently(t), w.Datadir, run); !errors.Is(err, dbops.ErrUnverified) {
		t.Errorf("on a server that has gone another way: %v", err)
	}
	if k, ok := w.kept(t, run); ok {
		t.Errorf("it still says that nothing of the run is lost: %+v", k)
	}
	if err := w.ops.Replay(patiently(t), w.Datadir, "another run"); !errors.Is(err, dbops.ErrUnverified) {
		t.Errorf("for a run that nobody knows: %v", err)
	}
}

// The number of the transaction that was cut off may be given again. Then the
// server has the number, and not the transaction.
func TestANumberGivenAgainIsNotTakenForTheTail(t *testing.T) {
	w, run, tail := fallen(t, 1)
	must(t, w.ops.SetWritable(patiently(t), ""))
	w.Exec("SET timestamp=1", "INSERT INTO app.t VALUES (50, 'another way')")
	if p := w.observe(t); !p.Position.Equal(tail) {
		t.Fatalf("position %s, tail %s: the number was not given again", p.Position, tail)
	}
	if k, ok := w.kept(t, run); ok {
		t.Errorf("it says that nothing of the run is lost: %+v", k)
	}
	w.Exec("SET timestamp=1", "INSERT INTO app.t VALUES (51, 'and on')")
	if k, ok := w.kept(t, run); ok {
		t.Errorf("it has gone on from there, and says that nothing of the run is lost: %+v", k)
	}
}

// A start without KeepTails in between has thrown away what the mark speaks of.
func TestMarkOfARunDoesNotPassToTheNext(t *testing.T) {
	w := writer(t)
	run := w.mark(t)
	must(t, w.ops.BecomeSource(patiently(t)))
	_ = w.insert(t, 1)
	w.eventually(t, "it waits", func(p topology.Probe) bool { return p.Waiting == 1 })
	w.Kill()
	w.Restart() // cuts the tail off, and nobody has kept it
	w.Kill()
	_ = w.keep(t, 1)
	w.Restart()
	if k, ok := w.kept(t, run); ok {
		t.Fatalf("nothing is said to be lost of a run whose tail is gone: %+v", k)
	}
}

func TestCleanStopLeavesTheRunWhole(t *testing.T) {
	w := writer(t)
	run := w.mark(t)
	w.Exec("INSERT INTO app.t VALUES (1, 'x')")
	w.Stop()
	if dir := w.keep(t, 1); dir != "" {
		t.Errorf("kept %s after a clean stop", dir)
	}
	w.Restart()
	w.wantKept(t, run, gtid.Set{})
}

// A clean stop of a replica keeps its relay log, and the next START SLAVE throws
// it away.
func TestCleanStopOfAReplicaKeepsWhatIsNotApplied(t *testing.T) {
	w := writer(t)
	r := replica(t, w)
	run := r.mark(t)
	r.delay(t)
	w.Exec("INSERT INTO app.t VALUES (1, 'x')")
	end := w.observe(t).Position
	r.eventually(t, "received", func(p topology.Probe) bool { return p.Received.Contains(end) })
	r.Stop()
	if dir := r.keep(t, 1); dir == "" {
		t.Fatal("nothing was kept")
	}
	r.Restart()
	r.wantKept(t, run, end)
	must(t, r.ops.Replay(patiently(t), r.Datadir, run))
	if n := r.Query("SELECT COUNT(*) FROM app.t"); n != "1" {
		t.Errorf("%s rows", n)
	}
}

// A server that falls again and again before it has written anything must not
// push out the copy that matters.
func TestManyFallsKeepTheCopyThatMatters(t *testing.T) {
	w, run, tail := fallen(t, 1)
	for i := range 5 {
		_ = w.mark(t)
		w.Kill()
		_ = w.keep(t, 10+i)
		w.Restart()
	}
	w.wantKept(t, run, tail)
	must(t, w.ops.Replay(patiently(t), w.Datadir, run))
	if n := w.Query("SELECT COUNT(*) FROM app.t"); n != "1" {
		t.Errorf("%s rows", n)
	}
	// It falls once more: what was taken in is of the server now.
	_ = w.mark(t)
	w.Kill()
	_ = w.keep(t, 20)
	w.Restart()
	k, ok := w.kept(t, run)
	if !ok {
		t.Fatal("the run is not known any more")
	}
	if !k.Beyond.Empty() {
		must(t, w.ops.Replay(patiently(t), w.Datadir, run))
	}
	if n := w.Query("SELECT COUNT(*) FROM app.t"); n != "1" {
		t.Errorf("%s rows after one more fall", n)
	}
}
