package lab

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"sort"
	"strings"
	"sync"
	"time"
)

// Everyone, in place of the second host of Cut and Heal, means all the others.
const Everyone = "all"

// Way says which frames a cut drops.
type Way int

// The ways of a cut. A one-way cut drops what the first host sends to the
// second, but lets ARP pass: the other direction would else close by itself as
// soon as the neighbour cache (some seconds) forgets the address.
const (
	BothWays Way = iota + 1
	OneWay
)

// pair is a direction on the switch: frames from one port to another.
type pair struct{ from, to string }

// cutTable holds the cuts; renderCuts fills its sets.
const cutTable = `
table bridge cut {
	set dead { type ifname . ifname; }
	set oneway { type ifname . ifname; }
	chain forward {
		type filter hook forward priority 0;
		iifname . oifname @dead counter drop
		ether type != arp iifname . oifname @oneway counter drop
	}
}
`

// renderCuts is one nftables transaction that makes the sets equal to cuts.
func renderCuts(cuts map[pair]Way) string {
	elements := map[Way][]string{}
	for p, way := range cuts {
		elements[way] = append(elements[way], fmt.Sprintf("%q . %q", p.from, p.to))
	}
	var s strings.Builder
	for way, set := range map[Way]string{BothWays: "dead", OneWay: "oneway"} {
		fmt.Fprintf(&s, "flush set bridge cut %s\n", set)
		if e := elements[way]; len(e) > 0 {
			sort.Strings(e)
			fmt.Fprintf(&s, "add element bridge cut %s { %s }\n", set, strings.Join(e, ", "))
		}
	}
	return s.String()
}

// Cut makes the switch drop frames between two hosts, or between one and
// Everyone; OneWay drops only those from the first to the second. It returns
// after a packet was seen to be lost (and, OneWay, one to pass the other way).
// A cut stays over KillHost and StartHost.
func (b *Bed) Cut(ctx context.Context, from, to string, way Way) error {
	pairs, err := b.pairs(from, to)
	if err != nil {
		return fmt.Errorf("cut: %w", err)
	}
	err = b.net.change(ctx, func(cuts map[pair]Way) {
		for _, p := range pairs {
			cuts[p] = way
			if way == BothWays {
				cuts[pair{p.to, p.from}] = way
			}
		}
	})
	if err != nil {
		return fmt.Errorf("cut %s from %s: %w", from, to, err)
	}
	return b.verify(ctx, pairs)
}

// Heal ends the cuts between two hosts, both ways; with Everyone those of the
// first host with all others; with both empty all cuts of the bed. It returns
// after packets were seen to pass again.
func (b *Bed) Heal(ctx context.Context, from, to string) error {
	var pairs []pair
	var err error
	if from == "" {
		pairs = b.allPairs()
	} else if pairs, err = b.pairs(from, to); err != nil {
		return fmt.Errorf("heal: %w", err)
	}
	err = b.net.change(ctx, func(cuts map[pair]Way) {
		for _, p := range pairs {
			delete(cuts, p)
			delete(cuts, pair{p.to, p.from})
		}
	})
	if err != nil {
		return fmt.Errorf("heal: %w", err)
	}
	return b.verify(ctx, pairs)
}

// Unplug takes the network cable of a host out of the switch (the host sees no
// carrier on the other side of its card); Plug puts it back.
func (b *Bed) Unplug(host string) error {
	if _, err := b.machine(host); err != nil {
		return err
	}
	return b.net.setPort(host, false)
}

// Plug ends an Unplug.
func (b *Bed) Plug(host string) error {
	if _, err := b.machine(host); err != nil {
		return err
	}
	return b.net.setPort(host, true)
}

// change edits the cuts and loads them; on an error the old ones hold.
func (n *network) change(ctx context.Context, edit func(map[pair]Way)) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	next := maps.Clone(n.cuts)
	edit(next)
	if err := n.filter(ctx, renderCuts(next)); err != nil {
		return err
	}
	n.cuts = next
	return nil
}

// passes reports whether the switch lets packets of one direction through.
func (n *network) passes(p pair) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cuts[p] == 0
}

func (b *Bed) pairs(from, to string) ([]pair, error) {
	if _, err := b.machine(from); err != nil {
		return nil, err
	}
	if to != Everyone {
		if _, err := b.machine(to); err != nil {
			return nil, err
		}
		if from == to {
			return nil, fmt.Errorf("%s from itself: name two hosts", from)
		}
		return []pair{{from, to}}, nil
	}
	var pairs []pair
	for _, m := range b.machines {
		if m.Name != from {
			pairs = append(pairs, pair{from, m.Name})
		}
	}
	return pairs, nil
}

func (b *Bed) allPairs() []pair {
	var pairs []pair
	for i, a := range b.machines {
		for _, z := range b.machines[i+1:] {
			pairs = append(pairs, pair{a.Name, z.Name})
		}
	}
	return pairs
}

// verify sends packets both ways between the hosts of each pair and compares
// with what the cuts say. Pairs with a host that has no power or no cable are
// left out: nothing passes there anyway.
func (b *Bed) verify(ctx context.Context, pairs []pair) error {
	var wg sync.WaitGroup
	errs := make([]error, 2*len(pairs))
	for i, p := range pairs {
		for j, way := range []pair{p, {p.to, p.from}} {
			wg.Go(func() { errs[2*i+j] = b.verifyWay(ctx, way) })
		}
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (b *Bed) verifyWay(ctx context.Context, p pair) error {
	for _, name := range []string{p.from, p.to} {
		m, err := b.machine(name)
		if err != nil {
			return err
		}
		if !m.hasPower() {
			return nil
		}
		if up, err := b.net.portUp(name); err != nil || !up {
			return err
		}
	}
	want := b.net.passes(p)
	limit := passLimit
	if !want {
		limit = lossLimit
	}
	got, err := b.reaches(ctx, p, limit)
	if err != nil {
		return fmt.Errorf("verify %s to %s: %w", p.from, p.to, err)
	}
	if got != want {
		return fmt.Errorf("verify %s to %s: packets pass: %t, wanted %t", p.from, p.to, got, want)
	}
	return nil
}

const (
	// passLimit lets the kernel resolve an address that it gave up on during a cut.
	passLimit = 5 * time.Second
	// lossLimit is how long silence must last to count as loss: the bed's own
	// delay is far below a millisecond.
	lossLimit = 150 * time.Millisecond
	probeGap  = 25 * time.Millisecond
)

// reaches sends small UDP packets from one host to the other until one arrives
// or the limit is over. It needs no program on either host.
func (b *Bed) reaches(ctx context.Context, p pair, limit time.Duration) (bool, error) {
	source, err := b.Dialer(p.from)
	if err != nil {
		return false, err
	}
	target, err := b.Dialer(p.to)
	if err != nil {
		return false, err
	}
	in, err := target.listenUDP()
	if err != nil {
		return false, fmt.Errorf("listen: %w", err)
	}
	defer in.Close()
	out, err := source.DialContext(ctx, "udp4", in.LocalAddr().String())
	if err != nil {
		return false, fmt.Errorf("dial: %w", err)
	}
	defer out.Close()
	buf := make([]byte, 1)
	for end := time.Now().Add(limit); time.Now().Before(end); {
		if ctx.Err() != nil {
			return false, ctx.Err() // cut short: neither loss nor passage is known
		}
		// A refused or unreachable write is a loss, and perhaps not the last word.
		_, _ = out.Write([]byte{1})
		if err := in.SetReadDeadline(time.Now().Add(probeGap)); err != nil {
			return false, fmt.Errorf("limit read: %w", err)
		}
		switch _, _, err := in.ReadFrom(buf); {
		case err == nil:
			return true, nil
		case !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, net.ErrClosed):
			return false, fmt.Errorf("read: %w", err)
		}
	}
	return false, nil
}
