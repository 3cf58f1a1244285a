package router

import (
	"maps"
	"sync"
	"sync/atomic"
)

// The reasons for which a connection is refused.
const (
	reasonCrowd       = "crowd"
	reasonProxy       = "proxy_header"
	reasonPerUser     = "per_user"
	reasonConnections = "connections"
)

// counts is what the router counts beside its conversations. Nothing of it is
// touched while a statement is served.
type counts struct {
	accepted atomic.Uint64

	mu       sync.Mutex
	refusals map[string]uint64 // by reason
	endings  map[string]uint64 // of statements and sessions, by the sweeper; by reason
}

// newCounts begins each reason that there is at 0: what never happened is known then,
// and not unknown.
func newCounts() *counts {
	c := &counts{refusals: map[string]uint64{}, endings: map[string]uint64{}}
	for _, reason := range []string{reasonCrowd, reasonProxy, reasonPerUser, reasonConnections, reasonGone} {
		c.refusals[reason] = 0
	}
	for _, reason := range []string{reasonLogin, reasonIdle, reasonQuery, reasonGone, reasonLeft, reasonKill, reasonPanic} {
		c.endings[reason] = 0
	}
	return c
}

func (c *counts) refused(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refusals[reason]++
}

func (c *counts) ended(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endings[reason]++
}

// read copies the counts by reason.
func (c *counts) read() (refusals, endings map[string]uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.refusals), maps.Clone(c.endings)
}
