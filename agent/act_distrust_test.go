package agent

import (
	"errors"
	"testing"

	"github.com/mmm-ha/mmm/election"
	"github.com/mmm-ha/mmm/topology"
)

// wentBack is the asking for a second look at an etcd that seems to have gone
// back: revision 90 was seen.
func (r *rig) wentBack() job {
	r.Agent.clusterID = "c-1"
	j, _, _ := r.job(topology.Action{Kind: topology.LoseTrust})
	j.Action.Distrust = &topology.Distrust{Why: "etcd is at revision 50 but 90 was seen", Seen: 90}
	return j
}

// TestDistrustOfEtcdBindsTheNextAgent: it is on disk before it is told, for an
// etcd that was restored soon counts past what was seen (R17).
func TestDistrustOfEtcdBindsTheNextAgent(t *testing.T) {
	r := newRig(t)
	dir := t.TempDir()
	highest, err := election.LoadHighest(dir)
	if err != nil {
		t.Fatal(err)
	}
	r.remembered.highest = highest
	r.etcd.cluster = cluster()
	note, err := r.loseTrust(bounded(t), r.wentBack())
	if err != nil || note == nil {
		t.Fatalf("%v, note %t", err, note != nil)
	}
	next, err := election.LoadHighest(dir)
	if err != nil {
		t.Fatal(err)
	}
	if d := next.Distrusted("c-1"); !d.Present() || d.At != r.etcd.cluster.Rev {
		t.Fatalf("the next agent of this host knows %+v", d)
	}
	s := r.newState(epoch)
	if note(s.State); !s.Seen.Distrust.Present() {
		t.Error("this one does not")
	}
	if _, err := r.trust(bounded(t), r.wentBack()); err != nil {
		t.Fatal(err)
	}
	if next, err = election.LoadHighest(dir); err != nil || next.Distrusted("c-1").Present() {
		t.Errorf("it is distrusted for ever: %v", err)
	}
}

// TestLateWatchIsNoEtcdThatWentBack: only what etcd itself says now counts.
func TestLateWatchIsNoEtcdThatWentBack(t *testing.T) {
	r := newRig(t)
	c := cluster()
	c.Rev = 90
	r.etcd.cluster = c
	note, err := r.loseTrust(bounded(t), r.wentBack())
	if !errors.Is(err, errOnlyLate) || note != nil || r.remembered.highest.Distrusted("c-1").Present() {
		t.Errorf("%v, note %t: it is distrusted", err, note != nil)
	}
}
