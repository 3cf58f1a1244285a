package lab

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
)

// mark says that a kind of frame of one port is dropped by the switch.
type mark struct{ set, port string }

// The kinds: all ARP; only announcements, in which somebody names the same
// address as asker and asked; everything from and to the ports of etcd.
const (
	markARP      = "noarp"
	markAnnounce = "noannounce"
	markEtcd     = "noetcd"
)

var markSets = []string{markARP, markAnnounce, markEtcd}

// markTable holds the marks; renderMarks fills its sets. An announcement is
// known by its target: a broadcast question for a VIP from the VIP itself, or an
// answer to everybody.
const markTable = `
table bridge marks {
	set noarp { type ifname; }
	set noannounce { type ifname; }
	set noetcd { type ifname; }
	chain forward {
		type filter hook forward priority 1;
		ether type arp iifname @noarp counter drop
		ether type arp oifname @noarp counter drop
		ether type arp ether daddr ff:ff:ff:ff:ff:ff iifname @noannounce arp operation reply counter drop
		ether type arp ether daddr ff:ff:ff:ff:ff:ff iifname @noannounce arp saddr ip . arp daddr ip { %s } counter drop
		iifname @noetcd tcp dport { 2379, 2380 } counter drop
		iifname @noetcd tcp sport { 2379, 2380 } counter drop
		oifname @noetcd tcp dport { 2379, 2380 } counter drop
		oifname @noetcd tcp sport { 2379, 2380 } counter drop
	}
}
`

// markRules is the table for a bed with these VIPs.
func markRules(o Options) string {
	var selves []string
	for _, vip := range split(join(slices.Concat(o.WriterVIPs, o.ReaderVIPs, o.RouterVIPs))) {
		selves = append(selves, vip+" . "+vip)
	}
	return fmt.Sprintf(markTable, strings.Join(selves, ", "))
}

func split(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ", ")
}

// renderMarks is one nftables transaction that makes the sets equal to marks.
func renderMarks(marks map[mark]bool) string {
	elements := map[string][]string{}
	for m := range marks {
		elements[m.set] = append(elements[m.set], fmt.Sprintf("%q", m.port))
	}
	var s strings.Builder
	for _, set := range markSets {
		fmt.Fprintf(&s, "flush set bridge marks %s\n", set)
		if e := elements[set]; len(e) > 0 {
			sort.Strings(e)
			fmt.Fprintf(&s, "add element bridge marks %s { %s }\n", set, strings.Join(e, ", "))
		}
	}
	return s.String()
}

// LoseARP makes the switch drop every ARP frame from and to a host, or ends that.
func (b *Bed) LoseARP(ctx context.Context, host string, on bool) error {
	return b.setMark(ctx, markARP, host, on)
}

// LoseAnnouncements makes the switch drop the announcements of VIPs that a host
// sends to everybody; questions and answers pass. Off ends it.
func (b *Bed) LoseAnnouncements(ctx context.Context, host string, on bool) error {
	return b.setMark(ctx, markAnnounce, host, on)
}

// CutEtcd makes the switch drop what a host and others say to each other on the
// ports of etcd, and nothing else; what stays on the host passes. Off ends it.
func (b *Bed) CutEtcd(ctx context.Context, host string, on bool) error {
	return b.setMark(ctx, markEtcd, host, on)
}

func (b *Bed) setMark(ctx context.Context, set, host string, on bool) error {
	if _, err := b.machine(host); err != nil {
		return err
	}
	n := b.net
	n.mu.Lock()
	defer n.mu.Unlock()
	next := maps.Clone(n.marks)
	if on {
		next[mark{set, host}] = true
	} else {
		delete(next, mark{set, host})
	}
	if err := n.filter(ctx, renderMarks(next)); err != nil {
		return fmt.Errorf("mark %s of %s: %w", set, host, err)
	}
	n.marks = next
	return nil
}

// Dropped is how many frames the switch has dropped since the bed was made
// because of LoseARP, LoseAnnouncements and CutEtcd.
func (b *Bed) Dropped(ctx context.Context) (int, error) {
	text, err := b.net.list(ctx, "bridge", "marks")
	if err != nil {
		return 0, err
	}
	total := 0
	for _, part := range strings.Split(text, "counter packets ")[1:] {
		n := 0
		if _, err := fmt.Sscan(part, &n); err != nil {
			return 0, fmt.Errorf("read counter of the switch: %w", err)
		}
		total += n
	}
	return total, nil
}
