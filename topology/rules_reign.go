package topology

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/mmm-ha/mmm/topology/gtid"
)

// ackGrace is how long an opening writer waits, after the first acknowledgement
// of its epoch row, for the other replicas that are on their way, so that they
// need not be cut off and widened in again one by one. Four servers on two busy cores
// were measured to follow 10 to 50 ms apart, and one that is cut off is back after 60:
// so to wait longer for the last one costs the writes more than it spares the reads.
const ackGrace = 60 * time.Millisecond

// nudgeAfter is how long somebody may wait for an acknowledgement before the
// writer writes a row of its own (R27).
const nudgeAfter = 300 * time.Millisecond

// rowGap is the jump of the sequence number at the start of a reign, to which the
// epoch is added, so that two reigns never give the same number even when the row
// of the first was cut off by a crash before anybody knew of it: more than
// any tail that a lost writer may have kept to itself (R37).
const rowGap = 1_000_000

// reignRules carry a reign from the won key to an open door, and keep it.
var reignRules = []Rule{
	{
		Name: "short-of-best", Last: true,
		Doc: "The winner lacks what the best bid held: it gives the reign up (R36).",
		When: func(v *View) (string, bool) {
			best := v.Cluster.Writer.Value.Best
			return fmt.Sprintf("received %s, the best bid held %s", v.Probe.Received, best),
				v.step(CatchingUp) && !v.Probe.Received.Contains(best)
		},
		Then: func(v *View) []Action { return one(Action{Kind: EndReign, Epoch: v.Term.Epoch}) },
	},
	{
		Name: "cannot-apply", Last: true,
		Doc: "The winner's SQL thread has stopped before everything was applied: it gives the reign up, so that another host can fetch what it has (R36).",
		When: func(v *View) (string, bool) {
			r := v.Probe.Replication
			return "the SQL thread is stopped: " + r.Error, v.step(CatchingUp) && r.Configured && !r.SQL && r.Error != "" && !v.Probe.Applied.Contains(v.Probe.Received)
		},
		Then: func(v *View) []Action { return one(Action{Kind: EndReign, Epoch: v.Term.Epoch}) },
	},
	{
		Name: "apply-first", Last: true,
		Doc: "The winner applies its relay log to the end before anything else (R36).",
		When: func(v *View) (string, bool) {
			return fmt.Sprintf("received %s, applied %s", v.Probe.Received, v.Probe.Applied),
				v.step(CatchingUp) && !v.Probe.Applied.Contains(v.Probe.Received)
		},
		Then: func(v *View) []Action {
			return one(Action{Kind: WaitApplied, Epoch: v.Term.Epoch, Position: v.Probe.Received})
		},
	},
	{
		Name: "become-source", Last: true,
		Doc: "Everything is applied: the replica side is dropped and semi-sync turned on.",
		When: when("the relay log is applied", func(v *View) bool {
			return v.step(CatchingUp) && (v.Probe.Replication.Configured || !v.Probe.SemiSource)
		}),
		Then: func(v *View) []Action { return one(Action{Kind: BecomeSource, Epoch: v.Term.Epoch}) },
	},
	{
		Name: "let-attach", Last: true,
		Doc:  "The winner holds everything: replicas may attach.",
		When: when("this host holds everything and is a source", func(v *View) bool { return v.step(CatchingUp) }),
		Then: func(v *View) []Action { return v.putPhase(Opening, "") },
	},
	{
		Name: "epoch-row",
		Doc:  "The first transaction of a reign is its epoch row, its number far above any other (R37).",
		When: when("the reign begins", func(v *View) bool {
			began := v.step(Opening) && v.Probe.Waiting == 0 || v.opened() && v.phase() == Ready && v.Probe.Up // the second when it was taken again (R52)
			return began && v.Probe.Epoch.Epoch < v.Term.Epoch && !v.busy(WriteRow)
		}),
		Then: func(v *View) []Action {
			return one(Action{Kind: WriteRow, Epoch: v.Term.Epoch, Jump: v.highest() + rowGap + uint64(v.Term.Epoch)})
		},
	},
	{
		Name: "first-ackers", Last: true,
		Doc:  "The acker set of the reign is exactly the hosts that have its epoch row (R38).",
		When: firstAckers,
		Then: func(v *View) []Action { return v.putReign(v.newReign(v.haveRow()), "") },
	},
	{
		Name: "say-who-is-missing", Last: true,
		Doc: "Nobody has acknowledged the epoch row: the phase says for whom the writer waits. It does not resign for that (R38).",
		When: func(v *View) (string, bool) {
			why := v.waitingFor()
			return why, v.step(Opening) && !v.opened() && v.Now.Sub(v.Seen.Waiting) > nudgeAfter &&
				!v.Seen.Waiting.IsZero() && v.Cluster.Phase.Value.Waiting != why
		},
		Then: func(v *View) []Action { return v.putPhase(Opening, v.waitingFor()) },
	},
	{
		Name: "open", Last: true,
		Doc: "The acker set stands: the port opens, then the server, then the VIP; the reign is ready (R39).",
		When: when("the acker set stands", func(v *View) bool {
			return v.opened() && v.phase() == Opening
		}),
		Then: (*View).open,
	},
	{
		Name: "open-again",
		Doc:  "The writer of a ready reign is writable and its port is open; this is asserted again for ever.",
		When: when("the writer is shut and no switchover is under way", func(v *View) bool {
			_, drains := v.draining()
			return v.opened() && v.phase() == Ready && v.Probe.Up && (v.Probe.ReadOnly || v.shutOut()) && !drains && !v.busy(OpenDoor, Undo, Drain, HandOver) &&
				!v.Seen.InDoubt && // it lets hosts in
				v.Cluster.Reign.Value.Closed == nil // it must be seen cleared first (R60)
		}),
		Then: (*View).open,
	},
	{
		Name: "settle-reign",
		Doc:  "A put of the acker set may still arrive, and count without a host that is let in again by then: reign is written once more as it is, which voids it (R16).",
		When: when("a put of reign may still be on its way", func(v *View) bool {
			return v.opened() && v.phase() == Ready && v.Seen.InDoubt && !v.busy(PutReign)
		}),
		Then: func(v *View) []Action { return v.putReign(v.reign(), "") },
	},
	{
		Name: "shun",
		Doc:  "Only those that the writer counts on may attach to it (R21).",
		When: when("the acker set or what a host says of itself changed", func(v *View) bool {
			return v.opened() && v.phase() == Ready && !v.busy(OpenDoor) && !v.Seen.InDoubt && !v.blind() && !slices.Equal(v.Seen.Shunned, v.shun())
		}),
		Then: func(v *View) []Action { return one(Action{Kind: SetShun, Epoch: v.Term.Epoch, Shun: v.shun()}) },
	},
	{
		Name: "clear-closed",
		Doc:  "A reign that goes on after a clean stop takes back what it said about its end before it opens (R60).",
		When: when("the reign goes on", func(v *View) bool { return v.opened() && v.Cluster.Reign.Value.Closed != nil }),
		Then: func(v *View) []Action {
			r := v.reign()
			r.Closed = nil
			return v.putReign(r, "")
		},
	},
	{
		Name: "nudge",
		Doc:  "Somebody has waited too long although a replica is attached: a row of the writer's own releases it (R27).",
		When: when("somebody waits for an acknowledgement although a replica is attached", func(v *View) bool {
			return v.reigns() && v.waits(nudgeAfter) && !v.busy(WriteRow, Nudge) && len(v.attached()) > 0
		}),
		Then: func(v *View) []Action { return one(Action{Kind: Nudge, Epoch: v.Term.Epoch}) },
	},
	{
		Name: "narrow",
		Doc:  "An acker that is gone, restarted, broken or set offline leaves the set: cut off first, then the others must hold the writer's position of that moment, then the set is written (R23).",
		When: func(v *View) (string, bool) {
			leaving := v.leavers()
			if len(leaving) == 0 || v.blind() {
				return "", false
			}
			return nameOf(v.Cluster, leaving[0]) + " " + v.leaves(leaving[0]), true
		},
		Then: (*View).narrow,
	},
	{
		Name: "widen",
		Doc:  "A host that could acknowledge joins the acker set; it attaches, and acknowledges, only after it has seen itself in it (R22).",
		When: func(v *View) (string, bool) {
			rep, id := v.joiner()
			return rep.Name + " is there to acknowledge", id != ""
		},
		Then: func(v *View) []Action {
			rep, id := v.joiner()
			r := v.reign()
			r.Ackers[id], r.Alone = rep.Incarnation, time.Time{}
			return v.putReign(r, rep.Name)
		},
	},
	{
		Name: "voters",
		Doc:  "Who may be elected is what the writer wrote down last; a new host of the cluster file is added (R53).",
		When: when("the cluster file names other candidates", func(v *View) bool {
			return v.opened() && v.phase() == Ready && !slices.Equal(v.Cluster.Reign.Value.Voters, v.voters(v.Cluster.Reign.Value.Ackers))
		}),
		Then: func(v *View) []Action { return v.putReign(v.reign(), "") },
	},
}

// step reports whether this process reigns and its reign is at the step.
func (v *View) step(s Step) bool { return v.reigns() && v.phase() == s && !v.opened() }

func (v *View) putPhase(s Step, waiting string) []Action {
	p := Phase{Epoch: v.Term.Epoch, Step: s, Incarnation: v.Term.Incarnation, Waiting: waiting}
	return one(Action{Kind: PutPhase, Epoch: v.Term.Epoch, Phase: &p})
}

func (v *View) open() []Action {
	p := Phase{Epoch: v.Term.Epoch, Step: Ready, Incarnation: v.Term.Incarnation, Position: v.Cluster.Reign.Value.Start}
	vips := sortedAddrs(append(v.WantVIPs(), v.Cluster.Spec.Value.Roles.Writer.VIPs...))
	return one(Action{Kind: OpenDoor, Epoch: v.Term.Epoch, Phase: &p, VIPs: slices.Compact(vips), Shun: v.shun()})
}

// shun are the addresses of the hosts that the writer does not count on, sorted.
// They may not attach at all: who attaches acknowledges. While a reign opens
// everybody may (R37).
func (v *View) shun() []netip.Addr {
	var out []netip.Addr
	for _, h := range v.Cluster.Spec.Value.Hosts {
		if h.Name != v.Self && !v.admits(h.Name) {
			out = append(out, h.Address)
		}
	}
	return sortedAddrs(out)
}

// admits reports whether the writer counts on every live host that bears the
// name. There are two for a moment when a datadir was made anew under an old
// name: they have one address, and only the old one was counted on (R48).
func (v *View) admits(name string) bool {
	found := false
	for id, e := range v.Cluster.Hosts {
		if e.Value.Name != name {
			continue
		}
		found = true
		comes := id == suitor(v.Cluster) || id == heir(v.Cluster)
		if _, acks := v.Cluster.Reign.Value.Ackers[id]; (!acks || v.leaves(id) != "") && !comes {
			return false
		}
	}
	return found
}

// firstAckers holds when enough hosts have the epoch row, and the others have
// had their chance.
func firstAckers(v *View) (string, bool) {
	if !v.step(Opening) || v.Probe.Epoch.Epoch != v.Term.Epoch {
		return "", false
	}
	have := v.haveRow()
	grace := v.Seen.Acked.IsZero() || v.Now.Sub(v.Seen.Acked) < ackGrace
	if len(have) == 0 || (grace && len(have) < len(v.replicas())) {
		return "", false
	}
	return fmt.Sprintf("%d of %d replicas have the epoch row", len(have), len(v.replicas())), true
}

// haveRow are the replicas that hold the epoch row of this term.
func (v *View) haveRow() map[HostID]Incarnation {
	out := map[HostID]Incarnation{}
	for id, e := range v.Cluster.Hosts {
		if id != v.ID && e.Value.MySQL.Up && e.Value.EpochRow == v.Term.Epoch {
			out[id] = e.Value.Incarnation
		}
	}
	return out
}

// replicas are the other hosts whose agent and mysqld live.
func (v *View) replicas() []HostID {
	var out []HostID
	for _, id := range sortedKeys(v.Cluster.Hosts) {
		_, lost := GivenUp(v.Cluster, id)
		if r := v.Cluster.Hosts[id].Value; id != v.ID && r.MySQL.Up && r.Unable == "" && !lost {
			out = append(out, id)
		}
	}
	return out
}

// attached are the ackers whose semi-sync connection to this writer stands.
func (v *View) attached() []HostID {
	return slices.DeleteFunc(v.replicas(), func(id HostID) bool {
		r := v.Cluster.Hosts[id].Value.Replication
		return !r.Attached || r.Source != v.listener()
	})
}

// listener is where replicas find this host, as they report it.
func (v *View) listener() string {
	me, _ := v.me()
	return listener(me)
}

func (v *View) waitingFor() string {
	names := ""
	for _, h := range v.Cluster.Spec.Value.Hosts {
		if h.Name != v.Self {
			names += " " + h.Name
		}
	}
	return "waits until one of" + names + " acknowledges the epoch row; a write that only one host has is never acknowledged"
}

// highest is the highest sequence number known anywhere.
func (v *View) highest() uint64 {
	h := max(v.Probe.Received.Highest(), v.Probe.Position.Highest(), v.Cluster.Writer.Value.Best.Highest())
	for _, e := range v.Cluster.Hosts {
		h = max(h, e.Value.Received.Highest(), e.Value.Position.Highest())
	}
	for _, b := range v.Cluster.Bids {
		h = max(h, b.Value.Received.Highest())
		if b.Value.Kept != nil {
			h = max(h, b.Value.Kept.Beyond.Highest())
		}
	}
	for _, k := range v.Probe.Kept {
		h = max(h, k.Beyond.Highest())
	}
	for _, t := range v.Cluster.Tombstones {
		h = max(h, t.Value.Loss.Kept.Highest(), t.Value.Loss.UpTo.Highest())
	}
	return h
}

// newReign is the record of a reign that has just been acknowledged.
func (v *View) newReign(ackers map[HostID]Incarnation) Reign {
	return Reign{
		Epoch: v.Term.Epoch, ID: v.ID, Name: v.Self, Incarnation: v.Term.Incarnation,
		Start: v.Probe.Epoch.GTID, Ackers: ackers, W: 1, Voters: v.voters(ackers),
	}
}

// reign is a copy of the present record that may be changed.
func (v *View) reign() Reign {
	r := v.Cluster.Reign.Value
	if r.Ackers = maps.Clone(r.Ackers); r.Ackers == nil {
		r.Ackers = map[HostID]Incarnation{}
	}
	return r
}

func (v *View) putReign(r Reign, host string) []Action {
	r.Voters = v.voters(r.Ackers)
	return one(Action{Kind: PutReign, Epoch: v.Term.Epoch, Reign: &r, Host: host, Guards: Guards{Reign: v.Cluster.Reign.Rev}})
}

// voters are the hosts that may be writer by the cluster file, and the ackers,
// sorted. A host that never joined has no id and cannot vote.
func (v *View) voters(ackers map[HostID]Incarnation) []HostID {
	set := map[HostID]bool{v.ID: true}
	for id := range ackers {
		set[id] = true
	}
	for _, h := range v.Cluster.Spec.Value.Hosts {
		if m := v.Cluster.Memories[h.Name]; h.MayWrite() && m.Present() {
			set[m.Value.ID] = true
		}
	}
	return sortedKeys(set)
}

// blind reports whether the promises of all others last, who are alive then,
// whatever etcd says of their leases: what cannot be put there must not be begun
// (R23), and when etcd is back all of them need a moment to be seen there again.
func (v *View) blind() bool { return v.Failsafe.Left > 0 }

// leavers are the ackers that should leave the set, sorted.
func (v *View) leavers() []HostID {
	if !v.opened() || v.Seen.InDoubt {
		return nil
	}
	return slices.DeleteFunc(sortedKeys(v.Cluster.Reign.Value.Ackers), func(id HostID) bool { return v.leaves(id) == "" })
}

// leaves says why an acker should leave the set, or nothing. A member is one run
// of one mysqld: another run of it has promised nothing (R25).
func (v *View) leaves(id HostID) string {
	e, live := v.Cluster.Hosts[id]
	name := nameOf(v.Cluster, id)
	_, member := v.Cluster.Spec.Value.Host(name)
	switch {
	case !live:
		return "is gone: its agent holds no lease"
	case !e.Value.MySQL.Up:
		return "has lost its mysqld"
	case e.Value.Incarnation == "" || e.Value.Incarnation != v.Cluster.Reign.Value.Ackers[id]:
		return "runs another mysqld than the one that acknowledged"
	case v.Cluster.Intents[name].Value.Want == WantOffline:
		return "was set offline"
	case e.Value.Disk.Bad:
		return "cannot acknowledge: " + e.Value.Disk.Why()
	case ended(v.Cluster, e.Value) != "":
		return "cannot go on replicating: " + ended(v.Cluster, e.Value)
	case len(e.Value.Foreign) > 0:
		return "holds " + e.Value.Foreign[len(e.Value.Foreign)-1] + ", which this host never had"
	case e.Value.Repair != nil && e.Value.Repair.Away:
		return "is about to become a copy of another host"
	case !member:
		return "is no longer in the cluster file"
	default:
		return ""
	}
}

// narrow takes the next step in letting ackers go: each is cut off, those that
// stay must hold what the writer had at that moment, then the set is written.
// While nobody stays, the new run of a mysqld that goes takes its place, or
// everything waits; the set becomes empty only where the operator prefers that (R24).
func (v *View) narrow() []Action {
	r, leaving := v.reign(), v.leavers()
	for _, id := range leaving {
		delete(r.Ackers, id)
	}
	if len(r.Ackers) == 0 {
		switch id := heir(v.Cluster); {
		case id != "":
			r.Ackers[id] = v.Cluster.Hosts[id].Value.Incarnation
		case v.mayGoAlone():
			r.Alone = v.Now
		default:
			return nil
		}
	}
	for _, id := range leaving {
		if _, cut := v.Seen.Cut[id]; !cut {
			name := nameOf(v.Cluster, id)
			h, _ := v.Cluster.Spec.Value.Host(name)
			return one(Action{Kind: CutAcker, Epoch: v.Term.Epoch, Host: name, HostID: id, Addr: h.Address, Port: v.port(), Shun: v.shun()})
		}
	}
	if !slices.Equal(v.Seen.Shunned, v.shun()) { // somebody may be attached who is not counted on: the heir of a moment ago
		return nil
	}
	for _, id := range leaving {
		if len(r.Ackers) > 0 && v.holders(r.Ackers, v.Seen.Cut[id]) < r.W {
			return nil
		}
	}
	return v.putReign(r, nameOf(v.Cluster, leaving[0]))
}

// holders counts the members, still the same mysqld, that have received pos.
func (v *View) holders(s map[HostID]Incarnation, pos gtid.Set) int {
	n := 0
	for id, inc := range s {
		if r, ok := v.Cluster.Hosts[id]; ok && r.Value.Incarnation == inc && r.Value.Received.Contains(pos) {
			n++
		}
	}
	return n
}

func (v *View) port() uint16 {
	me, _ := v.me()
	return me.ReplicationPort
}

// joiner is a host that could acknowledge and is not in the acker set, if there
// is one. It need not replicate yet: only who is in the set may attach, and must
// then acknowledge, for a server takes back what its own crash cut off only over
// a connection that acknowledges. A member too many makes elections stricter,
// never laxer.
func (v *View) joiner() (Report, HostID) {
	if !v.opened() || v.phase() != Ready {
		return Report{}, ""
	}
	for _, id := range v.replicas() {
		rep := v.Cluster.Hosts[id].Value
		_, in := v.Cluster.Reign.Value.Ackers[id]
		if !in && fitAcker(v.Cluster, id) && !offLine(v.Cluster, rep) && (!v.alone() || v.caught(id)) {
			return rep, id
		}
	}
	return Report{}, ""
}

// fitAcker reports whether a host could acknowledge if it were asked to. It is
// asked by its id: while the lease of an old datadir has not ended, two hosts bear
// the name, and what is known of the one says nothing of the other (R48).
func fitAcker(c Cluster, id HostID) bool {
	rep := c.Hosts[id].Value
	_, member := c.Spec.Value.Host(rep.Name)
	_, lost := GivenUp(c, id)
	joined := c.Memories[rep.Name].Value.ID == id // before that nobody knows whether its datadir is new (R48)
	away := rep.Repair != nil && rep.Repair.Away
	return member && joined && !lost && !away && rep.MySQL.Up && rep.Unable == "" && rep.Incarnation != "" &&
		c.Intents[rep.Name].Value.Want != WantOffline && ended(c, rep) == "" && !judge(c, id, rep).Bad()
}

// offLine reports whether a host has numbers of this reign without its first
// transaction: it wrote them itself, as a winner who never opened, or has yet to
// apply what it received. Once in the set it would be taken for the host that
// holds most of all, by its numbers alone (R32). A reign that was taken again goes
// on from where it first began (R52).
func offLine(c Cluster, rep Report) bool {
	r := c.Reign.Value
	of := rep.EpochRow >= r.Epoch || slices.Contains(r.Before, rep.EpochRow)
	return !of && !r.Start.Empty() && gtid.Compare(rep.Received, r.Start) != gtid.Before
}

// heir is the host that may take the place of an acker set of which nobody is
// left: a member whose mysqld was restarted, the first by id. It attaches and
// acknowledges before it is in the set, which is safe only because until then
// the old set, which can prove nothing without the last writer, stands.
func heir(c Cluster) HostID {
	var first HostID
	for _, id := range sortedKeys(c.Reign.Value.Ackers) {
		e, live := c.Hosts[id]
		switch {
		case !live || !fitAcker(c, id):
		case e.Value.Incarnation == c.Reign.Value.Ackers[id]:
			return ""
		case first == "":
			first = id
		}
	}
	return first
}
