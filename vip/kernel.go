package vip

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// Kernel is what a Manager needs of the operating system: the addresses of one
// interface and a few frames on its wire. NewKernel gives the real one, NewFake
// one that prints what it was told.
//
// Every verb but Probe is expected to return within microseconds, Cut within some
// for each connection of the host, and may be called under the Manager's lock; all
// may be called at the same time.
type Kernel interface {
	// Link returns the name of the interface, such as "eth0".
	Link() string
	// List returns every address of the interface, ours and others'.
	List(ctx context.Context) ([]Entry, error)
	// Add puts addr up with our mark; an error if it is there already.
	Add(ctx context.Context, addr netip.Addr, life time.Duration) error
	// Extend gives addr, which is up with our mark, a new lifetime from now. One
	// that has gone by itself in the meantime is put up again.
	Extend(ctx context.Context, addr netip.Addr, life time.Duration) error
	// Delete takes addr, which carries our mark, down. An address that has gone
	// by itself in the meantime is no error.
	Delete(ctx context.Context, addr netip.Addr) error
	// Cut ends the TCP connections of this host that have addr at this end and
	// returns how many; the other ends are told, if addr is still up.
	Cut(ctx context.Context, addr netip.Addr) (int, error)
	// Announce tells the neighbours, once, that addr is at this interface.
	Announce(ctx context.Context, addr netip.Addr) error
	// Probe asks the neighbours who has addr and waits for the first answer. The
	// result is nil, without error, if nobody answered within wait.
	Probe(ctx context.Context, addr netip.Addr, wait time.Duration) (net.HardwareAddr, error)
}

// Entry is one address as it stands on the interface.
type Entry struct {
	// Prefix is the address with the length of its network.
	Prefix netip.Prefix
	// Marked says that the address is a host prefix (/32, /128) with our mark.
	Marked bool
	// Left is the rest of its lifetime in whole seconds; 0 means without end.
	Left time.Duration
}

// wholeSeconds turns a time that is left into a lifetime that the kernel can
// hold: rounded up, because an address must not vanish under a living lease, and
// at least one second, because the kernel reads zero as "refuse".
func wholeSeconds(left time.Duration) time.Duration {
	return max(time.Second, (left + time.Second - 1).Truncate(time.Second))
}
