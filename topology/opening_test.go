package topology

import (
	"testing"
	"time"
)

// opening is db1 as the winner of epoch 100 whose reign has no acker set yet.
func opening(t *testing.T) View {
	t.Helper()
	v := viewOf(t, healthyWorld(), "db1")
	v.Cluster.Phase.Value.Step, v.Cluster.Reign.Value.Epoch, v.Probe.ReadOnly = Opening, 90, true
	return v
}

// TestNumbersJumpAboveAnythingHeardOf: the tail of a host that proves nothing may
// come back, and its numbers must not have been used again (R37).
func TestNumbersJumpAboveAnythingHeardOf(t *testing.T) {
	for name, hears := range map[string]func(v *View){
		"in a report": func(v *View) {
			r := v.Cluster.Hosts["id-db3"]
			r.Value.Received = position("0-9-2000000")
			v.Cluster.Hosts["id-db3"] = r
		},
		"in a bid": func(v *View) {
			v.Cluster.Bids["id-db4"] = Entry[Bid]{Value: Bid{Name: "db4", Received: position("0-9-2000000")}, Rev: 101}
		},
		"in the key of the writer": func(v *View) { v.Cluster.Writer.Value.Best = position("0-9-2000000") },
	} {
		t.Run(name, func(t *testing.T) {
			v := opening(t)
			v.Probe.Epoch = EpochRow{}
			hears(&v)
			a, ok := decides(v, WriteRow)
			if want := 2000000 + rowGap + uint64(v.Term.Epoch); !ok || a.Jump != want {
				t.Errorf("the epoch row has number %d (%t), want %d", a.Jump, ok, want)
			}
		})
	}
}

// TestReignWithoutAnAckerIsNotWritten: nobody has the epoch row, however long
// ago it was written (R24, R38).
func TestReignWithoutAnAckerIsNotWritten(t *testing.T) {
	v := opening(t)
	v.Seen.Acked = v.Now.Add(-time.Minute)
	if _, ok := decides(v, PutReign); !ok {
		t.Fatalf("three hosts have the row: %v", Decide(v))
	}
	for _, id := range []HostID{"id-db2", "id-db3", "id-db4"} {
		delete(v.Cluster.Hosts, id)
	}
	for _, acked := range []time.Time{{}, v.Seen.Acked} {
		v.Seen.Acked = acked
		if a, ok := decides(v, PutReign); ok {
			t.Errorf("nobody has the row: %v", a.Reign)
		}
	}
}

// TestHoldersAreTheRunsThatWereCountedOn: another run of the same mysqld has lost
// its relay log (R23, R25).
func TestHoldersAreTheRunsThatWereCountedOn(t *testing.T) {
	v := viewOf(t, healthyWorld(), "db1")
	s := v.reign().Ackers
	if n := v.holders(s, v.Probe.Position); n != 3 {
		t.Fatalf("%d of 3 hold it", n)
	}
	s["id-db2"] = "an earlier run"
	if n := v.holders(s, v.Probe.Position); n != 2 {
		t.Errorf("%d hold it, want 2", n)
	}
}

// TestTargetMustAcknowledge: who is not in the acker set may lack what was
// acknowledged (R41).
func TestTargetMustAcknowledge(t *testing.T) {
	v := viewOf(t, healthyWorld(), "db1")
	c := v.Cluster
	if why := unfit(c, "db2", v.Now); why != "" {
		t.Fatalf("db2 %s", why)
	}
	c.Reign.Value.Ackers = v.reign().Ackers
	c.Reign.Value.Ackers["id-db2"] = "an earlier run"
	if unfit(c, "db2", v.Now) == "" {
		t.Error("another run of its mysqld was in the set")
	}
	delete(c.Reign.Value.Ackers, "id-db2")
	if unfit(c, "db2", v.Now) == "" {
		t.Error("it is not in the set")
	}
}

// TestHostsOfOneNameMayAttachOnlyWhenAllAreCountedOn: a datadir made anew has the
// address of the old one, whose lease has not ended yet (R48).
func TestHostsOfOneNameMayAttachOnlyWhenAllAreCountedOn(t *testing.T) {
	v := viewOf(t, healthyWorld(), "db1")
	if len(v.shun()) > 0 {
		t.Fatalf("shuns %v", v.shun())
	}
	r := v.Cluster.Hosts["id-db3"]
	r.Value.Incarnation = "of a new datadir"
	v.Cluster.Hosts["id-new"] = r
	if got := v.shun(); len(got) != 1 || got[0] != r.Value.Address {
		t.Errorf("shuns %v, want %s", got, r.Value.Address)
	}
}
