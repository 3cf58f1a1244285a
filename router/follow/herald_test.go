package follow

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/mmm-ha/mmm/election"
	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/internal/store/storetest"
	"github.com/mmm-ha/mmm/topology"
)

// crowd is what a router's clients do on the writer.
type crowd struct{ running, open atomic.Int64 }

func (c *crowd) writing() (int, int) { return int(c.running.Load()), int(c.open.Load()) }

// held makes a Follower whose View holds for an order at revision 9.
func held(c *crowd) *Follower {
	f := New(Options{Writing: c.writing, Log: slog.New(slog.DiscardHandler)})
	f.view.Store(judge(ordered(9, topology.Asked), 0, now, 0))
	return f
}

// ordered is the cluster of the tests with an order to move the writer to db2.
func ordered(rev topology.Rev, step topology.SwitchStep) topology.Cluster {
	return cluster(func(c *topology.Cluster) {
		s := topology.Switchover{Kind: topology.OrderSwitchover, Target: "db2", Epoch: 7, Step: step, Asked: now, Deadline: now.Add(30 * time.Second)}
		c.Switchover = topology.Entry[topology.Switchover]{Value: s, Rev: rev}
	})
}

func TestAHoldIsSaidWhenNothingIsUnderWay(t *testing.T) {
	for _, tt := range []struct {
		fact    string
		running time.Duration // until the statement ends; 0: there is none
		open    time.Duration // until the transaction ends
		after   time.Duration
		unsure  int
		over    bool
	}{
		{"nothing is", 0, 0, 0, 0, false},
		{"a statement ends", 30 * time.Millisecond, 0, 30 * time.Millisecond, 0, false},
		{"a transaction ends", 0, 400 * time.Millisecond, 400 * time.Millisecond, 0, false},
		{"a transaction does not end", 0, time.Hour, grace, 0, true},
		{"a statement ends after its transaction's time", 600 * time.Millisecond, time.Hour, 600 * time.Millisecond, 0, true},
		{"a statement does not end", time.Hour, 0, grace + last, 1, true},
	} {
		t.Run(tt.fact, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var c crowd
				if tt.running > 0 {
					c.running.Store(1)
					time.AfterFunc(tt.running, func() { c.running.Store(0) })
				}
				if tt.open > 0 {
					c.open.Store(1)
					time.AfterFunc(tt.open, func() { c.open.Store(0) })
				}
				f, began := held(&c), time.Now()
				unsure, still := f.quiet(t.Context(), f.View())
				if took := time.Since(began); !still || unsure != tt.unsure || took < tt.after || took > tt.after+2*quietLook {
					t.Errorf("said %v after %s with %d unsure; want after %s with %d", still, took, unsure, tt.after, tt.unsure)
				}
				if f.Over(f.View()) != tt.over {
					t.Errorf("transactions may go on: %v", tt.over)
				}
			})
		})
	}
}

func TestAHoldIsSaidInTimeForTheSwitchover(t *testing.T) {
	if grace+last+200*time.Millisecond > time.Second {
		t.Errorf("a router takes up to %s, and the old writer waits a second", grace+last)
	}
}

func TestAnOrderThatEndsIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c crowd
		c.open.Store(1)
		f := held(&c)
		v := f.View()
		time.AfterFunc(100*time.Millisecond, func() { f.view.Store(judge(ordered(12, topology.Aborted), 0, now, 0)) })
		if _, still := f.quiet(t.Context(), v); still {
			t.Error("an order that was aborted is held for")
		}
	})
}

func TestTransactionsOfTheNextOrderHaveTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c crowd
		c.open.Store(1)
		f := held(&c)
		if f.quiet(t.Context(), f.View()); !f.Over(f.View()) {
			t.Fatal("the first order waits for ever")
		}
		f.view.Store(judge(ordered(10, topology.Drained), 0, now, 0))
		if !f.Over(f.View()) {
			t.Error("the next step of the order gives transactions more time")
		}
		next := ordered(20, topology.Asked)
		next.Switchover.Value.Asked = now.Add(time.Minute)
		f.view.Store(judge(next, 0, now, 0))
		if f.Over(f.View()) {
			t.Error("the transactions of the next order have no time at all")
		}
	})
}

// aReign is an etcd with a cluster whose writer is db1, ready, and a client.
func aReign(t *testing.T) *store.Client {
	t.Helper()
	etcd := storetest.Start(t)
	client, err := store.Open(t.Context(), store.Options{Endpoints: []string{etcd.Endpoint}, Cluster: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	session, err := election.Open(t.Context(), election.Options{Members: []election.Granter{election.Member(client.Members()[0])}, TTL: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	c := cluster(nil)
	rev, err := client.PutSpec(t.Context(), 0, c.Spec.Value)
	if err != nil {
		t.Fatal(err)
	}
	epoch, err := client.Campaign(t.Context(), store.CampaignRequest{
		Lease: session.ID(), Writer: c.Writer.Value, Guards: store.Guards{}.Spec(rev).Mode(0).Reign(0).Intent("db1", 0)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.PutPhase(t.Context(), session.ID(), epoch, topology.Phase{Epoch: epoch, Step: topology.Ready}); err != nil {
		t.Fatal(err)
	}
	return client
}

// routed runs a Follower until the test, or stop, ends it.
func routed(t *testing.T, client *store.Client, c *crowd) (f *Follower, stop func()) {
	t.Helper()
	f = New(Options{Client: client, Name: "r1", Writing: c.writing, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() { _ = f.Run(ctx) })
	stop = func() { cancel(); run.Wait() }
	t.Cleanup(stop)
	return f, stop
}

// until waits for what etcd shows.
func until(t *testing.T, client *store.Client, what string, is func(topology.Cluster) bool) topology.Cluster {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		c, err := client.Load(t.Context())
		if err == nil && is(c) {
			return c
		}
		if time.Now().After(end) {
			t.Fatalf("%s: not within 20 s (%v)", what, err)
		}
	}
}

func TestARouterIsKnownWhileItLives(t *testing.T) {
	client := aReign(t)
	_, stop := routed(t, client, &crowd{})
	seen := until(t, client, "the router is there", func(c topology.Cluster) bool { return len(c.Holds) == 1 })
	for run, e := range seen.Holds {
		if e.Value.Name != "r1" || e.Value.Order != 0 || e.Lease == 0 {
			t.Errorf("%s: %+v", run, e)
		}
		if _, err := client.Members()[0].Revoke(t.Context(), clientv3.LeaseID(e.Lease)); err != nil {
			t.Fatal(err)
		}
	}
	until(t, client, "it is there again, although its lease was lost", func(c topology.Cluster) bool { return len(c.Holds) == 1 })
	stop()
	if c, err := client.Load(t.Context()); err != nil || len(c.Holds) != 0 {
		t.Errorf("it has ended and is there: %v, %v", c.Holds, err)
	}
}

func TestARouterSaysForWhichOrderItHolds(t *testing.T) {
	client := aReign(t)
	var c crowd
	c.running.Store(1)
	f, _ := routed(t, client, &c)
	before := until(t, client, "the router is there", func(c topology.Cluster) bool { return len(c.Holds) == 1 })
	asked, err := client.AskSwitchover(t.Context(), before.Switchover, topology.Switchover{
		Kind: topology.OrderSwitchover, Target: "db2", Epoch: before.Epoch(), Step: topology.Asked, Asked: time.Now(), Deadline: time.Now().Add(time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	for !f.View().Held {
		<-f.View().Next()
	}
	if c, err := client.Load(t.Context()); err != nil || orderHeld(c) != 0 {
		t.Errorf("it says that it holds, for %d, while a statement runs (%v)", orderHeld(c), err)
	}
	c.running.Store(0)
	until(t, client, "it holds for this order", func(c topology.Cluster) bool { return orderHeld(c) == asked })
}

// orderHeld is what the only router holds for.
func orderHeld(c topology.Cluster) topology.Rev {
	for _, e := range c.Holds {
		return e.Value.Order
	}
	return -1
}
