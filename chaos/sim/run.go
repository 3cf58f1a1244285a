package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// Options say how a seed is run.
type Options struct {
	Length time.Duration // of the simulated run; 5 minutes by default
	Calm   bool          // long rests between the faults
	Story  bool          // keep the story
	Skip   map[int]bool  // faults to leave out, by number
}

// Outcome is what came of one seed.
type Outcome struct {
	Seed      uint64
	Broken    string // the rule that was broken; empty: none
	At        time.Duration
	Stalled   string // why it ended early, with nothing broken: no writer can be proven
	Story     []string
	Faults    []string // those that struck, in order
	planned   []int
	options   Options
	Hash      uint64
	Simulated time.Duration
	Dense     time.Duration // of it, with faults or within ten seconds after one
	Reigns    int
	Writes    int
	Acked     int
	Decisions int
	Accepted  int // elections that went on because an operator accepted a loss
	Given     int // acknowledged writes that he was told may be lost
	Struck    map[string]int
	Gaps      map[string]time.Duration // worst time without an acknowledgement, by class, of single faults
}

const (
	warm      = 12 * time.Second // to elect and to settle before the first fault
	healLimit = 60 * time.Second // to come to rest after the last one

	operatorLooks = 3 * time.Second // how long he looks before he gives anything up

	afterwards = 20 * time.Second // before and after calm: all clients write
)

// Run simulates one seed.
func Run(seed uint64, o Options) Outcome {
	if o.Length == 0 {
		o.Length = 5 * time.Minute
	}
	rest := [2]time.Duration{4 * time.Second, 12 * time.Second}
	if o.Calm {
		rest = [2]time.Duration{time.Minute, time.Hour}
	}
	w := newWorld(seed, o.Story)
	plan, eps := planned(seed, warm, o.Length-healLimit, rest)
	w.faults.arrange(plan, eps, o.Skip)
	out := Outcome{Seed: seed, options: o}
	w.run(o, &out)
	for _, h := range w.hosts {
		h.agent.proc.die()
	}
	out.Broken, out.At, out.Hash, out.Simulated = w.checks.broken, w.now, w.hash, w.now
	out.Story, out.Reigns, out.Writes, out.Acked, out.Decisions = w.lines, w.checks.reigns, w.clients.writes, len(w.clients.acked), w.decisions
	out.Accepted, out.Given = w.checks.accepted, w.checks.given
	out.Struck, out.Gaps = w.faults.struck, w.faults.gaps
	for _, f := range w.faults.plan {
		if !o.Skip[f.n] && f.at < w.now {
			out.Faults = append(out.Faults, f.String())
			out.planned = append(out.planned, f.n)
			out.Dense += f.lasts + 10*time.Second
		}
	}
	out.Dense = min(out.Dense, out.Simulated)
	return out
}

// run lets the faults happen, then mends everything and looks at what is left.
func (w *world) run(o Options, out *Outcome) {
	if !w.until(warm-time.Second, func() bool { return w.settled() == "" }) {
		w.checks.violated("the cluster comes to rest", "before the first fault: %s", w.settled())
		return
	}
	for _, e := range w.faults.episode {
		w.pass(e.from - time.Millisecond)
		began, epoch := w.now, w.etcd.cluster.Writer.Rev
		single, harmless := w.bystander(e, o.Skip)
		worst := w.watchGap(min(e.to, e.quiet+afterwards))
		switch {
		case w.checks.broken != "":
			return
		case harmless && single != "" && epoch != 0 && w.etcd.cluster.Writer.Rev != epoch:
			w.checks.violated("no needless failover", "%s on a host that was not the writer, at %.3f, and epoch %d became %d", single, began.Seconds(), epoch, w.etcd.cluster.Writer.Rev)
			return
		}
		w.checks.waited(single)
		if single != "" {
			w.faults.gaps[single] = max(w.faults.gaps[single], worst)
		}
		w.repair()
		w.rest(e.to)
	}
	w.pass(max(w.now, o.Length-healLimit))
	w.heal()
	end := w.now + healLimit
	for w.now < end && w.settled() != "" && w.checks.broken == "" {
		w.pass(w.now + 2*time.Second)
		w.repair()
	}
	w.pass(w.now + 6*time.Second)
	w.checks.believed()
	if why := w.stalled(); why != "" && w.checks.broken == "" {
		out.Stalled = why
		return
	}
	w.checks.atRest()
}

// bystander says whether an episode is a single fault, and whether it strikes a
// host that is not the writer of a healthy cluster.
func (w *world) bystander(e episode, skip map[int]bool) (single string, harmless bool) {
	if len(e.faults) != 1 || skip[e.faults[0]] || w.settled() != "" {
		return "", false
	}
	f := w.faults.plan[e.faults[0]]
	wr := w.writer()
	return f.class, !f.writer && kindOf(f.class).local && wr != nil && wr.n != f.host
}

// until lets time pass to an end, and reports whether something became so.
func (w *world) until(end moment, so func() bool) bool {
	w.pass(end)
	return so()
}

// pass lets everything happen up to a moment, or to the first violation.
func (w *world) pass(end moment) {
	for w.checks.broken == "" && w.step(end) {
	}
}

// watchGap is pass, and the longest time without an acknowledgement in it.
func (w *world) watchGap(end moment) time.Duration {
	from := len(w.clients.acked)
	at := w.now
	w.pass(end)
	worst := time.Duration(0)
	for _, t := range w.clients.acked[from:] {
		worst, at = max(worst, t.acked-at), t.acked
	}
	return max(worst, w.now-at)
}

// rest is the calm after an episode: clients have little to write, and he who
// repairs looks by now and then.
func (w *world) rest(end moment) {
	if w.now >= end-afterwards {
		w.pass(end)
		return
	}
	w.calm, w.clients.think = true, idleThink
	w.pass(end - afterwards)
	w.calm, w.clients.think = false, busyThink
	w.repair()
	w.pass(end)
}

// heal ends every fault that is under way.
func (w *world) heal() {
	w.story("everything is mended")
	for n := range w.faults.plan {
		w.faults.end(n)
	}
	for _, h := range w.hosts {
		if h.db.inc == "" && !h.off {
			h.resting = 0
			w.restarts(h, 0)
		}
		if w.etcd.cluster.Intents[h.name].Value.Want == topology.WantOffline {
			w.intent(h, topology.WantOnline)
		}
	}
	if w.etcd.cluster.ModeNow() != topology.Active {
		w.mode(topology.Active)
	}
}

// repair is what an operator does for hosts that cannot follow: a fresh copy of
// the writer, while there is one; and he clears who flapped or was given up.
func (w *world) repair() {
	if w.halted() {
		w.recoverEtcd()
		return
	}
	for _, h := range w.hosts {
		if _, lost := topology.GivenUp(w.etcd.cluster, h.id); lost && h.db.up() && !h.off {
			w.intent(h, topology.WantOnline)
		}
	}
	wr := w.writer()
	if wr == nil && w.stalled() != "" {
		w.after(operatorLooks, nil, w.acceptLoss)
	}
	if wr == nil || w.etcd.cluster.Phase.Value.Step != topology.Ready || !wr.db.up() {
		return
	}
	for _, h := range w.hosts {
		if h == wr || !h.db.up() || h.off {
			continue
		}
		short := topology.Judge(w.etcd.cluster, h.name).Standing == topology.Short
		if r := h.db.replication(); r.Error != "" && r.IO != "Yes" || h.db.sqlErr != "" || short {
			w.story("operator: copies %s to %s, which had: %s", wr.name, h.name, r.Error)
			h.db.die("to be replaced by a copy")
			h.db.replace(append([]*trx(nil), wr.db.log[:wr.db.visible]...))
			h.db.configured, h.db.source, h.db.fork = false, nil, -1
			w.restarts(h, 100*time.Millisecond)
		}
		if m := w.etcd.cluster.Memories[h.name].Value; len(m.Flaps) > 2 && m.Cleared != h.db.inc {
			w.intent(h, topology.WantOnline)
		}
	}
}

// stalled says why nobody can be writer, when that is so for good: what the bids
// must prove died with two servers at once.
func (w *world) stalled() string {
	c := w.etcd.cluster
	if p := topology.Prove(c); !c.Writer.Present() && c.Reign.Present() && !p.OK {
		return p.Why
	}
	return ""
}

// flags are what the run was made with, as the command takes it.
func (o Outcome) flags() string {
	text := fmt.Sprintf(" --minutes %g", o.options.Length.Minutes())
	if o.options.Calm {
		text += " --calm"
	}
	for _, n := range slices.Sorted(maps.Keys(o.options.Skip)) {
		text += fmt.Sprintf(" --skip %d", n)
	}
	return text
}

// Text is what a person reads of a violation.
func (o Outcome) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d broke a rule at %.3f s: %s\n", o.Seed, o.At.Seconds(), o.Broken)
	for _, f := range o.Faults {
		fmt.Fprintf(&b, "  %s\n", f)
	}
	for _, line := range o.Story {
		fmt.Fprintf(&b, "%s\n", line)
	}
	fmt.Fprintf(&b, "replay: mmmlab sim --seed %d --story%s\n", o.Seed, o.flags())
	return b.String()
}
