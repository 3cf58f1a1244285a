package router

import (
	"cmp"
	"context"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/mmm-ha/mmm/router/tally"
)

// live is one session and what the router holds of it.
type live struct {
	info    ClientInfo
	session Session
	raw     syscall.RawConn // of the client's connection, for the sweeper
	began   time.Time
	cancel  context.CancelFunc // ends what Serve waits for
	place   place

	killed killing // the sweeper's
	told   bool    // the drain's: it was told to end
}

// end closes the session and whatever it waits for.
func (l *live) end(why *Refusal) {
	l.session.Close(why)
	l.cancel()
}

// registry knows all live sessions by their ids.
type registry struct {
	mu       sync.Mutex
	last     uint32
	sessions map[uint32]*live
	ended    tally.Totals
}

// newRegistry begins at a random number: a KILL that reaches another router, or
// this one after a restart, hits nobody by mistake.
func newRegistry() *registry {
	return &registry{last: rand.Uint32(), sessions: map[uint32]*live{}}
}

// reserve returns an id that no live session has.
func (r *registry) reserve() uint32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		r.last++
		if _, used := r.sessions[r.last]; r.last != 0 && !used {
			r.sessions[r.last] = nil
			return r.last
		}
	}
}

// put registers a session under the id that was reserved for it.
func (r *registry) put(l *live) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sessions[l.info.ID] = l
}

// remove forgets a session; what it counted stays.
func (r *registry) remove(id uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.sessions[id]; l != nil {
		r.ended.Add(l.info.Counts)
	}
	delete(r.sessions, id)
}

// totals is what all sessions have counted, those that have ended too.
func (r *registry) totals() tally.Totals {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum := r.ended
	for _, l := range r.sessions {
		if l != nil {
			sum.Add(l.info.Counts)
		}
	}
	return sum
}

// find returns the live session of an id.
func (r *registry) find(id uint32) (Session, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.sessions[id]; l != nil {
		return l.session, true
	}
	return nil, false
}

// all returns the live sessions, oldest first.
func (r *registry) all() []*live {
	r.mu.Lock()
	sessions := make([]*live, 0, len(r.sessions))
	for _, l := range r.sessions {
		if l != nil {
			sessions = append(sessions, l)
		}
	}
	r.mu.Unlock()
	slices.SortFunc(sessions, func(a, b *live) int {
		return cmp.Or(a.began.Compare(b.began), cmp.Compare(a.info.ID, b.info.ID))
	})
	return sessions
}

// count is how many connections there are, also those that have not said yet where
// they come from.
func (r *registry) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.sessions)
}

// rawOf is for looking at a connection beside its session.
func rawOf(c *net.TCPConn) syscall.RawConn {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil // closed already
	}
	return raw
}
