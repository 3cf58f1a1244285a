package store

import (
	"errors"
	"fmt"
)

// ErrGuard says "no": the write was refused because something had changed since
// the caller looked, and it will not happen later either. Read again, decide again.
var ErrGuard = errors.New("refused by its guard")

// ErrUnknownOutcome says "don't know": the write may have happened, or may
// still happen while its guard holds. Act on neither; load and look (R16).
var ErrUnknownOutcome = errors.New("outcome unknown")

// ErrUnreachable says that no member answered. For a write: nothing was sent,
// so a new attempt is safe.
var ErrUnreachable = errors.New("etcd is unreachable")

// ErrLeaseGone says that the lease of the write does not exist; nothing was
// written. An agent that meets it for its own lease has lost everything that
// hung on it (R3).
var ErrLeaseGone = errors.New("the lease is gone")

// KeyError is one value that cannot be read. It does not disturb the others
// unless the key is one that nothing can be judged without.
type KeyError struct {
	Key string // full path in etcd
	Err error
}

// Error names the key and the cause.
func (e *KeyError) Error() string { return fmt.Sprintf("read %s: %v", e.Key, e.Err) }

// Unwrap gives the cause.
func (e *KeyError) Unwrap() error { return e.Err }
