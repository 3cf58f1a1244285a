package fence

import (
	"context"
	"net/netip"
	"slices"
	"time"
)

// Gate admits clients to the database port, and lets this host answer for its
// virtual addresses, for a limited time. The kernel closes both by itself when
// nobody extends them, so that they also end when the agent is dead or frozen.
//
// Times are what is left of a deadline at the moment of the call; one that is
// not positive closes and is an error. The orders of R8 and R9 are the caller's
// to keep: Open has returned before the database is made writable; Close has
// returned before it is made read only.
type Gate interface {
	// Kind names the kind of gate for operators: "nftables", "none".
	Kind() string
	// State is how the client port stood when it was last written or read, with
	// the time that has passed since taken off. It asks nobody.
	State() State
	// Keep asserts the rules, and that they guard l: what somebody else changed or
	// flushed is put back in one step, and only what was timed and whose time is
	// not over stays open.
	Keep(ctx context.Context, l Layout) error
	// Open admits clients until left from now and returns when that was read
	// back. It replaces an admission without end.
	Open(ctx context.Context, left time.Duration) error
	// OpenForReaders admits clients without end. R9: only to a database that is
	// read only, on a host that is not the writer.
	OpenForReaders(ctx context.Context) error
	// Extend admits clients until left from now if the gate is open for a time,
	// and is ErrClosed if it has closed in the meantime: it never opens.
	Extend(ctx context.Context, left time.Duration) error
	// Close cuts clients off, established connections too, and returns when that
	// was read back.
	Close(ctx context.Context) error
	// Serve lets this host answer for addrs, and for no other virtual address,
	// until left from now (R10).
	Serve(ctx context.Context, addrs []netip.Addr, left time.Duration) error
	// Unserve ends that for addrs at once; without addrs, for all.
	Unserve(ctx context.Context, addrs ...netip.Addr) error
	// Serving says, asking the kernel, whether this host may answer for addr now.
	Serving(ctx context.Context, addr netip.Addr) (bool, error)
}

// State is how the client port stands.
type State string

// The states of the client port.
const (
	Unknown   State = ""          // not read yet
	Absent    State = "none"      // there is no gate: always open
	Closed    State = "closed"    // nobody is admitted
	Timed     State = "timed"     // open until a deadline
	Unlimited State = "unlimited" // open without end, for readers (R9)
)

// Layout is what a gate guards on a host.
type Layout struct {
	Port  uint16       // that clients use; 0: not guarded
	Peer  uint16       // that replicas and administrators use; 0: not guarded
	Peers []netip.Addr // who may reach Peer besides the host itself; nobody else may (R7)
	VIPs  []netip.Addr // addresses that may only be answered for while they are served
}

// normal sorts and drops repeats, so that equal layouts look the same.
func (l Layout) normal() Layout {
	l.Peers, l.VIPs = sortedAddrs(l.Peers), sortedAddrs(l.VIPs)
	return l
}

func (l Layout) equal(o Layout) bool {
	return l.Port == o.Port && l.Peer == o.Peer && slices.Equal(l.Peers, o.Peers) && slices.Equal(l.VIPs, o.VIPs)
}

func sortedAddrs(in []netip.Addr) []netip.Addr {
	out := make([]netip.Addr, 0, len(in))
	for _, a := range in {
		out = append(out, a.Unmap())
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out)
}

// None is a Gate that is not there: clients reach the port at any time, and
// nothing cuts them off when the agent dies. With it an old writer that is
// stranded stays reachable and may answer reads; that it acknowledges no write
// rests on its replicas alone (fence 3, R11). All its methods succeed and do
// nothing.
type None struct{}

// Kind returns "none".
func (None) Kind() string { return "none" }

// State returns Absent.
func (None) State() State { return Absent }

// Keep does nothing.
func (None) Keep(context.Context, Layout) error { return nil }

// Open does nothing.
func (None) Open(context.Context, time.Duration) error { return nil }

// OpenForReaders does nothing.
func (None) OpenForReaders(context.Context) error { return nil }

// Extend does nothing.
func (None) Extend(context.Context, time.Duration) error { return nil }

// Close does nothing.
func (None) Close(context.Context) error { return nil }

// Serve does nothing.
func (None) Serve(context.Context, []netip.Addr, time.Duration) error { return nil }

// Unserve does nothing.
func (None) Unserve(context.Context, ...netip.Addr) error { return nil }

// Serving returns true.
func (None) Serving(context.Context, netip.Addr) (bool, error) { return true, nil }
