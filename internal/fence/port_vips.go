package fence

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/google/nftables"
)

// Serve lets this host answer for addrs and no others. Addresses that the layout
// does not name are guarded from now on.
func (p *Port) Serve(ctx context.Context, addrs []netip.Addr, left time.Duration) error {
	until := p.clock() + left
	ctx, cancel := context.WithTimeout(ctx, kernelTimeout)
	defer cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.installed {
		return ErrNotInstalled
	}
	addrs = sortedAddrs(addrs)
	err := p.guard(ctx, addrs)
	if err == nil {
		err = p.serve(ctx, addrs, until)
	}
	if p.clock() >= until { // R4
		err = errors.Join(ErrLate, err, p.serve(ctx, nil, 0))
	}
	if err != nil {
		return fmt.Errorf("serve %v: %w", addrs, err)
	}
	return nil
}

// Unserve ends the serving of addrs, or of all.
func (p *Port) Unserve(ctx context.Context, addrs ...netip.Addr) error {
	ctx, cancel := context.WithTimeout(ctx, kernelTimeout)
	defer cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.installed {
		return ErrNotInstalled
	}
	gone := sortedAddrs(addrs)
	rest := slices.DeleteFunc(slices.Clone(p.served), func(a netip.Addr) bool { return len(addrs) == 0 || slices.Contains(gone, a) })
	if p.servedUntil-p.clock() < shortest {
		rest = nil // over anyway
	}
	err := p.ensure(ctx)
	if err == nil && !slices.Equal(rest, p.served) {
		err = p.serve(ctx, rest, p.servedUntil)
	}
	if err != nil {
		return fmt.Errorf("stop serving %v: %w", gone, err)
	}
	return nil
}

// guard sees to it that rules stand which guard addrs.
func (p *Port) guard(ctx context.Context, addrs []netip.Addr) error {
	l := p.layout
	l.VIPs = append(slices.Clone(l.VIPs), addrs...)
	if l = l.normal(); l.equal(p.layout) {
		return p.ensure(ctx)
	}
	p.layout = l
	return p.rebuild(ctx)
}

// serve replaces the elements of all virtual addresses in one step, and reads
// them back.
func (p *Port) serve(ctx context.Context, addrs []netip.Addr, until time.Duration) error {
	err := p.commit(ctx, func(c *nftables.Conn, t *gateTables) error {
		for _, s := range t.servedSets() {
			c.FlushSet(s.set)
			if elements := s.elements(addrs, until); len(elements) > 0 {
				if err := p.put(c, s.set, elements); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		p.generation = 0
		return err
	}
	p.served, p.servedUntil = addrs, until
	have, _, err := newGateTables().servedNow(ctx, p.line, p.clock)
	if err == nil && !slices.Equal(have, addrs) && p.clock() < until-drift {
		err = fmt.Errorf("read back: %v", have)
	}
	return err
}

// Serving asks the kernel whether this host may answer for addr.
func (p *Port) Serving(ctx context.Context, addr netip.Addr) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, kernelTimeout)
	defer cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	have, _, err := newGateTables().servedNow(ctx, p.line, p.clock)
	return slices.Contains(have, addr.Unmap()), err
}
