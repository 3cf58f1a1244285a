package agent

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/topology"
)

// How often somebody new knocks at mysqld, how long one knock may take, and how
// many in a row must go unheard: about three seconds in all, which is long
// beside a storm of clients and short beside the minute and more for which a
// server was seen to take nobody.
const (
	freshPeriod = time.Second
	freshLimit  = 900 * time.Millisecond
	freshMisses = 3
)

const whyDeaf = "takes no new connection (open sessions answer)"

// newcomer finds out whether mysqld still takes new connections: the session that
// the prober keeps open answers even when it does not. It has a goroutine of its
// own, so that a knock which hangs delays no look.
type newcomer struct {
	db interface {
		Knock(ctx context.Context) error
	}
	log *slog.Logger

	mu     sync.Mutex
	run    topology.Incarnation // whom the misses are held against
	unsure time.Time            // when a knock went unheard that is not yet counted
	misses int
}

// knocks goes on until ctx ends.
func (n *newcomer) knocks(ctx context.Context) error {
	for range ticks(ctx, freshPeriod) {
		try, cancel := context.WithTimeout(ctx, freshLimit)
		err := n.db.Knock(try)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err() // a knock that was cut short tells nothing of mysqld
		}
		n.fared(err)
	}
	return ctx.Err()
}

// fared takes the end of a knock. A server that says no has heard it: only
// silence is a miss.
func (n *newcomer) fared(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if errors.Is(err, dbops.ErrTimeout) || errors.Is(err, dbops.ErrUnreachable) {
		n.unsure = time.Now()
		return
	}
	if n.misses >= freshMisses {
		n.log.Info("mysqld takes new connections again")
	}
	n.unsure, n.misses = time.Time{}, 0
}

// deaf takes a look that the kept session answered, and reports whether that run
// of mysqld takes nobody new. A miss counts only when a look AFTER it was
// answered: what is hung or dead altogether is the prober's affair.
func (n *newcomer) deaf(reading topology.Probe) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if reading.Incarnation != n.run {
		n.run, n.unsure, n.misses = reading.Incarnation, time.Time{}, 0
	}
	if !n.unsure.IsZero() && !reading.At.Before(n.unsure) {
		n.unsure = time.Time{}
		if n.misses++; n.misses == freshMisses {
			n.log.Warn("mysqld " + whyDeaf)
		}
	}
	return n.misses >= freshMisses
}
