package topology

import (
	"net/netip"
	"slices"
	"time"
)

// Rule is one row of the table that Decide walks: when it holds, why in one
// English sentence, and what is to be done. The sentence travels with the
// actions into logs and events.
type Rule struct {
	Name string
	Doc  string // one English sentence for the generated page
	Last bool   // when it holds, no later row is asked
	When func(v *View) (why string, holds bool)
	Then func(v *View) []Action // nil: a gate, there is nothing to do
}

// retryPause is how long an action that did not work rests before it is tried
// again: long enough not to spin, short beside a lease.
const retryPause = 200 * time.Millisecond

// Decide returns what this host must do now, most urgent first. It is a
// function: equal views give equal actions, on every host and in every process.
//
//   - It reads no clock but v.Now and no randomness, and never changes v.
//   - It may be called at any time and any number of times; an action already
//     carried out is not returned again, because its effect is visible in v.
//   - A stale v is safe: the actions it yields fail their guard in etcd, except
//     those of LaneFence, which only ever close.
//   - Fence rules come first; no later rule may keep a host writable.
//   - What this host promised not to do is never returned, whatever rule asks.
func Decide(v View) []Action {
	v.memo = &memo{states: map[string]classified{}}
	var out []Action
	for _, r := range v.table() {
		why, holds := r.When(&v)
		if !holds {
			continue
		}
		if r.Then != nil {
			out = append(out, v.allowed(v.stamp(r.Then(&v), r.Name, why))...)
		}
		if r.Last {
			break
		}
	}
	return out
}

// memo keeps, for one decision, what several rows ask for and what is long in
// the making. It changes no answer: all of it follows from the view.
type memo struct {
	states   map[string]classified
	assigned map[netip.Addr]string
	judged   *Judgement
}

type classified struct {
	state State
	why   Reason
}

// classify is Classify of a host in this view.
func (v *View) classify(host string) (State, Reason) {
	if v.memo == nil {
		return Classify(v.Cluster, host, v.Now)
	}
	c, known := v.memo.states[host]
	if !known {
		c.state, c.why = Classify(v.Cluster, host, v.Now)
		v.memo.states[host] = c
	}
	return c.state, c.why
}

// Verdict is what one row of the table said of a view.
type Verdict struct {
	Rule  string
	Holds bool
	Why   string
}

// Explain walks the table as Decide does and tells of every row that was asked.
func Explain(v View) []Verdict {
	v.memo = &memo{states: map[string]classified{}}
	var out []Verdict
	for _, r := range v.table() {
		why, holds := r.When(&v)
		out = append(out, Verdict{r.Name, holds, why})
		if holds && r.Last {
			break
		}
	}
	return out
}

// stamp writes the rule and the reason on its actions and leaves out those that rest.
func (v *View) stamp(acts []Action, rule, why string) []Action {
	var out []Action
	for _, a := range acts {
		a.Rule, a.Why = rule, why
		if !v.resting(a) {
			out = append(out, a)
		}
	}
	return out
}

// resting reports whether the same thing was tried a moment ago in vain. What
// closes is never held back.
func (v *View) resting(a Action) bool {
	f, ok := v.Seen.Failed[a.Kind]
	return ok && a.Kind.Lane() != LaneFence && f.Unit == a.Unit() && v.Now.Sub(f.At) < retryPause
}

// Rules is the table, in order. The first group fences and stops there; then
// come a disk that fails, promises, its port, what this host remembers, its reign, elections, following,
// addresses.
var Rules = slices.Concat(fenceRules, diskRules, failsafeRules, portRules, memoryRules, orderRules, aloneRules, reignRules, lossRules, tailRules, electionRules, rejoinRules, cloneRules, followRules, vipRules)

func one(a Action) []Action { return []Action{a} }

// do makes a row's Then of one fixed action.
func do(a Action) func(*View) []Action { return func(*View) []Action { return one(a) } }

// when makes a row's When of a fixed sentence and a test.
func when(why string, test func(v *View) bool) func(*View) (string, bool) {
	return func(v *View) (string, bool) { return why, test(v) }
}

// busy reports whether an action of one of the kinds is in flight.
func (v *View) busy(kinds ...Kind) bool {
	return slices.ContainsFunc(v.Busy, func(k Kind) bool { return slices.Contains(kinds, k) })
}

// me is this host in the cluster file.
func (v *View) me() (HostSpec, bool) { return v.Cluster.Spec.Value.Host(v.Self) }

// reigns reports whether this process holds the writer's place: a term it won,
// with the key still naming that very epoch.
func (v *View) reigns() bool {
	return v.Term.Epoch > 0 && !v.Term.Ending && v.Cluster.Writer.Rev == v.Term.Epoch
}

// opened reports whether the reign of this process has its acker set, after
// which, and only then, the server may be writable (R38, R39).
func (v *View) opened() bool { return v.reigns() && v.Cluster.Reign.Value.Epoch == v.Term.Epoch }

// draining reports whether a planned switchover away from this writer is under
// way, so that being read-only is what it should be.
func (v *View) draining() (Switchover, bool) {
	s, ok := openOrder(v.Cluster, OrderSwitchover)
	return s, ok && v.reigns() && s.Epoch == v.Term.Epoch && s.Target != v.Self
}

// phase is the step of the reign that the writer key names. A key without its
// phase has just been won or handed over.
func (v *View) phase() Step {
	p := v.Cluster.Phase.Value
	if !v.Cluster.Phase.Present() || (p.Epoch != 0 && p.Epoch != v.Cluster.Writer.Rev) {
		return CatchingUp
	}
	return p.Step
}
