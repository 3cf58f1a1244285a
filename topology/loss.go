package topology

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/topology/gtid"
)

// Loss is what an operator accepts to lose when an election has no proof (R30):
// whatever the named hosts hold beyond Kept.
type Loss struct {
	Kept    gtid.Set  `json:"kept"`    // what the hosts that were heard hold together: nothing of it is lost
	UpTo    gtid.Set  `json:"upTo"`    // the furthest position known of a missing host; empty: nobody knows it
	Missing []Missing `json:"missing"` // whose proof is missing
}

// Missing is a host whose word an election waits for.
type Missing struct {
	ID    HostID `json:"id"`
	Name  string `json:"name"`
	Why   string `json:"why"`
	Heard bool   `json:"heard"` // it answers, but proves nothing: what it still holds is known
}

// Range says in words which transactions may be lost.
func (l Loss) Range() string {
	if l.UpTo.Empty() {
		return fmt.Sprintf("everything after %s that only %s held; where that ends, nobody who was heard knows", orNothing(l.Kept), l.names(false))
	}
	return fmt.Sprintf("everything after %s, up to %s or beyond, that only %s held", orNothing(l.Kept), l.UpTo, l.names(false))
}

// names lists the missing hosts, with their causes if asked.
func (l Loss) names(causes bool) string {
	var out []string
	for _, m := range l.Missing {
		name := m.Name
		if causes {
			name += " (" + m.Why + ")"
		}
		out = append(out, name)
	}
	return strings.Join(out, ", ")
}

func orNothing(s gtid.Set) string {
	if s.Empty() {
		return "nothing"
	}
	return s.String()
}

// Tombstone is key tombstones/<epoch>: the end of a reign was given up. It
// stands until each host that was not heard has come back by a verdict or has
// left the cluster file (T17): such a host may hold what clients were told is safe.
type Tombstone struct {
	Epoch Rev       `json:"epoch"` // of the reign whose end was given up
	Loss  Loss      `json:"loss"`
	Hosts []HostID  `json:"hosts"` // not heard, and not back yet
	To    string    `json:"to"`    // host that was made writer
	Who   string    `json:"who,omitempty"`
	Why   string    `json:"why,omitempty"`
	At    time.Time `json:"at"`
}

// LossOf is what would be given up if the next writer were elected from who is
// heard now. It looks at the bids; where the mode keeps hosts from bidding, at
// what they report.
func LossOf(c Cluster) Loss {
	bids := validBids(c)
	if c.ModeNow() != Active {
		for id, e := range c.Hosts {
			if r := e.Value; bids[id].Rev == 0 && r.MySQL.Up && r.Incarnation != "" && unproven(r.Replication) == "" {
				bids[id] = Entry[Bid]{Value: Bid{Incarnation: r.Incarnation, Received: r.Received}, Rev: e.Rev}
			}
		}
	}
	l := Loss{Missing: missing(c, bids)}
	for _, id := range sortedKeys(bids) {
		b := bids[id].Value
		if ofReign(c, id) && gtid.Compare(b.Received, l.Kept) == gtid.After {
			l.Kept = b.Received
		}
		if b.Kept != nil {
			l.UpTo = further(l.UpTo, b.Kept.Beyond)
		}
	}
	if l.Kept.Contains(l.UpTo) {
		l.UpTo = gtid.Set{}
	}
	return l
}

func further(a, b gtid.Set) gtid.Set {
	if b.Highest() > a.Highest() {
		return b
	}
	return a
}

// missing are the ackers and the last writer without a bid that proves anything.
func missing(c Cluster, bids map[HostID]Entry[Bid]) []Missing {
	_, out := ackerBids(c, bids)
	r := c.Reign.Value
	if !hasIncarnation(bids, r.ID, r.Incarnation) && r.ID != "" {
		_, acks := r.Ackers[r.ID]
		if _, heard := bids[r.ID]; !acks {
			out = append(out, Missing{ID: r.ID, Name: r.Name, Why: "the last writer; " + noProof(c, bids, r.ID), Heard: heard})
		}
	}
	return out
}

// accepted is the operator's order to go on without proof, while it stands for
// the last reign and nobody has won by it yet: it replaces proof exactly once.
func accepted(c Cluster) (Switchover, bool) {
	s, ok := openOrder(c, OrderFailover)
	return s, ok && s.Step == Asked && s.Loss != nil && s.Epoch == c.LastEpoch()
}

// giveUp is what stands in place of proof: everything that is heard, if nobody
// is missing beyond whom the operator was shown, and nothing that he was told is
// safe. Where the bids fork, the target's side is kept.
func giveUp(c Cluster, bids map[HostID]Entry[Bid], s Switchover, unproven string) Proof {
	target, id, _ := c.ReportOf(s.Target)
	why := fmt.Sprintf("the operator accepted to lose %s%s", s.Loss.Range(), by(s.Who, s.Why))
	for _, m := range missing(c, bids) {
		if !slices.ContainsFunc(s.Loss.Missing, func(o Missing) bool { return o.ID == m.ID }) {
			return Proof{Why: fmt.Sprintf("%s; the operator accepted to go on without %s, and %s is missing too", unproven, s.Loss.names(false), m.Name)}
		}
	}
	if _, ok := bids[id]; !ok {
		return Proof{Why: fmt.Sprintf("%s; the operator accepted that, and %s has placed no bid yet", unproven, cmp.Or(target.Name, s.Target))}
	}
	heard := slices.DeleteFunc(sortedKeys(bids), func(id HostID) bool { return !ofReign(c, id) })
	p := best(c, bids, heard, why)
	if len(heard) == 0 || p.Forked {
		p = best(c, bids, []HostID{id}, why)
		p.Holders = []HostID{id}
	}
	if !p.Best.Contains(s.Loss.Kept) {
		return Proof{Why: fmt.Sprintf("%s; the operator was told that %s is safe, and the bids hold %s", unproven, s.Loss.Kept, orNothing(p.Best))}
	}
	p.Accepted = true
	return p
}

// CannotLead says why a host could not become writer even if everything that is
// missing is given up, and what to do about it, or nothing.
func CannotLead(c Cluster, name string) string {
	h, _ := c.Spec.Value.Host(name)
	r, id, live := c.ReportOf(name)
	_, lost := GivenUp(c, id)
	switch broken := c.Bids[id].Value.Broken; {
	case !h.MayWrite():
		return name + " " + h.Barred()
	case !live:
		return name + " is down: its agent holds no lease"
	case !r.MySQL.Up:
		return "mysqld of " + name + " is down: " + r.MySQL.Why
	case r.Unable != "":
		return name + " cannot be writer: " + r.Unable
	case c.Intents[name].Value.Want == WantOffline:
		return fmt.Sprintf("%s is set offline; `mmmctl set-online %s` first", name, name)
	case lost:
		return fmt.Sprintf("%s was given up itself and nobody has looked at it since; `mmmctl set-online %s` first", name, name)
	case !slices.Contains(c.Reign.Value.Voters, id):
		return name + " was added after the last writer wrote down who may be elected"
	case c.Bids[id].Value.After == c.LastEpoch() && broken != "":
		return name + " is no copy of the last writer's data: " + broken + "; name another host, and bring this one back after that"
	default:
		return ""
	}
}

// tombstone is what an accepted loss leaves behind. A word that was used before
// for the same epoch, by a winner who never opened, is not forgotten.
func (v *View) tombstone(s Switchover) *Tombstone {
	t := Tombstone{Epoch: s.Epoch, Loss: *s.Loss, To: s.Target, Who: s.Who, Why: s.Why, At: v.Now}
	for _, m := range s.Loss.Missing {
		if _, heard := validBids(v.Cluster)[m.ID]; !heard {
			t.Hosts = append(t.Hosts, m.ID)
		}
	}
	t.Hosts = append(t.Hosts, v.Cluster.Tombstones[s.Epoch].Value.Hosts...)
	slices.Sort(t.Hosts)
	t.Hosts = slices.Compact(t.Hosts)
	return &t
}

// GivenUp finds the tombstone that still names a host: the writes that it alone
// had were given up, so it comes back only by a verdict. An operator who has set
// the host online after that, or ordered it to rejoin, has given one.
func GivenUp(c Cluster, id HostID) (Tombstone, bool) {
	name := nameOf(c, id)
	i, order := c.Intents[name], c.Rejoins[name]
	for _, epoch := range sortedRevs(c.Tombstones) {
		t := c.Tombstones[epoch]
		judged := i.Present() && i.Value.Want == WantOnline && i.Rev > t.Rev || order.Rev > t.Rev
		if slices.Contains(t.Value.Hosts, id) && !judged {
			return t.Value, true
		}
	}
	return Tombstone{}, false
}

// buried are the hosts of a tombstone that need not be named any longer: they
// acknowledge for the present writer, or left the cluster file.
func (v *View) buried(t Tombstone) (stay, gone []HostID) {
	for _, id := range t.Hosts {
		_, held := GivenUp(v.Cluster, id)
		name := nameOf(v.Cluster, id)
		_, member := v.Cluster.Spec.Value.Host(name)
		e, live := v.Cluster.Hosts[id]
		back := live && !held && e.Value.Incarnation != "" && v.Cluster.Reign.Value.Ackers[id] == e.Value.Incarnation &&
			e.Value.EpochRow == v.Term.Epoch && e.Value.Replication.Attached
		if m := v.Cluster.Memories[name]; back || !member || m.Present() && m.Value.ID != id {
			gone = append(gone, id)
		} else {
			stay = append(stay, id)
		}
	}
	return stay, gone
}

// buryable is the first tombstone that names a host which needs none any more.
func (v *View) buryable() (Entry[Tombstone], []HostID, []HostID) {
	for _, epoch := range sortedRevs(v.Cluster.Tombstones) {
		t := v.Cluster.Tombstones[epoch]
		if stay, gone := v.buried(t.Value); len(gone) > 0 || len(t.Value.Hosts) == 0 {
			return t, stay, gone
		}
	}
	return Entry[Tombstone]{}, nil, nil
}

func sortedRevs[V any](m map[Rev]V) []Rev {
	out := make([]Rev, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// lossRules look after what was given up.
var lossRules = []Rule{
	{
		Name: "bury",
		Doc:  "A host that was given up acknowledges again, or left the cluster file: the tombstone no longer names it.",
		When: func(v *View) (string, bool) {
			t, _, gone := v.buryable()
			var names []string
			for _, id := range gone {
				names = append(names, nameOf(v.Cluster, id))
			}
			return strings.Join(names, ", ") + " came back or left the cluster file", v.opened() && v.phase() == Ready && t.Present()
		},
		Then: func(v *View) []Action {
			t, stay, gone := v.buryable()
			left := t.Value
			left.Hosts = stay
			return one(Action{Kind: Bury, Epoch: v.Term.Epoch, Host: nameOf(v.Cluster, first(gone)), Tombstone: &left, TombstoneRev: t.Rev})
		},
	},
}

func first(ids []HostID) HostID {
	if len(ids) == 0 {
		return ""
	}
	return ids[0]
}
