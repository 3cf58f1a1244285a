package session

import (
	"context"
	"errors"
	"time"

	"github.com/mmm-ha/mmm/router"
	"github.com/mmm-ha/mmm/router/backend"
	"github.com/mmm-ha/mmm/router/follow"
	"github.com/mmm-ha/mmm/router/wire"
)

// A server that hangs keeps its connections open, and whoever waits for an answer of
// it waits for ever. Whether it hangs, or a long statement runs, cannot be seen from
// the connection. While it has a part in the cluster that is its agent's matter. When
// it has none any more, and does not even greet who connects, nobody waits for it.
const (
	silentGrace = time.Second     // a server that has just lost its part is not asked yet: one that dies says so itself
	silentLimit = 2 * time.Second // for its greeting
)

// Sweep ends what waits for servers that have no part in the cluster any more, and do
// not answer. It is to be called about once a second, by one goroutine.
func (c *Conversations) Sweep(ctx context.Context, now time.Time) {
	view := c.opt.Follow.View()
	waiting := c.awaited(view)
	for t := range c.outside {
		if waiting[t] == nil {
			delete(c.outside, t)
		}
	}
	for t, sessions := range waiting {
		since, known := c.outside[t]
		switch {
		case !known:
			c.outside[t] = now
		case now.Sub(since) < silentGrace:
		case !c.silent(ctx, t):
			c.outside[t] = now // it is asked again, but not every second
		default:
			c.opt.Log.Warn("a server without a part in the cluster does not answer; what waits for it ends", "host", t.Name, "sessions", len(sessions))
			for _, s := range sessions {
				s.giveUp(t)
			}
		}
	}
}

// awaited are the servers without a part in a View for which sessions may be waiting.
func (c *Conversations) awaited(v *follow.View) map[backend.Target][]*Session {
	all := map[backend.Target][]*Session{}
	c.mu.Lock()
	defer c.mu.Unlock()
	for s := range c.sessions {
		for _, t := range s.busyWith() {
			if !takesPart(v, t) {
				all[t] = append(all[t], s)
			}
		}
	}
	return all
}

// takesPart reports whether a View has a server, as what it was dialled for.
func takesPart(v *follow.View, t backend.Target) bool {
	if t.Epoch != 0 {
		return t.Epoch == int64(v.Epoch)
	}
	for _, r := range v.Readers {
		if r.Name == t.Name && r.Address == t.Address {
			return true
		}
	}
	return v.Writer.Name == t.Name && v.Writer.Address == t.Address
}

// silent reports whether a server does not greet. One that is full says so, and works.
func (c *Conversations) silent(ctx context.Context, t backend.Target) bool {
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	_, err := backend.Greet(ctx, t.Address)
	var said *wire.Err
	return err != nil && !errors.As(err, &said)
}

// busyWith are the servers that a session may be waiting for now: that of its
// statement, or, before that has one, those that the router may be asking something.
func (s *Session) busyWith() (all []backend.Target) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shown.Phase != router.Running {
		return nil
	}
	for _, srv := range s.busyServers() {
		all = append(all, srv.conn.Target)
	}
	return all
}

// busyServers is busyWith with mu held.
func (s *Session) busyServers() (all []*server) {
	if s.running != nil {
		return []*server{s.running}
	}
	for _, srv := range []*server{s.main, s.side} {
		if srv != nil {
			all = append(all, srv)
		}
	}
	return all
}

// giveUp ends the wait for a server.
func (s *Session) giveUp(t backend.Target) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shown.Phase != router.Running {
		return
	}
	for _, srv := range s.busyServers() {
		if srv.conn.Target == t {
			_ = srv.conn.SetDeadline(time.Unix(1, 0))
		}
	}
}
