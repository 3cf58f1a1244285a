package step

import (
	"net/netip"
	"slices"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// Reading is what is read anew for each turn, for it changes without an event.
type Reading struct {
	Now      time.Time
	Lease    topology.Lease // the lease that this process holds; zero: none
	VIPs     []netip.Addr   // addresses of ours that are up on this host
	Port     topology.Port  // how the port that clients use stands
	Rejected netip.Addr     // deposed writer in our port rules
	Failsafe topology.Failsafe
}

// Turn is one round of thinking: this host's checks are made, and what it knows
// is judged. The view is a value of its own, for who tells of the decision.
func (s *State) Turn(r Reading) (topology.View, []topology.Action) {
	s.checks.sample(s, r.Now)
	s.Seen.Good = s.checks.good
	if s.Probe.Up && !s.doubts() { // by the writer of an etcd that went back nobody is measured
		s.Seen.Suspect = s.Seen.Suspect.Look(s.Cluster, s.ID, s.Probe.State, r.Now)
	}
	v := s.View(r)
	s.past = topology.Past{State: s.Probe.State, Foreign: v.Foreign(), Repair: v.RepairOf()}
	if s.Term.Epoch != 0 {
		s.past.Joints = s.Probe.Joints
	}
	return v, topology.Decide(v)
}

// SampleDue reports whether the next turn makes this host's checks anew, so that
// it matters although nothing was read.
func (s *State) SampleDue(now time.Time) bool { return !now.Before(s.checks.next) }

// View is all that a decision may see.
func (s *State) View(r Reading) topology.View {
	v := topology.View{
		Now: r.Now, Self: s.Self, ID: s.ID, Agent: s.Agent, Router: s.Router, Cluster: s.Cluster, Probe: s.Probe,
		Term: s.Term.Term, VIPs: r.VIPs, Port: r.Port, Busy: s.Busy(), Seen: s.Seen,
	}
	v.Seen.Rejected = r.Rejected
	v.Failsafe, v.Lease = r.Failsafe, s.lease(r)
	return v
}

// Busy lists the actions in flight, most urgent lane first.
func (s *State) Busy() []topology.Kind {
	var out []topology.Kind
	for lane := topology.LaneFence; lane <= topology.LaneClone; lane++ {
		if a, runs := s.running[lane]; runs {
			out = append(out, a.Kind)
		}
	}
	return out
}

// Begin puts an action in its lane; ok is false when the lane is taken. What
// fences waits for no lane but its own and ends whatever else runs, but for a
// copy that comes, which touches nothing that is fenced: those lanes must be cut
// short at once, and stay taken until their outcomes are in.
func (s *State) Begin(a topology.Action) (ends []topology.Lane, ok bool) {
	lane := a.Kind.Lane()
	if _, taken := s.running[lane]; taken {
		return nil, false
	}
	if lane == topology.LaneFence {
		ends = s.others(lane)
		ends = slices.DeleteFunc(ends, func(l topology.Lane) bool { return l == topology.LaneClone })
		if s.Term.Epoch != 0 && a.Kind == topology.EndReign {
			s.Term.Ending = true
		}
	}
	s.running[lane] = a
	s.offer(a)
	return ends, true
}

// Unfenced lists the lanes that are taken by what may be cut short: not a fence.
func (s *State) Unfenced() []topology.Lane { return s.others(topology.LaneFence) }

func (s *State) others(than topology.Lane) []topology.Lane {
	var out []topology.Lane
	for lane := topology.LaneFence; lane <= topology.LaneClone; lane++ {
		if _, runs := s.running[lane]; runs && lane != than {
			out = append(out, lane)
		}
	}
	return out
}

// Outcome is what came of an action.
type Outcome struct {
	Action  topology.Action
	Err     error
	Took    time.Duration
	Unknown bool            // etcd may have carried it out, and may not
	Probe   *topology.Probe // a reading made after the action, when it touched mysqld
	Note    Note            // what this process now knows, also when the action failed in the end
}

// Finish takes an outcome. again says that it failed just as it did before.
func (s *State) Finish(o Outcome, now time.Time) (again bool) {
	kind := o.Action.Kind
	delete(s.running, kind.Lane())
	if o.Probe != nil {
		s.TakeProbe(*o.Probe, now)
	}
	if o.Note != nil {
		o.Note(s)
	}
	if o.Err == nil {
		delete(s.Seen.Failed, kind)
		return false
	}
	s.unknown(o)
	before := s.Seen.Failed[kind]
	failed := topology.Failure{At: now, Why: o.Err.Error(), Unit: o.Action.Unit()}
	s.Seen.Failed[kind] = failed
	return before.Unit == failed.Unit && before.Why == failed.Why
}
