package topology

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/mmm-ha/mmm/topology/gtid"
	"pgregory.net/rapid"
)

// The values that random views are made of: few, so that they meet.
// someDisks are mostly well.
var someDisks = []Disk{{}, {}, {}, {Failing: "no space left on device"}, {Failing: "no space left on device", Bad: true}}

var (
	someNames     = []string{"db1", "db2", "db3", "db4"}
	someRuns      = []Incarnation{"", "first", "first", "first", "second"}
	somePositions = []string{"", "0-1-99", "0-1-100", "0-1-100", "0-1-101", "0-2-101", "0-2-1000100"}
	someEpochs    = []Rev{0, 90, 100, 100, 100, 120}
	someSteps     = []Step{"", CatchingUp, Opening, Ready, Ready}
	someAges      = []time.Duration{0, 10 * time.Millisecond, 200 * time.Millisecond, time.Second, time.Hour}
	theNow        = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
)

func pick[T any](t *rapid.T, label string, from []T) T { return rapid.SampledFrom(from).Draw(t, label) }
func chance(t *rapid.T, label string) bool             { return rapid.Bool().Draw(t, label) }
func often(t *rapid.T, label string) bool              { return rapid.IntRange(0, 4).Draw(t, label) > 0 }
func idOf(name string) HostID                          { return HostID("id-" + name) }
func leaseOf(name string) LeaseID                      { return LeaseID(1000 + int(name[2])) }

func somePosition(t *rapid.T, label string) gtid.Set { return position(pick(t, label, somePositions)) }
func someTime(t *rapid.T, label string) time.Time {
	if chance(t, label+" never") {
		return time.Time{}
	}
	return theNow.Add(-pick(t, label, someAges))
}

func someReplication(t *rapid.T) Replication {
	return Replication{Configured: often(t, "configured"), Source: pick(t, "source", []string{"192.0.2.161:3309", "192.0.2.162:3309", "gone:0"}),
		IO: pick(t, "io", []string{"Yes", "Yes", "No", "Connecting"}), SQL: often(t, "sql"), Semi: chance(t, "semi"), Attached: chance(t, "attached"),
		Error: pick(t, "error", []string{"", "", "", "1062"})}
}

// someCluster is a reading of etcd in which anything may stand beside anything.
func someCluster(t *rapid.T) Cluster {
	c := healthyWorld().etcd
	c.Rev = pick(t, "rev", []Rev{0, 50, 130, 130, 130})
	c.Hosts, c.Claims = map[HostID]Entry[Report]{}, map[netip.Addr]Entry[Claim]{}
	if chance(t, "mode set") {
		c.Mode = Entry[ModeSetting]{Value: ModeSetting{Mode: pick(t, "mode", []Mode{Active, Manual, Passive})}, Rev: 5}
	}
	c.Reign = Entry[Reign]{}
	if often(t, "reign") {
		r := Reign{Epoch: pick(t, "reign epoch", someEpochs), Name: pick(t, "reign of", someNames[:2]), W: rapid.IntRange(0, 3).Draw(t, "w"),
			Incarnation: pick(t, "reign run", someRuns), Ackers: map[HostID]Incarnation{}}
		r.ID = idOf(r.Name)
		for _, name := range someNames {
			if name != r.Name && chance(t, "acks "+name) {
				r.Ackers[idOf(name)] = pick(t, "acks as", someRuns)
			}
			if often(t, "votes "+name) {
				r.Voters = append(r.Voters, idOf(name))
			}
		}
		if chance(t, "closed") {
			pos := somePosition(t, "closed at")
			r.Closed = &pos
		}
		c.Reign = Entry[Reign]{Value: r, Rev: 101}
	}
	c.Writer, c.Phase = Entry[Writer]{}, Entry[Phase]{}
	if chance(t, "writer") {
		name := pick(t, "writer is", someNames[:2])
		epoch := max(1, pick(t, "epoch", someEpochs))
		c.Writer = Entry[Writer]{Value: Writer{ID: idOf(name), Name: name, Best: somePosition(t, "best"), Previous: pick(t, "previous", someEpochs)}, Rev: epoch, Lease: leaseOf(name)}
		c.Phase = Entry[Phase]{Value: Phase{Epoch: epoch, Step: pick(t, "step", someSteps)}, Rev: 102, Lease: leaseOf(name)}
	}
	if r := &c.Reign.Value; c.Writer.Present() && r.Epoch == c.Writer.Rev { // an epoch is one host's
		r.ID, r.Name = c.Writer.Value.ID, c.Writer.Value.Name
		delete(r.Ackers, r.ID)
	}
	for i, name := range someNames {
		someKeys(t, &c, i, name)
	}
	if chance(t, "order") {
		s := Switchover{Kind: pick(t, "kind", []OrderKind{OrderSwitchover, OrderElect, OrderInit}), Target: pick(t, "target", someNames), Epoch: pick(t, "order epoch", someEpochs),
			Step:  pick(t, "order step", []SwitchStep{Asked, Drained, TargetReady, Handed, Done, Aborted}),
			Asked: theNow.Add(-time.Minute), Deadline: theNow.Add(-30 * time.Second), Position: somePosition(t, "drained at")}
		c.Switchover = Entry[Switchover]{Value: s, Rev: 103}
	}
	return c
}

// someKeys are the keys of one host.
func someKeys(t *rapid.T, c *Cluster, i int, name string) {
	id := idOf(name)
	if often(t, "alive "+name) {
		lag := Duration(0)
		c.Hosts[id] = Entry[Report]{Value: Report{Name: name, Lease: leaseOf(name), Incarnation: pick(t, "run", someRuns), MySQL: Health{Up: often(t, "up")},
			Replication: someReplication(t), Position: somePosition(t, "pos"), Received: somePosition(t, "received"), EpochRow: pick(t, "row", someEpochs), Lag: &lag, Disk: pick(t, "disk", someDisks),
			Checks: []Check{{Name: CheckThreads, OK: often(t, "threads")}, {Name: CheckBacklog, OK: often(t, "backlog")}}}, Rev: 110, Lease: leaseOf(name)}
	}
	if often(t, "bids "+name) {
		c.Bids[id] = Entry[Bid]{Value: Bid{After: pick(t, "after", someEpochs), Name: name, Incarnation: pick(t, "bid run", someRuns), Received: somePosition(t, "bid"),
			Unable: pick(t, "unable", []string{"", "", "", "cannot"})}, Rev: Rev(111 + i), Lease: leaseOf(name)}
	}
	if chance(t, "intent "+name) {
		c.Intents[name] = Entry[Intent]{Value: Intent{Want: pick(t, "want", []Want{WantOnline, WantOffline})}, Rev: Rev(20 + i)}
	}
	if often(t, "known "+name) {
		c.Memories[name] = Entry[Memory]{Value: Memory{ID: id, Cleared: pick(t, "cleared", someRuns), Seen: pick(t, "seen run", someRuns)}, Rev: Rev(30 + i)}
	} else {
		delete(c.Memories, name)
	}
	vip := c.Spec.Value.Roles.Reader.VIPs[i]
	if chance(t, "claimed") {
		holder := pick(t, "holder", someNames)
		c.Claims[vip] = Entry[Claim]{Value: Claim{ID: idOf(holder), Name: holder}, Rev: Rev(60 + i), Lease: leaseOf(holder)}
	}
	if rapid.IntRange(0, 5).Draw(t, "pinned") == 0 {
		c.Pins[vip] = Entry[Pin]{Value: Pin{Host: pick(t, "pin", someNames)}, Rev: Rev(70 + i)}
	}
}

// someView is what one host may find with such a reading.
func someView(t *rapid.T, c Cluster, name string) View {
	v := View{Now: theNow, Self: name, ID: idOf(name), Agent: "agent", Cluster: c}
	v.Lease = Lease{ID: leaseOf(name), TTL: 2 * time.Second, Left: pick(t, "left", []time.Duration{time.Second, time.Second, time.Second, 0, -time.Second})}
	v.Probe = Probe{Incarnation: pick(t, "my run", someRuns), Up: often(t, "i am up"), ReadOnly: chance(t, "read-only"), Position: somePosition(t, "my pos"),
		Applied: somePosition(t, "applied"), Received: somePosition(t, "my received"), Replication: someReplication(t), SemiSource: chance(t, "counts"),
		Waiting: pick(t, "waiting", []int{0, 0, 0, 1}), Epoch: EpochRow{Epoch: pick(t, "my row", someEpochs)}, Disk: pick(t, "my disk", someDisks)}
	v.Probe.Up = v.Probe.Up && v.Probe.Incarnation != ""
	if chance(t, "term") {
		v.Term = Term{Epoch: pick(t, "term epoch", someEpochs), Incarnation: pick(t, "term run", someRuns), Ending: rapid.IntRange(0, 9).Draw(t, "ending") == 0}
	}
	if w, r := c.Writer, c.Reign.Value; v.Term.Epoch == w.Rev && w.Value.ID != v.ID || v.Term.Epoch == r.Epoch && r.ID != v.ID {
		v.Term = Term{}
	}
	v.VIPs = pick(t, "vips", [][]netip.Addr{nil, {storyVIP(".111")}, {storyVIP(".113"), storyVIP(".112")}})
	v.Port = pick(t, "port", []Port{"", PortAbsent, PortClosed, PortTimed, PortUnlimited})
	v.Busy = pick(t, "busy", [][]Kind{nil, nil, nil, {OpenDoor}, {Drain}, {HandOver}, {Campaign}, {EndReign}})
	v.Seen = Seen{Epoch: pick(t, "seen epoch", someEpochs), Rev: pick(t, "seen rev", []Rev{0, 100, 100, 140}), Good: someTime(t, "good"), Acked: someTime(t, "acked"),
		Waiting: someTime(t, "waits"), Order: someTime(t, "order seen"), Drained: someTime(t, "drained"), Cut: map[HostID]gtid.Set{}, Failed: map[Kind]Failure{}}
	for _, n := range someNames {
		if chance(t, "cut "+n) {
			v.Seen.Cut[idOf(n)] = somePosition(t, "cut at")
		}
	}
	return v
}

// disturb changes a few things of a view that a story has come to.
func disturb(t *rapid.T, v *View) { disturbAs(t, v, pick(t, "disturbs", disturbances)) }

func disturbAs(t *rapid.T, v *View, what string) {
	c := &v.Cluster
	id := idOf(pick(t, "whose", someNames))
	b, bid := c.Bids[id]
	h, live := c.Hosts[id]
	_, acks := c.Reign.Value.Ackers[id]
	switch {
	case what == "lease":
		v.Lease.Left = pick(t, "left", []time.Duration{0, -time.Second})
	case what == "seen rev":
		v.Seen.Rev = c.Rev + 5
	case what == "seen epoch":
		v.Seen.Epoch = c.Rev + 5
	case what == "vacant":
		c.Writer, c.Phase = Entry[Writer]{}, Entry[Phase]{}
	case what == "no bid":
		delete(c.Bids, id)
	case what == "bid run" && bid:
		b.Value.Incarnation = pick(t, "bid run", someRuns)
		c.Bids[id] = b
	case what == "bid position" && bid:
		b.Value.Received = somePosition(t, "bid")
		c.Bids[id] = b
	case what == "bid after" && bid:
		b.Value.After = pick(t, "after", someEpochs)
		c.Bids[id] = b
	case what == "w":
		c.Reign.Value.W = rapid.IntRange(0, 4).Draw(t, "w")
	case what == "no acker" && acks:
		delete(c.Reign.Value.Ackers, id)
	case what == "acker run" && acks:
		c.Reign.Value.Ackers[id] = pick(t, "acks as", someRuns)
	case what == "voters":
		c.Reign.Value.Voters = slices.DeleteFunc(slices.Clone(c.Reign.Value.Voters), func(o HostID) bool { return o == id })
	case what == "closed":
		pos := somePosition(t, "closed at")
		c.Reign.Value.Closed = &pos
	case what == "reign of another":
		c.Reign.Value.Epoch--
	case what == "gone":
		delete(c.Hosts, id)
	case live && what == "host run":
		h.Value.Incarnation = pick(t, "run", someRuns)
		c.Hosts[id] = h
	case live && what == "host received":
		h.Value.Received = somePosition(t, "received")
		c.Hosts[id] = h
	case live && what == "host semi":
		h.Value.Replication.Semi = !h.Value.Replication.Semi
		c.Hosts[id] = h
	case live && what == "twin":
		h.Value.Name = pick(t, "twin of", someNames)
		c.Hosts[id] = h
	case what == "my run":
		v.Probe.Incarnation = pick(t, "my run", someRuns)
		v.Probe.Up = v.Probe.Incarnation != ""
	case what == "down":
		v.Probe.Up = false
	case what == "read-only":
		v.Probe.ReadOnly = !v.Probe.ReadOnly
	case what == "received":
		v.Probe.Received = somePosition(t, "my received")
	case what == "waiting":
		v.Probe.Waiting, v.Seen.Waiting = 1, theNow.Add(-time.Hour)
	case what == "no term":
		v.Term = Term{}
	case what == "ending":
		v.Term.Ending = true
	case what == "mode":
		c.Mode = Entry[ModeSetting]{Value: ModeSetting{Mode: pick(t, "mode", []Mode{Active, Manual, Passive})}, Rev: 5}
	case what == "order":
		s := Switchover{Kind: pick(t, "kind", []OrderKind{OrderSwitchover, OrderElect, OrderInit}), Target: pick(t, "target", someNames), Epoch: c.Writer.Rev,
			Step: pick(t, "order step", []SwitchStep{Asked, Drained, TargetReady, Handed, Done, Aborted}), Asked: v.Now, Deadline: v.Now.Add(time.Minute)}
		c.Switchover = Entry[Switchover]{Value: s, Rev: c.Rev}
		v.Seen.Drained = someTime(t, "drained")
	case what == "loss":
		s := Switchover{Kind: OrderFailover, Target: pick(t, "target", someNames), Epoch: c.LastEpoch(), Step: pick(t, "loss step", []SwitchStep{Asked, Asked, Handed, Done}),
			Asked: v.Now, Deadline: v.Now.Add(time.Minute), Loss: new(LossOf(*c))}
		c.Switchover = Entry[Switchover]{Value: s, Rev: c.Rev}
	case what == "kept":
		v.Probe.Kept = []Kept{someKept(t)}
	case what == "bid kept":
		if b, ok := c.Bids[id]; ok {
			b.Value.Kept = new(someKept(t))
			c.Bids[id] = b
		}
	case what == "tombstone":
		c.Tombstones = map[Rev]Entry[Tombstone]{90: {Value: Tombstone{Epoch: 90, Hosts: []HostID{id}}, Rev: pick(t, "tombstone rev", []Rev{10, 99})}}
	case what == "offline":
		name := pick(t, "offline", someNames)
		c.Intents[name] = Entry[Intent]{Value: Intent{Want: WantOffline}, Rev: c.Rev}
	case what == "cut":
		v.Seen.Cut[id] = somePosition(t, "cut at")
	case what == "uncut":
		delete(v.Seen.Cut, id)
	}
}

var disturbances = []string{"lease", "seen rev", "seen epoch", "vacant", "no bid", "bid run", "bid position", "bid after", "w", "no acker", "acker run", "voters", "closed",
	"reign of another", "gone", "host run", "host received", "host semi", "twin", "my run", "down", "read-only", "received", "waiting", "no term", "ending", "mode", "order", "offline", "cut", "uncut",
	"loss", "kept", "bid kept", "tombstone"}

func someKept(t *rapid.T) Kept {
	return Kept{Run: pick(t, "kept run", []Incarnation{"db1#1", "db2#1", "db4#1"}), Beyond: pick(t, "kept beyond", []gtid.Set{{}, position("0-1-101"), position("0-1-105")})}
}

// moments are what all hosts saw whenever somebody decided in a story; one of
// each kind, and none in which nobody has anything to do.
var moments = sync.OnceValue(func() [][]View {
	var out [][]View
	known := map[string]bool{"": true}
	for _, s := range stories() {
		for _, m := range s.by.views {
			kind := ""
			for _, v := range m {
				for _, a := range Decide(v) {
					kind += v.Self + " " + a.Rule + " " + a.String() + "\n"
				}
			}
			if !known[kind] {
				known[kind] = true
				out = append(out, m)
			}
		}
	}
	return out
})

// aMoment is what all hosts see with one reading of etcd: of a story, a little
// disturbed, or made of chances alone.
func aMoment(t *rapid.T) []View {
	var views []View
	if rapid.IntRange(0, 3).Draw(t, "chaos") == 0 {
		c := someCluster(t)
		for _, name := range someNames {
			views = append(views, someView(t, c, name))
		}
		return views
	}
	moment := pick(t, "moment", moments())
	one := rebuilt(moment[0]).Cluster
	times := rapid.IntRange(0, 4).Draw(t, "times")
	for i := range moment {
		v := rebuilt(moment[i])
		v.Cluster = one
		for range times {
			disturb(t, &v)
		}
		one = v.Cluster
		views = append(views, v)
	}
	for i := range views { // all with the reading that came out at last
		views[i].Cluster = one
	}
	return views
}

func aView(t *rapid.T) View {
	if rapid.IntRange(0, 3).Draw(t, "chaos") == 0 {
		return someView(t, someCluster(t), pick(t, "self", someNames))
	}
	v := rebuilt(pick(t, "host", pick(t, "moment", moments())))
	for range rapid.IntRange(0, 4).Draw(t, "times") {
		disturb(t, &v)
	}
	return v
}

// rebuilt is the same view with every map made anew.
func rebuilt(v View) View {
	c := &v.Cluster
	c.Hosts, c.Bids, c.Claims, c.Pins = maps.Clone(c.Hosts), maps.Clone(c.Bids), maps.Clone(c.Claims), maps.Clone(c.Pins)
	c.Intents, c.Memories, v.Seen.Cut = maps.Clone(c.Intents), maps.Clone(c.Memories), maps.Clone(v.Seen.Cut)
	c.Reign.Value.Ackers = maps.Clone(c.Reign.Value.Ackers)
	return v
}
