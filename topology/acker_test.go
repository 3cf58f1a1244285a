package topology

import (
	"slices"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/topology/gtid"
)

// TestHostOffTheLineOfTheReignIsNotLetIn: the winner who wrote his epoch row and
// never opened has numbers far above the next reign's first ones and nothing of
// it. In the acker set he would be heard as the one who holds most (R22, R32).
func TestHostOffTheLineOfTheReignIsNotLetIn(t *testing.T) {
	at := func(text string) gtid.Set {
		set, err := gtid.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	start := at("0-2-1000007")
	c := Cluster{Reign: Entry[Reign]{Value: Reign{Epoch: 9, Start: start}, Rev: 9}}
	for _, x := range []struct {
		name     string
		row      Rev
		received string
		off      bool
	}{
		{"far behind", 5, "0-1-7", false},
		{"an abandoned reign, above by number", 5, "0-1-1000009", true},
		{"an abandoned reign, the very number", 5, "0-1-1000007", true},
		{"of this reign", 9, "0-2-1000009", false},
		{"empty", 0, "", false},
	} {
		if got := offLine(c, Report{EpochRow: x.row, Received: at(x.received)}); got != x.off {
			t.Errorf("%s: off the line %t", x.name, got)
		}
	}
}

// asked reports whether a rule asks for anything, and of which host.
func asked(v View, rule string) (string, bool) {
	acts := Decide(v)
	i := slices.IndexFunc(acts, func(a Action) bool { return a.Rule == rule })
	if i < 0 {
		return "", false
	}
	return acts[i].String(), true
}

// told is the view of db1 after a story.
func told(t *testing.T, story string) View {
	t.Helper()
	by := newTeller()
	if _, err := tell(by, story); err != nil {
		t.Fatal(err)
	}
	h, err := by.w.host("db1")
	if err != nil {
		t.Fatal(err)
	}
	return by.w.view(h, by.w.cluster())
}

// TestSetIsWrittenOnlyBehindTheFilterAsItShouldBe: the filter could not be set a
// moment ago, so somebody may be attached who is not counted on (R21, R23).
func TestSetIsWrittenOnlyBehindTheFilterAsItShouldBe(t *testing.T) {
	v := told(t, "cluster\nvanish db4\napply db1\napply db1\n")
	if a, ok := asked(v, "narrow"); !ok || a != "put-reign db4 ackers=2" {
		t.Fatalf("db4 is cut off, and the others have everything: %q", a)
	}
	v.Seen.Shunned = nil
	fails := Action{Kind: SetShun, Epoch: v.Term.Epoch}
	v.Seen.Failed = map[Kind]Failure{SetShun: {At: v.Now.Add(-time.Millisecond), Unit: fails.Unit()}}
	if _, ok := asked(v, "shun"); ok {
		t.Fatal("the filter does not rest")
	}
	if a, ok := asked(v, "narrow"); ok {
		t.Errorf("%s, while the filter lets db4 in", a)
	}
}

// TestWhoIsOffTheLineOfTheReignStaysOutsideTheSet: and says so by nothing but its numbers.
func TestWhoIsOffTheLineOfTheReignStaysOutsideTheSet(t *testing.T) {
	v := told(t, "cluster\nreign ackers=db2,db3\n")
	if a, ok := asked(v, "widen"); !ok || a != "put-reign db4 ackers=3" {
		t.Fatalf("db4 could acknowledge: %q", a)
	}
	e := v.Cluster.Hosts["id-db4"]
	e.Value.EpochRow, e.Value.Received = 0, position("0-4-9000000")
	v.Cluster.Hosts["id-db4"] = e
	if a, ok := asked(v, "widen"); ok {
		t.Errorf("%s, and it is far ahead of a reign of which it has nothing", a)
	}
}

// TestHostIsNotCountedOnBeforeItHasJoined: under a known name another datadir may
// have come; until it is written down which one it is nobody knows what it lacks (R48).
func TestHostIsNotCountedOnBeforeItHasJoined(t *testing.T) {
	for _, tt := range []struct {
		name string
		id   HostID
		want bool
	}{{"joined", "id-db4", true}, {"the memory is of the datadir before", "id-before", false}} {
		t.Run(tt.name, func(t *testing.T) {
			w := healthyWorld()
			delete(w.etcd.Reign.Value.Ackers, "id-db4")
			m := w.etcd.Memories["db4"]
			m.Value.ID = tt.id
			w.etcd.Memories["db4"] = m
			v := w.view(w.hosts[0], w.cluster())
			v.Seen.Shunned = v.shun()
			a, puts := decides(v, PutReign)
			if widens := puts && a.Reign.Ackers["id-db4"] != ""; widens != tt.want {
				t.Errorf("counted on: %t, want %t", widens, tt.want)
			}
		})
	}
}

// TestNewDatadirIsNotTakenForTheOldOneOfItsName: until the lease of the old one
// ends two hosts bear the name. What is known of the old one, that it has joined and
// lacks nothing, says nothing of the new one.
func TestNewDatadirIsNotTakenForTheOldOneOfItsName(t *testing.T) {
	for _, id := range []HostID{"id-a-new-one", "id-z-new-one"} { // sorted before the old id, and after it
		w := healthyWorld()
		v := w.view(w.hosts[0], w.cluster())
		fresh := v.Cluster.Hosts["id-db4"]
		fresh.Value.Incarnation, fresh.Value.Position, fresh.Value.Received = "boot-new/1/1", gtid.Set{}, gtid.Set{}
		v.Cluster.Hosts[id] = fresh
		if fitAcker(v.Cluster, id) {
			t.Errorf("%s is taken for the host that bore its name before", id)
		}
		if !fitAcker(v.Cluster, "id-db4") {
			t.Error("the old one is no longer fit")
		}
	}
}

// TestReignThatWasTakenAgainLetsItsOwnReplicasBack: a replica of the reign's first
// epoch that was let go meanwhile holds nothing that is not of the reign. A winner
// in between who never opened does.
func TestReignThatWasTakenAgainLetsItsOwnReplicasBack(t *testing.T) {
	for _, tt := range []struct {
		name string
		row  Rev
		want bool
	}{{"has the row of the first epoch", 100, true}, {"has the row of the second", 150, true}, {"won in between and never opened", 120, false}} {
		t.Run(tt.name, func(t *testing.T) {
			c := healthyWorld().cluster()
			c.Reign.Value.Epoch, c.Reign.Value.Before = 200, []Rev{100, 150}
			rep := c.Hosts["id-db4"].Value
			rep.EpochRow, rep.Received = tt.row, position("0-1-130")
			if got := !offLine(c, rep); got != tt.want {
				t.Errorf("let back: %t, want %t", got, tt.want)
			}
		})
	}
}

// TestReignTakenAgainKeepsItsEarlierEpochs, each of them, however often (R52).
func TestReignTakenAgainKeepsItsEarlierEpochs(t *testing.T) {
	w := healthyWorld()
	v := w.view(w.hosts[0], w.cluster())
	v.Cluster.Rev, v.Cluster.Writer, v.Cluster.Phase = 150, Entry[Writer]{}, Entry[Phase]{}
	v.Cluster.Reign.Value.Before = []Rev{50}
	v.Failsafe.Left = time.Second
	a, ok := decides(v, Retake)
	if !ok || !slices.Equal(a.Reign.Before, []Rev{50, 100}) {
		t.Errorf("%t: %v", ok, a.Reign)
	}
}

// TestHostThatIsBeingAttachedIsNotAttachedOnceMore: what attaches it turns acknowledging
// on itself. A second connection a moment later, in the middle of a transaction, has
// left MariaDB with a relay log that it could not apply (error 1866).
func TestHostThatIsBeingAttachedIsNotAttachedOnceMore(t *testing.T) {
	for _, busy := range []bool{false, true} {
		w := healthyWorld()
		v := w.view(w.hosts[1], w.cluster())
		v.Probe.Replication.Semi = false
		if busy {
			v.Busy = []Kind{Follow}
		}
		if _, sets := decides(v, SetSemi); sets == busy {
			t.Errorf("it is being attached: %t; acknowledging is turned on: %t", busy, sets)
		}
	}
}
