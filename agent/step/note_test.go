package step

import (
	"net/netip"
	"testing"

	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

// R23: who was cut off under another reign is cut anew, at the position of then.
func TestReignBeginsWithNobodyCutOff(t *testing.T) {
	s := New("db1", "id-db1", "agent", 0)
	CutOff("id-db2", gtid.Set{}, []netip.Addr{netip.MustParseAddr("192.0.2.2")})(s)
	if len(s.Seen.Cut) != 1 || len(s.Seen.Shunned) != 1 {
		t.Fatalf("cut off: %v, shunned: %v", s.Seen.Cut, s.Seen.Shunned)
	}
	Began(7, "run", 1, 7)(s)
	if len(s.Seen.Cut) != 0 || len(s.Seen.Shunned) != 0 || s.Term.Epoch != 7 || s.Seen.Epoch != 7 || s.Seen.Rev != 7 {
		t.Errorf("term %+v, seen %+v", s.Term, s.Seen)
	}
}

// R23: who may attach again and goes once more is cut anew.
func TestHostThatMayAttachAgainIsForgottenAsCutOff(t *testing.T) {
	s := New("db1", "id-db1", "agent", 0)
	db2, db3 := netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3")
	c := topology.Cluster{
		Spec: topology.Entry[topology.Spec]{Rev: 1, Value: topology.Spec{Hosts: []topology.HostSpec{{Name: "db2", Address: db2}, {Name: "db3", Address: db3}}}},
		Hosts: map[topology.HostID]topology.Entry[topology.Report]{
			"id-db2": {Rev: 1, Value: topology.Report{Name: "db2"}}, "id-db3": {Rev: 1, Value: topology.Report{Name: "db3"}}},
	}
	for _, id := range []topology.HostID{"id-db2", "id-db3"} {
		CutOff(id, gtid.Set{}, []netip.Addr{db2, db3})(s)
	}
	Shunned([]netip.Addr{db3}, c)(s)
	if _, cut := s.Seen.Cut["id-db2"]; cut || len(s.Seen.Cut) != 1 {
		t.Errorf("cut off: %v, want db3 alone", s.Seen.Cut)
	}
}

func TestEndOfAnEarlierReignEndsNothing(t *testing.T) {
	s := New("db1", "id-db1", "agent", 0)
	Began(7, "run", 1, 7)(s)
	Over(5)(s)
	GaveBack(6, 8)(s)
	if s.Term.Epoch != 7 || s.Seen.Ended != 6 || s.Seen.Rev != 8 {
		t.Errorf("term %+v, seen %+v", s.Term, s.Seen)
	}
	GaveBack(7, 9)(s)
	if s.Term.Epoch != 0 || s.Seen.Ended != 7 {
		t.Errorf("term %+v, seen %+v", s.Term, s.Seen)
	}
}

// A reign that is taken again goes on with the filter as it stands: whoever was
// refused meanwhile would stay out for ever if the list were taken for empty.
func TestFilterIsSetAnewAfterAReignIsTakenAgain(t *testing.T) {
	s := New("db1", "id-1", "me", 0)
	s.Seen.Shunned = []netip.Addr{netip.MustParseAddr("192.0.2.162")}
	Retook(Began(7, "run", 3, 7))(s)
	if len(s.Seen.Shunned) == 0 {
		t.Error("the filter is taken for empty")
	}
}
