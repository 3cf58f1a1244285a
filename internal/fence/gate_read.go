package fence

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// found is a gate as the kernel has it.
type found struct {
	there       bool // there is a gate, whatever its state
	whole       bool // its chains and rules are those that this version writes
	layout      Layout
	open        time.Duration // deadline; 0: closed
	served      []netip.Addr
	servedUntil time.Duration // the earliest of them
}

// load reads the gate. What cannot be read counts as not there: the library
// hides why, most times there is none, and what else it may be shows when the
// gate is written.
func (t *gateTables) load(ctx context.Context, k *line, clock func() time.Duration) found {
	var f found
	c, err := k.dial(ctx)
	if err != nil {
		return f
	}
	port, err := c.GetSetElements(t.port)
	if err != nil || len(port) != 1 {
		return f
	}
	f.there = true
	f.layout.Port = binary.BigEndian.Uint16(port[0].Key)
	peer, err := c.GetSetElements(t.peer)
	if err == nil && len(peer) == 1 {
		f.layout.Peer = binary.BigEndian.Uint16(peer[0].Key)
	}
	for i := range protocols {
		f.layout.Peers = append(f.layout.Peers, addrsIn(c, t.byProto[i].peers, &err)...)
		f.layout.VIPs = append(f.layout.VIPs, addrsIn(c, t.byProto[i].vips, &err)...)
	}
	f.layout = f.layout.normal()
	f.whole = err == nil && t.rulesStand(c) && slices.Equal(addrsIn(c, t.arpVIPs, &err), only4(f.layout.VIPs)) && err == nil
	if f.whole { // else an answer may not have been read to its end
		k.done()
	}
	f.open, err = t.openUntil(ctx, k, clock, f.layout.Port)
	if err == nil {
		f.served, f.servedUntil, err = t.servedNow(ctx, k, clock)
	}
	f.whole = f.whole && err == nil
	return f
}

// rulesStand compares the rules that are there by their number and comments.
func (t *gateTables) rulesStand(c *nftables.Conn) bool {
	for _, chain := range t.chains {
		rules, err := c.GetRules(chain.Table, chain)
		if err != nil {
			return false
		}
		var want []*nftables.Rule
		for _, r := range t.rules {
			if r.Chain == chain {
				want = append(want, r)
			}
		}
		if !slices.EqualFunc(rules, want, func(a, b *nftables.Rule) bool { return bytes.Equal(a.UserData, b.UserData) }) {
			return false
		}
	}
	return true
}

// addrsIn reads a set of addresses, sorted.
func addrsIn(c *nftables.Conn, set *nftables.Set, failed *error) []netip.Addr {
	elements, err := c.GetSetElements(set)
	if err != nil {
		*failed = errors.Join(*failed, err)
	}
	var out []netip.Addr
	for _, e := range elements {
		if a, ok := netip.AddrFromSlice(e.Key); ok {
			out = append(out, a)
		}
	}
	return sortedAddrs(out)
}

func only4(addrs []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(addrs), func(a netip.Addr) bool { return !a.Is4() })
}

// openUntil reads until when the port is open; 0 is not at all.
func (t *gateTables) openUntil(ctx context.Context, k *line, clock func() time.Duration, port uint16) (time.Duration, error) {
	elements, err := k.elements(ctx, t.open)
	if err != nil {
		return 0, err
	}
	for _, e := range elements {
		if bytes.Equal(e.Key, portKey(port)) {
			return deadlineOf(e, clock()), nil
		}
	}
	if len(elements) > 0 {
		return 0, fmt.Errorf("set %s holds another port", t.open.Name)
	}
	return 0, nil
}

// servedNow reads which addresses this host may answer for: those that all
// tables agree on.
func (t *gateTables) servedNow(ctx context.Context, k *line, clock func() time.Duration) ([]netip.Addr, time.Duration, error) {
	counts := map[netip.Addr]int{}
	until := forever
	for _, s := range t.servedSets() {
		elements, err := k.elements(ctx, s.set)
		if err != nil {
			return nil, 0, err
		}
		for _, e := range elements {
			if a, ok := netip.AddrFromSlice(e.Key); ok {
				counts[a]++
				until = min(until, deadlineOf(e, clock()))
			}
		}
	}
	var out []netip.Addr
	for a, n := range counts {
		if n == 2 || a.Is6() {
			out = append(out, a)
		}
	}
	if len(counts) == 0 {
		until = 0
	}
	return sortedAddrs(out), until, nil
}

// deadlineOf turns what an element has left into its deadline.
func deadlineOf(e nftables.SetElement, now time.Duration) time.Duration {
	if e.Timeout == 0 {
		return forever
	}
	return now + e.Expires
}

// elements encodes the keys that never expire.
func (f fixed) elements() []nftables.SetElement {
	out := make([]nftables.SetElement, 0, len(f.keys))
	for _, k := range f.keys {
		out = append(out, nftables.SetElement{Key: k})
	}
	return out
}

// elements encodes those addresses that belong into the set.
func (s servedSet) elements(addrs []netip.Addr, until time.Duration) []element {
	var out []element
	for _, k := range s.addrKeys(addrs) {
		out = append(out, element{k, until})
	}
	return out
}

// sinceBoot reads the clock that goes on in a suspended machine.
func sinceBoot() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic(fmt.Sprintf("read CLOCK_BOOTTIME, which every supported kernel has: %v", err))
	}
	return time.Duration(ts.Nano())
}
