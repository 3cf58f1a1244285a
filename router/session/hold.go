package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// HoldLimits bound what waits for a writer.
type HoldLimits struct {
	Time       time.Duration // longest wait of one statement
	Statements int           // most that wait at once
	Bytes      int           // of the texts of all that wait
}

// Holder counts what all conversations together hold back while there is no
// writer that may be written to. It is safe for use by many goroutines.
type Holder struct {
	mu         sync.Mutex
	limits     HoldLimits
	statements int
	bytes      int
	held       uint64 // statements held so far
	gaveUp     uint64 // of them, those that failed
}

// ErrHold says why a statement was not held any longer, or not at all.
var ErrHold = errors.New("no writer")

// NewHolder returns a Holder with these limits.
func NewHolder(l HoldLimits) *Holder { return &Holder{limits: l} }

// SetLimits changes the limits; what waits already waits as it was told.
func (h *Holder) SetLimits(l HoldLimits) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.limits = l
}

// Waiting is how many statements wait now, and of how many bytes.
func (h *Holder) Waiting() (statements, bytes int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.statements, h.bytes
}

// Totals is how many statements were ever held, and how many of them failed.
func (h *Holder) Totals() (held, gaveUp uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.held, h.gaveUp
}

// wait holds a statement of so many bytes back until ready says yes. ready is
// asked again each time that the channel it returned is closed; why says, in a
// few words, what is waited for.
func (h *Holder) wait(ctx context.Context, bytes int, ready func() (ok bool, why string, next <-chan struct{})) error {
	ok, why, next := ready()
	if ok {
		return nil
	}
	limit, err := h.enter(bytes, why)
	if err != nil {
		return err
	}
	err = until(ctx, limit, why, next, ready)
	h.leave(bytes, err != nil)
	return err
}

func (h *Holder) enter(bytes int, why string) (time.Duration, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.limits
	switch {
	case l.Time <= 0:
		return 0, fmt.Errorf("%w: %s", ErrHold, why)
	case h.statements >= l.Statements:
		return 0, fmt.Errorf("%w: %s; %d statements wait already (hold.statements)", ErrHold, why, h.statements)
	case h.bytes+bytes > l.Bytes && h.statements > 0:
		return 0, fmt.Errorf("%w: %s; %d bytes of statements wait already (hold.bytes)", ErrHold, why, h.bytes)
	}
	h.statements++
	h.bytes += bytes
	h.held++
	return l.Time, nil
}

func (h *Holder) leave(bytes int, failed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.statements--
	h.bytes -= bytes
	if failed {
		h.gaveUp++
	}
}

func until(ctx context.Context, limit time.Duration, why string, next <-chan struct{}, ready func() (bool, string, <-chan struct{})) error {
	end := time.NewTimer(limit)
	defer end.Stop()
	for ok := false; ; {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-end.C:
			return fmt.Errorf("%w: %s; waited %s (hold.time)", ErrHold, why, limit)
		case <-next:
		case <-time.After(freshAgain): // a view becomes fresh again without a new one
		}
		if ok, why, next = ready(); ok {
			return nil
		}
	}
}

// freshAgain is how often a view is looked at again that is the same but may
// have become fresh.
const freshAgain = 10 * time.Millisecond

// longest is how long a statement may wait.
func (h *Holder) longest() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.limits.Time
}
