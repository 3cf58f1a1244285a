package topology

import (
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestWhatWasPromisedIsNotDone: no rule gets past a promise, in any view.
func TestWhatWasPromisedIsNotDone(t *testing.T) {
	still := []Kind{PlaceBid, Fetch, Campaign, Adopt, Retake, BecomeSource, OpenDoor, Follow, Reattach, SetSemi, StopForOrder}
	rapid.Check(t, func(t *rapid.T) {
		v := aView(t)
		v.Failsafe = Failsafe{Run: time.Millisecond, Claim: time.Millisecond, To: "db9", Etcd: rapid.Bool().Draw(t, "etcd answers again")}
		for _, a := range Decide(v) {
			if slices.Contains(still, a.Kind) || a.Kind == ClaimVIP {
				t.Fatalf("%s: %s", a.Rule, a)
			}
			if a.Kind != SetVIPs {
				continue
			}
			for _, vip := range a.VIPs {
				if !slices.Contains(v.VIPs, vip) && !slices.Contains(v.Cluster.Spec.Value.Roles.Writer.VIPs, vip) {
					t.Fatalf("%s comes up, which may be kept elsewhere", vip)
				}
			}
		}
	})
}

// TestClaimThatWasPromisedAwayIsNotMadeWhenEtcdIsBack: the others may not have
// reached it yet, and still answer for what they hold (R54).
func TestClaimThatWasPromisedAwayIsNotMadeWhenEtcdIsBack(t *testing.T) {
	for _, left := range []time.Duration{0, time.Millisecond} {
		w := healthyWorld()
		v := w.view(w.hosts[1], w.cluster())
		v.Cluster.Claims, v.VIPs = nil, nil
		v.Failsafe = Failsafe{Etcd: true, Claim: left, To: "db3"}
		if a, claims := decides(v, ClaimVIP); claims == (left > 0) {
			t.Errorf("promised for %s, and it decides %v", left, a)
		}
	}
}

// TestWhoMayBeWriterPromisesNoOtherReign: who gives a promise to a writer has
// neither reign nor bid nor campaign of its own in flight, has seen no later
// epoch and no other key, and does not see etcd, or has not seen it for a lease yet.
func TestWhoMayBeWriterPromisesNoOtherReign(t *testing.T) {
	given := 0
	rapid.Check(t, func(t *rapid.T) {
		v := aView(t)
		v.Failsafe.Etcd = rapid.Bool().Draw(t, "etcd")
		v.Failsafe.Back = time.Duration(rapid.IntRange(0, 1).Draw(t, "back"))
		a := Ask{Cluster: v.Cluster.Spec.Value.ID, From: pick(t, "from", []HostID{"id-db1", "id-db2", "id-db3"}), Epoch: v.Cluster.LastEpoch() + Rev(rapid.IntRange(-1, 1).Draw(t, "epoch"))}
		if _, may := MayPromise(v, a); !may || a.Epoch <= 0 {
			return
		}
		given++
		w := v.Cluster.Writer
		over := v.Cluster.LastEpoch() > a.Epoch || w.Present() && w.Rev != a.Epoch
		if v.Failsafe.Etcd && v.Failsafe.Back <= 0 || v.Term.Epoch > 0 || over || v.Seen.Epoch > a.Epoch || v.Seen.Ended >= a.Epoch || v.Probe.Up && !v.Probe.ReadOnly ||
			v.busy(PlaceBid, Fetch, Campaign, Adopt, OpenDoor) || a.From == v.ID {
			t.Fatalf("promised %+v", a)
		}
	})
	if given == 0 {
		t.Error("no promise was given at all")
	}
}

// TestNobodyToAskIsNoPromise: an empty list of promisers lets nothing go on.
func TestNobodyToAskIsNoPromise(t *testing.T) {
	w := healthyWorld()
	w.etcd.Reign.Value.Voters = nil
	if from := Promisers(w.view(w.hosts[0], w.cluster())); len(from) > 0 {
		t.Errorf("asks %v", from)
	}
	w.etcd.Reign.Value.Voters = []HostID{"id-db1"}
	if from := Promisers(w.view(w.hosts[0], w.cluster())); len(from) > 0 {
		t.Errorf("asks %v", from)
	}
}

// TestKeyThatIsBeingTakenAgainIsNoOtherReign: the watch may show it before the
// answer is in. Under another lease, or of another host, it is one (R52).
func TestKeyThatIsBeingTakenAgainIsNoOtherReign(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(v *View)
		ends   bool
	}{
		{"its own", func(*View) {}, false},
		{"nothing is in flight", func(v *View) { v.Busy = nil }, true},
		{"of another host", func(v *View) { v.Cluster.Writer.Value.ID = "id-db2" }, true},
		{"under another lease", func(v *View) { v.Cluster.Writer.Lease++ }, true},
		{"after another reign", func(v *View) { v.Cluster.Writer.Value.Previous++ }, true},
		{"the promises are over", func(v *View) { v.Failsafe.Left = 0 }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := healthyWorld()
			v := w.view(w.hosts[0], w.cluster())
			v.Cluster.Rev, v.Failsafe.Left, v.Busy = 150, time.Second, []Kind{Retake}
			v.Cluster.Writer.Rev, v.Cluster.Writer.Value.Previous = 150, 100
			v.Cluster.Reign.Value.Epoch, v.Cluster.Phase.Value.Epoch = 150, 150
			tt.change(&v)
			_, ends := decides(v, EndReign)
			_, closes := decides(v, Demote)
			if (ends || closes) != tt.ends {
				t.Errorf("ends %t, closes %t; want %t", ends, closes, tt.ends)
			}
		})
	}
}

// TestHostThatOnlyItsWatchTellsOfTheEndOfAReignKeepsStill: etcd answers it nothing,
// and shows it that the writer's lease and the claims of readers ran out (R49).
func TestHostThatOnlyItsWatchTellsOfTheEndOfAReignKeepsStill(t *testing.T) {
	for _, etcd := range []bool{false, true} {
		w := healthyWorld()
		v := w.view(w.hosts[1], w.cluster())
		v.Cluster.Rev, v.Cluster.Writer, v.Cluster.Phase, v.Cluster.Claims = 150, Entry[Writer]{}, Entry[Phase]{}, nil
		v.Failsafe.Etcd = etcd
		_, bids := decides(v, PlaceBid)
		_, claims := decides(v, ClaimVIP)
		_, may := MayPromise(v, Ask{Cluster: v.Cluster.Spec.Value.ID, From: "id-db1", Epoch: 100})
		if bids != etcd || claims != etcd || may == etcd {
			t.Errorf("etcd answers %t: bids %t, claims %t, promises %t", etcd, bids, claims, may)
		}
	}
}

// TestHostWhoseReportIsOnItsWayKeepsItsAddresses: it has a new lease, after etcd had
// let go of the old one, and has claimed again what it served all the time. That
// nobody can read its report yet says nothing of it (R54).
func TestHostWhoseReportIsOnItsWayKeepsItsAddresses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(v *View)
		leaves bool
	}{
		{"its report is on its way", func(*View) {}, false},
		{"mysqld is down", func(v *View) { v.Probe.Up = false }, true},
		{"an operator set it offline", func(v *View) {
			v.Cluster.Intents = map[string]Entry[Intent]{"db2": {Rev: 120, Value: Intent{Want: WantOffline}}}
		}, true},
		{"its report is there, and says that mysqld is down", func(v *View) {
			v.Cluster.Hosts[v.ID] = Entry[Report]{Rev: 120, Lease: v.Lease.ID, Value: Report{Name: "db2"}}
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := healthyWorld()
			v := w.view(w.hosts[1], w.cluster())
			v.Cluster.Hosts = maps.Clone(v.Cluster.Hosts)
			delete(v.Cluster.Hosts, v.ID)
			tt.change(&v)
			if a, leaves := decides(v, GiveUpVIP); leaves != tt.leaves {
				t.Errorf("gives up: %t, want %t: %+v", leaves, tt.leaves, a)
			}
		})
	}
}
