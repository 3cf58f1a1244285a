package step

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

// A lane takes one action; a fence has a lane of its own, cuts the others short
// and they hold theirs until their outcomes are in.
func TestFenceCutsShortWhatElseRuns(t *testing.T) {
	s := newState()
	Resumed(epoch, oddRun, leaseID)(s)
	begin := func(k topology.Kind) bool {
		_, ok := s.Begin(topology.Action{Kind: k, Epoch: epoch})
		return ok
	}
	if !begin(topology.Nudge) || begin(topology.WriteRow) || !begin(topology.StartSQL) || begin(topology.Follow) {
		t.Errorf("running %v", s.Busy())
	}
	ends, ok := s.Begin(topology.Action{Kind: topology.EndReign, Epoch: epoch})
	if want := []topology.Lane{topology.LaneServer, topology.LaneRow}; !ok || !slices.Equal(ends, want) || !s.Term.Ending {
		t.Errorf("ends %v, want %v; ending %t", ends, want, s.Term.Ending)
	}
	if begin(topology.StartSQL) || begin(topology.Demote) {
		t.Error("a lane was given twice")
	}
	s.Finish(Outcome{Action: topology.Action{Kind: topology.EndReign, Epoch: epoch}, Note: GaveBack(epoch, 60)}, noon)
	if s.Term.Epoch != 0 || s.Seen.Ended != epoch || s.Seen.Rev != 60 || !slices.Equal(s.Unfenced(), s.others(topology.LaneFence)) {
		t.Errorf("term %+v, seen %+v", s.Term, s.Seen)
	}
}

func TestFailureSaidBeforeIsKnown(t *testing.T) {
	s, err := newState(), errors.New("broken")
	follow := func(host string, err error) bool {
		return s.Finish(Outcome{Action: topology.Action{Kind: topology.Follow, Host: host}, Err: err}, noon)
	}
	if follow("db2", err) || !follow("db2", err) || follow("db3", err) {
		t.Error("new or not, it is said the wrong way round")
	}
	follow("db3", nil)
	if len(s.Seen.Failed) > 0 {
		t.Error("a success does not end the rest")
	}
}

// TestNobodyIsMeasuredByAnEtcdThatWentBack: the writer that it shows may be one of
// long ago, who never had what has been acknowledged since (R17).
func TestNobodyIsMeasuredByAnEtcdThatWentBack(t *testing.T) {
	for _, back := range []bool{false, true} {
		s := newState()
		c := reigning(t, 7, "0-2-10")
		c.Rev, c.Phase = 100, topology.Entry[topology.Phase]{Rev: 8, Value: topology.Phase{Epoch: 7, Step: topology.Opening}}
		r := c.Hosts["id-2"]
		r.Value.MySQL.Up, r.Value.Joints = true, []gtid.Joint{{Before: pos(t, "0-2-9"), After: pos(t, "0-2-10")}}
		c.Hosts["id-2"] = r
		if s.Seen.Top = 50; back {
			s.Seen.Top = 150
		}
		s.TakeCluster(c, noon)
		p := replicating(t, "0-2-10")
		p.State = gtid.State{}.With(pos(t, "0-3-20"))
		s.TakeProbe(p, noon)
		for i := range 9 {
			s.Turn(Reading{Now: noon.Add(time.Duration(i) * time.Second)})
		}
		if got := len(s.Seen.Suspect.GTIDs) > 0; got == back {
			t.Errorf("went back %t: suspects itself %t", back, got)
		}
	}
}

// A reign rests on the lease that its key hangs on, not on the next one (R3).
func TestReignRestsOnItsOwnLease(t *testing.T) {
	s := newState()
	r := Reading{Now: noon, Lease: topology.Lease{ID: leaseID + 1, Left: time.Second}}
	if s.View(r).Lease.ID != leaseID+1 {
		t.Error("who does not reign may count on any lease")
	}
	Resumed(epoch, oddRun, leaseID)(s)
	if s.View(r).Lease.Left > 0 {
		t.Error("the next lease counts for the reign")
	}
}
