package topology

import (
	"slices"
	"testing"
)

// given is the election of inElection in which db1, the last writer, and the
// acker db4 are gone, and an operator has accepted that for db2.
func given(t *testing.T) *world {
	t.Helper()
	w, _ := inElection(t, "db2")
	for _, name := range []string{"db1", "db4"} {
		h, err := w.host(name)
		if err != nil {
			t.Fatal(err)
		}
		delete(w.etcd.Bids, h.id)
		delete(w.etcd.Hosts, h.id)
	}
	c := w.cluster()
	loss := LossOf(c)
	if len(loss.Missing) != 2 {
		t.Fatalf("missing: %v", loss.Missing)
	}
	w.etcd.Switchover = Entry[Switchover]{Rev: w.put(), Value: Switchover{
		Kind: OrderFailover, Target: "db2", Step: Asked, Epoch: c.LastEpoch(), Loss: &loss, Asked: w.now, Deadline: w.now.Add(drainLimit)}}
	return w
}

// TestWordForOneEpochIsNoneForAnother: a reign has come and gone since without
// closing the order, as when its writer fell before it settled anything.
func TestWordForOneEpochIsNoneForAnother(t *testing.T) {
	w := given(t)
	if p := Prove(w.cluster()); !p.Accepted {
		t.Fatalf("it does not count at once: %s", p.Why)
	}
	later := w.put()
	w.etcd.Reign.Value.Epoch = later
	for id, b := range w.etcd.Bids {
		b.Value.After = later
		w.etcd.Bids[id] = b
	}
	if p := Prove(w.cluster()); p.OK || p.Accepted {
		t.Errorf("it counts for epoch %d, too: %s", later, p.Why)
	}
}

// TestSecondWordForgetsNobody: the winner of the first one never opened, so the
// same epoch is given up again; who was missing then is missing still.
func TestSecondWordForgetsNobody(t *testing.T) {
	w := given(t)
	epoch := w.etcd.LastEpoch()
	w.etcd.Tombstones = map[Rev]Entry[Tombstone]{epoch: {Rev: w.put(), Value: Tombstone{Epoch: epoch, Hosts: []HostID{"id-db9"}, To: "db3"}}}
	a, ok := decides(viewOf(t, w, "db2"), Campaign)
	if !ok || a.Tombstone == nil {
		t.Fatalf("no campaign by that word, but %v", Decide(viewOf(t, w, "db2")))
	}
	if want := []HostID{"id-db1", "id-db4", "id-db9"}; !slices.Equal(a.Tombstone.Hosts, want) {
		t.Errorf("the tombstone names %v, want %v", a.Tombstone.Hosts, want)
	}
	if a.TombstoneRev != w.etcd.Tombstones[epoch].Rev {
		t.Errorf("it replaces revision %d, want %d", a.TombstoneRev, w.etcd.Tombstones[epoch].Rev)
	}
}

// TestOnlyAWordSinceTheLossIsAVerdict: that an operator trusted a host once says
// nothing of what it held when it was given up.
func TestOnlyAWordSinceTheLossIsAVerdict(t *testing.T) {
	const lost = Rev(50)
	c := Cluster{Hosts: map[HostID]Entry[Report]{"id-db3": {Value: Report{Name: "db3"}}},
		Tombstones: map[Rev]Entry[Tombstone]{40: {Rev: lost, Value: Tombstone{Epoch: 40, Hosts: []HostID{"id-db3"}}}}}
	for _, tt := range []struct {
		name  string
		want  Want
		rev   Rev
		order Rev
		held  bool
	}{
		{"no word", "", 0, 0, true},
		{"set online before", WantOnline, lost - 1, 0, true},
		{"set offline since", WantOffline, lost + 1, 0, true},
		{"set online since", WantOnline, lost + 1, 0, false},
		{"ordered to rejoin before", "", 0, lost - 1, true},
		{"ordered to rejoin since", "", 0, lost + 1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c.Intents = map[string]Entry[Intent]{"db3": {Rev: tt.rev, Value: Intent{Want: tt.want}}}
			c.Rejoins = map[string]Entry[RejoinOrder]{"db3": {Rev: tt.order}}
			if _, held := GivenUp(c, "id-db3"); held != tt.held {
				t.Errorf("held %t, want %t", held, tt.held)
			}
		})
	}
}
