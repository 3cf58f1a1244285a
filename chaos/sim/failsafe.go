package sim

import (
	"time"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/election"
	"github.com/mmm-ha/mmm/topology"
)

// How the others are asked (agent/failsafe.go).
const (
	askPause  = 50 * time.Millisecond
	askRounds = 5
	askPart   = 4
)

// failsafe is what an agent has to do with others while etcd is away.
type failsafe struct {
	a       *agent
	wanted  *wanted // whom to ask; nil: nobody
	counted pledge  // the newest full round that lifetimes count on
	asking  bool
	carried bool // etcd has let go of the lease, and promises alone carry what is served
}

// wanted is whom to ask for what. It is never changed.
type wanted struct {
	epoch   topology.Rev
	ids     []topology.HostID
	hosts   []*host
	unknown bool // a host must promise that nobody knows how to ask
}

// pledge is one round in which all have promised.
type pledge struct {
	epoch topology.Rev
	until time.Duration // on the clock of the host that asked
}

func (f *failsafe) view() topology.Failsafe {
	a := f.a
	out := topology.Failsafe{Key: "key of " + a.h.name, Etcd: a.lease.id != 0 && !a.lease.mute}
	if f.counted.epoch == a.state.Term.Epoch {
		out.Left = max(0, f.counted.until-a.h.now())
	}
	p := &a.h.promises
	out.Run, out.Claim, out.To = p.reign-a.h.now(), p.claim-a.h.now(), p.to
	return out
}

// publish takes from a turn whom to ask.
func (f *failsafe) publish(v topology.View) {
	ids := topology.Promisers(v)
	if len(ids) == 0 {
		f.wanted = nil
		return
	}
	w := &wanted{epoch: v.Term.Epoch, ids: ids}
	for _, id := range ids {
		o := f.a.hostOf(id)
		w.unknown = w.unknown || o == nil || v.Cluster.Memories[o.name].Value.Key == ""
		w.hosts = append(w.hosts, o)
	}
	if !w.same(f.wanted) {
		f.wanted = w
	}
}

func (w *wanted) same(o *wanted) bool {
	if o == nil || w.epoch != o.epoch || w.unknown != o.unknown || len(w.ids) != len(o.ids) {
		return false
	}
	for i, id := range w.ids {
		if o.ids[i] != id {
			return false
		}
	}
	return true
}

func (a *agent) hostOf(id topology.HostID) *host { return a.w.hostOf(id) }

func (w *world) hostOf(id topology.HostID) *host {
	for _, h := range w.hosts {
		if h.id == id {
			return h
		}
	}
	return nil
}

func (f *failsafe) lost() bool { return f.a.lease.id != 0 && f.a.lease.mute }

// ask asks all that must promise as long as etcd gives no answer.
func (f *failsafe) ask() {
	if f.asking {
		return
	}
	f.asking = true
	a := f.a
	a.w.spawn(a.proc, &a.h.clock, func(p *proc) {
		for f.lost() {
			w, pause := f.wanted, askPause
			if w != nil && !w.unknown {
				sent := p.now() // BEFORE the first question leaves (R50)
				ttl := a.lease.ttl
				if f.round(p, w, ttl) && f.wanted == w {
					f.promised(pledge{w.epoch, sent + ttl - election.Margin(ttl)})
					pause = max(askPause, ttl/askRounds-(p.now()-sent))
				}
			}
			_ = p.sleep(nil, pause)
		}
		f.asking = false
	})
}

// round asks everybody at once and reports whether all promised.
func (f *failsafe) round(p *proc, w *wanted, ttl time.Duration) bool {
	open, all := len(w.hosts), true
	err := p.await(p.within(nil, ttl/askPart), func(wake func()) {
		for _, o := range w.hosts {
			f.question(o, w.epoch, ttl, func(may bool) {
				all = all && may
				if open--; open == 0 {
					wake()
				}
			})
		}
	})
	return err == nil && all
}

// question brings one ask to another host and its answer back.
func (f *failsafe) question(o *host, epoch topology.Rev, ttl time.Duration, answer func(may bool)) {
	w, h := f.a.w, f.a.h
	back := func(may bool) {
		if w.reaches(o, h) && !w.lossy(o) {
			w.after(w.wire(o), h.agent.proc, func() { answer(may) })
		}
	}
	if !w.reaches(h, o) || w.lossy(h) {
		return
	}
	w.after(w.wire(h), o.agent.proc, func() {
		if o.agent.running {
			o.agent.consider(h, topology.Ask{Cluster: w.spec.ID, From: h.id, Epoch: epoch}, ttl, back)
		}
	})
}

// consider judges a question inside the loop (R51), and answers what is durable.
func (a *agent) consider(from *host, q topology.Ask, ttl time.Duration, answer func(may bool)) {
	_, may := topology.MayPromise(a.state.View(a.reading(wall(a.h.now()))), q)
	if !may {
		answer(false)
		a.changed()
		return
	}
	p := &a.h.promises
	p.bind(from.name, q.Epoch > 0, a.h.now()+ttl)
	a.w.after(a.w.between(100*time.Microsecond, 10*time.Millisecond), a.proc, func() {
		p.save(ttl)
		answer(true)
	})
	a.changed()
}

// promised lets a round in which all have promised extend what the lease did. It
// never opens again what was closed.
func (f *failsafe) promised(p pledge) {
	a := f.a
	reign := topology.Rev(0)
	if a.reigning {
		reign = a.state.Term.Epoch
	}
	if p.epoch != reign || !a.lease.guardTo(p.until) {
		return
	}
	if f.counted.until == 0 {
		a.w.story("%s: goes on by the promises of all others", a.h.name)
	}
	f.counted = p
	a.lease.serve(p.until)
	a.lease.arm()
	a.changed()
}

// carries reports whether promises alone keep open what this host serves, now
// that etcd has let go of the lease.
func (f *failsafe) carries() bool {
	a := f.a
	f.carried = f.counted.until > a.h.now() && a.reigning == (f.counted.epoch > 0)
	if f.carried {
		a.w.story("%s: its lease is gone, and all others promised to keep still", a.h.name)
	}
	return f.carried
}

// retake puts the keys of a reign again that etcd let go of (R52).
func (a *agent) retake(p *proc, l *limit, j job) (step.Note, error) {
	if j.lease == 0 || j.term.Epoch == 0 {
		return nil, errNoLease
	}
	a.campaign++
	epoch, err := a.reg.retake(p, l, j, topology.Writer{ID: a.h.id, Name: a.h.name, Best: j.Position, Previous: j.Epoch, Agent: a.campaignName()})
	if err != nil {
		return nil, err
	}
	a.failsafe.counted.epoch = epoch
	a.failsafe.retaken()
	return step.Retook(a.begins(j, epoch, epoch)), nil
}

// retaken lets the lease that the reign was taken again with count from now on.
func (f *failsafe) retaken() {
	if f.carried {
		f.carried = false
		f.a.lease.guardOn()
	}
}

// promises are what a host has promised (election.Promises): times on its clock.
type promises struct {
	to           string
	reign, claim time.Duration
	disk         kept
}

// kept is the record on disk, written ahead by one TTL.
type kept struct {
	boot         int
	reign, claim time.Duration
	ttl          time.Duration
}

// bind makes a promise binding from now on; it never shortens another one.
func (p *promises) bind(to string, reign bool, until time.Duration) {
	p.to, p.claim = to, max(p.claim, until)
	if reign {
		p.reign = max(p.reign, until)
	}
}

// save makes durable what binds now.
func (p *promises) save(ttl time.Duration) {
	d := &p.disk
	if d.reign >= p.reign && d.claim >= p.claim && d.ttl >= ttl {
		return
	}
	d.claim, d.ttl = p.claim+ttl, max(d.ttl, ttl)
	if p.reign > 0 {
		d.reign = p.reign + ttl
	}
}

// load is what the next process finds. What was promised before the last boot
// binds for its whole time from now on.
func (p *promises) load(now time.Duration, boot int) {
	left := func(until time.Duration) time.Duration {
		if until > 0 && p.disk.boot != boot {
			return now + p.disk.ttl
		}
		return until
	}
	d := p.disk
	p.reign, p.claim = left(d.reign), left(d.claim)
	p.disk.reign, p.disk.claim, p.disk.boot = p.reign, p.claim, boot
}
