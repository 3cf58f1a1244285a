package router

import (
	"cmp"
	"math/rand/v2"
	"net"
	"net/netip"
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
	at      netip.Addr      // by which the client came
	began   time.Time
	place   place

	killed killing // the sweeper's
	told   bool    // the drain's: it was told to end
}

// registry knows all live sessions by their ids.
type registry struct {
	mu       sync.Mutex
	last     uint32
	sessions map[uint32]*live
	counts   [shards]tally.Counts
}

// shards are how many sets of counters all sessions share: so many that two which run
// at the same moment seldom count in the same one, and so few that an idle session
// takes none of its own, of most of a kilobyte.
const shards = 64

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

// remove forgets a session.
func (r *registry) remove(id uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sessions, id)
}

// countsOf is where the session of an id counts.
func (r *registry) countsOf(id uint32) *tally.Counts { return &r.counts[id%shards] }

// totals is what all sessions have counted, those that have ended too.
func (r *registry) totals() tally.Totals {
	var sum tally.Totals
	for i := range r.counts {
		sum.Add(&r.counts[i])
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
