package sim

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"
)

// The outcomes of waiting.
var (
	errTimeout     = errors.New("no answer in time")
	errCancelled   = errors.New("a fence ended it")
	errUnreachable = errors.New("mysqld does not run")
)

// killed ends a program whose process has died, in the middle of a step.
type killed struct{}

// proc is a program of several steps, such as one action of an agent. It runs
// until it waits for something, and goes on when that has come: a coroutine, so
// that it reads like the agent's own, and nothing ever runs side by side.
type proc struct {
	w      *world
	who    *actor
	clock  *clock
	next   func() (struct{}, bool)
	stop   func()
	yield  func(struct{}) bool
	turn   int // of waiting: an old wake-up means nothing
	waits  bool
	on     *limit
	reason error
}

// limit is how long a step may take, and whether a fence has ended it.
type limit struct {
	until  time.Duration // on the host's clock; 0: no limit
	cut    bool
	parent *limit
}

func (l *limit) err(now time.Duration) error {
	for ; l != nil; l = l.parent {
		if l.cut {
			return errCancelled
		}
		if l.until > 0 && now >= l.until {
			return errTimeout
		}
	}
	return nil
}

func (l *limit) earliest() time.Duration {
	var first time.Duration
	for ; l != nil; l = l.parent {
		if l.until > 0 && (first == 0 || l.until < first) {
			first = l.until
		}
	}
	return first
}

// spawn begins a program of a process.
func (w *world) spawn(who *actor, c *clock, body func(p *proc)) *proc {
	p := &proc{w: w, who: who, clock: c}
	p.next, p.stop = iter.Pull(func(yield func(struct{}) bool) {
		defer func() {
			if r := recover(); r != nil {
				if _, dead := r.(killed); !dead {
					panic(fmt.Sprintf("%v at %s of seed %d", r, w.now, w.seed))
				}
			}
		}()
		p.yield = yield
		body(p)
	})
	who.procs = append(who.procs, p)
	w.after(0, who, p.run)
	return p
}

func (p *proc) run() {
	if _, more := p.next(); !more {
		p.who.procs = slices.DeleteFunc(p.who.procs, func(o *proc) bool { return o == p })
	}
}

// within is a limit inside another one.
func (p *proc) within(parent *limit, d time.Duration) *limit {
	return &limit{until: p.now() + d, parent: parent}
}

func (p *proc) now() time.Duration { return p.clock.read(p.w.now) }

// await parks the program until what start arranges wakes it, or the limit ends.
// start gets the function that wakes, for an event of its own to call, late or
// never.
func (p *proc) await(l *limit, start func(wake func())) error {
	if err := l.err(p.now()); err != nil {
		return err
	}
	p.turn++
	mine := p.turn
	wake := func(why error) func() {
		return func() {
			if p.waits && p.turn == mine {
				p.turn++
				p.waits, p.reason = false, why
				p.run()
			}
		}
	}
	p.waits, p.on = true, l
	if at := l.earliest(); at > 0 {
		p.w.ring(p.clock, at, p.who, wake(errTimeout))
	}
	start(wake(nil))
	if !p.yield(struct{}{}) {
		p.waits = false
		panic(killed{})
	}
	return p.reason
}

// poke ends the waiting of a program whose limit was cut.
func (p *proc) poke() {
	if !p.waits || p.on.err(p.now()) == nil {
		return
	}
	mine := p.turn
	p.w.after(0, p.who, func() {
		if p.waits && p.turn == mine {
			p.turn++
			p.waits, p.reason = false, errCancelled
			p.run()
		}
	})
}

// sleep waits on the host's clock.
func (p *proc) sleep(l *limit, d time.Duration) error {
	return p.await(l, func(wake func()) { p.w.ring(p.clock, p.now()+d, p.who, wake) })
}
