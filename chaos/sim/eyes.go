package sim

import (
	"time"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/topology"
)

const (
	probePeriod = 50 * time.Millisecond
	probeRushed = 5 * time.Millisecond
	probeLimit  = 500 * time.Millisecond
	probeMisses = 2
	slowLook    = 500 * time.Millisecond // at least this often while nothing but positions changes
)

// look is the agent's prober. The real one looks all the time; here only the
// looks are made that see something new, at the moments of the real ones.
type look struct {
	next    time.Duration // when; 0: no look is planned
	turn    int           // of planning: an earlier one means nothing
	under   bool          // a look is under way
	version int
	pos     int
	at      time.Duration // of the last one
	misses  int
	last    topology.Probe
	kept    []topology.Kept // what is left of an earlier run
	keptFor step.Want       // the run and the position that it counts for
}

// lookAgain plans the next look that can see something new, unless one as early
// is planned.
func (a *agent) lookAgain() {
	k := &a.look
	if !a.up || k.under {
		return
	}
	at, ever := a.nextLook()
	if !ever || k.next > 0 && k.next <= at {
		return
	}
	k.turn++
	turn := k.turn
	k.next = at
	a.w.ring(&a.h.clock, at, a.proc, func() {
		if k.turn == turn {
			k.next = 0
			a.looks()
		}
	})
}

// nextLook is the next moment of looking at which there will be something to see.
// What merely moves positions is waited for while the reign is steady.
func (a *agent) nextLook() (at time.Duration, ever bool) {
	m, k, now := a.h.db, &a.look, a.h.now()
	period, steady := probePeriod, a.steady()
	if !steady {
		period = probeRushed
	}
	at = now + period - (now-k.at)%period
	switch news := k.version != m.version || k.pos != m.positions(); {
	case k.version == m.version && m.inc == "" && k.last.Incarnation == "":
		return 0, false
	case k.version == m.version && steady:
		return max(at, k.at+slowLook), news
	default:
		return at, news
	}
}

// moved hears that positions have changed.
func (a *agent) moved() {
	if a.up && (a.look.next == 0 || !a.steady()) {
		a.lookAgain()
	}
}

func (a *agent) steady() bool {
	c := &a.state.Cluster
	return c.Writer.Present() && c.Phase.Value.Step == topology.Ready && !c.Switchover.Value.Step.Open()
}

// looks makes a look.
func (a *agent) looks() {
	m, k := a.h.db, &a.look
	fresh := !m.up() || k.version != m.version
	k.under = true
	k.version, k.pos, k.at = m.version, m.positions(), a.h.now()
	a.w.spawn(a.proc, &a.h.clock, func(p *proc) {
		reading := a.lookOnce(p)
		k.under = false
		a.w.after(0, a.proc, func() {
			a.state.TakeProbe(reading, wall(a.h.now()))
			if fresh || !a.steady() { // what merely moves on waits for the next sample
				a.changed()
			}
			a.lookAgain()
		})
	})
}

func (a *agent) lookOnce(p *proc) topology.Probe {
	began := wall(p.now())
	reading, err := a.db().observe(p, p.within(nil, probeLimit))
	k := &a.look
	if err == nil {
		return *k.judge(reading)
	}
	k.version = -1 // look again at once
	if k.last.Incarnation == "" || a.h.db.inc != k.last.Incarnation {
		k.misses = 0
		k.last = topology.Probe{At: began, Incarnation: reading.Incarnation, Why: "mysqld is not running"}
		if reading.Incarnation == "" {
			k.version = a.h.db.version
		}
		return k.last
	}
	if k.misses++; k.misses >= probeMisses {
		k.last.Up, k.last.Why = false, "no answer"
	}
	k.last.At, k.last.Missed = began, true
	return k.last
}

func (k *look) judge(reading topology.Probe) *topology.Probe {
	if reading.Incarnation == k.keptFor.Run && reading.Position.String() == k.keptFor.Position {
		reading.Kept = k.kept
	}
	if !reading.At.Before(k.last.At) {
		k.last, k.misses = reading, 0
	}
	return &reading
}

// watch is the agent's view of etcd: the newest reading, a moment late.
type watch struct {
	h      *host
	due    bool // a reading is on its way
	more   bool // and is old by now
	facts  bool // and it says more than that positions have moved on
	broken bool
	slow   time.Duration // how much later than usual
}

// changed sends the present reading of etcd on its way.
func (x *watch) changed(facts bool) {
	h := x.h
	w := h.w
	if x.facts = x.facts || facts; !h.agent.up || x.broken {
		return
	}
	if x.due {
		x.more = true
		return
	}
	x.due, x.more = true, false
	c, facts := w.etcd.cluster, x.facts
	x.facts = false
	w.after(w.wire(h)+x.slow, h.agent.proc, func() {
		x.due = false
		if w.etcd.down > 0 || h.cutFrom.etcd > 0 {
			x.broken = true
			x.mend()
			return
		}
		h.agent.sees(c, facts)
		if x.more {
			x.changed(false)
		}
	})
}

// mend reads everything anew until that works, as a watch does that fell silent.
func (x *watch) mend() {
	h := x.h
	h.w.spawn(h.agent.proc, &h.clock, func(p *proc) {
		for {
			_ = p.sleep(nil, 300*time.Millisecond)
			c, err := h.agent.reg.load(p, p.within(nil, 2*time.Second))
			if err == nil {
				x.broken = false
				h.agent.sees(c, true)
				x.changed(true)
				return
			}
		}
	})
}

func (a *agent) sees(c topology.Cluster, facts bool) {
	if c.Rev == a.state.Cluster.Rev && c.Rev != 0 {
		return
	}
	a.state.TakeCluster(c, wall(a.h.now()))
	if facts || !a.steady() {
		a.changed()
	}
}
