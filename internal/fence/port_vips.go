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
	p.remember(addrs, until)
	err := p.commit(ctx, func(c *nftables.Conn, t *gateTables) error {
		if err := p.refuse(c, t); err != nil {
			return err
		}
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

// leftFor is how long this host refuses who connects to an address that it no longer
// answers for: longer than the next holder needs to tell the neighbours, and not so
// long that it would keep on refusing what it may have to forward.
const leftFor = 2 * time.Second

// remember brings what is refused to what is served from now on: an address that is
// let go, and one whose time runs out because nobody is there to extend it.
func (p *Port) remember(addrs []netip.Addr, until time.Duration) {
	end := p.clock() + leftFor
	for _, a := range p.served {
		if known, ok := p.left[a]; !ok || end < known {
			p.left[a] = end
		}
	}
	for _, a := range addrs {
		p.left[a] = until + leftFor
	}
}

// refused are the elements of one protocol for whom this host refuses, as they are now.
func (p *Port) refused(of protocol) (out []nftables.SetElement) {
	now := p.clock()
	for a, until := range p.left {
		if until-now < shortest {
			delete(p.left, a)
			continue
		}
		for _, k := range of.addrKeys([]netip.Addr{a}) {
			out = append(out, nftables.SetElement{Key: k, Timeout: until - now})
		}
	}
	return out
}

// refuse orders that who connects to what this host has left is refused.
func (p *Port) refuse(c *nftables.Conn, t *gateTables) error {
	for i, proto := range protocols {
		set := t.byProto[i].left
		c.FlushSet(set)
		if elements := p.refused(proto); len(elements) > 0 {
			if err := c.SetAddElements(set, elements); err != nil {
				return fmt.Errorf("encode set %s: %w", set.Name, err)
			}
		}
	}
	return nil
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
