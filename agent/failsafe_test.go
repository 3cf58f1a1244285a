package agent

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mmm-ha/mmm/election"
	"github.com/mmm-ha/mmm/internal/peer"
	"github.com/mmm-ha/mmm/topology"
)

// others are the other hosts, as one that answers for all of them.
type others struct {
	mu    sync.Mutex
	why   string
	err   error
	asked int
}

func (o *others) Ask(context.Context, peer.Host, peer.Question) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked++
	return o.why, o.err
}

func (o *others) Close() {}

func (o *others) set(why string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.why, o.err = why, err
}

func (o *others) times() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.asked
}

func newRigFailsafe(t *testing.T, clock election.Clock) *failsafe {
	t.Helper()
	promises, err := election.LoadPromises(t.TempDir(), clock)
	if err != nil {
		t.Fatal(err)
	}
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	return newFailsafe(key, promises, &others{}, slog.New(slog.DiscardHandler))
}

// outageOf runs a writer of epoch 7, with its lease, its dead-man and what asks
// the others; the rest of the agent hangs.
func outageOf(t *testing.T, test func(r *rig, l *lessor, o *others)) {
	synctest.Test(t, func(t *testing.T) {
		r, l := bubble(t)
		o := &others{}
		r.failsafe.client = o
		r.failsafe.wanted.Store(&wanted{cluster: "c-1", epoch: epoch, hosts: []peer.Host{{ID: "id-2", Key: "k"}}, names: map[topology.HostID]string{"id-2": "db2"}})
		r.reigning.Store(true)
		r.reignOf.Store(int64(epoch))
		r.during(func() {
			time.Sleep(time.Millisecond)
			r.serving()
			test(r, l, o)
		}, r.lifetimes, r.askOthers, func(ctx context.Context) error {
			for ctx.Err() == nil {
				s := r.session(l)
				r.failsafe.session.Store(s)
				r.guard(s)
				_ = s.Run(ctx)
				r.failsafe.session.Store(nil)
			}
			return ctx.Err()
		})
	})
}

func (r *rig) mustBeOpen() {
	r.t.Helper()
	if !r.gate.isOpen() || len(r.vips.up(r.t)) == 0 {
		r.t.Error("it closed")
	}
}

func TestWriterGoesOnWithoutEtcdWhileAllPromise(t *testing.T) {
	outageOf(t, func(r *rig, l *lessor, o *others) {
		l.set(true, false)
		time.Sleep(time.Minute)
		r.mustBeOpen()
		if o.times() < 100 || r.failsafe.left(epoch, r.clock) <= 0 {
			t.Errorf("asked %d times, %s left", o.times(), r.failsafe.left(epoch, r.clock))
		}
		l.set(false, false)
		time.Sleep(time.Second)
		asked := o.times()
		time.Sleep(time.Minute)
		r.mustBeOpen()
		if o.times() != asked {
			t.Error("asked although etcd answers")
		}
	})
}

func TestOneMissingPromiseClosesTheWriterInTime(t *testing.T) {
	for name, how := range map[string]struct {
		why string
		err error
	}{"refused": {"it sees etcd", nil}, "silent": {"", peer.ErrNoAnswer}, "forged": {"", peer.ErrForged}} {
		t.Run(name, func(t *testing.T) {
			outageOf(t, func(r *rig, l *lessor, o *others) {
				l.set(true, false)
				time.Sleep(10 * time.Second)
				r.mustBeOpen()
				o.set(how.why, how.err)
				time.Sleep(defaultTTL)
				r.mustBeClosed()
				o.set("", nil) // too late: what was closed stays closed
				time.Sleep(10 * time.Second)
				r.mustBeClosed()
			})
		})
	}
}

// R49: who is told that the lease is gone asks nobody.
func TestGoneIsNoOutage(t *testing.T) {
	outageOf(t, func(r *rig, l *lessor, o *others) {
		l.set(false, true)
		time.Sleep(defaultTTL)
		r.mustBeClosed()
		if o.times() > 0 {
			t.Error("it asked the others")
		}
	})
}

func TestRoundForAnotherReignCountsForNothing(t *testing.T) {
	outageOf(t, func(r *rig, l *lessor, _ *others) {
		l.set(true, false)
		time.Sleep(time.Second)
		r.reignOf.Store(int64(epoch) + 1)
		time.Sleep(defaultTTL)
		r.mustBeClosed()
	})
}

// Who must be asked has changed while others were asked: their promises are too few.
func TestRoundOfAnOlderListCountsForNothing(t *testing.T) {
	outageOf(t, func(r *rig, l *lessor, o *others) {
		l.set(true, false)
		time.Sleep(time.Second)
		more := *r.failsafe.wanted.Load()
		more.unknown = "db9"
		r.failsafe.wanted.Store(&more)
		asked := o.times()
		time.Sleep(defaultTTL)
		r.mustBeClosed()
		if o.times() != asked {
			t.Error("asked some, although one cannot be asked")
		}
	})
}

// R52: etcd has let go of the lease while all had promised. The reign is taken
// again before the promises end, or the host closes.
func TestReignIsCarriedUntilItIsTakenAgain(t *testing.T) {
	outageOf(t, func(r *rig, l *lessor, _ *others) {
		l.set(true, false)
		time.Sleep(10 * time.Second)
		l.set(false, true)
		time.Sleep(defaultTTL / 2)
		r.mustBeOpen()
		j, _, _ := r.job(topology.Action{Kind: topology.Retake, Reign: &topology.Reign{}})
		note, err := r.retake(r.t.Context(), j)
		if err != nil {
			t.Fatal(err)
		}
		s := r.newState(epoch)
		r.reignIn(s)
		note(s.State)
		if s.Term.Epoch == epoch || s.Term.Under != j.session.ID() {
			r.t.Errorf("the last reign goes on: %+v", s.Term)
		}
		time.Sleep(time.Minute)
		r.mustBeOpen()
	})
}

func TestReignThatIsNotTakenAgainEndsWithThePromises(t *testing.T) {
	outageOf(t, func(r *rig, l *lessor, _ *others) {
		l.set(true, false)
		time.Sleep(10 * time.Second)
		l.set(false, true)
		time.Sleep(2 * defaultTTL) // until it is told, and as long as what was promised then
		r.mustBeClosed()
	})
}

// R51: what is answered binds in the same turn, and is on the disk before it is answered.
func TestPromiseBindsBeforeItIsAnswered(t *testing.T) {
	r := newRig(t)
	dir := t.TempDir()
	promises, err := election.LoadPromises(dir, r.clock)
	if err != nil {
		t.Fatal(err)
	}
	r.failsafe.promises = promises
	s := r.newState(epoch)
	c := cluster()
	c.Writer.Value.ID, c.Writer.Value.Name = "id-2", "db2"
	s.Cluster = c
	s.Probe = topology.Probe{Up: true, ReadOnly: true, Incarnation: oddRun}
	ask := topology.Ask{Cluster: "c-1", From: "id-2", Epoch: epoch}
	answer := make(chan string, 1)
	go func() { answer <- r.promise(t.Context(), ask, time.Hour) }()
	r.consider(s, <-r.failsafe.asks)
	if why := <-answer; why != "" {
		t.Fatal(why)
	}
	if v := s.View(r.reading(s, nil, time.Now())); v.Failsafe.Run <= 0 || v.Failsafe.Claim <= 0 {
		t.Errorf("%+v", v.Failsafe)
	}
	next, err := election.LoadPromises(dir, r.clock)
	if err != nil {
		t.Fatal(err)
	}
	if run, _, _ := next.Left(); run <= 0 {
		t.Error("the next agent of this host would not keep it")
	}
}

func TestPromiseThatCannotBeKeptOnDiskIsNotGiven(t *testing.T) {
	r := newRig(t)
	dir := t.TempDir()
	promises, err := election.LoadPromises(dir, r.clock)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "promises.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	r.failsafe.promises = promises
	go func() { (<-r.failsafe.asks).answer <- "" }()
	if why := r.promise(t.Context(), topology.Ask{From: "id-2", Epoch: epoch}, time.Hour); why == "" {
		t.Error("it was given")
	}
}

// R50: while a record is on its way that may name others, no round counts that
// was begun for those before.
func TestRoundIsVoidWhenARecordIsSent(t *testing.T) {
	r := newRig(t)
	r.failsafe.wanted.Store(&wanted{})
	r.failsafe.forget(topology.Action{Kind: topology.Nudge})
	if r.failsafe.wanted.Load() == nil {
		t.Error("forgotten for nothing")
	}
	r.failsafe.forget(topology.Action{Kind: topology.PutReign})
	if r.failsafe.wanted.Load() != nil {
		t.Error("it counts")
	}
}

func TestHostsAreFoundByWhatEtcdSaidLast(t *testing.T) {
	c := cluster()
	c.Memories = map[string]topology.Entry[topology.Memory]{"db2": {Rev: 3, Value: topology.Memory{ID: "id-2", Key: "k"}}}
	h, name := hostOf(c, "id-2")
	if name != "db2" || h.Address != netip.AddrPortFrom(db2, peerPort) || h.Key != "k" {
		t.Errorf("%s %+v", name, h)
	}
	if h, _ := hostOf(c, "id-9"); h.Address.IsValid() || h.Key != "" {
		t.Errorf("%+v", h)
	}
}

// R52: hosts do not reach etcd again at the same moment. Who does keeps promising
// for a lease, and no longer.
func TestHostThatHasJustReachedEtcdAgainStillPromises(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, l := bubble(t)
		s := r.newState(0)
		s.session = r.session(l)
		r.during(func() {
			l.set(true, false)
			time.Sleep(defaultTTL / 2)
			if f := r.failsafe.view(s, r.clock); f.Etcd || f.Back <= 0 {
				t.Errorf("in an outage: %+v", f)
			}
			l.set(false, false)
			time.Sleep(defaultTTL / 2)
			if f := r.failsafe.view(s, r.clock); !f.Etcd || f.Back <= 0 {
				t.Errorf("right after an outage: %+v", f)
			}
			time.Sleep(defaultTTL)
			if f := r.failsafe.view(s, r.clock); !f.Etcd || f.Back > 0 {
				t.Errorf("a lease after an outage: %+v", f)
			}
		}, s.session.Run)
	})
}

// R52: what carries the reign carries it also in the moment in which it was taken
// again and the loop has not heard of it yet.
func TestPromisesCarryAReignUnderBothItsEpochs(t *testing.T) {
	r := newRig(t)
	r.failsafe.count(pledge{epoch: epoch, deadline: r.clock.Now().Deadline(time.Hour)})
	r.failsafe.again(epoch + 5)
	for e, want := range map[topology.Rev]bool{epoch: true, epoch + 5: true, epoch + 1: false, 0: false} {
		if got := r.failsafe.left(e, r.clock) > 0; got != want {
			t.Errorf("epoch %d: carried %t", e, got)
		}
	}
	r.failsafe.count(pledge{epoch: epoch + 5, deadline: r.clock.Now().Deadline(time.Hour)})
	if r.failsafe.left(epoch, r.clock) > 0 {
		t.Error("a round for the new epoch carries the old one")
	}
}
