package step

import (
	"slices"

	"github.com/mmm-ha/mmm/topology"
)

// lease is how this host stands. What all others have promised counts as a lease
// does (R50); while a reign's own lease is gone, the one that is held shows, for
// the reign may be taken again with it (R52).
func (s *State) lease(r Reading) topology.Lease {
	l := r.Lease
	switch rests := s.Rests(l.ID); {
	case r.Failsafe.Left <= 0 && !rests:
		return topology.Lease{}
	case rests && r.Failsafe.Left > 0 && s.letGo():
		return topology.Lease{Left: r.Failsafe.Left} // it ended with the key, whether or not that was told already
	case rests:
		l.Left = max(l.Left, r.Failsafe.Left)
	default:
		l.Left = r.Failsafe.Left
	}
	return l
}

// letGo reports whether etcd shows that the key of this process's reign is gone.
func (s *State) letGo() bool {
	return s.Term.Epoch > 0 && s.Cluster.Rev >= s.Term.Epoch && !s.Cluster.Writer.Present()
}

// offer notes whom a record names as voters that is about to be sent: until its
// fate is known they must promise, too (R16, R50).
func (s *State) offer(a topology.Action) {
	if a.Kind == topology.PutReign {
		s.Seen.Offered = slices.Concat(s.Seen.Offered, a.Reign.Voters)
		s.offered = a.Guards.Reign
	}
}

// settleOffer forgets them when etcd shows another record than the one that was
// to be replaced: what was sent is in it, or can never take effect.
func (s *State) settleOffer() {
	if s.Cluster.Reign.Rev != s.offered {
		s.Seen.Offered = nil
	}
}

// unknown notes that a request for the writer's place went out and nobody knows
// what became of it (R51).
func (s *State) unknown(o Outcome) {
	switch o.Action.Kind { //nolint:exhaustive // only these ask for the writer's place
	case topology.Campaign, topology.Retake, topology.Adopt:
		if o.Unknown {
			s.Seen.Unknown = max(s.Seen.Unknown, o.Action.Epoch)
		}
	default:
	}
}
