package sim

import (
	"errors"
	"fmt"
	"time"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/topology"
)

// agent is the daemon of one host: the state and the turns are the real ones
// (agent/step), the goroutines around them are events.
type agent struct {
	h        *host
	w        *world
	proc     *actor
	runs     int
	up       bool
	state    *step.State
	reg      registry
	lease    session
	failsafe failsafe
	running  bool // its loop runs
	watch    watch
	lanes    map[topology.Lane]*lane
	door     door
	beat     step.Heartbeat
	beating  bool
	dirty    bool          // something changed since the last decision
	turned   time.Duration // when it last decided
	unsure   topology.Incarnation
	reigning bool
	campaign int
	rejected *host
	look     look
	asked    step.Want
}

// lane is an action in flight.
type lane struct {
	proc *proc
	on   *limit
}

var errNoLease = errors.New("there is no lease")

const (
	tick       = 250 * time.Millisecond
	calmSample = 5 * time.Second // between two decisions while nothing changes and all is calm
	limitEtcd  = 600 * time.Millisecond
	fencePause = 20 * time.Millisecond
)

func (a *agent) db() database { return database{a.h} }

func (a *agent) token() string { return fmt.Sprintf("%s-agent%d", a.h.name, a.runs) }

// stop ends the process as kill -9 does.
func (a *agent) stop() {
	a.up = false
	a.proc.die()
	a.watch = watch{h: a.h, slow: a.watch.slow}
}

// start is a new process: it takes up what the last one left, or closes it.
func (a *agent) start() {
	if a.up || a.h.off {
		return
	}
	a.runs++
	a.up = true
	a.reg = registry{h: a.h, known: map[string]kv{}}
	a.lease, a.failsafe, a.running = session{a: a}, failsafe{a: a}, false
	a.h.promises.load(a.h.now(), a.h.boots)
	a.lanes, a.door, a.beat = map[topology.Lane]*lane{}, door{}, step.Heartbeat{}
	a.beating, a.dirty, a.unsure, a.reigning, a.rejected = false, true, "", false, nil
	a.look, a.asked = look{version: -1, under: true}, step.Want{}
	a.state = step.New(a.h.name, a.h.id, a.token(), a.h.disk.highest)
	a.state.Seen.Distrust = a.h.disk.doubts
	a.h.rejects = nil // whom it refuses stays refused until it decides anew (R21)
	if a.h.port == forever {
		a.h.port = 0 // R9
	}
	a.w.story("%s: its agent starts", a.h.name)
	a.w.spawn(a.proc, &a.h.clock, a.begin)
}

// begin is what a process does before its loop runs (R5).
func (a *agent) begin(p *proc) {
	kept := a.h.disk
	resumed := kept.lease != 0 && a.lease.resume(p, kept.lease)
	for {
		if _, err := a.reg.load(p, p.within(nil, 5*time.Second)); err == nil {
			break
		}
	}
	if probe, err := a.db().observe(p, p.within(nil, probeLimit)); err == nil {
		a.state.TakeProbe(probe, wall(p.now()))
	}
	if !resumed || kept.epoch != 0 && !a.resumeReign(p, kept) {
		a.clearVIPs()
	}
	a.running = true
	a.every(tick, a.ticked)
	a.lease.keep()
	a.watch.changed(true)
	a.look.under = false
	a.lookAgain()
	a.turn()
}

// resumeReign goes on with the reign of the agent before (R5).
func (a *agent) resumeReign(p *proc, kept disk) bool {
	c, err := a.reg.load(p, p.within(nil, 2*time.Second))
	if err != nil || !a.state.Resumes(c, kept.lease, kept.epoch, kept.inc) {
		a.w.story("%s: does not resume its reign of epoch %d", a.h.name, kept.epoch)
		return false
	}
	step.Resumed(kept.epoch, kept.inc, kept.lease)(a.state)
	a.reigning = true
	a.w.story("%s: resumes its reign of epoch %d", a.h.name, kept.epoch)
	return true
}

func (a *agent) every(d time.Duration, do func()) {
	a.w.ring(&a.h.clock, a.h.now()+d, a.proc, func() {
		do()
		a.every(d, do)
	})
}

// ticked is the loop's own timer.
func (a *agent) ticked() {
	s := a.state
	armed := a.retries() || !s.Seen.Waiting.IsZero() || s.Cluster.Switchover.Value.Step.Open() ||
		s.Cluster.Phase.Value.Step != topology.Ready || s.Term.Ending || a.lease.left() <= 0
	due := s.SampleDue(wall(a.h.now())) && (!a.w.calm || a.h.now()-a.turned >= calmSample)
	a.dirty = a.dirty || armed || due
	a.turn()
}

// retries reports whether something failed so lately that it may be due again.
func (a *agent) retries() bool {
	for _, f := range a.state.Seen.Failed {
		if wall(a.h.now()).Sub(f.At) < time.Second {
			return true
		}
	}
	return false
}

// changed notes an event of the loop.
func (a *agent) changed() {
	a.dirty = true
	a.turn()
}

// turn is one round of decide and act, left out when nothing has changed. What is
// seen before the loop runs waits for it.
func (a *agent) turn() {
	if !a.up || !a.running || !a.dirty {
		return
	}
	a.dirty, a.turned = false, a.h.now()
	s, now := a.state, wall(a.h.now())
	v, actions := s.Turn(a.reading(now))
	a.w.decisions++
	for _, act := range actions {
		a.begun(act)
	}
	a.report(v.Stuck())
	a.asks(v)
	v.Seen.Offered = s.Seen.Offered // it may just have been sent
	a.reigning = v.Term.Epoch > 0 && !v.Term.Ending
	a.failsafe.publish(v)
	if id := v.Cluster.Spec.Value.ID; id != "" {
		a.h.disk.highest = max(a.h.disk.highest, v.Seen.Epoch)
	}
	a.lookAgain()
}

func (a *agent) reading(now time.Time) step.Reading {
	r := step.Reading{Now: now, VIPs: a.h.held(), Port: a.h.standing()}
	if a.lease.id != 0 {
		r.Lease = topology.Lease{ID: a.lease.id, TTL: a.lease.ttl, Left: a.lease.left()}
	}
	r.Failsafe = a.failsafe.view()
	if a.rejected != nil {
		r.Rejected = a.rejected.address
	}
	return r
}

// begun starts an action in its lane, if that is free.
func (a *agent) begun(act topology.Action) {
	ends, ok := a.state.Begin(act)
	if !ok {
		return
	}
	for _, l := range ends {
		a.lanes[l].on.cut = true
		a.lanes[l].proc.poke()
	}
	h, known := hands[act.Kind]
	if !known {
		panic("sim: no hand for action " + string(act.Kind) + " of rule " + act.Rule)
	}
	a.w.story("%s: %v [%s: %s]", a.h.name, act, act.Rule, act.Why)
	a.w.checks.keeps(a.h, act)
	j := job{Action: act, cluster: a.state.Cluster, probe: a.state.Probe, term: a.state.Term}
	if act.Kind == topology.PutReign {
		a.failsafe.wanted = nil // it may name others who must promise, too
	}
	if a.state.Rests(a.lease.id) || act.Kind == topology.Retake {
		j.lease = a.lease.id
	}
	l := &lane{}
	a.lanes[act.Kind.Lane()] = l
	l.on = &limit{until: a.h.now() + h.limit}
	l.proc = a.w.spawn(a.proc, &a.h.clock, func(p *proc) { a.carryOut(p, l, h, j) })
}

// carryOut does the action and, when it changed mysqld, looks at it again.
func (a *agent) carryOut(p *proc, l *lane, h hand, j job) {
	began := p.now()
	note, err := h.do(a, p, l.on, j)
	o := step.Outcome{Action: j.Action, Err: err, Note: note, Unknown: errors.Is(err, errUnknown)}
	if h.fresh {
		if probe, err := a.db().observe(p, p.within(nil, probeLimit)); err == nil {
			o.Probe = a.look.judge(probe)
		}
	}
	if o.Took = p.now() - began; err != nil && j.Kind.Lane() == topology.LaneFence && o.Took < fencePause {
		_ = p.sleep(nil, fencePause-o.Took)
	}
	if err != nil {
		a.w.story("%s: %v did not work: %v", a.h.name, j.Action, err)
	}
	a.w.after(0, a.proc, func() {
		a.state.Finish(o, wall(a.h.now()))
		a.changed()
	})
}

// report writes what this host says of itself, when it is due.
func (a *agent) report(stuck bool) {
	r := a.state.Report("nftables", stuck)
	now := wall(a.h.now())
	if a.state.Rests(a.lease.id) && a.lease.left() > 0 {
		r.Lease = a.lease.id
	}
	if a.beating || !a.beat.Due(r, now) {
		return
	}
	a.beating = true
	a.w.spawn(a.proc, &a.h.clock, func(p *proc) {
		if _, err := a.reg.putReport(p, p.within(nil, limitEtcd), r); err == nil {
			a.beat.Wrote(r, now)
		} else {
			_ = p.sleep(nil, tick)
		}
		a.beating = false
		a.w.after(0, a.proc, func() { a.report(a.stuck()) })
	})
}

func (a *agent) stuck() bool {
	v := a.state.View(a.reading(wall(a.h.now())))
	return v.Stuck()
}
