package sim

import (
	"math/rand/v2"
	"time"
)

// moment is true time since the world began; no host ever sees it.
type moment = time.Duration

// event is something that happens at a moment. One that a clock rang for waits
// until that clock really shows the time, for a machine may stand still.
type event struct {
	at    moment
	who   *actor
	life  int // of who when it was planned: what a dead process planned never happens
	clock *clock
	rings time.Duration
	do    func()
}

// actor is what can stand still or die by itself: an agent, a mysqld, a kernel.
type actor struct {
	life    int
	frozen  int     // how many causes hold it
	on      *actor  // what it runs on: frozen with it
	backlog []event // what would have happened meanwhile
	procs   []*proc
}

func (a *actor) stands() bool { return a != nil && (a.frozen > 0 || a.on.stands()) }

// queue is the future, the earliest event first; equal moments in order of planning.
type queue struct {
	now  moment
	seq  uint64
	heap []slot
	all  []event // those that are planned, and room
	free []int32
	rng  *rand.Rand
	hash uint64
	n    int // events so far
}

// slot is the place of an event in the order. It has no pointers, so that to move
// it costs little.
type slot struct {
	at  moment
	seq uint64
	in  int32 // queue.all
}

func (s slot) less(o slot) bool { return s.at < o.at || s.at == o.at && s.seq < o.seq }

func (q *queue) push(e event) {
	q.seq++
	in := int32(len(q.all)) //nolint:gosec // some hundred
	if n := len(q.free); n > 0 {
		in, q.free = q.free[n-1], q.free[:n-1]
		q.all[in] = e
	} else {
		q.all = append(q.all, e)
	}
	s := slot{e.at, q.seq, in}
	q.heap = append(q.heap, s)
	i := len(q.heap) - 1
	for i > 0 && s.less(q.heap[(i-1)/2]) {
		q.heap[i] = q.heap[(i-1)/2]
		i = (i - 1) / 2
	}
	q.heap[i] = s
}

func (q *queue) pop() event {
	first, last := q.heap[0], len(q.heap)-1
	s := q.heap[last]
	q.heap = q.heap[:last]
	for i := 0; last > 0; {
		low := 2*i + 1
		if low+1 < last && q.heap[low+1].less(q.heap[low]) {
			low++
		}
		if low >= last || !q.heap[low].less(s) {
			q.heap[i] = s
			break
		}
		q.heap[i] = q.heap[low]
		i = low
	}
	e := q.all[first.in]
	q.all[first.in] = event{}
	q.free = append(q.free, first.in)
	return e
}

// after plans something for who; nil: it happens whatever dies.
func (q *queue) after(d time.Duration, who *actor, do func()) {
	e := event{at: q.now + max(0, d), who: who, do: do}
	if who != nil {
		e.life = who.life
	}
	q.push(e)
}

// ring plans something for when a clock shows a time.
func (q *queue) ring(c *clock, at time.Duration, who *actor, do func()) {
	e := event{at: c.when(q.now, at), who: who, clock: c, rings: at, do: do}
	if who != nil {
		e.life = who.life
	}
	q.push(e)
}

// step lets the next event happen. It is false when nothing is planned before end.
func (q *queue) step(end moment) bool {
	if len(q.heap) == 0 || q.heap[0].at > end {
		q.now = end
		return false
	}
	e := q.pop()
	q.now = e.at
	switch {
	case e.who != nil && e.who.life != e.life:
		return true
	case e.who.stands():
		e.who.backlog = append(e.who.backlog, e)
		return true
	case e.clock != nil && e.clock.read(q.now) < e.rings:
		e.at = e.clock.when(q.now, e.rings)
		q.push(e)
		return true
	}
	q.n++
	q.mix(uint64(e.at))
	e.do()
	return true
}

// mix folds a fact into the hash of the history.
func (q *queue) mix(x uint64) { q.hash = (q.hash ^ x) * 0x100000001b3 }

// thaw lets what waited happen now.
func (q *queue) thaw(a *actor) {
	waiting := a.backlog
	a.backlog = nil
	for _, e := range waiting {
		e.at = q.now
		q.push(e)
	}
}

// die ends a process: nothing that it planned happens.
func (a *actor) die() {
	a.life++
	a.frozen, a.backlog = 0, nil
	for _, p := range a.procs {
		p.stop()
	}
	a.procs = nil
}

// between is a random duration.
func (q *queue) between(lo, hi time.Duration) time.Duration {
	if hi <= lo {
		return lo
	}
	return lo + time.Duration(q.rng.Int64N(int64(hi-lo)))
}

// chance is true once in a while.
func (q *queue) chance(p float64) bool { return q.rng.Float64() < p }

// clock is the clock of one machine: a little fast or slow, and it stands still
// while its whole virtual machine does.
type clock struct {
	rate    float64
	base    time.Duration // shown at the moment since
	since   moment
	stopped bool
}

func (c *clock) read(now moment) time.Duration {
	if c.stopped {
		return c.base
	}
	return c.base + time.Duration(float64(now-c.since)*c.rate)
}

// when is the moment at which the clock shows a time, if it goes on as it does.
func (c *clock) when(now moment, at time.Duration) moment {
	left := at - c.read(now)
	if left <= 0 {
		return now
	}
	return now + time.Duration(float64(left)/c.rate) + 1
}

func (c *clock) stop(now moment) { c.base, c.stopped = c.read(now), true }

// start lets the clock go on; missed is what it makes up for.
func (c *clock) start(now moment, missed time.Duration) {
	c.base, c.since, c.stopped = c.base+missed, now, false
}
