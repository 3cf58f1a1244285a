package step

import (
	"time"

	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

// State is what one agent knows. One goroutine owns it. Probe and Cluster are the
// newest readings; they change by TakeProbe and TakeCluster.
type State struct {
	Self    string // name of this host
	ID      topology.HostID
	Agent   string // of this process; stands in the writer key
	Router  bool   // it stands beside an mmmrouter: Cluster is AsRouters
	Cluster topology.Cluster
	Probe   topology.Probe
	Term    Term
	Seen    topology.Seen

	past    topology.Past // as of the last turn
	offered topology.Rev  // record of the reign that one naming Seen.Offered was sent to replace
	order   time.Time     // when the order was asked that Seen.Order speaks of
	running map[topology.Lane]topology.Action
	lag     lagMeter
	checks  checkMeter
}

// Term is the reign of this process; zero: it does not reign.
type Term struct {
	topology.Term
	Under topology.LeaseID // lease that the reign was begun under
}

// New is the state of a process that has just begun. epoch is the highest one
// that this host has kept (R17).
func New(self string, id topology.HostID, agent string, epoch topology.Rev) *State {
	return &State{
		Self: self, ID: id, Agent: agent,
		Seen:    topology.Seen{Epoch: epoch, Cut: map[topology.HostID]gtid.Set{}, Failed: map[topology.Kind]topology.Failure{}},
		running: map[topology.Lane]topology.Action{},
	}
}

// TakeProbe accepts a reading of mysqld unless a newer one is known.
func (s *State) TakeProbe(p topology.Probe, now time.Time) {
	if p.At.Before(s.Probe.At) {
		return
	}
	s.Probe = p
	switch {
	case p.Waiting == 0:
		s.Seen.Waiting = time.Time{}
	case s.Seen.Waiting.IsZero():
		s.Seen.Waiting = now
	}
	if s.Term.Epoch == 0 || p.Epoch.Epoch != s.Term.Epoch {
		s.Seen.Acked = time.Time{}
	} else if s.Seen.Acked.IsZero() {
		s.Seen.Acked = now
	}
	s.Seen.Epoch = max(s.Seen.Epoch, s.ownEpoch(p))
}

// ownEpoch is the epoch row of the database, when it is of this cluster.
func (s *State) ownEpoch(p topology.Probe) topology.Rev {
	if id := s.Cluster.Spec.Value.ID; id == "" || p.Epoch.Cluster != id {
		return 0
	}
	return p.Epoch.Epoch
}

// TakeCluster accepts a reading of etcd.
func (s *State) TakeCluster(c topology.Cluster, now time.Time) {
	s.Cluster = c
	s.settleOffer()
	s.believe()
	if c.Rev >= s.Seen.Epoch {
		s.Seen.Epoch = max(s.Seen.Epoch, c.LastEpoch())
	}
	order := c.Switchover.Value
	open := c.Switchover.Present() && order.Step.Open()
	if !open || !order.Asked.Equal(s.order) {
		s.Seen.Order, s.Seen.Drained = time.Time{}, time.Time{}
	}
	if open && s.Seen.Order.IsZero() {
		s.Seen.Order, s.order = now, order.Asked
	}
	for id := range s.Seen.Cut {
		if _, acks := c.Reign.Value.Ackers[id]; !acks {
			delete(s.Seen.Cut, id)
		}
	}
	s.lag.see(c, now)
}

// Rests reports whether this host may count on a lease that it holds. A reign
// rests on the lease that its key hangs on: another one says nothing for it, and
// counts only when the reign has been given up (R3).
func (s *State) Rests(lease topology.LeaseID) bool {
	return lease != 0 && (s.Term.Epoch == 0 || s.Term.Under == lease)
}

// Resumes reports whether this process may go on with the reign of the agent
// before it (R5): the key names this host, the kept lease and the kept epoch, and
// mysqld is the one that reigned. c must have been read linearizably.
func (s *State) Resumes(c topology.Cluster, lease topology.LeaseID, epoch topology.Rev, inc topology.Incarnation) bool {
	w, now := c.Writer, s.Probe.Incarnation
	return w.Rev == epoch && w.Value.ID == s.ID && w.Lease == lease &&
		now != "" && now == inc && c.Phase.Value.Incarnation == now && s.Probe.Up
}
