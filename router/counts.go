package router

import (
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

func newCounts() *counts { return &counts{refusals: map[string]uint64{}, endings: map[string]uint64{}} }

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
