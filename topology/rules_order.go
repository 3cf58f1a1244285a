package topology

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// drainLimit is how long a planned switchover may keep the cluster without a
// writer before it is undone.
const drainLimit = 3 * time.Second

// orderRules carry the operator's order through its steps (R41-R45): asked,
// drained, target-ready, handed, done; or aborted, with the writer open again.
var orderRules = []Rule{
	{
		Name: "settle-foreign",
		Doc:  "A new or resumed writer closes an order that was meant for another reign (R45).",
		When: func(v *View) (string, bool) {
			s := v.Cluster.Switchover.Value
			mine := s.Target == v.Self && s.Kind != OrderSwitchover || s.Step == Handed && s.Target == v.Self || s.Epoch == v.Term.Epoch
			return "the writer changed before the order was carried out: " + v.Self + " was elected", v.reigns() && v.orderOpen() && !mine
		},
		Then: func(v *View) []Action {
			return v.settle(Aborted, "the writer changed before the order was carried out: "+v.Self+" was elected")
		},
	},
	{
		Name: "settle-done",
		Doc:  "The target of an order is the open writer: the order is done.",
		When: when("the target is the open writer", func(v *View) bool {
			return v.opened() && v.phase() == Ready && v.orderOpen() && v.Cluster.Switchover.Value.Target == v.Self
		}),
		Then: func(v *View) []Action {
			return v.settle(Done, fmt.Sprintf("%s is the writer (epoch %d)", v.Self, v.Term.Epoch))
		},
	},
	{
		Name: "order-refused", Last: true,
		Doc: "The target of a planned switchover cannot take over: the order is refused, with the reason, and nothing was changed (R41).",
		When: func(v *View) (string, bool) {
			s, ok := v.draining()
			if !ok || s.Step != Asked || v.busy(Drain) || !v.Seen.Drained.IsZero() {
				return "", false
			}
			why := unfit(v.Cluster, s.Target, v.Now)
			return s.Target + " cannot take over: " + why, why != ""
		},
		Then: func(v *View) []Action {
			t := v.Cluster.Switchover.Value.Target
			return v.settle(Aborted, "refused: "+t+" "+unfit(v.Cluster, t, v.Now)+"; nothing was changed")
		},
	},
	{
		Name: "undo", Last: true,
		Doc:  "A step of the switchover did not work in time: the order is aborted in etcd first, and only then does the old writer open again (R44).",
		When: (*View).undoWhy,
		Then: func(v *View) []Action {
			why, _ := v.undoWhy()
			a := v.settle(Aborted, "undone: "+why+"; "+v.Self+" is writer again and nothing was lost")
			a[0].Kind = Undo
			return a
		},
	},
	{
		Name: "await-routers",
		Doc:  "Planned switchover: the old writer goes on until every router holds new statements and the transactions of its clients have ended, for a second at most (R58).",
		When: func(v *View) (string, bool) {
			_, ok := v.mayDrain()
			awaited := v.awaited()
			return "waiting for routers that do not hold their clients' statements yet: " + strings.Join(awaited, ", "), ok && len(awaited) > 0
		},
	},
	{
		Name: "drain", Last: true,
		Doc: "Planned switchover: the old writer drops its VIP and becomes read-only, and says where it stopped (R42).",
		When: func(v *View) (string, bool) {
			s, ok := v.mayDrain()
			why := "the operator ordered the writer to " + s.Target + by(s.Who, s.Why)
			if late := v.Cluster.unheld(); len(late) > 0 {
				why += "; routers that did not say in time that they hold their clients' statements: " + strings.Join(late, ", ")
			}
			return why, ok && len(v.awaited()) == 0
		},
		Then: func(v *View) []Action {
			a := v.advance(Drain, Drained)
			a[0].VIPs = v.Cluster.Spec.Value.Roles.Writer.VIPs
			return a
		},
	},
	{
		Name: "hand-over", Last: true,
		Doc: "Planned switchover: the target has everything: the writer key changes hands in one transaction (R43).",
		When: func(v *View) (string, bool) {
			s, ok := v.draining()
			return s.Target + " has everything", ok && s.Step == TargetReady
		},
		Then: func(v *View) []Action {
			a := v.advance(HandOver, Handed)
			rep, id, _ := v.Cluster.ReportOf(v.Cluster.Switchover.Value.Target)
			a[0].HostID, a[0].Host, a[0].Lease = id, rep.Name, rep.Lease
			return a
		},
	},
	{
		Name: "await-target", Last: true,
		Doc: "Planned switchover: the old writer waits, read-only, until the target has everything.",
		When: func(v *View) (string, bool) {
			s, ok := v.draining()
			return "waiting for " + s.Target, ok && s.Step == Drained
		},
	},
	{
		Name: "target-ready",
		Doc:  "Planned switchover: the target has applied everything that the old writer wrote, and stops its IO thread (R42).",
		When: func(v *View) (string, bool) {
			s, ok := openOrder(v.Cluster, OrderSwitchover)
			return "everything up to " + s.Position.String() + " is applied", ok && s.Step == Drained && s.Target == v.Self &&
				s.Epoch == v.Cluster.Epoch() && v.Probe.Up && v.Probe.Applied.Contains(s.Position)
		},
		Then: func(v *View) []Action { return v.advance(StopForOrder, TargetReady) },
	},
	{
		Name: "adopt", Last: true,
		Doc: "Planned switchover: the key was handed to this host: its reign begins.",
		When: when("the old writer handed over", func(v *View) bool {
			return v.Term.Epoch == 0 && v.Cluster.Writer.Value.ID == v.ID && v.handed()
		}),
		Then: func(v *View) []Action {
			return one(Action{Kind: Adopt, Epoch: v.Cluster.Writer.Rev})
		},
	},
	{
		Name: "order-expired",
		Doc:  "There is no writer and an order has not been carried out in time: it is closed, so that another can be given.",
		When: when("nobody could carry it out in time", func(v *View) bool {
			return v.orderOpen() && !v.Cluster.Writer.Present() && v.orderLate()
		}),
		Then: func(v *View) []Action { return v.settle(Aborted, "nobody could carry it out in time") },
	},
}

func (v *View) orderOpen() bool {
	return v.Cluster.Switchover.Present() && v.Cluster.Switchover.Value.Step.Open()
}

// orderLate reports whether the order's own limit has passed on this clock.
func (v *View) orderLate() bool {
	s := v.Cluster.Switchover.Value
	return !v.Seen.Order.IsZero() && v.Now.Sub(v.Seen.Order) > s.Deadline.Sub(s.Asked)
}

func (v *View) undoWhy() (string, bool) {
	s, ok := v.draining()
	if !ok {
		return "", false
	}
	f, failed := v.Seen.Failed[Drain]
	_, _, live := v.Cluster.ReportOf(s.Target)
	switch {
	case s.Step == Asked && failed && !v.busy(Drain) && !f.At.Before(v.Seen.Order):
		return v.Self + " could not stop writing: " + f.Why, true
	case s.Step == Asked:
		return "nobody could carry it out in time", v.orderLate()
	case !live:
		return s.Target + " went away", true
	case v.Seen.Drained.IsZero():
		return "the agent of " + v.Self + " was restarted in the middle", !v.busy(Drain) // else etcd shows the step before the drain has returned
	default:
		return fmt.Sprintf("%s did not catch up within %s", s.Target, drainLimit), v.Now.Sub(v.Seen.Drained) > drainLimit
	}
}

func (v *View) settle(step SwitchStep, outcome string) []Action {
	s := v.Cluster.Switchover.Value
	s.Step, s.Outcome = step, outcome
	return one(Action{Kind: Settle, Epoch: v.Cluster.Epoch(), Order: &s, Guards: Guards{Order: v.Cluster.Switchover.Rev}})
}

// advance asks for a step of the order.
func (v *View) advance(k Kind, step SwitchStep) []Action {
	s := v.Cluster.Switchover.Value
	s.Step = step
	return one(Action{Kind: k, Epoch: v.Cluster.Epoch(), Order: &s, Position: s.Position, Guards: Guards{Order: v.Cluster.Switchover.Rev}})
}

// unfit says why a host cannot be the target of a planned switchover now, or
// nothing when it can.
func unfit(c Cluster, name string, now time.Time) string {
	spec, known := c.Spec.Value.Host(name)
	rep, id, _ := c.ReportOf(name)
	inc, acks := c.Reign.Value.Ackers[id]
	state, why := Classify(c, name, now)
	switch {
	case !known:
		return "is not in the cluster file"
	case c.Writer.Present() && c.Writer.Value.Name == name:
		return "is the writer already"
	case !spec.MayWrite():
		return spec.Barred()
	case state != Online:
		return fmt.Sprintf("is %s: %s", state, why)
	case Late(rep.Replication) != "":
		return "is not up to date: " + Late(rep.Replication)
	case !acks || inc != rep.Incarnation:
		return "is not yet in the acker set; it joins by itself once it keeps up"
	case !slices.Contains(c.Reign.Value.Voters, id):
		return "was not yet written down as a candidate by the writer"
	default:
		return ""
	}
}

// Candidates says of every host of the cluster file whether it could be the
// target of a planned switchover now, best first, and if not, why not.
func Candidates(c Cluster, now time.Time) []Candidate {
	var out []Candidate
	for _, h := range c.Spec.Value.Hosts {
		rep, id, _ := c.ReportOf(h.Name)
		k, last := handicaps(c, h, rep, id)
		cand := Candidate{Name: h.Name, Why: unfit(c, h.Name, now), rank: k, id: id}
		if cand.OK = cand.Why == ""; cand.OK {
			cand.Why = fmt.Sprintf("acknowledges and keeps up, priority %d", h.Priority) + last
		}
		out = append(out, cand)
	}
	slices.SortStableFunc(out, func(a, b Candidate) int {
		switch {
		case a.OK != b.OK && a.OK:
			return -1
		case a.OK != b.OK:
			return 1
		case a.OK && a.rank.less(b.rank):
			return -1
		case a.OK && b.rank.less(a.rank):
			return 1
		default:
			return 0
		}
	})
	return out
}
