package router

import (
	"context"
	"sync"
	"time"
)

const (
	// lookEvery paces the wait for sessions to end.
	lookEvery = 20 * time.Millisecond
	// endLimit is what sessions have to end when they were closed.
	endLimit = 2 * time.Second
)

// leave ends the service in order: first nobody new, then those who are idle, then
// those whose time is over.
func (r *Router) leave(life context.Context, accepting *sync.WaitGroup) {
	r.leaving.Store(true)
	began, limits := time.Now(), r.config.Load().Drain
	r.log.Info("draining", "sessions", r.sessions.count(), "linger", limits.Linger.D(), "time", limits.Time.D())
	pause(life, limits.Linger.D())
	r.giveWay(life)
	accepting.Wait()
	r.closePorts()
	_ = r.admin.Close() // whoever asks now shall reach the router that follows
	if left := r.sayGoodbye(life, limits.Time.D()); left > 0 {
		r.log.Warn("closing sessions that did not end in time", "sessions", left)
		r.endAll(shutdown())
		for end := time.Now().Add(endLimit); r.sessions.count() > 0 && time.Now().Before(end); {
			pause(life, lookEvery)
		}
	}
	r.log.Info("drained", "took", time.Since(began))
}

// lastLook is how long the accept loops still take what is queued: a deadline that
// has passed already would end them before they have looked.
const lastLook = 10 * time.Millisecond

// giveWay turns new connections to a router that was started meanwhile, then tells
// the accept loops to end. What was queued for us is served.
func (r *Router) giveWay(life context.Context) {
	var turned sync.WaitGroup
	for _, p := range r.ports {
		turned.Go(func() {
			if err := giveWay(life, p.socket, &p.accepted); err != nil {
				r.log.Warn("clients that connect at this moment may be refused", "listener", p.Address, "err", err)
			}
			if err := p.socket.SetDeadline(time.Now().Add(lastLook)); err != nil {
				_ = p.socket.Close() // which ends the loop as well
			}
		})
	}
	turned.Wait()
}

// idleEnough is how long a client must have been idle to be told goodbye in the
// first half of the drain. One that connects, asks and leaves, leaves by itself; one
// between two statements would have the second one fail.
const idleEnough = time.Second

// sayGoodbye lets sessions end, and returns how many are left when the time is over.
func (r *Router) sayGoodbye(life context.Context, limit time.Duration) int {
	began := time.Now()
	for r.sessions.count() > 0 && time.Since(began) < limit && life.Err() == nil {
		for _, l := range r.sessions.all() {
			if !l.told && (time.Since(began) > limit/2 || pauses(l.session.State(), time.Now())) {
				l.told = true
				l.session.Drain(shutdown())
			}
		}
		pause(life, lookEvery)
	}
	return r.sessions.count()
}

// pauses reports whether a client will hardly be asking for something just now.
func pauses(s State, now time.Time) bool {
	return s.Phase == Idle && !s.InTransaction && now.Sub(s.Since) >= idleEnough
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
