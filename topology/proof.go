package topology

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/mmm-ha/mmm/topology/gtid"
)

// Proof is what the bids of an election prove (R30): that some bid holds every
// write that was ever acknowledged.
type Proof struct {
	OK      bool
	Why     string         // how it is proven, or who is missing
	Best    gtid.Set       // the longest proving position (R32)
	Holders []HostID       // hosts whose bids hold Best, sorted
	Counted map[HostID]Rev // the bids it rests on, for the campaign's guard
	Forked  bool           // two proving bids hold what the other lacks: a person must look

	Replay   HostID // what proves is a tail that this host has kept; it must replay it before anybody campaigns (R31)
	Accepted bool   // nothing is proven: an operator has accepted the loss (R30)
}

// Prove weighs the bids placed after the last reign. It is (a) enough members
// of the acker set, each still the mysqld that acknowledged, or (b) the last
// writer itself with its binlog intact, or (c) anybody who has what a clean
// stop left behind. A run of mysqld that has ended counts as if it had gone on
// when its host kept all of it (R31). Empty sets prove nothing. What no bid can
// prove, an operator can accept to lose.
func Prove(c Cluster) Proof {
	if !c.Reign.Present() {
		return Proof{Why: "no writer was ever named; `mmmctl init --writer HOST` names the first one"}
	}
	bids := validBids(c)
	p := prove(c, bids)
	if s, ok := accepted(c); ok && !p.OK && !p.Forked {
		return giveUp(c, bids, s, p.Why)
	}
	return p
}

func prove(c Cluster, bids map[HostID]Entry[Bid]) Proof {
	reign := c.Reign.Value
	ackers, lacking := ackerBids(c, bids)
	need := max(1, len(reign.Ackers)-reign.W+1) // a W above the size of the set must not make nobody enough
	enough := fmt.Sprintf("%d of %d ackers bid, %d needed", len(ackers), len(reign.Ackers), need)
	intact := "the last writer " + reign.Name + " bids with its binlog intact"
	switch covered, last := len(ackers) >= need, hasIncarnation(bids, reign.ID, reign.Incarnation); {
	case last && covered:
		// The longer of the two, which keeps what the last writer alone has. If
		// they fork, then in what was never acknowledged: the ackers decide (R32).
		if p := best(c, bids, append(slices.Clone(ackers), reign.ID), intact); p.OK {
			return p
		}
		return best(c, bids, ackers, enough)
	case last:
		return best(c, bids, []HostID{reign.ID}, intact)
	case covered:
		return best(c, bids, ackers, enough)
	case reign.Closed != nil && !reign.Closed.Empty() && len(holding(c, bids, *reign.Closed)) > 0:
		return best(c, bids, holding(c, bids, *reign.Closed), "the last stop was clean and a bid holds its position")
	case keptRun(bids, reign.ID, reign.Incarnation):
		b := bids[reign.ID]
		return Proof{OK: true, Best: b.Value.Kept.Beyond, Counted: map[HostID]Rev{reign.ID: b.Rev}, Replay: reign.ID,
			Why: fmt.Sprintf("the last writer %s has kept what its crash cut off, up to %s", reign.Name, b.Value.Kept.Beyond)}
	case len(reign.Ackers) == 0:
		return Proof{Why: "nobody acknowledged the last reign: only " + reign.Name + ", the last writer, can prove it"}
	default:
		return Proof{Why: fmt.Sprintf("%d of the %d bids needed are in; not heard: %s (or %s, the last writer)",
			len(ackers), need, Loss{Missing: lacking}.names(true), reign.Name)}
	}
}

// validBids are the bids placed after the last reign, by hosts whose mysqld has
// not been restarted since.
func validBids(c Cluster) map[HostID]Entry[Bid] {
	out := map[HostID]Entry[Bid]{}
	for id, b := range c.Bids {
		rep, live := c.Hosts[id]
		if live && b.Value.After == c.LastEpoch() && b.Value.Incarnation != "" && rep.Value.Incarnation == b.Value.Incarnation && b.Value.Broken == "" {
			out[id] = b
		}
	}
	return out
}

// ackerBids are the members of the acker set that bid in the incarnation that
// acknowledged, and the others with the cause.
func ackerBids(c Cluster, bids map[HostID]Entry[Bid]) (in []HostID, lacking []Missing) {
	for _, id := range sortedKeys(c.Reign.Value.Ackers) {
		if hasIncarnation(bids, id, c.Reign.Value.Ackers[id]) {
			in = append(in, id)
			continue
		}
		_, heard := bids[id]
		lacking = append(lacking, Missing{ID: id, Name: nameOf(c, id), Why: noProof(c, bids, id), Heard: heard})
	}
	return in, lacking
}

// noProof is the cause why the bid of a host does not count, or is not there.
func noProof(c Cluster, bids map[HostID]Entry[Bid], id HostID) string {
	_, live := c.Hosts[id]
	switch broken := c.Bids[id].Value.Broken; {
	case bids[id].Rev > 0:
		return "mysqld was restarted since it acknowledged"
	case broken != "":
		return "its replication is broken: " + broken
	case !live:
		return "down"
	default:
		return "no bid"
	}
}

// best finds the longest of the counted bids and everybody who holds it. Bids
// that were not counted may hold it too, but never decide what it is (R32).
func best(c Cluster, bids map[HostID]Entry[Bid], counted []HostID, why string) Proof {
	p := Proof{OK: true, Why: why, Counted: map[HostID]Rev{}}
	for i, id := range counted {
		b := bids[id]
		p.Counted[id] = b.Rev
		switch {
		case i == 0 || gtid.Compare(b.Value.Received, p.Best) == gtid.After:
			p.Best = b.Value.Received
		case gtid.Compare(b.Value.Received, p.Best) == gtid.Diverged:
			return Proof{Forked: true, Why: fmt.Sprintf("two bids fork at %s and %s: a person must look", p.Best, b.Value.Received)}
		}
	}
	p.Holders = holding(c, bids, p.Best)
	return p
}

// holding are the hosts whose bids hold a position, sorted.
func holding(c Cluster, bids map[HostID]Entry[Bid], pos gtid.Set) []HostID {
	return slices.DeleteFunc(sortedKeys(bids), func(id HostID) bool { return !holds(c, id, pos) })
}

// holds reports whether the bid of a host has everything up to a position of the
// last reign. Numbers alone do not tell: one that has kept what a winner wrote
// who never opened may be far ahead by number and lack the whole reign. Who was
// counted on, or has the first transaction of the reign, has all before it (R38).
func holds(c Cluster, id HostID, pos gtid.Set) bool {
	return ofReign(c, id) && c.Bids[id].Value.Received.Contains(pos)
}

// ofReign reports whether a host stands on the line of the last reign.
func ofReign(c Cluster, id HostID) bool {
	inc, acks := c.Reign.Value.Ackers[id]
	rep := c.Hosts[id].Value
	return acks && (inc == rep.Incarnation || hasIncarnation(c.Bids, id, inc)) || rep.EpochRow >= c.Reign.Value.Epoch
}

// hasIncarnation reports whether a host bids with all that a run of its mysqld
// had: as that very run, or as one that has taken over everything it left.
func hasIncarnation(bids map[HostID]Entry[Bid], id HostID, inc Incarnation) bool {
	b, ok := bids[id]
	whole := keptRun(bids, id, inc) && b.Value.Kept.Beyond.Empty()
	return ok && inc != "" && (b.Value.Incarnation == inc || whole)
}

// keptRun reports whether a host has all that a run of its mysqld had, or has
// kept what it lacks.
func keptRun(bids map[HostID]Entry[Bid], id HostID, inc Incarnation) bool {
	k := bids[id].Value.Kept
	return k != nil && inc != "" && k.Run == inc
}

// nameOf is the name of a host, from its report or from what memory says.
func nameOf(c Cluster, id HostID) string {
	if r, ok := c.Hosts[id]; ok {
		return r.Value.Name
	}
	for _, name := range sortedKeys(c.Memories) {
		if c.Memories[name].Value.ID == id {
			return name
		}
	}
	return string(id)
}

func sortedKeys[K ~string, V any](m map[K]V) []K {
	out := make([]K, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// Candidate is a host in the race for the writer's place, or the reason why it is not.
type Candidate struct {
	Name string
	OK   bool
	Why  string // one sentence: why not, or what speaks for it
	rank rank
	id   HostID
}

// rank orders candidates: lower is better, field by field.
type rank struct {
	late     int // 1: applies later on purpose
	lacks    int // 1: must first fetch what the best bid holds
	ahead    int // 1: runs a newer series than a host that would follow it
	awaiting int // 1: nobody has cleared the host since its mysqld restarted
	priority int
	id       HostID
}

func (r rank) less(o rank) bool {
	switch {
	case r.late != o.late:
		return r.late < o.late
	case r.lacks != o.lacks:
		return r.lacks < o.lacks
	case r.ahead != o.ahead:
		return r.ahead < o.ahead
	case r.awaiting != o.awaiting:
		return r.awaiting < o.awaiting
	case r.priority != o.priority:
		return r.priority < o.priority
	default:
		return r.id < o.id
	}
}

// Best names the host that should campaign, given the proof, and says of every
// other host why not. An order of the operator narrows the race to its target.
func Best(c Cluster, p Proof) (HostID, []Candidate) {
	bids := validBids(c)
	var race []Candidate
	for _, h := range c.Spec.Value.Hosts {
		race = append(race, runner(c, h, bids, p))
	}
	sort.SliceStable(race, func(i, j int) bool {
		if race[i].OK != race[j].OK {
			return race[i].OK
		}
		return race[i].OK && race[i].rank.less(race[j].rank)
	})
	if len(race) == 0 || !race[0].OK {
		return "", race
	}
	return race[0].id, race
}

// runner judges one host of the race.
func runner(c Cluster, h HostSpec, bids map[HostID]Entry[Bid], p Proof) Candidate {
	rep, id, live := c.ReportOf(h.Name)
	b, bid := bids[id]
	no := func(format string, args ...any) Candidate {
		return Candidate{Name: h.Name, Why: fmt.Sprintf(format, args...), id: id}
	}
	order, ordered := electOrder(c)
	grave, lost := GivenUp(c, id)
	switch {
	case !h.MayWrite():
		return no("%s", h.Barred())
	case !live:
		return no("down: its agent holds no lease")
	case !rep.MySQL.Up: // its bid may prove, but it would win and give up for ever
		return no("mysqld is down: %s", rep.MySQL.Why)
	case c.Intents[h.Name].Value.Want == WantOffline:
		return no("set offline by an operator")
	case lost:
		return no("was given up at the end of epoch %d and nobody has looked at it since", grave.Epoch)
	case !bid && c.Bids[id].Value.Broken != "":
		return no("its replication is broken: %s", c.Bids[id].Value.Broken)
	case !bid:
		return no("has placed no bid")
	case b.Value.Unable != "":
		return no("%s", b.Value.Unable)
	case !slices.Contains(c.Reign.Value.Voters, id):
		return no("was added after the last writer wrote down who may be elected")
	case ordered && order.Target != h.Name:
		return no("the operator ordered %s", order.Target)
	case !ordered && c.ModeNow() != Active && id != c.Reign.Value.ID: // R35
		return no("mode is %s: only the last writer may return by itself", c.ModeNow())
	}
	k, last := handicaps(c, h, rep, id)
	if c.Spec.Value.Roles.Writer.Prefer == h.Name {
		k.priority = math.MinInt
	}
	why := fmt.Sprintf("holds %s, priority %d", b.Value.Received, h.Priority)
	if p.OK && !slices.Contains(p.Holders, id) {
		k.lacks, why = 1, fmt.Sprintf("lacks what the best bid holds (%s, here %s)", p.Best, b.Value.Received)
	}
	if c.Memories[h.Name].Value.Cleared != rep.Incarnation {
		k.awaiting = 1
	}
	return Candidate{Name: h.Name, OK: true, Why: why + last, rank: k, id: id}
}

// handicaps are what makes a host a choice only while there is no other one, with
// the words for it.
func handicaps(c Cluster, h HostSpec, rep Report, id HostID) (k rank, words string) {
	k = rank{priority: h.Priority, id: id}
	if late := Late(rep.Replication); late != "" {
		k.late, words = 1, words+"; only if there is no other: "+late
	}
	if ahead := Ahead(c, h.Name); ahead != "" {
		k.ahead, words = 1, words+"; only if there is no other: "+ahead
	}
	return k, words
}

// electOrder is an order that narrows the race to its target. One that accepts a
// loss does so only until somebody has won by it.
func electOrder(c Cluster) (Switchover, bool) {
	if s, ok := openOrder(c, OrderElect); ok {
		return s, true
	}
	return accepted(c)
}

// openOrder is the operator's order that still waits, if it is of the kind.
func openOrder(c Cluster, kind OrderKind) (Switchover, bool) {
	s := c.Switchover.Value
	return s, c.Switchover.Present() && s.Step.Open() && s.Kind == kind
}
