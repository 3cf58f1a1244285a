package topology

import (
	"fmt"
	"slices"
)

// RejoinPolicy says what a host that cannot follow as it is does by itself. The
// cluster's own rows of reigns that never opened are undone under each of them,
// because others may wait for that host.
type RejoinPolicy string

// The policies. Whatever is given up is archived first.
const (
	RejoinManual RejoinPolicy = "manual" // nothing else: `mmmctl rejoin HOST` orders it
	RejoinRewind RejoinPolicy = "rewind" // take back what the writer never had, where that can be undone

	RejoinReclone RejoinPolicy = "reclone" // the same, and where it cannot be, or data are lacking, become a copy of another host
)

// rejoinRules bring back a host that the writer cannot feed as it is.
var rejoinRules = []Rule{
	{
		Name: "verdict",
		Doc:  "What keeps a host from following is written down with the GTIDs, once, and that it is over as well (R46).",
		When: func(v *View) (string, bool) {
			j, m := v.judgement(), v.memory()
			return j.Why, j.Standing != "" && m.Present() && m.Value.ID == v.ID && m.Value.Verdict != j.text()
		},
		Then: func(v *View) []Action {
			m := v.memory().Value
			m.Verdict = v.judgement().text()
			return v.noteDown(m)
		},
	},
	{
		Name: "prove-nothing",
		Doc:  "Before a host gives up what it has received it writes down that its acknowledgements of this reign prove nothing any more (R40).",
		When: when("it is to be taken back, and an election might still count on it", func(v *View) bool {
			return v.rewinds() && v.relied() && v.mayVoid()
		}),
		Then: func(v *View) []Action {
			m := v.memory().Value
			m.Void = &Void{Incarnation: v.Probe.Incarnation, Reign: v.Cluster.Reign.Value.Epoch}
			return v.noteDown(m)
		},
	},
	{
		Name: "rewind",
		Doc:  "A host that holds what the writer never had archives it and goes back to where they parted; what only an operator may decide it leaves alone (R46, R47).",
		When: func(v *View) (string, bool) {
			return v.judgement().Why, v.rewinds() && !v.relied() && !v.busy(Rewind)
		},
		Then: func(v *View) []Action {
			j, w := v.judgement(), v.Cluster.Writer.Value
			line, _ := LineOf(v.Cluster)
			return one(Action{Kind: Rewind, Epoch: v.Cluster.Epoch(), Host: w.Name, HostID: w.ID, Line: line, Position: j.Named, OnlyOwn: v.onlyOwn(), Of: v.repair()})
		},
	},
	{
		Name: "end-rewind",
		Doc:  "A rewind that was interrupted is ended before anything else is made of this host.",
		When: when("a rewind of this host was interrupted", func(v *View) bool {
			return v.Probe.Unfinished && !v.Probe.Clone.Unfinished() && v.Probe.Up && v.Probe.ReadOnly && !v.Probe.SemiSource && v.Term.Epoch == 0 && !v.rewinds() && !v.busy(Rewind)
		}),
		Then: func(v *View) []Action {
			line, _ := LineOf(v.Cluster)
			return one(Action{Kind: Rewind, Epoch: v.Cluster.Epoch(), Line: line, Of: v.repair()})
		},
	},
	{
		Name: "prove-again",
		Doc:  "A host that had given up what it received has received all of it again: its acknowledgements count as before.",
		When: when("it has received all that the writer had meanwhile", func(v *View) bool {
			w := v.Cluster.Hosts[v.Cluster.Writer.Value.ID]
			return v.void() && v.replica() && v.Probe.Replication.Attached && !v.judgement().Bad() &&
				w.Rev > v.memory().Rev && v.Probe.Received.Contains(w.Value.Position)
		}),
		Then: func(v *View) []Action {
			m := v.memory().Value
			m.Void = nil
			return v.noteDown(m)
		},
	},
	{
		Name: "rejoin-settled",
		Doc:  "An operator's order to bring this host back is carried out, or refused with its cause.",
		When: func(v *View) (string, bool) {
			j, order := v.judgement(), v.Cluster.Rejoins[v.Self]
			refused := v.Seen.Refused.Of == v.repair()
			return wordOr(map[bool]string{true: v.Seen.Refused.Why}[refused], j.Why), order.Present() && v.replica() && j.Standing != "" && order.Value.How != RejoinReclone && (!j.Bad() && !v.entombed() || refused)
		},
		Then: func(v *View) []Action {
			order := v.Cluster.Rejoins[v.Self]
			return one(Action{Kind: EndRejoin, Host: v.Self, BidRev: order.Rev})
		},
	},
}

// RejoinOrder is key rejoin/<name>: an operator orders a host brought back.
type RejoinOrder struct {
	How RejoinPolicy `json:"how"`

	From   string `json:"from,omitempty"`   // of RejoinReclone: who gives the copy; empty: any healthy replica
	Writer bool   `json:"writer,omitempty"` // the writer may give it, when nobody else can

	Who string `json:"who,omitempty"`
	Why string `json:"why,omitempty"`
}

// entombed reports whether a tombstone still names this host. Until it does not,
// an order to bring the host back is the verdict that it comes back by.
func (v *View) entombed() bool {
	for _, t := range v.Cluster.Tombstones {
		if slices.Contains(t.Value.Hosts, v.ID) {
			return true
		}
	}
	return false
}

// text is what memory keeps of a judgement.
func (j Judgement) text() string {
	if !j.Bad() {
		return ""
	}
	return fmt.Sprintf("%s: %s", j.Standing, j.Why)
}

// judgement is Judge of this host by what its probe says at this moment.
func (v *View) judgement() Judgement {
	if v.memo == nil {
		return v.judge()
	}
	if v.memo.judged == nil {
		j := v.judge()
		v.memo.judged = &j
	}
	return *v.memo.judged
}

func (v *View) judge() Judgement {
	r, live := v.own()
	if !live || v.Term.Epoch > 0 {
		return Judgement{}
	}
	return judge(v.Cluster, v.ID, r)
}

// own is the report of this host, with what is known at this moment.
func (v *View) own() (Report, bool) {
	e, live := v.Cluster.Hosts[v.ID]
	r, p := e.Value, v.Probe
	r.MySQL.Up, r.Replication, r.Position, r.Received = p.Up, p.Replication, p.Position, p.Received
	r.Foreign, r.Asked = v.Foreign(), v.Seen.Asked
	return r, live
}

// policy is what this host may do by itself, or what an operator ordered.
func (v *View) policy() RejoinPolicy {
	if o := v.Cluster.Rejoins[v.Self]; o.Present() {
		return o.Value.How
	}
	if p := v.Cluster.Spec.Value.Recovery.Rejoin; p != "" {
		return p
	}
	return RejoinRewind
}

func (v *View) onlyOwn() bool { return v.policy() == RejoinManual }

// repair names what would be repaired and how, so that a refusal is not asked
// for twice.
func (v *View) repair() string {
	return fmt.Sprintf("%s, epoch %d, %s", v.judgement().text(), v.Cluster.Epoch(), v.policy())
}

// rewinds reports whether this host is to be taken back.
func (v *View) rewinds() bool {
	_, lost := GivenUp(v.Cluster, v.ID) // what it holds is looked at first
	return !lost && v.canReplicate() && v.open2follow() && v.Probe.ReadOnly && !v.Probe.SemiSource && !v.ordered() &&
		v.judgement().Standing == Parted && v.Seen.Refused.Of != v.repair()
}

// relied reports whether an election might count on what this host has received
// in its present run: as an acker, or as the last writer.
func (v *View) relied() bool {
	r, inc := v.Cluster.Reign.Value, v.Probe.Incarnation
	counts := r.Ackers[v.ID] == inc || r.ID == v.ID && r.Incarnation == inc
	return counts && !v.void()
}

// mayVoid reports whether it may say of itself that it proves nothing: while a
// reign opens, and when the writer has nobody left to count on. Otherwise the
// writer lets it go first.
func (v *View) mayVoid() bool {
	c, r := v.Cluster, v.Cluster.Reign.Value
	if r.Epoch < c.Epoch() {
		return true
	}
	for id, inc := range r.Ackers {
		e, live := c.Hosts[id]
		if id != v.ID && live && e.Value.Incarnation == inc && fitAcker(c, id) {
			return false
		}
	}
	return true
}

// void reports whether what this run has acknowledged in the last reign proves nothing.
func (v *View) void() bool {
	x := v.memory().Value.Void
	return x != nil && x.Incarnation == v.Probe.Incarnation && x.Reign == v.Cluster.Reign.Value.Epoch
}

// unproven says why this host's position is no measure of what the cluster has
// acknowledged, or nothing.
func (v *View) unproven() string {
	switch foreign := v.Foreign(); {
	case v.Probe.Clone.Unfinished():
		return "a copy is on its way into place of its data"
	case v.Probe.Unfinished:
		return "a rewind of it was interrupted"
	case unproven(v.Probe.Replication) != "" && !forgets(v.Cluster, v.Probe.Replication.Error):
		return unproven(v.Probe.Replication)
	case v.Term.Epoch == 0 && Strayed(v.Cluster, v.ID, v.Probe) != "":
		return Strayed(v.Cluster, v.ID, v.Probe)
	case len(foreign) > 0:
		return "it holds " + foreign[len(foreign)-1] + ", which the last writer never had"
	case v.void():
		return "it gave up what it had received"
	default:
		return ""
	}
}

// RepairOf is what a host reports of its way back.
func (v *View) RepairOf() *Repair {
	r := Repair{Archive: v.Seen.Refused.Archive}
	if v.busy(Rewind) {
		r.Doing = "takes back what the writer never had"
	}
	if v.Seen.Refused.Of == v.repair() {
		r.Refused = v.Seen.Refused.Why
	}
	r = v.cloneRepair(r)
	if r == (Repair{}) {
		return nil
	}
	return &r
}
