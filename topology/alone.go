package topology

import (
	"slices"
	"time"

	"github.com/mmm-ha/mmm/topology/gtid"
)

// Alone reports whether the present writer acknowledges its writes by itself,
// because nobody else is left to do it (R24, `durability: available`), and since
// when. What it writes meanwhile is lost with it.
func Alone(c Cluster) (time.Time, bool) {
	r := c.Reign.Value
	return r.Alone, c.Writer.Present() && r.Epoch == c.Epoch() && len(r.Ackers) == 0
}

// mayGoAlone reports whether the operator prefers writes that one host has to no
// writes at all.
func (v *View) mayGoAlone() bool { return v.Cluster.Spec.Value.Durability == Available }

// alone reports whether this is the writer and nobody acknowledges.
func (v *View) alone() bool {
	_, alone := Alone(v.Cluster)
	return alone && v.opened()
}

// aloneRules carry a reign in which nobody acknowledges, and end that state as
// soon as somebody can. The empty set is seen in etcd before the server waits for
// nobody any more (R24); the server waits again before anybody is put in (R22).
var aloneRules = []Rule{
	{
		Name: "open-alone", Last: true,
		Doc: "Nobody has acknowledged the first row of the reign for as long as a lease lasts, and the policy prefers writes of one host to none: the reign begins without ackers (R38).",
		When: func(v *View) (string, bool) {
			return "nobody acknowledges, and durability is available", v.step(Opening) && v.mayGoAlone() && len(v.haveRow()) == 0 &&
				!v.Seen.Waiting.IsZero() && v.Now.Sub(v.Seen.Waiting) > v.Lease.TTL
		},
		Then: func(v *View) []Action {
			r := v.newReign(map[HostID]Incarnation{})
			r.Start, r.Alone = v.Probe.Position, v.Now
			return v.putReign(r, "")
		},
	},
	{
		Name: "wait-for-nobody", Last: true,
		Doc: "The acker set is empty, and etcd shows it: commits are no longer held up for acknowledgements that nobody can give (R24).",
		When: when("nobody is left to acknowledge, and durability is available", func(v *View) bool {
			return v.alone() && v.Probe.SemiSource && v.companion() == ""
		}),
		Then: func(v *View) []Action { return one(Action{Kind: SetSource, Epoch: v.Term.Epoch}) },
	},
	{
		Name: "wait-again",
		Doc:  "A host is attached to a writer that was alone: from now on commits wait for it; it counts when it has all that was written before (R22).",
		When: func(v *View) (string, bool) {
			id := v.companion()
			return nameOf(v.Cluster, id) + " is attached", id != "" && (!v.Probe.SemiSource || v.Seen.GuardOf != id) &&
				slices.Equal(v.Seen.Shunned, v.shun()) // nobody else can acknowledge from here on
		},
		Then: func(v *View) []Action {
			return one(Action{Kind: SetSource, Epoch: v.Term.Epoch, On: true, Host: nameOf(v.Cluster, v.companion()), HostID: v.companion()})
		},
	},
}

// suitor is the one host that may attach to a writer which is alone. There is
// never a second one: it could acknowledge what the first has not, and would not
// be in the set when the first is put there.
func suitor(c Cluster) HostID {
	if _, alone := Alone(c); !alone {
		return ""
	}
	for _, id := range sortedKeys(c.Hosts) {
		if id != c.Writer.Value.ID && fitAcker(c, id) {
			return id
		}
	}
	return ""
}

// companion is the suitor when it is attached.
func (v *View) companion() HostID {
	id := suitor(v.Cluster)
	if !v.alone() || v.phase() != Ready || !slices.Contains(v.attached(), id) {
		return ""
	}
	return id
}

// caught reports whether a host is the companion and has all that the writer had
// when it began to wait for it.
func (v *View) caught(id HostID) bool {
	return v.Probe.SemiSource && id == v.companion() && id == v.Seen.GuardOf &&
		slices.Equal(v.Seen.Shunned, v.shun()) && v.Cluster.Hosts[id].Value.Received.Contains(v.Seen.Guard)
}

// Awaits is the position that hosts should tell at once that they have: a writer
// waits for it before it lets an acker go or takes a first one in. Empty: none.
func (v *View) Awaits() gtid.Set {
	out := gtid.Set{}
	if v.alone() && v.Probe.SemiSource {
		out = v.Seen.Guard
	}
	for id := range v.Cluster.Reign.Value.Ackers {
		if cut := v.Seen.Cut[id]; v.opened() && cut.Highest() > out.Highest() {
			out = cut
		}
	}
	return out
}
