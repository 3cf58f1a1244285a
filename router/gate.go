package router

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// gate gives out places: so many sessions may be logged in at a time. When all are
// taken, logins wait. Users take turns, and the logins of one user go by their
// order: one application that connects in a frenzy delays itself and not others.
type gate struct {
	mu      sync.Mutex
	limits  Limits
	taken   int
	users   map[string]*turn
	turns   []*turn // users of whom somebody waits; the first is next
	waiting int
}

// turn is one user at the gate.
type turn struct {
	user  string
	taken int             // places that it has
	queue []chan struct{} // logins that wait; closing one grants it a place
}

func newGate(l Limits) *gate { return &gate{limits: l, users: map[string]*turn{}} }

// tune sets new limits. Who has a place keeps it.
func (g *gate) tune(l Limits) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limits = l
	g.grant()
}

// enter waits for a place, which leave gives back. most bounds those of the user, if
// it is not 0, beside limits.perUser. The error is a *Refusal, or ctx's when that ends
// first; there is no place to give back then.
func (g *gate) enter(ctx context.Context, user string, most int) error {
	g.mu.Lock()
	t := g.user(user)
	l := g.limits
	if err := t.mayHaveMore(l.PerUser, most); err != nil {
		g.mu.Unlock()
		return err
	}
	switch {
	case g.taken < l.Connections && g.waiting == 0:
		g.users[user] = t
		g.taken++
		t.taken++
		g.mu.Unlock()
		return nil
	case g.waiting >= l.Queue:
		g.mu.Unlock()
		return tooManyConnections(fmt.Sprintf("all %d are taken and %d logins wait already (limits.connections, limits.queue)", l.Connections, l.Queue))
	}
	granted := make(chan struct{})
	g.users[user] = t
	if len(t.queue) == 0 {
		g.turns = append(g.turns, t)
	}
	t.queue = append(t.queue, granted)
	g.waiting++
	g.mu.Unlock()
	return g.wait(ctx, t, granted, l)
}

// user is the turn of a user, who is not known to the gate yet if it is a new one.
func (g *gate) user(name string) *turn {
	if t := g.users[name]; t != nil {
		return t
	}
	return &turn{user: name}
}

// mayHaveMore is nil when the user may have one more place, or wait for one.
func (t *turn) mayHaveMore(perUser, own int) error {
	switch n := t.taken + len(t.queue); {
	case own > 0 && n >= own:
		return tooManyOfAccount(t.user, own)
	case perUser > 0 && n >= perUser:
		return tooManyOfUser(t.user, perUser)
	default:
		return nil
	}
}

// move makes a place one of another user's, as enter would give it. The error is a
// *Refusal, and the place is whose it was.
func (g *gate) move(from, to string, most int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if from == to {
		return nil
	}
	t := g.user(to)
	if err := t.mayHaveMore(g.limits.PerUser, most); err != nil {
		return err
	}
	g.users[to] = t
	t.taken++
	old := g.users[from]
	old.taken--
	g.forget(old)
	return nil
}

func (g *gate) wait(ctx context.Context, t *turn, granted chan struct{}, l Limits) error {
	limit := time.NewTimer(l.QueueTime.D())
	defer limit.Stop()
	var why error
	select {
	case <-granted:
		return nil
	case <-limit.C:
		why = tooManyConnections(fmt.Sprintf("all %d were taken for %s (limits.connections, limits.queueTime)", l.Connections, l.QueueTime))
	case <-ctx.Done():
		why = ctx.Err()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.remove(t, granted):
		return why
	case ctx.Err() != nil:
		g.giveBack(t) // granted at the last moment, and nobody is there to use it
		return why
	default:
		return nil // granted at the last moment: it is ours
	}
}

// remove takes a login out of the queue. It reports false when it is not in it any
// more, because it was granted.
func (g *gate) remove(t *turn, granted chan struct{}) bool {
	for i, c := range t.queue {
		if c == granted {
			t.queue = append(t.queue[:i], t.queue[i+1:]...)
			g.waiting--
			if len(t.queue) == 0 {
				g.dropTurn(t)
			}
			return true
		}
	}
	return false
}

func (g *gate) dropTurn(t *turn) {
	for i, other := range g.turns {
		if other == t {
			g.turns = append(g.turns[:i], g.turns[i+1:]...)
		}
	}
	g.forget(t)
}

// forget drops a user who neither has a place nor waits for one.
func (g *gate) forget(t *turn) {
	if t.taken == 0 && len(t.queue) == 0 {
		delete(g.users, t.user)
	}
}

// leave gives a place of a user back.
func (g *gate) leave(user string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if t := g.users[user]; t != nil {
		g.giveBack(t)
	}
}

func (g *gate) giveBack(t *turn) {
	g.taken--
	t.taken--
	g.forget(t)
	g.grant()
}

// grant gives free places to those who wait, one user after the other.
func (g *gate) grant() {
	for g.taken < g.limits.Connections && len(g.turns) > 0 {
		t := g.turns[0]
		g.turns = g.turns[1:]
		close(t.queue[0])
		t.queue = t.queue[1:]
		g.waiting--
		g.taken++
		t.taken++
		if len(t.queue) > 0 {
			g.turns = append(g.turns, t)
		}
	}
}

// counts says how many have a place and how many wait for one.
func (g *gate) counts() (taken, waiting int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.taken, g.waiting
}
