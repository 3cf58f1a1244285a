package store

import (
	"context"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/mmm-ha/mmm/internal/store/storetest"
	"github.com/mmm-ha/mmm/topology"
)

// watched is a Watcher that runs, with the snapshots it has shown.
type watched struct {
	*Watcher
	t    *testing.T
	mu   sync.Mutex
	last topology.Cluster
	all  []topology.Cluster
}

// watch runs a watcher until the test ends.
func (b *bed) watch() *watched {
	b.t.Helper()
	w := &watched{Watcher: b.NewWatcher(), t: b.t}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = w.Run(ctx) })
	wg.Go(func() {
		for {
			select {
			case c := <-w.Changes():
				w.mu.Lock()
				w.last, w.all = c, append(w.all, c)
				w.mu.Unlock()
			case <-ctx.Done():
				return
			}
		}
	})
	b.t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	w.until("the first snapshot", func(c topology.Cluster) bool { return c.Rev > 0 })
	return w
}

func (w *watched) until(fact string, true func(topology.Cluster) bool) {
	w.t.Helper()
	until(w.t, fact, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return true(w.last)
	})
}

// untilFresh waits for a proof of life after now.
func (w *watched) untilFresh() {
	w.t.Helper()
	now := time.Now()
	until(w.t, "a new proof that the watch is complete", func() bool { return w.Fresh().After(now) })
}

func modeIs(m topology.Mode) func(topology.Cluster) bool {
	return func(c topology.Cluster) bool { return c.Mode.Value.Mode == m }
}

func TestWatchShowsChangesAndDeletions(t *testing.T) {
	b := newBed(t)
	w := b.watch()
	b.must(b.SetMode(b.ctx(), 0, topology.ModeSetting{Mode: topology.Manual}))
	w.until("the mode", modeIs(topology.Manual))
	rev := b.must(b.Pin(b.ctx(), vip(9), 0, topology.Pin{Host: "db1"}))
	w.until("the pin", func(c topology.Cluster) bool { return c.Pins[vip(9)].Rev == rev })
	if err := b.Unpin(b.ctx(), vip(9), rev); err != nil {
		t.Fatal(err)
	}
	w.until("no pin", func(c topology.Cluster) bool { return len(c.Pins) == 0 && c.Mode.Value.Mode == topology.Manual })
	w.untilFresh()
	if age := w.Age(); age > patience {
		t.Errorf("age %s", age)
	}
}

func TestQuietWatchIsFreshAlsoWhileOthersWrite(t *testing.T) {
	b := newBed(t)
	w := b.watch()
	w.untilFresh() // nothing has ever been written
	if _, err := b.raw.Put(b.ctx(), "/another/program", "x"); err != nil {
		t.Fatal(err)
	}
	w.untilFresh()
}

func TestKeysOfOneTransactionAppearTogether(t *testing.T) {
	b := newBed(t)
	w := b.watch()
	for range 30 {
		_, epoch := b.reign("db1")
		if _, err := b.DropWriter(b.ctx(), epoch); err != nil {
			t.Fatal(err)
		}
	}
	w.until("the last drop", func(c topology.Cluster) bool { return c.Rev >= b.load().Rev && !c.Writer.Present() })
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.all {
		if c.Writer.Rev != c.Phase.Rev {
			t.Fatalf("writer of revision %d beside phase of %d", c.Writer.Rev, c.Phase.Rev)
		}
		if c.Phase.Value.Epoch != c.Writer.Rev {
			t.Fatalf("phase of epoch %d under epoch %d", c.Phase.Value.Epoch, c.Writer.Rev)
		}
	}
}

func TestSnapshotDoesNotChangeAfterItWasShown(t *testing.T) {
	b := newBed(t)
	b.must(b.SetIntent(b.ctx(), "db1", 0, topology.Intent{Want: topology.WantOffline}))
	w := b.watch()
	w.mu.Lock()
	first := w.last
	w.mu.Unlock()
	b.must(b.SetIntent(b.ctx(), "db2", 0, topology.Intent{Want: topology.WantOffline}))
	w.until("the second intent", func(c topology.Cluster) bool { return len(c.Intents) == 2 })
	if len(first.Intents) != 1 {
		t.Errorf("the first snapshot grew: %v", first.Intents)
	}
}

func TestWatchGoesOnAtTheNextMemberWhenOneHangs(t *testing.T) {
	b, first, _ := lossyBed(t)
	w := b.watch()
	stranger := bedOf(t, b.etcd, "test", b.etcd.Endpoint)
	first.Freeze()
	stranger.must(stranger.SetMode(b.ctx(), 0, topology.ModeSetting{Mode: topology.Manual}))
	w.until("the change that the hung member held back", modeIs(topology.Manual))
	w.untilFresh()
}

func TestWatchSurvivesABrokenConnection(t *testing.T) {
	b, first, other := lossyBed(t)
	w := b.watch()
	for i, m := range []topology.Mode{topology.Manual, topology.Passive, topology.Active} {
		first.Cut()
		other.Cut()
		prev := b.load().Mode.Rev
		b.must(b.SetMode(b.ctx(), prev, topology.ModeSetting{Mode: m}))
		w.until("change "+string('1'+rune(i)), modeIs(m))
	}
}

func TestWatchSurvivesARestartOfEtcd(t *testing.T) {
	b := newBed(t)
	w := b.watch()
	b.etcd.Stop()
	stopped := time.Now()
	until(t, "the outage shows in the age", func() bool { return w.Fresh().Before(stopped) && w.Age() > time.Second })
	b.etcd.Restart()
	w.untilFresh()
	b.must(b.SetMode(b.ctx(), 0, topology.ModeSetting{Mode: topology.Manual}))
	w.until("the change after the restart", modeIs(topology.Manual))
}

func TestWatchLoadsAnewAfterACompaction(t *testing.T) {
	e := storetest.Start(t)
	way := storetest.NewProxy(t, e.Endpoint)
	b := bedOf(t, e, "test", way.Endpoint)
	stranger := bedOf(t, e, "test", e.Endpoint)
	stranger.must(stranger.SetIntent(b.ctx(), "db1", 0, topology.Intent{Want: topology.WantOffline}))
	w := b.watch()
	way.Freeze()
	// Everything the watcher misses is compacted away, a deletion among it.
	rev := stranger.must(stranger.Pin(b.ctx(), vip(9), 0, topology.Pin{Host: "db1"}))
	if err := stranger.Unpin(b.ctx(), vip(9), rev); err != nil {
		t.Fatal(err)
	}
	stranger.must(stranger.SetMode(b.ctx(), 0, topology.ModeSetting{Mode: topology.Manual}))
	if _, err := b.raw.Compact(b.ctx(), int64(stranger.load().Rev), clientv3.WithCompactPhysical()); err != nil {
		t.Fatal(err)
	}
	way.Cut()
	way.Thaw()
	w.until("the change behind the compaction", modeIs(topology.Manual))
	w.until("the rest", func(c topology.Cluster) bool { return len(c.Intents) == 1 && len(c.Pins) == 0 })
	w.untilFresh()
}

func TestWatchStandsStillWhileTheSpecCannotBeRead(t *testing.T) {
	b := newBed(t)
	rev := b.must(b.PutSpec(b.ctx(), 0, topology.Spec{Cluster: "test"}))
	w := b.watch()
	b.scribble("spec", "{")
	broken := time.Now()
	b.must(b.SetMode(b.ctx(), 0, topology.ModeSetting{Mode: topology.Manual}))
	until(t, "the age grows", func() bool { return w.Fresh().Before(broken) && w.Age() > time.Second })
	w.until("nothing new was shown", func(c topology.Cluster) bool { return c.Spec.Rev == rev && !c.Mode.Present() })
	b.scribble("spec", `{"v":1,"cluster":"mended"}`)
	w.until("the mended spec", func(c topology.Cluster) bool { return c.Spec.Value.Cluster == "mended" && c.Mode.Present() })
	w.untilFresh()
}

func TestWatchFollowsAnEtcdThatWentBack(t *testing.T) {
	old, young := storetest.Start(t), storetest.Start(t)
	way := storetest.NewProxy(t, old.Endpoint)
	b := bedOf(t, old, "test", way.Endpoint)
	for range 5 {
		b.must(b.SetIntent(b.ctx(), "db1", b.load().Intents["db1"].Rev, topology.Intent{Want: topology.WantOffline}))
	}
	w := b.watch()
	before := b.load().Rev
	way.Lead(young.Endpoint) // as if etcd had been restored from an old backup
	w.until("the older revision", func(c topology.Cluster) bool { return c.Rev < before && len(c.Intents) == 0 })
	w.untilFresh()
}
