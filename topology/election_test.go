package topology

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// inElection is the scenario with the writer's place vacant and everybody's bid
// in, as the host finds it.
func inElection(t *testing.T, self string) (*world, View) {
	t.Helper()
	w := healthyWorld()
	w.vacate()
	for _, h := range w.hosts {
		h.vips, h.writable, h.reads, h.term = nil, false, false, Term{}
		w.etcd.Bids[h.id] = Entry[Bid]{Value: Bid{After: w.etcd.LastEpoch(), Name: h.name, Incarnation: h.inc, Received: end(h.log)}, Rev: w.put(), Lease: h.lease}
	}
	w.look()
	return w, viewOf(t, w, self)
}

func viewOf(t *testing.T, w *world, self string) View {
	t.Helper()
	h, err := w.host(self)
	if err != nil {
		t.Fatal(err)
	}
	return w.view(h, w.cluster())
}

// decides is the first action of a kind that is decided on.
func decides(v View, k Kind) (Action, bool) {
	acts := Decide(v)
	i := slices.IndexFunc(acts, func(a Action) bool { return a.Kind == k })
	if i < 0 {
		return Action{}, false
	}
	return acts[i], true
}

// TestCampaignIsGuardedByEachBidThatItRestsOn: by the bids that prove, and by
// the own one, also when that proves nothing (R34).
func TestCampaignIsGuardedByEachBidThatItRestsOn(t *testing.T) {
	t.Run("of ackers", func(t *testing.T) {
		w, v := inElection(t, "db2")
		delete(w.etcd.Bids, "id-db1")
		v.Cluster = w.cluster()
		guardedBy(t, v, w.etcd.Bids, "id-db2", "id-db3", "id-db4")
	})
	t.Run("of the last writer, and the own one", func(t *testing.T) {
		w, v := inElection(t, "db2")
		w.etcd.Spec.Value.Roles.Writer.Prefer = "db2"
		delete(w.etcd.Bids, "id-db3")
		v.Cluster = w.cluster()
		guardedBy(t, v, w.etcd.Bids, "id-db1", "id-db2")
	})
}

func guardedBy(t *testing.T, v View, bids map[HostID]Entry[Bid], want ...HostID) {
	t.Helper()
	a, ok := decides(v, Campaign)
	if !ok {
		t.Fatalf("no campaign, but %v", Decide(v))
	}
	if got := slices.Sorted(maps.Keys(a.Guards.Bids)); !slices.Equal(got, want) {
		t.Errorf("guarded by the bids of %v, want %v", got, want)
	}
	for id, rev := range a.Guards.Bids {
		if rev == 0 || rev != bids[id].Rev {
			t.Errorf("the bid of %s is guarded at revision %d, it is at %d", id, rev, bids[id].Rev)
		}
	}
}

// TestBrokenReplicaIsNotHeard: what it says it has received is no measure (R40).
func TestBrokenReplicaIsNotHeard(t *testing.T) {
	w, _ := inElection(t, "db2")
	delete(w.etcd.Bids, "id-db1")
	b := w.etcd.Bids["id-db3"]
	b.Value.Broken = "it dropped its relay log"
	w.etcd.Bids["id-db3"] = b
	p := Prove(w.cluster())
	if p.OK || !strings.Contains(p.Why, "db3 (its replication is broken: it dropped its relay log)") {
		t.Errorf("proven %t: %s", p.OK, p.Why)
	}
}

func TestWhoMayNotBeElectedIsNot(t *testing.T) {
	tests := []struct {
		name   string
		change func(w *world)
		want   HostID
	}{
		{"nobody is in the way", func(*world) {}, "id-db1"},
		{"set offline", func(w *world) {
			w.etcd.Intents["db1"] = Entry[Intent]{Value: Intent{Want: WantOffline}, Rev: w.put()}
		}, "id-db2"},
		{"an order names another", func(w *world) {
			w.etcd.Switchover = Entry[Switchover]{Value: Switchover{Kind: OrderElect, Target: "db2", Step: Asked}, Rev: w.put()}
		}, "id-db2"},
		{"an order names one that cannot", func(w *world) {
			w.etcd.Switchover = Entry[Switchover]{Value: Switchover{Kind: OrderElect, Target: "db3", Step: Asked}, Rev: w.put()}
		}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, _ := inElection(t, "db1")
			tt.change(w)
			c := w.cluster()
			if got, race := Best(c, Prove(c)); got != tt.want {
				t.Errorf("the best candidate is %q, want %q: %+v", got, tt.want, race)
			}
		})
	}
}

// TestHostThatCannotApplySaysSoInItsBid: it would hide what it received (R33, R36).
func TestHostThatCannotApplySaysSoInItsBid(t *testing.T) {
	w, _ := inElection(t, "db2")
	db2, _ := w.host("db2")
	db2.log, db2.applies = append(slices.Clone(db2.log), "0-1-101"), false
	delete(w.etcd.Bids, "id-db2")
	v := viewOf(t, w, "db2")
	a, ok := decides(v, PlaceBid)
	if !ok || !strings.Contains(a.Bid.Unable, "SQL thread is stopped") {
		t.Errorf("bid %t: %+v", ok, a.Bid)
	}
}

// TestAddressIsServedOnlyOnAClaimOfThisLease: a claim on an earlier lease may be
// another host's in a moment (R54).
func TestAddressIsServedOnlyOnAClaimOfThisLease(t *testing.T) {
	w := healthyWorld()
	v := viewOf(t, w, "db2")
	if got := v.WantVIPs(); !slices.Equal(got, []netip.Addr{storyVIP(".112")}) {
		t.Fatalf("serves %v before", got)
	}
	v.Lease.ID++
	if got := v.WantVIPs(); len(got) > 0 {
		t.Errorf("serves %v on the claim of another lease", got)
	}
	if a, ok := decides(v, SetVIPs); !ok || len(a.VIPs) > 0 {
		t.Errorf("%v", Decide(v))
	}
}

// TestAddressThatWasGivenUpStaysDownWhileItsClaimIsShown: the answer to the release
// may be lost and the watch late, and another host answer by now (R54).
func TestAddressThatWasGivenUpStaysDownWhileItsClaimIsShown(t *testing.T) {
	w, vip := healthyWorld(), storyVIP(".112")
	v := viewOf(t, w, "db2")
	v.VIPs, v.Seen.Left = nil, map[netip.Addr]Rev{vip: v.Cluster.Claims[vip].Rev}
	if a, ok := decides(v, SetVIPs); ok {
		t.Errorf("puts it back: %v", a)
	}
	if a, ok := decides(v, GiveUpVIP); !ok || a.VIPs[0] != vip {
		t.Errorf("does not give the claim back: %v", Decide(v))
	}
	v.Seen.Left[vip]-- // an earlier claim of it
	if a, ok := decides(v, SetVIPs); !ok || !slices.Contains(a.VIPs, vip) {
		t.Errorf("does not serve what it has claimed anew: %v", Decide(v))
	}
}

// TestClosingThatFailedIsAskedForAtOnce: nothing holds a fence back, least of all
// that it has just failed (R12).
func TestClosingThatFailedIsAskedForAtOnce(t *testing.T) {
	w := healthyWorld()
	db2, _ := w.host("db2")
	db2.writable = true
	v := viewOf(t, w, "db2")
	a, ok := decides(v, Demote)
	if !ok {
		t.Fatalf("a stray writable server: %v", Decide(v))
	}
	v.Seen.Failed = map[Kind]Failure{Demote: {At: v.Now, Unit: a.Unit()}}
	if _, ok := decides(v, Demote); !ok {
		t.Errorf("it rests after a failure: %v", Decide(v))
	}
}
