package backend

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/mmm-ha/mmm/router/auth"
	"github.com/mmm-ha/mmm/router/wire"
)

// Pool keeps connections that clients left behind, for the next client of the
// same user with the same capabilities. What it saves is a connection's set-up;
// it saves no login: a server is asked about every client, by COM_CHANGE_USER.
//
// A nil *Pool keeps nothing.
type Pool struct {
	most int
	age  time.Duration
	now  func() time.Time

	mu   sync.Mutex
	idle []kept // the one that came last is at the end
}

// kept is a connection in the Pool.
type kept struct {
	conn  *Conn
	key   key
	since time.Time
}

// key is what a connection and the client that gets it must have in common.
type key struct {
	target Target
	user   auth.Key
	caps   wire.Capability
	policy TLSMode
}

// keyOf says what a client's connection must be like. Of the capabilities those
// count which server and client agree on, without what belongs to a login.
func keyOf(t Target, who Who, secret auth.Secret, policy TLS) key {
	return key{target: t, user: secret.Key(who.User), caps: who.Capabilities & wire.Carried &^ (wire.ConnectWithDB | wire.ConnectAttrs), policy: policy.Mode}
}

// NewPool makes a Pool of at most that many connections, none of which is kept for
// longer than age.
func NewPool(most int, age time.Duration) *Pool {
	return &Pool{most: most, age: age, now: time.Now}
}

// Dial is Dial with a connection from the Pool, if there is one. The error is
// always that of a new connection.
func (p *Pool) Dial(ctx context.Context, t Target, who Who, secret auth.Secret, policy TLS) (*Conn, error) {
	if p != nil && !secret.None() {
		for c := p.take(keyOf(t, who, secret, policy)); c != nil; c = p.take(keyOf(t, who, secret, policy)) {
			err := c.become(ctx, who, secret, policy)
			if err == nil {
				return c, nil
			}
			c.Abandon()
			if said, judged := new(Server), new(wire.Err); ctx.Err() != nil || errors.As(err, &said) || errors.As(err, &judged) {
				break // it would say so on every other one
			}
		}
	}
	return Dial(ctx, t, who, secret, policy)
}

// Keep takes over a connection whose client has gone, with what Dial was called
// with. The server rolls back and gives free what the client held before it
// returns; what cannot be kept is closed.
func (p *Pool) Keep(ctx context.Context, c *Conn, who Who, secret auth.Secret, policy TLS) {
	if p == nil || secret.None() || p.most <= 0 || c.clean(ctx) != nil {
		c.Quit()
		return
	}
	p.mu.Lock()
	p.idle = append(p.idle, kept{conn: c, key: keyOf(c.Target, who, secret, policy), since: p.now()})
	var out []kept
	if n := len(p.idle) - p.most; n > 0 {
		out = slices.Clone(p.idle[:n])
		p.idle = slices.Delete(p.idle, 0, n)
	}
	p.mu.Unlock()
	quit(out)
}

// take removes the connection with that key that was kept last.
func (p *Pool) take(k key) *Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, e := range slices.Backward(p.idle) {
		if e.key == k && p.now().Sub(e.since) < p.age {
			p.idle = slices.Delete(p.idle, i, i+1)
			return e.conn
		}
	}
	return nil
}

// Sweep closes what was kept for too long, and connections to a writer of another
// reign than epoch. It is to be called now and then.
func (p *Pool) Sweep(epoch int64) {
	p.drop(func(e kept) bool {
		return p.now().Sub(e.since) >= p.age || e.key.target.Epoch != 0 && e.key.target.Epoch != epoch
	})
}

// Close closes them all.
func (p *Pool) Close() { p.drop(func(kept) bool { return true }) }

func (p *Pool) drop(which func(kept) bool) {
	if p == nil {
		return
	}
	var out []kept
	p.mu.Lock()
	p.idle = slices.DeleteFunc(p.idle, func(e kept) bool {
		if which(e) {
			out = append(out, e)
			return true
		}
		return false
	})
	p.mu.Unlock()
	quit(out)
}

func quit(all []kept) {
	for _, e := range all {
		e.conn.Quit()
	}
}

// Idle is how many connections are kept.
func (p *Pool) Idle() int {
	if p == nil {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.idle)
}
