package dbops_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/internal/dbops/dbopstest"
	"github.com/mmm-ha/mmm/internal/process"
	"github.com/mmm-ha/mmm/topology"
)

func TestObserveReadsAFreshServer(t *testing.T) {
	h := start(t)
	p := h.observe(t)
	if !p.Up || p.PID != h.PID() || p.Incarnation != h.Incarnation() || p.ServerID != h.ServerID || !p.ReadOnly {
		t.Fatalf("probe %+v; want up, pid %d, server %d, read-only", p, h.PID(), h.ServerID)
	}
	if !p.Position.Empty() || !p.Received.Empty() {
		t.Errorf("the harness or the agent wrote to the binlog: %s", p.Position)
	}
	if p.Replication.Configured || p.SemiSource || p.Waiting != 0 || p.Epoch.Epoch != 0 {
		t.Errorf("probe %+v claims a role", p)
	}
	if !strings.Contains(p.Version, "MariaDB") {
		t.Errorf("version %q", p.Version)
	}
}

func TestObserveTellsDeadFromHungFromFull(t *testing.T) {
	h := start(t, "max-connections=12")
	first := h.observe(t)

	h.Freeze()
	p, err := h.ops.Observe(within(t, 300*time.Millisecond))
	if !errors.Is(err, dbops.ErrTimeout) || p.Up || p.Incarnation != first.Incarnation || !strings.Contains(p.Why, "in time") {
		t.Fatalf("frozen: %+v, %v; want ErrTimeout and the same incarnation", p, err)
	}
	h.Thaw()
	if p = h.observe(t); p.Incarnation != first.Incarnation {
		t.Fatalf("thawed: incarnation %s, want %s", p.Incarnation, first.Incarnation)
	}

	// Clients use up every connection. Nothing that the agent needs is lost.
	for i := 0; i < 40; i++ {
		conn, err := h.Root().Conn(t.Context())
		if err != nil {
			break
		}
		defer func() { _ = conn.Close() }()
	}
	h.observe(t)
	must(t, h.ops.SetWritable(patiently(t), ""))
	must(t, h.ops.SetReadOnly(patiently(t)))

	h.Kill()
	p, err = h.ops.Observe(patiently(t))
	if !errors.Is(err, dbops.ErrUnreachable) || p.Up || p.Incarnation != "" || p.PID != 0 || p.Why != "mysqld does not run" {
		t.Fatalf("dead: %+v, %v; want ErrUnreachable and no process", p, err)
	}
	h.Restart()
	if p = h.observe(t); p.Incarnation == first.Incarnation || p.PID != h.PID() {
		t.Fatalf("restarted: %+v; want a new incarnation with pid %d", p, h.PID())
	}
}

func TestFullServerIsErrTooManyAndNoDeath(t *testing.T) {
	h := dbopstest.Start(t, "max-connections=10")
	var taken int
	for ; taken < 40; taken++ {
		conn, err := h.Root().Conn(t.Context())
		if err != nil {
			break
		}
		defer func() { _ = conn.Close() }()
	}
	// The server grants CONNECTION ADMIN one more than max_connections; root took
	// it here, so the agent, which comes late, gets none.
	ops, err := dbops.Open(h.Options())
	must(t, err)
	defer ops.Close()
	p, err := ops.Observe(patiently(t))
	if !errors.Is(err, dbops.ErrTooMany) || p.Incarnation != h.Incarnation() || !strings.Contains(p.Why, "max_connections") {
		t.Fatalf("with %d sessions taken: %+v, %v; want ErrTooMany and the incarnation", taken, p, err)
	}
}

func TestKillEndsAFrozenServer(t *testing.T) {
	h := start(t)
	inc := h.Incarnation()
	died, err := process.Watch(patiently(t), inc)
	must(t, err)
	h.Freeze()
	must(t, process.Kill(patiently(t), inc))
	if _, dead := <-died; !dead {
		t.Fatal("the watch did not see the death")
	}
}

func TestDeniedSaysHowToFixIt(t *testing.T) {
	h := dbopstest.Start(t)
	opt := h.Options()
	opt.Password = "wrong"
	_, err := dbops.Dial(patiently(t), opt)
	if !errors.Is(err, dbops.ErrDenied) {
		t.Fatalf("err = %v, want ErrDenied", err)
	}
	for _, word := range []string{opt.User, opt.Socket, "ALTER USER"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not mention %q", err, word)
		}
	}
	if strings.Contains(err.Error(), "wrong") {
		t.Errorf("%q gives the password away", err)
	}
}

func TestDialOfADeadServerGivesOneThatWorksLater(t *testing.T) {
	h := dbopstest.Start(t)
	h.Kill()
	ops, err := dbops.Dial(patiently(t), h.Options())
	if !errors.Is(err, dbops.ErrUnreachable) || ops == nil {
		t.Fatalf("Dial = %v, %v; want a Server with ErrUnreachable", ops, err)
	}
	defer ops.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ops.SetReadOnly(ctx); err == nil {
		t.Fatal("a cancelled verb on no server succeeded")
	}
	h.Restart()
	if p, err := ops.Observe(patiently(t)); err != nil || !p.Up || p.Incarnation != h.Incarnation() {
		t.Fatalf("after the start: %+v, %v", p, err)
	}
}

func TestObserveSeesTheEpochTableAppear(t *testing.T) {
	h := start(t)
	h.observe(t)
	must(t, h.ops.EnsureTables(patiently(t)))
	must(t, h.ops.EnsureTables(patiently(t)))
	for _, e := range []topology.Rev{7, 9} {
		row := topology.EpochRow{Cluster: "c1", Epoch: e, ID: "h1"}
		id, err := h.ops.WriteEpochRow(patiently(t), "", row, uint64(e)*1_000_000)
		must(t, err)
		p := h.eventually(t, "the row", func(p topology.Probe) bool { return p.Epoch.Epoch == e })
		if !p.Epoch.GTID.Equal(id) || p.Epoch.Cluster != "c1" || p.Epoch.ID != "h1" || !p.Position.Equal(id) {
			t.Fatalf("epoch %+v at %s, want %s", p.Epoch, p.Position, id)
		}
	}
}

func BenchmarkObserve(b *testing.B) {
	h := dbopstest.Start(b)
	ops := h.Dial()
	if err := ops.EnsureTables(b.Context()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := ops.Observe(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
