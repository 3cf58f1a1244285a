package agent

import (
	"context"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/election"
	"github.com/mmm-ha/mmm/internal/fence"
	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/internal/store/storetest"
	"github.com/mmm-ha/mmm/topology"
)

// world is one whole agent, with real leases in a real etcd; only its mysqld,
// addresses and packet filter are fakes. Its host reigns already.
type world struct {
	*rig
	client *watchedStore
	raw    *store.Client
	etcd   *storetest.Etcd
	inc    topology.Incarnation
	epoch  topology.Rev
	state  *state
}

// watchedStore writes down in the journal when the key is given back.
type watchedStore struct {
	*store.Client
	*journal
}

func (w *watchedStore) DropWriter(ctx context.Context, epoch topology.Rev) (topology.Rev, error) {
	if err := w.enter(ctx, "drop-writer"); err != nil {
		return 0, err
	}
	return w.Client.DropWriter(ctx, epoch)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	r := newRig(t)
	w := &world{rig: r, etcd: storetest.Start(t), inc: r.run(), state: r.newState(0)}
	client, err := store.Open(t.Context(), store.Options{Endpoints: []string{w.etcd.Endpoint}, Cluster: "t"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	w.raw, w.client = client, &watchedStore{client, r.journal}
	r.store, r.members = w.client, client.Members()
	r.history = newHistorian(selfID, w.client, r.log)
	r.prober.send = func(p topology.Probe) { latest(r.in.probes, p) }
	w.won()
	return w
}

// won puts into etcd what a reign leaves there.
func (w *world) won() {
	t, ctx, c := w.t, bounded(w.t), w.raw
	t.Helper()
	must := func(_ topology.Rev, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	session, err := election.Open(ctx, w.sessionOptions())
	if err != nil {
		t.Fatal(err)
	}
	must(c.PutSpec(ctx, 0, cluster().Spec.Value))
	spec, err := c.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	w.epoch, err = c.Campaign(ctx, store.CampaignRequest{Lease: session.ID(), Incarnation: w.inc,
		Writer: topology.Writer{ID: selfID, Name: self, Agent: "me/1"},
		Guards: store.Guards{}.Reign(0).Spec(spec.Spec.Rev).Mode(0).Intent(self, 0)})
	must(w.epoch, err)
	must(c.PutReign(ctx, w.epoch, 0, topology.Reign{Epoch: w.epoch, ID: selfID, Name: self, Incarnation: w.inc, W: 1,
		Ackers: map[topology.HostID]topology.Incarnation{"id-2": "run-2"}, Voters: []topology.HostID{selfID, "id-2"}}))
	must(c.PutPhase(ctx, session.ID(), w.epoch, topology.Phase{Step: topology.Ready, Incarnation: w.inc}))
	must(c.PutMemory(ctx, self, 0, topology.Memory{ID: selfID, Cleared: w.inc, Seen: w.inc}))
	w.db.with(func(p *topology.Probe) { p.SemiSource = true })
	w.resumed, w.kept = session, election.Runtime{Lease: session.ID(), Epoch: w.epoch, Incarnation: w.inc}
}

// live runs the agent, once it has resumed its reign and opened.
func (w *world) live(body func()) {
	w.t.Helper()
	s := w.state
	s.TakeProbe(w.prober.look(bounded(w.t)), time.Now())
	if err := w.takeUp(bounded(w.t), s); err != nil || s.term == nil {
		w.t.Fatalf("does not resume: %v", err)
	}
	watcher := w.raw.NewWatcher()
	w.in.clusters = watcher.Changes()
	w.during(func() {
		eventually(w.t, "the writer is open", func() bool {
			return w.gate.isOpen() && !w.db.now().ReadOnly && len(w.vips.up(w.t)) > 0
		})
		body()
	}, watcher.Run, w.prober.run, w.lifetimes, w.heartbeat, w.history.run, w.remembered.run,
		func(ctx context.Context) error { return w.leases(ctx, w.resumed) },
		func(ctx context.Context) error { return w.loop(ctx, s) })
}

// closed reports whether nobody can write here; for readers the port may be open
// again by now.
func (w *world) closed() bool {
	p := w.db.now()
	return (!w.gate.isOpen() || w.gate.State() == fence.Unlimited && p.ReadOnly) && len(w.vips.up(w.t)) == 0 && (p.ReadOnly || !alive(p.Incarnation))
}

// mustBeClosedByNow is a hook for what only a closed host may do.
func (w *world) mustBeClosedByNow(context.Context) error {
	if !w.closed() {
		w.t.Error("the key is given back by an open host")
	}
	return nil
}

// writerKey is what etcd says of the writer.
func (w *world) writerKey() topology.Entry[topology.Writer] {
	c, err := w.raw.Load(bounded(w.t))
	if err != nil {
		w.t.Fatal(err)
	}
	return c.Writer
}

// R19: the reign ends with its mysqld, and the key is free for others.
func TestReignEndsWithItsMysqld(t *testing.T) {
	w := newWorld(t)
	w.hook("drop-writer", w.mustBeClosedByNow)
	w.live(func() {
		end(t, w.inc)
		eventually(t, "the key is free", func() bool { return !w.writerKey().Present() })
	})
}

// R3: another lease comes at once, yet the reign that rested on the first is over.
func TestReignEndsWithItsLease(t *testing.T) {
	w := newWorld(t)
	w.live(func() {
		first := w.resumed.ID()
		w.journal.clear()
		if err := election.Member(w.members[0]).Revoke(bounded(t), first); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the host is closed", w.closed)
		eventually(t, "another lease is kept", func() bool {
			k, err := election.LoadRuntime(w.opt.RunDir)
			return err == nil && k.Lease != first && k.Epoch == 0
		})
		if !alive(w.inc) {
			t.Error("mysqld was killed, though it did as told")
		}
		if w.did("writable") > 0 {
			t.Error("opened again after the lease was gone")
		}
	})
}

// R8, R12: without etcd the host closes by itself.
func TestReignEndsWithoutEtcd(t *testing.T) {
	w := newWorld(t)
	w.live(func() {
		w.etcd.Stop()
		eventually(t, "the host is closed", w.closed)
		if !alive(w.inc) {
			t.Error("mysqld was killed, though it did as told")
		}
		w.etcd.Restart()
	})
}

// A key that names this host, which nobody here won, is given back after the
// host was closed (R18).
func TestKeyThatNobodyHereWonIsGivenBack(t *testing.T) {
	w := newWorld(t)
	w.db.with(writable)
	w.vips.kernel.Leave(writerVIP, time.Minute)
	w.kept.Incarnation = "another" // so it is not resumed
	s := w.state
	s.TakeProbe(w.prober.look(bounded(t)), time.Now())
	if err := w.takeUp(bounded(t), s); err != nil || s.term != nil {
		t.Fatalf("resumed: %v", err)
	}
	watcher := w.raw.NewWatcher()
	w.in.clusters = watcher.Changes()
	w.hook("drop-writer", w.mustBeClosedByNow)
	w.during(func() {
		eventually(t, "the key is free", func() bool { return !w.writerKey().Present() })
	}, watcher.Run, w.prober.run, w.lifetimes,
		func(ctx context.Context) error { return w.leases(ctx, w.resumed) },
		func(ctx context.Context) error { return w.loop(ctx, s) })
}

// An agent that is told to stop leaves everything as it is (R5).
func TestStoppedAgentLeavesItsReignToTheNext(t *testing.T) {
	w := newWorld(t)
	w.live(func() {})
	if !w.gate.isOpen() || w.db.now().ReadOnly || len(w.vips.up(t)) == 0 || w.writerKey().Rev != w.epoch {
		t.Error("the reign did not outlive the agent")
	}
	if k, err := election.LoadRuntime(w.opt.RunDir); err != nil || k.Epoch != w.epoch || k.Incarnation != w.inc {
		t.Errorf("kept %+v, %v", k, err)
	}
}

var _ addresses = (*fakeVIPs)(nil)
