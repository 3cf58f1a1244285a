package topology

import (
	"encoding/json"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func written(t *rapid.T, v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestEqualViewsGiveEqualActions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := aView(t)
		first := written(t, Decide(v))
		for range 4 {
			if again := written(t, Decide(rebuilt(v))); again != first {
				t.Fatalf("first %s\nthen %s", first, again)
			}
		}
	})
}

func TestDecideDoesNotChangeItsView(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := aView(t)
		before := written(t, v)
		for _, a := range Decide(v) {
			if a.Reign != nil && a.Reign.Ackers != nil {
				a.Reign.Ackers["scribble"] = "scribble" // an action must not share its maps with the view
			}
		}
		if after := written(t, v); after != before {
			t.Fatalf("before %s\nafter %s", before, after)
		}
	})
}

// TestNothingButFencesWithoutLeaseOrView: no lease, or a reading of etcd that is
// older than what was seen, closes and does nothing else.
func TestNothingButFencesWithoutLeaseOrView(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := aView(t)
		blind := v.Lease.Left <= 0 || v.Cluster.Rev == 0 || v.Cluster.Rev < v.Seen.Rev || v.Cluster.Rev < v.Seen.Epoch || v.Cluster.Rev < v.Seen.Top || v.Seen.Distrust.Present() ||
			v.Cluster.Writer.Present() && v.Cluster.Writer.Rev < v.Seen.Epoch || v.Term.Epoch > 0 && v.Term.Ending
		for _, a := range Decide(v) {
			if a.Kind == LoseTrust || a.Kind == Trust {
				continue // it looks at etcd once more and writes down what it saw
			}
			if waits := v.Term.Epoch > v.Cluster.Rev && v.Probe.ReadOnly && v.Seen.Rev < v.Term.Epoch; blind && !waits && a.Kind.Lane() != LaneFence {
				t.Fatalf("%s: %s", a.Rule, a)
			}
		}
	})
}

func TestDoorOpensOnlyForTheOpenReignOfThisProcess(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := aView(t)
		c := v.Cluster
		for _, a := range Decide(v) {
			if a.Kind != OpenDoor {
				continue
			}
			order := c.Switchover.Value
			switch {
			case c.Writer.Value.ID != v.ID, c.Writer.Rev != v.Term.Epoch, c.Reign.Value.Epoch != v.Term.Epoch:
				t.Fatalf("epochs: key %d, term %d, reign %d", c.Writer.Rev, v.Term.Epoch, c.Reign.Value.Epoch)
			case v.Probe.Incarnation != v.Term.Incarnation || !v.Probe.Up:
				t.Fatal("another mysqld, or none")
			case c.Phase.Value.Step == Ready && c.Reign.Value.Closed != nil:
				t.Fatal("the reign is still written down as closed")
			case c.Phase.Value.Step == Ready && c.Switchover.Present() && order.Kind == OrderSwitchover && order.Step.Open() && order.Epoch == v.Term.Epoch && order.Target != v.Self:
				t.Fatal("a switchover is under way")
			}
		}
	})
}

func TestServerIsNeverLeftWritableOutsideItsReign(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := aView(t)
		mine := v.Term.Epoch > 0 && !v.Term.Ending && v.Cluster.Writer.Rev == v.Term.Epoch && v.Cluster.Reign.Value.Epoch == v.Term.Epoch &&
			v.Probe.Incarnation == v.Term.Incarnation && v.Lease.Left > 0
		promised := v.Term.Epoch > 0 && !v.Term.Ending && !v.Cluster.Writer.Present() && v.Cluster.Reign.Value.Epoch == v.Term.Epoch &&
			v.Probe.Incarnation == v.Term.Incarnation && v.Failsafe.Left > 0 // all others keep still (R50)
		resumed := v.Term.Epoch > 0 && !v.Term.Ending && v.Cluster.Rev < v.Term.Epoch // confirmed by etcd, not yet shown by the watch
		if !v.Probe.Up || v.Probe.ReadOnly || mine || promised || resumed || len(v.Busy) > 0 {
			return
		}
		if acts := Decide(v); len(acts) == 0 || acts[0].Kind.Lane() != LaneFence {
			t.Fatalf("writable, and first comes %v", acts)
		}
	})
}

func TestAtMostOneHostCampaigns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var who []string
		for _, v := range aMoment(t) {
			for _, a := range Decide(v) {
				if a.Kind == Campaign {
					who = append(who, v.Self)
				}
			}
		}
		if len(who) > 1 {
			t.Fatalf("%v campaign on one reading of etcd", who)
		}
	})
}

// TestCampaignRestsOnProof: who campaigns may be writer, has bid as the mysqld
// that runs, is in the voters, and its guards name what was decided on.
func TestCampaignRestsOnProof(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := aView(t)
		c := v.Cluster
		for _, a := range Decide(v) {
			if a.Kind != Campaign {
				continue
			}
			spec, _ := c.Spec.Value.Host(v.Self)
			order := c.Switchover.Value
			init := c.Switchover.Present() && order.Kind == OrderInit && order.Step.Open() && order.Target == v.Self && !c.Reign.Present()
			g := a.Guards
			switch {
			case c.Writer.Present() || !spec.MayWrite() || !v.Probe.Up:
				t.Fatal("there is a writer, or this host may not be one, or its mysqld is down")
			case g.Reign != c.Reign.Rev || g.Spec != c.Spec.Rev || g.Mode != c.Mode.Rev || g.Intent != c.Intents[v.Self].Rev || g.Order != c.Switchover.Rev:
				t.Fatalf("guards %+v", g)
			case init:
				continue
			case !Prove(c).OK || c.Bids[v.ID].Value.Incarnation != v.Probe.Incarnation || !slices.Contains(c.Reign.Value.Voters, v.ID):
				t.Fatal("no proof, no bid of this mysqld, or no voter")
			case g.Bids[v.ID] == 0 || !v.Probe.Received.Contains(a.Position):
				t.Fatal("own bid is not guarded, or the best position is not here")
			}
			for id := range Prove(c).Counted {
				if g.Bids[id] != c.Bids[id].Rev {
					t.Fatalf("bid of %s counts and is not guarded", id)
				}
			}
		}
	})
}

func TestPassiveMovesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := aView(t)
		v.Cluster.Mode = Entry[ModeSetting]{Value: ModeSetting{Mode: Passive}, Rev: 5}
		order := v.Cluster.Switchover.Value
		ordered := v.Cluster.Switchover.Present() && order.Step.Open() && order.Kind != OrderSwitchover
		for _, a := range Decide(v) {
			switch a.Kind { //nolint:exhaustive // only what moves something is of interest
			case Campaign, PlaceBid, Fetch:
				if !ordered && v.Cluster.Reign.Value.ID != v.ID {
					t.Fatalf("%s: %s", a.Rule, a)
				}
			case ClaimVIP:
				if v.Cluster.Pins[a.VIPs[0]].Value.Host != v.Self && !slices.Contains(v.VIPs, a.VIPs[0]) {
					t.Fatalf("%s: %s", a.Rule, a)
				}
			case GiveUpVIP:
				if pin := v.Cluster.Pins[a.VIPs[0]].Value.Host; pin == "" || pin == v.Self {
					t.Fatalf("%s: %s", a.Rule, a)
				}
			}
		}
	})
}

// TestAckerSetIsWrittenWithCare: it is never empty and never has the writer in
// it; who is let go was cut off, and W of those who stay hold what the writer
// had then (R23, R24, R25).
func TestAckerSetIsWrittenWithCare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := aView(t)
		c := v.Cluster
		old := c.Reign.Value
		for _, a := range Decide(v) {
			if a.Kind != PutReign {
				continue
			}
			s := a.Reign.Ackers
			if _, self := s[v.ID]; self || (len(s) == 0 && len(old.Ackers) > 0 && c.Spec.Value.Durability != Available) || a.Reign.Epoch != v.Term.Epoch {
				t.Fatalf("%s: %+v", a.Rule, a.Reign)
			}
			if a.Guards.Reign != c.Reign.Rev || a.Epoch != c.Writer.Rev {
				t.Fatalf("%s: guards %+v", a.Rule, a.Guards)
			}
			for id, inc := range old.Ackers {
				if old.Epoch != v.Term.Epoch || s[id] == inc {
					continue
				}
				pos, cut := v.Seen.Cut[id]
				if !cut || len(s) > 0 && v.holders(s, pos) < a.Reign.W {
					t.Fatalf("%s lets %s go: cut %t at %s, %d of W=%d hold it", a.Rule, id, cut, pos, v.holders(s, pos), a.Reign.W)
				}
			}
		}
	})
}

// TestProofNeedsAckersOrTheLastWriter counts the bids again, in the plainest way.
// R30.
func TestProofNeedsAckersOrTheLastWriter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := aView(t).Cluster
		r := c.Reign.Value
		heard := func(id HostID, inc Incarnation) bool {
			b, bid := c.Bids[id]
			rep, live := c.Hosts[id]
			kept := b.Value.Kept != nil && b.Value.Kept.Run == inc && (b.Value.Kept.Beyond.Empty() || id == r.ID)
			return bid && live && inc != "" && (b.Value.Incarnation == inc || kept) && rep.Value.Incarnation == b.Value.Incarnation && b.Value.After == c.LastEpoch()
		}
		members, closed := 0, false
		for id, inc := range r.Ackers {
			if heard(id, inc) {
				members++
			}
		}
		for id, b := range c.Bids {
			closed = closed || r.Closed != nil && !r.Closed.Empty() && b.Value.Received.Contains(*r.Closed) && heard(id, b.Value.Incarnation)
		}
		enough := members > 0 && members >= len(r.Ackers)-r.W+1
		p := Prove(c)
		if p.Accepted {
			return
		}
		if p.OK && (!c.Reign.Present() || !enough && !heard(r.ID, r.Incarnation) && !closed) {
			t.Fatalf("%d members of %d with W=%d, and it is proven: %s", members, len(r.Ackers), r.W, p.Why)
		}
		if p.OK && len(p.Counted) == 0 {
			t.Fatal("no bid counts")
		}
		for id := range p.Counted {
			if p.Replay == "" && !p.Best.Contains(c.Bids[id].Value.Received) {
				t.Fatalf("%s counts, and best %s lacks its %s", id, p.Best, c.Bids[id].Value.Received)
			}
		}
	})
}

func TestEmptyMapsMakeNothingTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := aView(t)
		c := &v.Cluster
		switch pick(t, "empty", []string{"bids", "ackers", "hosts", "voters"}) {
		case "bids":
			c.Bids = nil
		case "ackers":
			c.Reign.Value.Ackers, c.Reign.Value.Closed = nil, nil
			delete(c.Bids, c.Reign.Value.ID)
		case "hosts":
			c.Hosts = nil
		case "voters":
			c.Reign.Value.Voters = nil
		}
		if Prove(*c).Accepted {
			return
		}
		if best, _ := Best(*c, Prove(*c)); best != "" && Prove(*c).OK {
			t.Fatalf("%s may be writer", best)
		}
		for _, a := range Decide(v) {
			if a.Kind == Campaign && c.Reign.Present() {
				t.Fatalf("%s: %s", a.Rule, a)
			}
		}
	})
}

// TestOutsidersMayNotAttach: whenever it is said who may attach, it is nobody
// who could acknowledge and is not counted on, and nobody who is being let go
// and might still turn semi-sync on (R21, R23). A writer that is alone waits for
// the first that comes only when that one has everything: it has to attach before
// it is counted on (R22).
func TestOutsidersMayNotAttach(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := aView(t)
		s := v.Cluster.Reign.Value.Ackers
		for _, a := range Decide(v) {
			if a.Kind != OpenDoor && a.Kind != SetShun && a.Kind != CutAcker {
				continue
			}
			for id, e := range v.Cluster.Hosts {
				spec, known := v.Cluster.Spec.Value.Host(e.Value.Name)
				counted := s[id] != "" && s[id] == e.Value.Incarnation
				leaves := a.HostID == id && counted
				own := id == v.ID || e.Value.Name == v.Self // a stranger may bear this host's name, but not its address
				if known && !own && id != heir(v.Cluster) && id != suitor(v.Cluster) && (e.Value.Replication.Semi && !counted || leaves) && !slices.Contains(a.Shun, spec.Address) {
					t.Fatalf("%s: %s may attach: counted %t, leaves %t, report %+v", a, e.Value.Name, counted, leaves, e.Value)
				}
			}
		}
	})
}

func TestStaleIncarnationEndsTheReignAtOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := aView(t)
		if v.Term.Epoch == 0 || v.Term.Ending || v.Probe.Up && v.Probe.Incarnation == v.Term.Incarnation || v.Cluster.Rev < v.Seen.Epoch {
			return
		}
		acts := slices.DeleteFunc(Decide(v), func(a Action) bool { return a.Kind == LoseTrust }) // it writes down why, and changes nothing else
		if len(acts) != 1 || acts[0].Kind != EndReign || acts[0].Epoch != v.Term.Epoch {
			t.Fatalf("mysqld %q up=%t, won with %q: %v", v.Probe.Incarnation, v.Probe.Up, v.Term.Incarnation, acts)
		}
	})
}

// TestPortHasNoEndForReadersOnly: the port of a host is never opened without end
// while it is, or may be, the writer or may become writable, nor while somebody
// waits there (R9).
func TestPortHasNoEndForReadersOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := aView(t)
		for _, a := range Decide(v) {
			if a.Kind == OpenReaders && (!v.Probe.Up || !v.Probe.ReadOnly || v.Probe.Waiting > 0 || v.Term.Epoch != 0 ||
				v.Cluster.Writer.Present() && v.Cluster.Writer.Value.ID == v.ID || v.busy(OpenDoor, Campaign)) {
				t.Fatalf("%s by %s: probe %+v, term %+v, writer %s", a, a.Rule, v.Probe, v.Term, v.Cluster.Writer.Value.Name)
			}
		}
	})
}
