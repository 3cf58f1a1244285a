package fence

import (
	"context"
	"time"
)

// Gate admits clients to the database port for a limited time. The real ones
// let the kernel close it by itself when nobody extends it, so that it also
// closes when the agent is dead or frozen.
//
// Times are what is left of a deadline at the moment of the call; one that is
// not positive closes the gate and is an error. The orders of R8 and R9 are the
// caller's to keep: Open has returned before the database is made writable;
// Close has returned before it is made read only.
type Gate interface {
	// Kind names the kind of gate for operators: "nftables", "none".
	Kind() string
	// Open admits clients until left from now and returns when that was read
	// back. It replaces an admission without end.
	Open(ctx context.Context, left time.Duration) error
	// OpenForReaders admits clients without end. R9: only to a database that is
	// read only, on a host that is not the writer.
	OpenForReaders(ctx context.Context) error
	// Extend admits clients until left from now if the gate is open, and is an
	// error if it has closed in the meantime: it never opens.
	Extend(ctx context.Context, left time.Duration) error
	// Close cuts clients off, established connections too, and returns when that
	// was read back.
	Close(ctx context.Context) error
}

// None is a Gate that is not there: clients reach the port at any time, and
// nothing cuts them off when the agent dies. With it an old writer that is
// stranded stays reachable and may answer reads; that it acknowledges no write
// rests on its replicas alone (fence 3, R11). All its methods succeed and do
// nothing.
type None struct{}

// Kind returns "none".
func (None) Kind() string { return "none" }

// Open does nothing.
func (None) Open(context.Context, time.Duration) error { return nil }

// OpenForReaders does nothing.
func (None) OpenForReaders(context.Context) error { return nil }

// Extend does nothing.
func (None) Extend(context.Context, time.Duration) error { return nil }

// Close does nothing.
func (None) Close(context.Context) error { return nil }
