package router

import (
	"net"
	"net/netip"
	"time"
)

// When a VIP leaves a machine whose router is well (its agent died, its cable was
// pulled, an operator moved it), the clients go to where the VIP is now, and no word of
// that comes here: what they send arrives elsewhere. Their sessions would stay until
// keepalive finds nobody, and so would the locks of their open transactions, for which
// the same clients then wait through the other router.

// leftFor is how long an address has to be gone. A VIP that an agent took off and put
// on again meanwhile carries its connections on.
const leftFor = sweepEvery / 2

// addresses knows which addresses have left this machine. One that was never seen here
// has not: the kernel may take connections for addresses that stand on no interface.
type addresses struct {
	here map[netip.Addr]bool
	left map[netip.Addr]time.Time // since when
}

// look takes what stands on the interfaces now.
func (a *addresses) look(now time.Time, standing []netip.Addr) {
	before := a.here
	a.here = make(map[netip.Addr]bool, len(standing))
	for _, one := range standing {
		one = plain(one)
		a.here[one] = true
		delete(a.left, one)
	}
	for one := range before {
		if !a.here[one] {
			if a.left == nil {
				a.left = map[netip.Addr]time.Time{}
			}
			a.left[one] = now
		}
	}
	for one, since := range a.left {
		if now.Sub(since) > 2*keptAlive { // nobody is on it any more
			delete(a.left, one)
		}
	}
}

// gone reports whether an address has left for good.
func (a *addresses) gone(now time.Time, one netip.Addr) bool {
	since, left := a.left[plain(one)]
	return left && now.Sub(since) >= leftFor
}

// plain is an address as interfaces and sockets both say it.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// standing are the addresses on the interfaces of this machine.
func standing() ([]netip.Addr, error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	out := make([]netip.Addr, 0, len(all))
	for _, one := range all {
		if p, ok := one.(*net.IPNet); ok {
			if a, ok := netip.AddrFromSlice(p.IP); ok {
				out = append(out, a)
			}
		}
	}
	return out, nil
}

// reachedAt is the address by which a client came.
func reachedAt(c net.Conn) netip.Addr {
	if tcp, ok := c.LocalAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr()
	}
	return netip.Addr{}
}
