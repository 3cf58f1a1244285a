package topology

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// electionRules are what a host does while there is no writer (R28-R35).
var electionRules = []Rule{
	{
		Name: "first-writer", Last: true,
		Doc: "The operator named the first writer of a new cluster and it holds whatever any other host holds (R61).",
		When: func(v *View) (string, bool) {
			s, ok := openOrder(v.Cluster, OrderInit)
			return "the operator named it the first writer" + by(s.Who, s.Why), ok && v.vacant() && !v.Cluster.Reign.Present() &&
				s.Target == v.Self && v.Probe.Up && v.short() == ""
		},
		Then: func(v *View) []Action { return v.campaign(Proof{Best: v.Probe.Received}) },
	},
	{
		Name: "first-writer-short",
		Doc:  "The operator named a first writer that lacks what another host holds, or cannot be writer: refused (R61).",
		When: func(v *View) (string, bool) {
			s, ok := openOrder(v.Cluster, OrderInit)
			why := v.short()
			return why, ok && v.vacant() && !v.Cluster.Reign.Present() && s.Target == v.Self && why != "" && v.Probe.Up
		},
		Then: func(v *View) []Action { return v.settle(Aborted, "refused: "+v.Self+" "+v.short()) },
	},
	{
		Name: "bid",
		Doc:  "There is no writer: stop the IO thread, then say how far this host has come (R11, R28).",
		When: func(v *View) (string, bool) {
			return fmt.Sprintf("there is no writer since epoch %d ended", v.Cluster.LastEpoch()),
				v.mayBid() && !v.bidStands() && v.Probe.Up && v.Probe.ReadOnly && !v.busy(Fetch)
		},
		Then: func(v *View) []Action {
			me, _ := v.me()
			last, _ := v.Cluster.Spec.Value.Host(v.Cluster.Reign.Value.Name)
			a := Action{Kind: PlaceBid, Epoch: v.Cluster.LastEpoch(), Port: me.ReplicationPort}
			a.Bid = &Bid{After: v.Cluster.LastEpoch(), Name: v.Self, Incarnation: v.Probe.Incarnation, Unable: v.able(), Broken: v.unproven(), Kept: v.keptRun()}
			if last.Name != v.Self {
				a.Addr, a.Host = last.Address, last.Name
			}
			return one(a)
		},
	},
	{
		Name: "campaign", Last: true,
		Doc: "The bids prove that nothing acknowledged is missing, and this host holds the best of them: it asks etcd for the writer's place (R33, R34).",
		When: func(v *View) (string, bool) {
			p, best := v.race()
			return fmt.Sprintf("%s; this host is the best candidate with %s", p.Why, p.Best),
				best == v.ID && v.Probe.Up && v.bidStands() && slices.Contains(p.Holders, v.ID)
		},
		Then: func(v *View) []Action {
			p, _ := v.race()
			return v.campaign(p)
		},
	},
	{
		Name: "fetch-first", Last: true,
		Doc: "This host should be writer but another one, that may not be, holds more: the difference is fetched from it first (R33).",
		When: func(v *View) (string, bool) {
			p, best := v.race()
			own := v.Cluster.Bids[v.ID].Value.Received
			return fmt.Sprintf("%s; %s", p.Why, holderNames(v.Cluster, p, own)),
				best == v.ID && v.Probe.Up && v.bidStands() && !slices.Contains(p.Holders, v.ID) && len(p.Holders) > 0
		},
		Then: func(v *View) []Action {
			p, _ := v.race()
			id := p.Holders[max(0, slices.IndexFunc(p.Holders, func(id HostID) bool { return v.Cluster.Hosts[id].Value.MySQL.Up }))]
			from := v.Cluster.Hosts[id].Value
			h, _ := v.Cluster.Spec.Value.Host(from.Name)
			b := v.Cluster.Bids[v.ID]
			return one(Action{Kind: Fetch, Epoch: v.Cluster.LastEpoch(), Host: from.Name, HostID: id, Addr: h.Address,
				Port: h.ReplicationPort, Position: p.Best, Bid: &b.Value, BidRev: b.Rev})
		},
	},
	{
		Name: "await-election",
		Doc:  "This host has bid and another one is to act, or bids are missing, or the mode forbids to bid; the reason says which.",
		When: func(v *View) (string, bool) {
			if !v.vacant() || !v.Cluster.Reign.Present() {
				return "", false
			}
			p, best := v.race()
			return v.electionWait(p, best), (v.bidStands() || !v.mayBid()) && best != v.ID
		},
	},
}

// vacant reports whether nobody holds the writer's place.
func (v *View) vacant() bool { return !v.Cluster.Writer.Present() }

// mayBid says whether an election is open to this host: by the mode, by being
// the last writer, or because an operator ordered one (R35).
func (v *View) mayBid() bool {
	if !v.vacant() || !v.Cluster.Reign.Present() {
		return false
	}
	_, ordered := electOrder(v.Cluster)
	return v.Cluster.ModeNow() == Active || ordered || v.Cluster.Reign.Value.ID == v.ID
}

// bidStands reports whether this host's bid is of this election and this mysqld,
// and promises no more than what is here.
func (v *View) bidStands() bool {
	b, ok := v.Cluster.Bids[v.ID]
	return ok && b.Value.After == v.Cluster.LastEpoch() && b.Value.Incarnation == v.Probe.Incarnation && b.Lease == v.Lease.ID && b.Value.Unable == v.able() &&
		v.Probe.Received.Contains(b.Value.Received) && sameKept(b.Value.Kept, v.keptRun())
}

// able says why this host cannot be writer, or nothing.
func (v *View) able() string {
	me, _ := v.me()
	switch {
	case !me.MayWrite():
		return me.Barred()
	case v.Probe.Disk.Bad:
		return v.Probe.Disk.Why()
	case len(v.Probe.Problems) > 0:
		return v.Probe.Problems[0]
	case v.Probe.Unfinished:
		return "a rewind of it was interrupted"
	case v.Probe.Replication.Configured && !v.Probe.Replication.SQL && !v.Probe.Applied.Contains(v.Probe.Received):
		return "its SQL thread is stopped with relay log left to apply: " + v.Probe.Replication.Error
	case v.Probe.Replication.Delay > 0 && !v.Probe.Applied.Contains(v.Probe.Received):
		return Late(v.Probe.Replication) + ", and has not applied all of it yet"
	default:
		return ""
	}
}

// short says why this host cannot be the first writer, or nothing.
func (v *View) short() string { return cmp.Or(v.able(), v.ahead()) }

// ahead names a host that holds what this one lacks.
func (v *View) ahead() string {
	for _, id := range sortedKeys(v.Cluster.Hosts) {
		r := v.Cluster.Hosts[id].Value
		if id != v.ID && !v.Probe.Received.Contains(r.Received) {
			return fmt.Sprintf("lacks what %s holds (%s, here %s); name %s, or empty it first", r.Name, r.Received, v.Probe.Received, r.Name)
		}
	}
	return ""
}

// race weighs the bids and names who should act.
func (v *View) race() (Proof, HostID) {
	if !v.vacant() || !v.mayBid() {
		return Proof{}, ""
	}
	p := Prove(v.Cluster)
	if !p.OK {
		return p, ""
	}
	id, _ := Best(v.Cluster, p)
	return p, id
}

func (v *View) campaign(p Proof) []Action {
	g := Guards{Reign: v.Cluster.Reign.Rev, Spec: v.Cluster.Spec.Rev, Mode: v.Cluster.Mode.Rev,
		Intent: v.Cluster.Intents[v.Self].Rev, Order: v.Cluster.Switchover.Rev, Bids: map[HostID]Rev{}}
	for id, rev := range p.Counted {
		g.Bids[id] = rev
	}
	if b, ok := v.Cluster.Bids[v.ID]; ok {
		g.Bids[v.ID] = b.Rev
	}
	a := Action{Kind: Campaign, Epoch: v.Cluster.LastEpoch(), Position: p.Best, Guards: g}
	if s, ok := accepted(v.Cluster); ok && p.Accepted {
		a.Tombstone, a.TombstoneRev = v.tombstone(s), v.Cluster.Tombstones[s.Epoch].Rev
		s.Step = Handed // a second win by it is not accepted
		a.Order = &s
	}
	return one(a)
}

// electionWait says what the election waits for.
func (v *View) electionWait(p Proof, best HostID) string {
	switch {
	case !v.mayBid():
		return fmt.Sprintf("mode is %s: `mmmctl switchover --to HOST` names the next writer", v.Cluster.ModeNow())
	case !p.OK:
		return "no writer can be proven to hold every acknowledged write: " + p.Why
	case best != "":
		return fmt.Sprintf("%s is the best candidate: %s", nameOf(v.Cluster, best), p.Why)
	default:
		_, race := Best(v.Cluster, p)
		var why []string
		for _, c := range race {
			why = append(why, c.Name+" "+c.Why)
		}
		return "no host can be writer: " + strings.Join(why, "; ")
	}
}

func holderNames(c Cluster, p Proof, own fmt.Stringer) string {
	var names []string
	for _, id := range p.Holders {
		names = append(names, nameOf(c, id))
	}
	return fmt.Sprintf("%s holds %s, this host %s", strings.Join(names, ", "), p.Best, own)
}
