package agent

import (
	"context"
	"net/netip"
	"time"

	"github.com/mmm-ha/mmm/election"
	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

// state is what the loop knows. Only the loop's goroutine touches it; an action
// that learned something returns a func that the loop applies.
type state struct {
	cluster topology.Cluster
	probe   topology.Probe
	session *election.Session // nil: no lease
	term    *election.Term    // nil: this process does not reign
	under   topology.LeaseID  // lease that the term was begun under
	ending  bool              // the term is being given up
	order   time.Time         // when the order was asked that seen.Order speaks of
	seen    topology.Seen
	running map[topology.Lane]*running
	lag     lagMeter
	checks  checkMeter
}

// running is an action in flight.
type running struct {
	action topology.Action
	cancel context.CancelFunc
	since  time.Time
}

// outcome is what came of an action.
type outcome struct {
	action topology.Action
	err    error
	took   time.Duration
	probe  *topology.Probe // a reading made after the action, when it touched mysqld
	note   func(*state)    // what this process now knows
}

func newState(epoch topology.Rev) *state {
	return &state{
		seen:    topology.Seen{Epoch: epoch, Cut: map[topology.HostID]gtid.Set{}, Failed: map[topology.Kind]topology.Failure{}},
		running: map[topology.Lane]*running{},
	}
}

// takeProbe accepts a reading of mysqld unless a newer one is known.
func (s *state) takeProbe(p topology.Probe, now time.Time) {
	if p.At.Before(s.probe.At) {
		return
	}
	s.probe = p
	switch {
	case p.Waiting == 0:
		s.seen.Waiting = time.Time{}
	case s.seen.Waiting.IsZero():
		s.seen.Waiting = now
	}
	if s.term == nil || p.Epoch.Epoch != s.term.Epoch() {
		s.seen.Acked = time.Time{}
	} else if s.seen.Acked.IsZero() {
		s.seen.Acked = now
	}
	s.seen.Epoch = max(s.seen.Epoch, s.ownEpoch(p))
}

// ownEpoch is the epoch row of the database, when it is of this cluster.
func (s *state) ownEpoch(p topology.Probe) topology.Rev {
	if id := s.cluster.Spec.Value.ID; id == "" || p.Epoch.Cluster != id {
		return 0
	}
	return p.Epoch.Epoch
}

// takeCluster accepts a reading of etcd.
func (s *state) takeCluster(c topology.Cluster, now time.Time) {
	s.cluster = c
	if c.Rev >= s.seen.Epoch {
		s.seen.Epoch = max(s.seen.Epoch, c.LastEpoch())
	}
	order := c.Switchover.Value
	open := c.Switchover.Present() && order.Step.Open()
	if !open || !order.Asked.Equal(s.order) {
		s.seen.Order, s.seen.Drained = time.Time{}, time.Time{}
	}
	if open && s.seen.Order.IsZero() {
		s.seen.Order, s.order = now, order.Asked
	}
	for id := range s.seen.Cut {
		if _, acks := c.Reign.Value.Ackers[id]; !acks {
			delete(s.seen.Cut, id)
		}
	}
	s.lag.see(c, now)
}

// rests is the session that this host may count on; nil when there is none. A
// reign rests on the lease that its key hangs on: another one says nothing for
// it, and counts only when the reign has been given up (R3).
func (s *state) rests() *election.Session {
	if s.session != nil && s.term != nil && s.session.ID() != s.under {
		return nil
	}
	return s.session
}

// lease is how this host stands with etcd at this moment.
func (s *state) lease(clock election.Clock) topology.Lease {
	if s.rests() == nil {
		return topology.Lease{}
	}
	return topology.Lease{ID: s.session.ID(), TTL: s.session.TTL(), Left: s.session.Deadline().Left(clock.Now())}
}

// busy lists the actions in flight.
func (s *state) busy() []topology.Kind {
	var out []topology.Kind
	for _, r := range s.running {
		out = append(out, r.action.Kind)
	}
	return out
}

// view is all that a decision may see, as a value of its own.
func (a *Agent) view(s *state, held []netip.Addr, now time.Time) topology.View {
	v := topology.View{
		Now: now, Self: a.opt.Host, ID: a.id, Agent: a.token, Cluster: s.cluster, Probe: s.probe,
		Lease: s.lease(a.clock), VIPs: held, Busy: s.busy(), Seen: s.seen,
	}
	v.Seen.Rejected, _ = a.rejected.Load().(netip.Addr)
	if s.term != nil {
		v.Term = topology.Term{Epoch: s.term.Epoch(), Incarnation: s.term.Incarnation(), Ending: s.ending}
	}
	return v
}
