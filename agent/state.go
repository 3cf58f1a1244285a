package agent

import (
	"context"
	"net/netip"
	"time"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/election"
	"github.com/mmm-ha/mmm/topology"
)

// state is what the loop knows (step.State), with the handles of what is held
// and in flight. Only the loop's goroutine touches it; an action that learned
// something returns a note that the loop applies.
type state struct {
	*step.State
	session *election.Session // nil: no lease
	term    *election.Term    // the life of State.Term; nil: this process does not reign
	cancel  map[topology.Lane]context.CancelFunc
}

func (a *Agent) newState(epoch topology.Rev) *state {
	s := &state{
		State:  step.New(a.opt.Host, a.id, a.token, epoch),
		cancel: map[topology.Lane]context.CancelFunc{},
	}
	s.Router = a.beside()
	return s
}

// live makes the life of the term follow what is known of it, so that work under
// a reign ends with the reign, on whichever path that is left. why is an English
// phrase.
func (s *state) live(parent context.Context, why string) {
	t := s.Term
	if s.term != nil && (t.Ending || t.Epoch != s.term.Epoch()) {
		s.term.End(why)
	}
	switch {
	case t.Epoch == 0:
		s.term = nil
	case s.term == nil || s.term.Epoch() != t.Epoch:
		s.term = election.NewTerm(parent, t.Epoch, t.Incarnation)
	}
}

// rests is the session that this host may count on; nil when there is none.
func (s *state) rests() *election.Session {
	if s.session == nil || !s.Rests(s.session.ID()) {
		return nil
	}
	return s.session
}

// lease is how this host stands with etcd at this moment.
func (s *state) lease(clock election.Clock) topology.Lease {
	if s.rests() == nil {
		return topology.Lease{}
	}
	return s.held(clock)
}

// held is the lease that this process holds, whatever rests on it.
func (s *state) held(clock election.Clock) topology.Lease {
	if s.session == nil {
		return topology.Lease{}
	}
	return topology.Lease{ID: s.session.ID(), TTL: s.session.TTL(), Left: s.session.Deadline().Left(clock.Now())}
}

// reading is what a turn reads anew. held are the addresses that are up.
func (a *Agent) reading(s *state, held []netip.Addr, now time.Time) step.Reading {
	r := step.Reading{Now: now, Lease: s.held(a.clock), VIPs: held, Failsafe: a.failsafe.view(s, a.clock)}
	r.Port = topology.Port(a.gate.State())
	r.Rejected, _ = a.rejected.Load().(netip.Addr)
	return r
}
