package step

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

// Note is what this process learned by acting.
type Note func(*State)

// Wrote notes a revision that this process made: an older view is not acted upon.
func Wrote(rev topology.Rev) Note {
	return func(s *State) { s.Seen.Rev = max(s.Seen.Rev, rev) }
}

// Began makes a won, handed or resumed epoch the term of this process. rev is the
// last thing that it wrote.
func Began(epoch topology.Rev, inc topology.Incarnation, under topology.LeaseID, rev topology.Rev) Note {
	return func(s *State) {
		s.Term = Term{Term: topology.Term{Epoch: epoch, Incarnation: inc}, Under: under}
		s.Seen.Rev = max(s.Seen.Rev, rev)
		s.Seen.Epoch = max(s.Seen.Epoch, epoch)
		s.Seen.Cut = map[topology.HostID]gtid.Set{}
		s.Seen.Acked, s.Seen.Shunned, s.Seen.InDoubt, s.Seen.Guard, s.Seen.GuardOf = time.Time{}, nil, false, gtid.Set{}, ""
	}
}

// Retook is Began for a reign that was taken again (R52): it goes on as it was, and
// so does the filter, whose list is not known to fit it.
func Retook(began Note) Note {
	return func(s *State) {
		began(s)
		s.Seen.Shunned = unknownList()
	}
}

// unknownList equals no list of replicas: the filter is set anew.
func unknownList() []netip.Addr { return []netip.Addr{{}} }

// Resumed makes the reign of the agent before this one its own (R5).
func Resumed(epoch topology.Rev, inc topology.Incarnation, under topology.LeaseID) Note {
	return func(s *State) {
		s.Term = Term{Term: topology.Term{Epoch: epoch, Incarnation: inc}, Under: under}
		InDoubt(s)
		s.Seen.Shunned = unknownList() // the filter outlives agents
	}
}

// Over ends the term of an epoch; another one is left alone.
func Over(epoch topology.Rev) Note {
	return func(s *State) {
		if s.Term.Epoch == epoch {
			s.Term = Term{}
		}
	}
}

// GaveBack is Over, with the writer key seen deleted.
func GaveBack(epoch, rev topology.Rev) Note {
	return func(s *State) {
		Over(epoch)(s)
		Wrote(rev)(s)
		s.Seen.Ended = max(s.Seen.Ended, epoch)
	}
}

// HandedOver ends the term: the key names another host (R43).
func HandedOver(rev topology.Rev) Note {
	return func(s *State) {
		Wrote(rev)(s)
		s.Term = Term{}
	}
}

// Opened notes who may not attach to the writer that has just opened.
func Opened(rev topology.Rev, shun []netip.Addr) Note {
	return func(s *State) {
		Wrote(rev)(s)
		s.Seen.Shunned = shun
	}
}

// Shunned notes who may not attach to this writer's listener.
func Shunned(shun []netip.Addr, c topology.Cluster) Note {
	return func(s *State) {
		s.Seen.Cut = stillCut(s.Seen, shun, c)
		s.Seen.Shunned = shun
	}
}

// CutOff notes that an acker's admission and connection have ended, and where
// this writer stood right after (R23).
func CutOff(id topology.HostID, pos gtid.Set, shun []netip.Addr) Note {
	return func(s *State) {
		cut := stillCut(s.Seen, shun, s.Cluster)
		cut[id] = pos
		s.Seen.Cut, s.Seen.Shunned = cut, shun
	}
}

// Rewound notes that this host gave up what the writer never had.
func Rewound(archive string) Note {
	return func(s *State) {
		s.Seen.Suspect = topology.Suspicion{}
		s.Seen.Refused = topology.Refusal{Archive: archive}
	}
}

// Replaced notes that this host has other data now: what was found in the ones
// before says nothing of them. rev is of the last thing that was written.
func Replaced(rev topology.Rev) Note {
	return func(s *State) {
		Wrote(rev)(s)
		s.Seen.Suspect, s.Seen.Refused = topology.Suspicion{}, topology.Refusal{}
	}
}

// Refused notes a repair that is not possible, so that it is not tried again.
func Refused(r topology.Refusal) Note {
	return func(s *State) { s.Seen.Refused = r }
}

// stillCut are the ackers that were shut out and still are, with the position of
// the moment at which they were cut off. Of any other the position says nothing:
// who may attach again, and the heir, who was named but never shut out, may have
// acknowledged since. When such a host goes it is cut anew, and those who stay
// must then hold the position of that moment (R23).
func stillCut(seen topology.Seen, shun []netip.Addr, c topology.Cluster) map[topology.HostID]gtid.Set {
	cut := map[topology.HostID]gtid.Set{}
	for _, h := range c.Spec.Value.Hosts {
		_, id, _ := c.ReportOf(h.Name)
		if id == "" {
			id = c.Memories[h.Name].Value.ID
		}
		pos, was := seen.Cut[id]
		if was && slices.Contains(seen.Shunned, h.Address) && slices.Contains(shun, h.Address) {
			cut[id] = pos
		}
	}
	return cut
}

// InDoubt notes that a put of reign may still arrive: its outcome is not known,
// or nobody knows whether the agent before this one had sent one (R16).
func InDoubt(s *State) { s.Seen.InDoubt = true }

// PutReign notes that etcd took a put of reign: whatever was still on its way is
// refused by its guard from now on.
func PutReign(rev topology.Rev) Note {
	return func(s *State) {
		Wrote(rev)(s)
		s.Seen.InDoubt = false
	}
}

// Settled notes that the operator's order is closed.
func Settled(rev topology.Rev) Note {
	return func(s *State) {
		Wrote(rev)(s)
		s.Seen.Drained = time.Time{}
	}
}

// Drained notes that this writer has stopped writing for a switchover.
func Drained(rev topology.Rev, now time.Time) Note {
	return func(s *State) {
		Wrote(rev)(s)
		s.Seen.Drained = now
	}
}

// Left notes that a reader VIP's address was taken down to give its claim up,
// whatever comes of the release. rev is that of the claim.
func Left(vip netip.Addr, rev topology.Rev) Note {
	return func(s *State) {
		left := maps.Clone(s.Seen.Left)
		if left == nil {
			left = map[netip.Addr]topology.Rev{}
		}
		left[vip] = rev
		s.Seen.Left = left
	}
}

// Released is Left, with the claim seen deleted at that revision; 0: not known.
func Released(left Note, rev topology.Rev) Note {
	return func(s *State) {
		left(s)
		Wrote(rev)(s)
	}
}

// Asked notes that mysqld was pointed at the writer of a reign. before is what was
// learned on the way; nil: nothing.
func Asked(epoch topology.Rev, before Note) Note {
	return func(s *State) {
		if before != nil {
			before(s)
		}
		s.Seen.Asked = epoch
	}
}

// WaitsAgain notes where a writer that was alone stood when it began to wait for
// somebody again (R22), and for whom; nobody: it waits for nobody.
func WaitsAgain(pos gtid.Set, of topology.HostID) Note {
	return func(s *State) { s.Seen.Guard, s.Seen.GuardOf = pos, of }
}
