package agent

import (
	"testing"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

func TestEachChangeOfADecisionIsOneLine(t *testing.T) {
	r := newRig(t)
	v := topology.View{Now: noon, Self: self, Cluster: cluster()}
	claim := topology.Action{Kind: topology.ClaimVIP, Rule: "claim", Why: "nobody serves it"}
	follow := topology.Action{Kind: topology.Follow, Rule: "follow", Host: "db2"}
	turn := func(after time.Duration, acts ...topology.Action) {
		v.Now = v.Now.Add(after)
		r.tell(v, acts)
	}
	for range 100 {
		turn(10*time.Millisecond, claim)
	}
	if got := r.lines.with("decided", "action=claim", "nobody serves it"); len(got) != 1 {
		t.Errorf("%d lines for one decision", len(got))
	}
	turn(10*time.Millisecond, claim, follow)
	follow.Host = "db3"
	turn(10*time.Millisecond, claim, follow)
	if got := r.lines.with("decided", "rule=follow"); len(got) != 2 {
		t.Errorf("%d lines for two hosts", len(got))
	}
	turn(10 * time.Millisecond) // an action that rests for a moment is no new decision
	turn(10*time.Millisecond, claim)
	if got := r.lines.with("decided", "action=claim"); len(got) != 1 {
		t.Errorf("%d lines after a rest", len(got))
	}
	turn(2 * toldAgain)
	turn(10*time.Millisecond, claim)
	if got := r.lines.with("decided", "action=claim"); len(got) != 2 {
		t.Errorf("%d lines after it was gone", len(got))
	}
	if len(r.told.decided) > 3 {
		t.Errorf("%d decisions are remembered", len(r.told.decided))
	}
}

func TestWaitingForAnElectionIsToldOnce(t *testing.T) {
	r := newRig(t)
	c := cluster()
	c.Writer = topology.Entry[topology.Writer]{}
	c.Bids[selfID] = topology.Entry[topology.Bid]{Rev: 30, Lease: leaseID, Value: topology.Bid{After: epoch, Name: self, Incarnation: oddRun}}
	v := topology.View{Now: noon, Self: self, ID: selfID, Cluster: c, Lease: topology.Lease{ID: leaseID, Left: time.Second},
		Probe: topology.Probe{Up: true, ReadOnly: true, Incarnation: oddRun}}
	for range 10 {
		r.tell(v, nil)
	}
	if got := r.lines.with("waits for the election"); len(got) != 1 {
		t.Errorf("told %d times: %v", len(got), got)
	}
}
