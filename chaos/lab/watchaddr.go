package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// AddressChange is an address that came up on eth0 of a host, or went.
type AddressChange struct {
	Host    string
	Address netip.Addr
	Gone    bool
}

// WatchAddresses tells each change of the addresses of a host, those that are
// there at the beginning first, until ctx ends. A host that loses its power
// loses its addresses; the watch goes on when it comes back. each is called by
// one goroutine, within a millisecond or two of the change, and must not block.
func (b *Bed) WatchAddresses(ctx context.Context, host string, each func(AddressChange)) error {
	m, err := b.machine(host)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		boot, err := m.up()
		if errors.Is(err, ErrDown) {
			select {
			case <-ctx.Done():
			case <-time.After(pollEvery):
			}
			continue
		}
		if err == nil {
			err = watchBoot(ctx, boot, host, each)
		}
		if err != nil {
			return fmt.Errorf("watch addresses of %s: %w", host, err)
		}
	}
	return nil
}

// watchBoot watches one life of a host.
func watchBoot(ctx context.Context, boot *boot, host string, each func(AddressChange)) error {
	has := map[netip.Addr]bool{}
	defer func() {
		if ctx.Err() == nil { // the host lost its power
			for a := range has {
				each(AddressChange{host, a, true})
			}
		}
	}()
	ns, err := netns.GetFromPid(boot.pid)
	if err != nil {
		return nil // it died between two lines
	}
	defer ns.Close()
	updates, done := make(chan netlink.AddrUpdate, 64), make(chan struct{})
	defer close(done)
	if err := netlink.AddrSubscribeWithOptions(updates, done, netlink.AddrSubscribeOptions{Namespace: &ns, ListExisting: true}); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-boot.gone:
			return nil
		case u, ok := <-updates:
			if !ok {
				return nil // the socket broke: begin anew
			}
			a, valid := netip.AddrFromSlice(u.LinkAddress.IP.To4())
			if !valid || a.IsLoopback() || has[a] == u.NewAddr {
				continue // IPv6, or a lifetime that was extended
			}
			has[a] = u.NewAddr
			if !u.NewAddr {
				delete(has, a)
			}
			each(AddressChange{host, a, !u.NewAddr})
		}
	}
}
