package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/election"
	"github.com/mmm-ha/mmm/topology"
)

// leasePause is how long to wait before asking for another lease.
const leasePause = 200 * time.Millisecond

// leases keeps a lease as long as ctx lives: when one is gone, another is asked
// for. It never touches the writer key: who lost a lease has lost its reign and
// bids like everybody (R3, R18).
func (a *Agent) leases(ctx context.Context, first *election.Session) error {
	session := first
	for {
		if session == nil {
			var err error
			if session, err = a.openLease(ctx); err != nil {
				return err
			}
		}
		a.failsafe.session.Store(session)
		a.guard(session)
		latest(a.in.sessions, session)
		a.remembered.lease(session.ID())
		err := session.Run(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		a.log.Warn("the lease is gone", "lease", session.ID(), "err", err)
		a.failsafe.session.Store(nil)
		latest(a.in.sessions, nil)
		session = nil
	}
}

// openLease asks until it gets one. The first failure of a row is told, not each.
func (a *Agent) openLease(ctx context.Context) (*election.Session, error) {
	told := false
	for {
		session, err := election.Open(ctx, a.sessionOptions())
		if err == nil {
			a.log.Info("holds a lease", "lease", session.ID(), "ttl", session.TTL())
			return session, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if !told {
			a.log.Warn("cannot get a lease; trying on", "err", err)
			told = true
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(leasePause):
		}
	}
}

func (a *Agent) sessionOptions() election.Options {
	opt := election.Options{TTL: a.ttl, Clock: a.clock, Log: a.log}
	for _, m := range a.members {
		opt.Members = append(opt.Members, election.Member(m))
	}
	return opt
}

// held wraps a session with the clock, for actions that look at the lease.
type held struct {
	*election.Session
	clock election.Clock
}

// Left is the time until the deadline of R1.
func (h held) Left() time.Duration { return h.Deadline().Left(h.clock.Now()) }

// resumeLease takes up the lease of an agent that ran here a moment ago; nil
// when there is none.
func (a *Agent) resumeLease(ctx context.Context) *election.Session {
	kept, err := election.LoadRuntime(a.opt.RunDir)
	if err != nil || kept.Lease == 0 || kept.ID != a.id {
		return nil
	}
	session, err := election.Resume(ctx, a.sessionOptions(), kept.Lease)
	if err != nil {
		a.log.Info("does not resume the last lease", "why", err)
		return nil
	}
	a.log.Info("resumes its lease", "lease", kept.Lease, "ttl", session.TTL())
	a.kept = kept
	return session
}

// takeUp goes on where an agent stopped that ran here a moment ago. Without its
// lease, or without the reign that it had, nothing that it left may stay.
func (a *Agent) takeUp(ctx context.Context, s *state) error {
	s.session = a.resumed
	if a.resumed != nil && (a.kept.Epoch == 0 || a.resumeReign(ctx, s)) {
		return nil
	}
	if err := a.vips.Clear(ctx); err != nil {
		return fmt.Errorf("remove what an earlier agent left: %w", err)
	}
	return nil
}

// resumeReign goes on with the reign of the agent before (R5): the key must name
// this host, that lease and that epoch, and mysqld must be the one that reigned.
func (a *Agent) resumeReign(ctx context.Context, s *state) bool {
	c, err := a.store.Load(ctx)
	if err != nil {
		a.log.Info("does not resume the last reign", "why", err)
		return false
	}
	inc := s.Probe.Incarnation
	if !s.Resumes(c, a.kept.Lease, a.kept.Epoch, a.kept.Incarnation) {
		a.log.Info("does not resume the last reign: another epoch, lease or run of mysqld", "epoch", a.kept.Epoch)
		return false
	}
	step.Resumed(a.kept.Epoch, inc, a.kept.Lease)(s.State)
	s.live(a.life, "")     //nolint:contextcheck // a term outlives this call
	a.reigning.Store(true) // the dead-man must know before the loop runs
	a.remembered.reign(a.kept.Lease, a.kept.Epoch, inc)
	a.history.add(topology.Event{At: time.Now(), Host: a.opt.Host, Epoch: a.kept.Epoch,
		What: a.opt.Host + " resumed its reign", Why: "its agent was restarted within the lease"})
	return true
}
