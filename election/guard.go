package election

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// guardPoll is how often a waiting guard looks at the clocks. A timer of Go
// stands still while the machine is suspended, as CLOCK_MONOTONIC does, so after
// a resume it would come too late; this bounds by how much.
const guardPoll = 10 * time.Millisecond

// Guard is a dead-man switch: it expires when its deadline passes and nobody has
// extended it before. It expires once and stays so; for the next reign make a new
// one. All methods may be called from any goroutine.
//
// Whether it has expired follows from the clocks alone and not from which
// goroutine came first: an extension that is made after the deadline passed is
// refused, even when nobody has noticed the passing yet. So exactly one of these
// holds: Extend returned true before the old deadline, or every Wait returns
// ErrExpired.
type Guard struct {
	clock   Clock
	expired chan struct{}

	mu       sync.Mutex
	deadline Deadline
}

// NewGuard returns a guard that expires at deadline.
func NewGuard(clock Clock, deadline Deadline) *Guard {
	return &Guard{clock: clock, expired: make(chan struct{}), deadline: deadline}
}

// Extend moves the guard to deadline and returns true. An earlier deadline than
// the present one moves nothing. It returns false when the guard has expired:
// then the caller must not open or extend anything.
func (g *Guard) Extend(deadline Deadline) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.look() <= 0 {
		return false
	}
	if deadline.After(g.deadline) {
		g.deadline = deadline
	}
	return true
}

// Expire makes the guard expire now: etcd says that the lease is gone, or the
// reign ends for another reason and what rests on it must be closed.
func (g *Guard) Expire() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.deadline = Deadline{}
	g.look()
}

// Deadline returns the point in time at which the guard expires. It is zero when
// it has.
func (g *Guard) Deadline() Deadline {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.look()
	return g.deadline
}

// Wait returns ErrExpired when the guard expires, or the error of ctx when that
// ends before. It starts no goroutine.
func (g *Guard) Wait(ctx context.Context) error {
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	for {
		left := g.left()
		if left <= 0 {
			return ErrExpired
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("wait for the deadline: %w", err)
		}
		alarm.Reset(min(left, guardPoll))
		select {
		case <-ctx.Done(): // the clocks have the last word, above
		case <-g.expired:
		case <-alarm.C:
		}
	}
}

func (g *Guard) left() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.look()
}

// look reads the clocks and returns what is left, not positive when the guard has
// expired, which it records. The lock is held.
func (g *Guard) look() time.Duration {
	left := g.deadline.Left(g.clock.Now())
	if left > 0 {
		return left
	}
	g.deadline = Deadline{}
	select {
	case <-g.expired:
	default:
		close(g.expired)
	}
	return 0
}
