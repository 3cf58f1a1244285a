package dbops_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/topology"
)

// writes commits transactions of several large rows on some connections until
// stop is called; stop returns the ids that were acknowledged.
func (h host) writes(t *testing.T, connections int) (stop func() map[int]bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	acked, mu, all := map[int]bool{}, sync.Mutex{}, sync.WaitGroup{}
	for c := range connections {
		all.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				id := 1_000_000*(c+1) + 10*i
				rows := make([]string, 10)
				for r := range rows {
					rows[r] = fmt.Sprintf("INSERT INTO app.t VALUES (%d, REPEAT('x', 1000))", id+r)
				}
				_, err := h.Root().ExecContext(ctx, "BEGIN NOT ATOMIC START TRANSACTION; "+strings.Join(rows, "; ")+"; COMMIT; END")
				if err == nil {
					mu.Lock()
					acked[id] = true
					mu.Unlock()
				}
				time.Sleep(10 * time.Millisecond) // so that the replica keeps up
			}
		})
	}
	return func() map[int]bool { cancel(); all.Wait(); return acked }
}

// reattach finds a moment at which the relay log is applied, and the source, on a
// machine that is busy, answers in the second that it is given; whoever waits longer
// for it follows it anew, as an agent does.
func (h host) reattach(t *testing.T, source host) {
	t.Helper()
	ctx := patiently(t)
	for {
		err := h.ops.Reattach(ctx)
		switch {
		case err == nil:
			return
		case ctx.Err() != nil:
			t.Fatal(err)
		case errors.Is(err, dbops.ErrTimeout):
			must(t, h.ops.Follow(ctx, source.source()))
		case !errors.Is(err, dbops.ErrUnapplied) && !errors.Is(err, dbops.ErrNotTold):
			t.Fatal(err)
		}
	}
}

// lacks are those of the transactions that a server does not have.
func (h host) lacks(t *testing.T, ids map[int]bool) (out []int) {
	t.Helper()
	rows, err := h.Root().QueryContext(t.Context(), "SELECT id FROM app.t WHERE id >= 1000000 AND id MOD 10 = 0")
	must(t, err)
	defer func() { _ = rows.Close() }()
	there := map[int]bool{}
	for rows.Next() {
		var id int
		must(t, rows.Scan(&id))
		there[id] = true
	}
	must(t, rows.Err())
	for id := range ids {
		if !there[id] {
			out = append(out, id)
		}
	}
	return out
}

// An IO thread may be stopped in the middle of a transaction. By file and
// position it would go on there, behind the event that names the transaction,
// and the transaction would be missing for good.
func TestReattachWhileClientsWriteLeavesNoTransactionOut(t *testing.T) {
	w := writer(t)
	r := replica(t, w)
	must(t, w.ops.BecomeSource(patiently(t)))
	stop := w.writes(t, 4)
	for range 15 {
		r.reattach(t, w)
		r.eventually(t, "attached", func(p topology.Probe) bool { return p.Replication.Attached && p.Replication.IO == "Yes" })
	}
	acked := stop()
	r.caughtUp(t, w)
	if missing := r.lacks(t, acked); len(missing) > 0 || len(acked) == 0 {
		t.Errorf("%d of %d acknowledged transactions are missing: %v", len(missing), len(acked), missing)
	}
	sum := "SELECT COUNT(*) + SUM(id) FROM app.t"
	if a, b := w.Query(sum), r.Query(sum); a != b {
		t.Errorf("the rows differ: %s on the source, %s on the replica", a, b)
	}
}

// An agent that dies inside Reattach leaves the server replicating by position,
// acknowledging, and the server does not say what it received. Nothing of that
// may be dropped, nor left out of what the host says it has (R40).
func TestWhatWasReceivedByPositionIsNotDropped(t *testing.T) {
	w := writer(t)
	r := replica(t, w)
	must(t, w.ops.BecomeSource(patiently(t)))
	must(t, ended(t, w.insert(t, 1)))
	r.caughtUp(t, w)
	r.Exec("STOP SLAVE", "CHANGE MASTER TO MASTER_USE_GTID=no", "START SLAVE")
	r.eventually(t, "attached", func(p topology.Probe) bool { return p.Replication.Attached && p.Replication.IO == "Yes" })
	release := r.stall(t)
	must(t, ended(t, w.insert(t, 2)))
	w.Kill()

	if err := r.ops.Follow(within(t, time.Second), w.source()); !errors.Is(err, dbops.ErrUnapplied) {
		t.Errorf("Follow: %v, want ErrUnapplied", err)
	}
	if err := r.ops.StopIO(within(t, time.Second)); !errors.Is(err, dbops.ErrUnapplied) {
		t.Errorf("StopIO: %v, want ErrUnapplied", err)
	}
	release()
	must(t, r.ops.StopIO(patiently(t)))
	if n := r.Query("SELECT COUNT(*) FROM app.t WHERE id=2"); n != "1" {
		t.Error("what was acknowledged is lost")
	}
	must(t, r.ops.Follow(patiently(t), w.source()))
	if n := r.Query("SELECT COUNT(*) FROM app.t"); n != "2" {
		t.Errorf("%s rows, want 2", n)
	}
}
