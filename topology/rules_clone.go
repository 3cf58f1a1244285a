package topology

import (
	"fmt"
	"strings"
	"time"
)

// cloneRest is how long a copy that did not come, or could not be put in place,
// rests before that is tried again, perhaps of another host.
const cloneRest = 5 * time.Second

// cloneRules give a host a copy of another one when nothing else brings it back.
// Nothing of the host is touched before the copy is whole; then only when no
// election counts on it.
var cloneRules = []Rule{
	{
		Name: "clone",
		Doc:  "A host that cannot be brought back otherwise, or that an operator named, asks a healthy replica for a copy; until that is whole nothing here is changed (R46, R48).",
		When: func(v *View) (string, bool) {
			why := v.clones()
			_, no := v.donor()
			return why, why != "" && no == "" && !v.busy(CloneHost, ReplaceData) && (v.Probe.Clone.Step == "" || v.Probe.Clone.Step == CloneDone) && !v.rests(CloneHost)
		},
		Then: func(v *View) []Action {
			name, _ := v.donor()
			r, id, _ := v.Cluster.ReportOf(name)
			h, _ := v.Cluster.Spec.Value.Host(name)
			return one(Action{Kind: CloneHost, Epoch: v.Cluster.Epoch(), Host: name, HostID: id, Addr: h.Address, Port: r.Peer,
				Key: v.Cluster.Memories[name].Value.Key, Of: v.Cluster.Spec.Value.ID, BidRev: v.Cluster.Rejoins[v.Self].Rev})
		},
	},
	{
		Name: "replace",
		Doc:  "The copy is whole, and no election counts on what this host has: its server is stopped and the copy put in place; what was there stays beside it (R46, R48).",
		When: func(v *View) (string, bool) {
			return "a whole copy of " + v.Probe.Clone.From + " is here", v.Probe.Clone.Step == CloneCopied && v.copyWanted() && v.replaceable() && !v.busy(ReplaceData, Rewind, CloneHost)
		},
		Then: func(v *View) []Action {
			return one(Action{Kind: ReplaceData, Epoch: v.Cluster.Epoch(), Host: v.Probe.Clone.From, Of: v.keepOld(), BidRev: v.Probe.Clone.Order})
		},
	},
	{
		Name: "end-replace",
		Doc:  "A copy that was on its way into place goes on: there is no way back, and nobody counts on this host until it is there.",
		When: when("the copy was on its way into place", func(v *View) bool {
			return v.Probe.Clone.Unfinished() && v.Term.Epoch == 0 && !v.busy(ReplaceData) && !v.rests(ReplaceData)
		}),
		Then: func(v *View) []Action {
			return one(Action{Kind: ReplaceData, Epoch: v.Cluster.Epoch(), Host: v.Probe.Clone.From, BidRev: v.Probe.Clone.Order})
		},
	},
	{
		Name: "drop-copy",
		Doc:  "A copy that nobody wants any more, or that is not of the present writer's history, is removed.",
		When: when("the copy is of no use any more", func(v *View) bool {
			return v.Probe.Clone.Step == CloneCopied && v.settled() && !v.copyWanted() && !v.busy(ReplaceData, DropData, CloneHost)
		}),
		Then: do(Action{Kind: DropData}),
	},
	{
		Name: "drop-old",
		Doc:  "The host replicates with its new data and has all that the writer had: the data from before go, unless nobody could see what only they hold.",
		When: when("it follows the writer with its new data", func(v *View) bool {
			c, w := v.Probe.Clone, v.Cluster.Hosts[v.Cluster.Writer.Value.ID]
			return c.Step == CloneDone && v.replica() && v.counted() && v.Probe.Replication.Attached && !v.judgement().Bad() &&
				!w.Value.Position.Empty() && v.Probe.Received.Contains(w.Value.Position) && !v.busy(DropData, CloneHost)
		}),
		Then: do(Action{Kind: DropData}),
	},
}

// settled reports whether a reign is open whose acker set says on whom the next
// election counts, another host's.
func (v *View) settled() bool {
	c := v.Cluster
	return c.Writer.Present() && c.Writer.Value.ID != v.ID && v.Term.Epoch == 0 && v.phase() == Ready && c.Reign.Value.Epoch == c.Epoch() && c.Reign.Value.ID != v.ID
}

// clones says why this host is to become a copy of another, or nothing.
func (v *View) clones() string {
	_, member := v.me()
	_, lost := GivenUp(v.Cluster, v.ID) // what it holds is looked at first
	if !member || lost || !v.settled() || v.Probe.Unfinished || v.Probe.SemiSource && v.Probe.Up || v.ordered() {
		return ""
	}
	if o := v.Cluster.Rejoins[v.Self]; o.Present() && o.Value.How == RejoinReclone {
		return "an operator ordered a copy" + by(o.Value.Who, o.Value.Why)
	}
	if v.policy() != RejoinReclone || v.Cluster.ModeNow() == Passive {
		return ""
	}
	switch j := v.judgement(); {
	case v.Probe.NoData && !v.Probe.Up:
		return "its datadir holds no data"
	case j.Standing == Short:
		return j.Why
	case j.Standing == Parted && v.Seen.Refused.Of == v.repair():
		return j.Why + "; " + v.Seen.Refused.Why
	default:
		return ""
	}
}

// donor is who gives this host its copy, or why nobody does.
func (v *View) donor() (name, no string) {
	_, last, _ := strings.Cut(v.Seen.Failed[CloneHost].Unit, " ")
	last, _, _ = strings.Cut(last, "/")
	name, no = Donor(v.Cluster, v.Self, v.Cluster.Rejoins[v.Self].Value, last, v.Now)
	if no == "" {
		no = NoRoom(v.Cluster, v.Self, name)
	}
	return name, no
}

// rests reports whether something that takes long, or that only somebody else can
// mend, was tried a moment ago in vain.
func (v *View) rests(k Kind) bool {
	f, failed := v.Seen.Failed[k]
	return failed && v.Now.Sub(f.At) < cloneRest
}

// copyWanted reports whether the cause of a copy still holds, and the copy is of
// the writer's history.
func (v *View) copyWanted() bool {
	c := v.Probe.Clone
	line, known := LineOf(v.Cluster)
	return v.clones() != "" && c.Order == v.Cluster.Rejoins[v.Self].Rev && (!known || len(line.ForeignIn(c.State)) == 0)
}

// replaceable reports whether the data of this host may go: nobody counts on
// them, and what only they hold was archived, if it can be.
func (v *View) replaceable() bool {
	_, known := LineOf(v.Cluster)
	_, acks := v.Cluster.Reign.Value.Ackers[v.ID]
	_, order := openOrder(v.Cluster, OrderSwitchover)
	return v.settled() && known && !acks && !order && v.Lease.Left > 0 && !v.rewinds() && (!v.Probe.Up || v.Probe.ReadOnly && v.Probe.Waiting == 0 && v.judgement().Standing != "")
}

// keepOld says why the data from before are not to be removed, or nothing. What
// nobody could look at may be the last copy of something.
func (v *View) keepOld() string {
	j := v.judgement()
	switch {
	case v.Probe.NoData:
		return ""
	case !v.Probe.Up:
		return "mysqld did not run, so nobody could see what only they hold"
	case j.Standing == Parted && (v.Seen.Refused.Of != v.repair() || v.Seen.Refused.Archive == ""):
		return "what only they hold could not be archived"
	default:
		return ""
	}
}

// away reports whether this host is about to give its data up, or has: nobody is
// to count on it from then on.
func (v *View) away() bool {
	return v.Probe.Clone.Step == CloneCopied && v.copyWanted() || v.Probe.Clone.Unfinished()
}

// cloneRepair is what a host says of its way to a copy.
func (v *View) cloneRepair(r Repair) Repair {
	c := v.Probe.Clone
	r.Away = v.away()
	switch {
	case c.Step == CloneCopying:
		r.Doing, r.Bytes, r.Total, r.Since = "copies "+c.From, c.Bytes, c.Total, c.Since
	case c.Step == CloneCopied && r.Away:
		r.Doing = "has a whole copy of " + c.From + " and waits until nobody counts on it"
	case c.Unfinished():
		r.Doing = "puts a copy of " + c.From + " in place of its data" + tried(v.Seen.Failed[ReplaceData])
	case v.clones() != "":
		if _, no := v.donor(); no != "" {
			r.Refused = no
		} else {
			r.Doing = "asks for a copy" + tried(v.Seen.Failed[CloneHost])
		}
	}
	if c.Step == CloneDone && c.Keep != "" {
		r.Old = fmt.Sprintf("%s (%s)", c.Old, c.Keep)
	}
	return r
}

func tried(f Failure) string {
	if f.Why == "" {
		return ""
	}
	return "; the last try did not work: " + f.Why
}
