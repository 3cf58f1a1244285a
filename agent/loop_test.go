package agent

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/topology"
)

func TestNewestValueWaits(t *testing.T) {
	ch := make(chan int, 1)
	for i := range 5 {
		latest(ch, i)
	}
	if got := <-ch; got != 4 {
		t.Errorf("%d", got)
	}
	var wg sync.WaitGroup // many senders: nobody blocks
	for i := range 50 {
		wg.Go(func() { latest(ch, i) })
	}
	wg.Wait()
	if len(ch) != 1 {
		t.Error("nothing waits")
	}
}

// Lanes: one action each; a fence ends the others and has a lane of its own.
func TestLaneTakesOneActionAndAFenceEndsTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := bubble(t)
		s := r.newState(0)
		s.Probe, s.Cluster = r.db.now(), cluster()
		r.reignIn(s)
		term := s.term
		for _, verb := range []string{"nudge", "start-sql", "put-memory"} {
			r.hook(verb, hang)
		}
		for _, act := range []topology.Action{
			{Kind: topology.Nudge}, {Kind: topology.WriteRow}, // one lane
			{Kind: topology.StartSQL}, {Kind: topology.Follow}, // one lane
			{Kind: topology.Remember, Memory: &topology.Memory{}},
		} {
			r.Agent.start(t.Context(), s, act)
		}
		synctest.Wait()
		if len(s.Busy()) != 3 || r.did("epoch-row")+r.did("follow") > 0 {
			t.Errorf("running %v", s.Busy())
		}
		r.Agent.start(t.Context(), s, topology.Action{Kind: topology.EndReign, Epoch: epoch, Why: "a test"})
		if !s.Term.Ending || term.Context().Err() == nil || term.Reason() != "a test" {
			t.Errorf("ending %t, reason %q", s.Term.Ending, term.Reason())
		}
		began := time.Now()
		for range 4 {
			r.finish(s, <-r.in.outcomes)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("took %s of the bubble's time", took)
		}
		if len(s.Busy()) > 0 || s.term != nil {
			t.Errorf("running %v, term %v", s.Busy(), s.term)
		}
	})
}

// Without the loop nobody reads outcomes; that must not hold up an action.
func TestOutcomesNeverBlockAnAction(t *testing.T) {
	r := newRig(t)
	s := r.newState(0)
	s.Probe, s.Cluster = r.db.now(), cluster()
	for _, act := range []topology.Action{{Kind: topology.Demote}, {Kind: topology.StartSQL}, {Kind: topology.Nudge},
		{Kind: topology.Remember, Memory: &topology.Memory{}}, {Kind: topology.SetVIPs}} {
		r.Agent.start(t.Context(), s, act)
	}
	done := make(chan struct{})
	go func() { r.actions.Wait(); close(done) }()
	soon(t, "the end of all actions, none of which waits for a reader", done)
	r.waitForActions(s)
}

// The loop ends with its context; a fence that is at work is not cut short.
func TestLoopWaitsForItsActionsAndNeverCutsAFence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := bubble(t)
		s := r.newState(0)
		s.Probe, s.Cluster = r.db.now(), cluster()
		r.reignIn(s)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.loop(ctx, s) }() // no lease: it gives the reign up
		r.hook("nudge", hang)
		r.hook("gate-close", func(ctx context.Context) error {
			cancel()
			select {
			case <-time.After(time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		<-done
		if r.did("drop-writer") != 1 {
			t.Error("the fence was cut short")
		}
		r.mustBeClosed()
	})
}

// A fence that does not work is asked for again at once, by a rule, and never
// spins.
func TestFailedEndOfAReignIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, l := bubble(t)
		s := r.newState(0)
		s.Cluster, s.Probe, s.session = cluster(), r.db.now(), r.session(l)
		r.reignIn(s)
		s.Probe.Up, s.Probe.Why = false, "no answer" // and oddRun cannot be killed
		r.fail("observe", errBroken)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		began := time.Now()
		const tries = 5
		for range tries {
			acts := topology.Decide(s.View(r.reading(s, nil, time.Now())))
			if len(acts) == 0 || acts[0].Kind != topology.EndReign {
				t.Fatalf("decided %v", acts)
			}
			r.Agent.start(ctx, s, acts[0])
			r.finish(s, <-r.in.outcomes)
		}
		if time.Since(began) < tries*fencePause {
			t.Error("it spins")
		}
		if r.did("drop-writer") > 0 {
			t.Error("the key was given back with a living mysqld")
		}
	})
}

func TestFailuresAreRememberedByKind(t *testing.T) {
	r := newRig(t)
	s := r.newState(0)
	for i := range 1000 {
		act := topology.Action{Kind: topology.Follow, Host: fmt.Sprint("db", i)}
		r.finish(s, step.Outcome{Action: act, Err: errBroken})
	}
	if len(s.Seen.Failed) != 1 || s.Seen.Failed[topology.Follow].Unit != (topology.Action{Kind: topology.Follow, Host: "db999"}).Unit() {
		t.Errorf("%v", s.Seen.Failed)
	}
	r.finish(s, step.Outcome{Action: topology.Action{Kind: topology.Follow}})
	if len(s.Seen.Failed) > 0 {
		t.Error("a success does not end the rest")
	}
}

func TestLosingARaceIsNoWarning(t *testing.T) {
	r := newRig(t)
	s := r.newState(0)
	r.finish(s, step.Outcome{Action: topology.Action{Kind: topology.Campaign}, Err: fmt.Errorf("campaign: %w", store.ErrGuard)})
	r.finish(s, step.Outcome{Action: topology.Action{Kind: topology.Follow}, Err: errBroken})
	if got := r.lines.with("level=WARN"); len(got) != 1 {
		t.Errorf("warnings: %v", got)
	}
}

// What an action learned counts also when it failed in the end.
func TestNoteOfAFailedActionIsTaken(t *testing.T) {
	r := newRig(t)
	s := r.newState(0)
	r.finish(s, step.Outcome{Action: topology.Action{Kind: topology.Follow}, Err: errBroken, Note: step.Wrote(77)})
	if s.Seen.Rev != 77 {
		t.Errorf("seen %d", s.Seen.Rev)
	}
}

// Each outcome that is worth an event makes one English sentence.
func TestEventsAreSentences(t *testing.T) {
	for kind, h := range hands {
		act := topology.Action{Kind: kind, Epoch: epoch, Host: "db2", Memory: &topology.Memory{}, Tombstone: &topology.Tombstone{},
			Order: &topology.Switchover{Target: "db2", Step: topology.Done}, VIPs: cluster().Spec.Value.Roles.Writer.VIPs}
		if !h.event {
			continue
		}
		if got := sentence(self, step.Outcome{Action: act}); len(got) < len("db1 xx") {
			t.Errorf("%s: %q", kind, got)
		}
	}
}

func TestOldestEventsGiveWay(t *testing.T) {
	r := newRig(t)
	for i := range 2 * historyDepth {
		r.history.add(topology.Event{What: fmt.Sprint(i)})
	}
	if e := <-r.history.queue; e.What != fmt.Sprint(historyDepth) {
		t.Errorf("the oldest is %s", e.What)
	}
}

func TestEventIsWrittenWhenEtcdIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := bubble(t)
		r.fail("event", store.ErrUnreachable)
		r.history.add(topology.Event{What: "something"})
		r.during(func() {
			time.Sleep(time.Minute + tick/2) // between two tries
			before := r.did("event")
			r.fail("event", nil)
			time.Sleep(time.Second)
			if after := r.did("event"); before == 0 || after != before+1 {
				t.Errorf("tried %d times, then %d", before, after-before)
			}
		}, r.history.run)
	})
}
