package agent

import (
	"context"
	"time"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/election"
	"github.com/mmm-ha/mmm/topology"
)

// tick is how long the loop sleeps at most when nothing wakes it.
const tick = 250 * time.Millisecond

// The loop's inbox. Channels of capacity one carry the newest value only;
// outcomes wait for the loop, at most one a lane.
type inbox struct {
	clusters <-chan topology.Cluster
	probes   chan topology.Probe
	sessions chan *election.Session
	renewed  chan struct{}
	outcomes chan step.Outcome
}

func newInbox() inbox {
	return inbox{
		probes:   make(chan topology.Probe, 1),
		sessions: make(chan *election.Session, 1),
		renewed:  make(chan struct{}, 1),
		outcomes: make(chan step.Outcome, 8),
	}
}

// latest replaces what a channel of capacity one carries.
func latest[T any](ch chan T, v T) {
	for {
		select {
		case ch <- v:
			return
		default:
			select {
			case <-ch:
			default:
			}
		}
	}
}

// ticks comes round each time a period is over, until ctx ends.
func ticks(ctx context.Context, period time.Duration) func(func() bool) {
	return func(round func() bool) {
		timer := time.NewTicker(period)
		defer timer.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
			if !round() {
				return
			}
		}
	}
}

// loop gathers, decides and acts until ctx ends. It is the only goroutine that
// touches the state.
func (a *Agent) loop(ctx context.Context, s *state) error {
	timer := time.NewTicker(tick)
	defer timer.Stop()
	defer a.waitForActions(s)
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case c := <-a.in.clusters:
			s.TakeCluster(a.asRead(c), time.Now())
		case p := <-a.in.probes:
			s.TakeProbe(p, time.Now())
		case session := <-a.in.sessions:
			s.session = session
		case o := <-a.in.outcomes:
			a.finish(s, o)
		case done := <-a.releasing:
			err := a.release(ctx, s)
			done <- err
			if err == nil {
				<-ctx.Done()
				return context.Cause(ctx)
			}
		case q := <-a.failsafe.asks:
			a.consider(s, q)
		case q := <-a.failsafe.words:
			a.say(s, q)
		case <-a.in.renewed:
		case <-timer.C:
		}
		a.turn(ctx, s)
	}
}

// turn is one round of decide and act.
func (a *Agent) turn(ctx context.Context, s *state) {
	v, actions := s.Turn(a.reading(s, a.vips.Held(), time.Now()))
	a.tell(v, actions)
	for _, act := range actions {
		a.start(ctx, s, act)
	}
	latest(a.reports, a.report(s, v.Stuck()))
	a.pace(s)
	v.Seen.Offered = s.Seen.Offered // it may just have been sent
	a.publish(v)
	a.watchdog()
}

// pace makes the probe look more often while the cluster is between two reigns, or
// about to be by an order, when a millisecond counts, and less often otherwise.
func (a *Agent) pace(s *state) {
	steady := a.beside() || s.Cluster.Writer.Present() && s.Cluster.Phase.Value.Step == topology.Ready && !s.Cluster.Switchover.Value.Step.Open()
	period := s.Cluster.Spec.Value.Timing.Probe.D()
	if period <= 0 {
		period = probePeriod
	}
	if !steady {
		period = min(period, probeRushed)
	}
	a.prober.every(period)
}
