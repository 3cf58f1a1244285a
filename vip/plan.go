package vip

import (
	"fmt"
	"net/netip"
	"slices"
)

// steps is what has to be done to the interface, in the order of its fields.
type steps struct {
	drop    []netip.Addr   // marked, not wanted
	foreign []netip.Prefix // wanted, but there without our mark
	keep    []netip.Addr   // wanted, there with our mark
	add     []netip.Addr   // wanted, not there
}

// plan compares what is on the interface with what should be. It is pure; the
// results are sorted by address.
func plan(present []Entry, want []netip.Addr) steps {
	var s steps
	marked := make(map[netip.Addr]bool)
	foreign := make(map[netip.Addr]bool)
	for _, e := range present {
		addr := e.Prefix.Addr()
		switch {
		case e.Marked && !slices.Contains(want, addr):
			s.drop = append(s.drop, addr)
		case e.Marked:
			marked[addr] = true
		case slices.Contains(want, addr):
			foreign[addr] = true
			s.foreign = append(s.foreign, e.Prefix)
		}
	}
	for _, addr := range want {
		switch {
		case marked[addr]:
			s.keep = append(s.keep, addr)
		case !foreign[addr]:
			s.add = append(s.add, addr)
		}
	}
	slices.SortFunc(s.drop, netip.Addr.Compare)
	slices.SortFunc(s.foreign, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
	slices.SortFunc(s.keep, netip.Addr.Compare)
	slices.SortFunc(s.add, netip.Addr.Compare)
	return s
}

// normal returns the addresses unmapped, sorted and without repeats, or
// ErrNotUnicast for the first one that cannot be a virtual address.
func normal(addrs []netip.Addr) ([]netip.Addr, error) {
	out := make([]netip.Addr, 0, len(addrs))
	for _, a := range addrs {
		a = a.Unmap()
		if !a.IsGlobalUnicast() || a.Zone() != "" {
			return nil, fmt.Errorf("take %s as a virtual address: %w", a, ErrNotUnicast)
		}
		out = append(out, a)
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out), nil
}
