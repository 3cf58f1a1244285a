package follow

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mmm-ha/mmm/election"
	"github.com/mmm-ha/mmm/internal/peer"
	"github.com/mmm-ha/mmm/topology"
)

// suspended is how long the machine of a test has slept.
type suspended struct {
	began time.Time
	slept atomic.Int64
}

func (s *suspended) clock() election.Clock {
	s.began = time.Now()
	return election.Clock{Boot: func() time.Duration { return time.Since(s.began) + time.Duration(s.slept.Load()) }}
}

func TestWhatIsKnownIsFreshForLessThanALease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFreshness((&suspended{}).clock())
		time.Sleep(time.Second)
		asked := time.Now()
		time.Sleep(100 * time.Millisecond) // until the proof is here
		f.prove(asked, 2*time.Second)
		if left, want := f.left(7), 2*time.Second-election.Margin(2*time.Second)-100*time.Millisecond; left != want {
			t.Errorf("fresh for %s, want %s", left, want)
		}
		time.Sleep(2 * time.Second)
		if f.left(7) != 0 {
			t.Error("fresh for longer than a lease")
		}
	})
}

func TestNothingIsFreshAfterTheMachineSlept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s suspended
		f := newFreshness(s.clock())
		time.Sleep(time.Second)
		before := time.Now()
		f.prove(before, 10*time.Second)
		f.believe(7, before, f.clock.Now(), 10*time.Second)
		time.Sleep(time.Second)
		if f.slept() {
			t.Fatal("it slept in its time")
		}
		s.slept.Add(int64(time.Hour))
		if f.left(7) != 0 {
			t.Error("fresh after an hour's sleep")
		}
		if !f.slept() {
			t.Fatal("an hour's sleep was not noticed")
		}
		f.forget()
		time.Sleep(time.Millisecond)
		if f.prove(before, 10*time.Second); f.left(7) != 0 {
			t.Error("a proof that was asked for before the sleep counts")
		}
		if f.prove(time.Now(), 10*time.Second); f.left(7) == 0 {
			t.Error("a new proof does not count")
		}
	})
}

// agents is what the agent of the writer answers.
type agents struct {
	left  time.Duration
	why   string
	err   error
	asked int
	mu    sync.Mutex
}

func (a *agents) Reign(context.Context, peer.Host, string, topology.Rev) (time.Duration, string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked++
	return a.left, a.why, a.err
}

// alone is a Follower that knows the cluster of the tests and hears nothing of etcd.
func alone(t *testing.T) *Follower {
	t.Helper()
	f := New(Options{Log: slog.New(slog.DiscardHandler), Clock: (&suspended{}).clock()})
	v := judge(cluster(func(c *topology.Cluster) {
		c.Memories["db1"] = topology.Entry[topology.Memory]{Value: topology.Memory{ID: "db1", Key: "key of db1"}, Rev: 2}
	}), 0, now, 0)
	f.view.Store(v)
	time.Sleep(time.Second)
	return f
}

func TestTheWordOfTheWriterIsFreshUntilItsOwnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := alone(t)
		q := f.View().ask
		if q == nil || q.host.ID != "db1" || q.epoch != 7 || q.host.Address.String() != "192.0.2.1:9989" {
			t.Fatalf("asked is %+v", q)
		}
		a := &agents{left: time.Second}
		if said := f.hear(t.Context(), a, q); said != reigns || !f.Fresh() || f.FreshFor() > time.Second {
			t.Errorf("%s: fresh for %s", said, f.FreshFor())
		}
		if f.fresh.left(8) != 0 {
			t.Error("the word of one reign counts for another")
		}
		a.err = errors.New("no answer")
		if f.hear(t.Context(), a, q); !f.Fresh() {
			t.Error("no answer took back what was said")
		}
		time.Sleep(time.Second)
		if f.Fresh() {
			t.Error("the word has no end")
		}
	})
}

func TestAWriterThatSaysItsReignIsOverIsNotWrittenTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := alone(t)
		proved := time.Now()
		f.fresh.prove(proved, time.Hour)
		a := &agents{left: time.Second}
		f.hear(t.Context(), a, f.View().ask)
		a.left, a.why = 0, "this host does not reign"
		time.Sleep(time.Millisecond)
		if said := f.hear(t.Context(), a, f.View().ask); said != a.why || f.Fresh() {
			t.Errorf("%s: fresh for %s", said, f.FreshFor())
		}
		if f.fresh.prove(proved, time.Hour); f.Fresh() {
			t.Error("an older proof of etcd counts again")
		}
	})
}

func TestTheWriterIsAskedOnlyWhileEtcdIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := alone(t)
		a := &agents{left: time.Second}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan struct{})
		heard := time.Now().Add(300 * time.Millisecond)
		f.proof.Store(&heard)
		go func() { defer close(done); f.askWriter(ctx, a) }()
		time.Sleep(600 * time.Millisecond)
		synctest.Wait()
		a.mu.Lock()
		if a.asked != 0 {
			t.Errorf("asked %d times although etcd was heard a moment ago", a.asked)
		}
		a.mu.Unlock()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		a.mu.Lock()
		if a.asked == 0 || !f.Fresh() {
			t.Errorf("asked %d times in five seconds of silence; fresh: %v", a.asked, f.Fresh())
		}
		a.err = errors.New("no answer")
		a.mu.Unlock()
		time.Sleep(5 * time.Second)
		if f.Fresh() {
			t.Error("cut off from everything, and fresh")
		}
		cancel()
		<-done
	})
}

func TestTheGrantedLeaseCountsNotTheClusterFile(t *testing.T) {
	client := aReign(t) // its lease is of a minute, and its file says nothing
	f, _ := routed(t, client, &crowd{})
	for end := time.Now().Add(10 * time.Second); f.FreshFor() < 50*time.Second; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("fresh for %s with a lease of a minute", f.FreshFor())
		}
	}
}

func TestAnEtcdThatWentBackIsNotBelievedUntilSomebodyLooked(t *testing.T) {
	at := func(rev, epoch, recovery topology.Rev) topology.Cluster {
		return cluster(func(c *topology.Cluster) {
			c.Rev, c.Writer.Rev, c.Phase.Value.Epoch = rev, epoch, epoch
			if recovery > 0 {
				c.Recovery = topology.Entry[topology.Recovered]{Value: topology.Recovered{Floor: 100}, Rev: recovery}
			}
		})
	}
	var tr trust
	for _, step := range []struct {
		fact     string
		c        topology.Cluster
		believed bool
	}{
		{"the first word", at(90, 7, 0), true},
		{"a later one", at(100, 95, 0), true},
		{"it went back", at(40, 7, 0), false},
		{"it counts past what was seen", at(140, 120, 0), false},
		{"a record of an older recovery", at(141, 120, 80), false},
		{"somebody has looked", at(150, 120, 145), true},
		{"and it goes on", at(151, 120, 145), true},
		{"it went back again", at(149, 120, 145), false},
	} {
		if why := tr.look(step.c); (why == "") != step.believed {
			t.Errorf("%s: %q", step.fact, why)
		}
	}
	f := New(Options{Log: slog.New(slog.DiscardHandler)})
	f.take(at(100, 95, 0), now)
	f.take(at(40, 7, 0), now)
	if v := f.View(); v.Writer.Name != "" || v.Epoch != 95 || v.Why == "" {
		t.Errorf("epoch %d, writer %q: %s", v.Epoch, v.Writer.Name, v.Why)
	}
	f.take(at(150, 20, 145), now)
	if v := f.View(); v.Writer.Name != "db1" || v.Epoch != 20 {
		t.Errorf("after the recovery: epoch %d, writer %q: %s", v.Epoch, v.Writer.Name, v.Why)
	}
}
