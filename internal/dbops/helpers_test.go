package dbops_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/internal/dbops/dbopstest"
	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

// patience bounds what must happen, on a machine that is busy with other tests.
const patience = 20 * time.Second

var (
	loopback = netip.MustParseAddr("127.0.0.1")
	stranger = netip.MustParseAddr("192.0.2.77") // no replica has it
)

// host is one server and the hand on it.
type host struct {
	*dbopstest.Server
	ops *dbops.Server
}

func start(t *testing.T, lines ...string) host {
	t.Helper()
	s := dbopstest.Start(t, lines...)
	return host{s, s.Dial()}
}

func (h host) source() dbops.Source { return dbops.Source{Address: loopback, Port: h.ExtraPort} }

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func patiently(t *testing.T) context.Context { t.Helper(); return within(t, patience) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func set(t *testing.T, text string) gtid.Set {
	t.Helper()
	s, err := gtid.Parse(text)
	must(t, err)
	return s
}

func (h host) observe(t *testing.T) topology.Probe {
	t.Helper()
	p, err := h.ops.Observe(patiently(t))
	must(t, err)
	return p
}

// eventually waits until the probe is as asked.
func (h host) eventually(t *testing.T, what string, good func(topology.Probe) bool) topology.Probe {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		p := h.observe(t)
		if good(p) {
			return p
		}
		if time.Now().After(deadline) {
			t.Fatalf("never seen: %s; last: %+v", what, p)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// writer makes a writable source with a table app.t, and the tables of mmm.
func writer(t *testing.T, lines ...string) host {
	t.Helper()
	h := start(t, lines...)
	must(t, h.ops.EnsureTables(patiently(t)))
	h.Exec("CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, b VARCHAR(1000)) ENGINE=InnoDB")
	must(t, h.ops.SetWritable(patiently(t), ""))
	return h
}

// replica follows the source and acknowledges.
func replica(t *testing.T, of host, lines ...string) host {
	t.Helper()
	h := start(t, lines...)
	must(t, h.ops.Follow(patiently(t), of.source()))
	must(t, h.ops.SetSemiReplica(patiently(t), true))
	h.eventually(t, "replica attached", func(p topology.Probe) bool {
		return p.Replication.IO == "Yes" && p.Replication.SQL && p.Replication.Attached
	})
	h.caughtUp(t, of)
	return h
}

func (h host) caughtUp(t *testing.T, with host) {
	t.Helper()
	must(t, h.ops.WaitApplied(patiently(t), with.observe(t).Position))
}

// insert starts an insert that may hang; the channel has its end.
func (h host) insert(t *testing.T, id int) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	ctx := t.Context()
	go func() {
		_, err := h.Root().ExecContext(ctx, fmt.Sprintf("INSERT INTO app.t VALUES (%d, 'x')", id))
		done <- err
	}()
	return done
}

func ended(t *testing.T, done <-chan error) error {
	t.Helper()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		t.Fatal("the statement never ended")
		return nil
	}
}

func hangs(t *testing.T, done <-chan error) {
	t.Helper()
	select {
	case err := <-done:
		t.Fatalf("the statement ended (%v) instead of waiting for an acknowledgement", err)
	default:
	}
}

// stall keeps the SQL thread of a replica from applying rows of app.t until the
// returned function is called.
func (h host) stall(t *testing.T) (release func()) {
	t.Helper()
	conn, err := h.Root().Conn(t.Context())
	must(t, err)
	_, err = conn.ExecContext(t.Context(), "LOCK TABLES app.t READ")
	must(t, err)
	return func() {
		t.Helper()
		_, err := conn.ExecContext(t.Context(), "UNLOCK TABLES")
		must(t, err)
		must(t, conn.Close())
	}
}

// delay makes a replica apply nothing for an hour while it goes on receiving. Its
// SQL thread can be stopped, unlike one that waits for a lock.
func (h host) delay(t *testing.T) {
	t.Helper()
	h.Exec("STOP SLAVE", "CHANGE MASTER TO MASTER_DELAY=3600", "START SLAVE")
}
