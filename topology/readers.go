package topology

import (
	"cmp"
	"net/netip"
	"slices"
)

// ReaderHost is a host that may hold reader VIPs now: one that is ONLINE.
type ReaderHost struct {
	Name   string
	Weight int // share of the VIPs against the other hosts; 0 or less: only if nobody else is there
}

// AssignReaders says which host should hold which reader VIP, by name. Every
// VIP gets a host unless there is none; then the result is empty. Names of hosts
// and VIPs are unique; prev (who holds a VIP now) and pins (where an operator
// wants it) may name hosts and VIPs that are not there, and are then ignored.
//
// A pin comes first, whatever the balance. The other VIPs are dealt out one by
// one, each to the host that has the fewest for its weight: the lowest
// (2 x VIPs + 1) / weight, Sainte-Laguë's method, pinned VIPs counted. Moving a
// single VIP would never make the shares fairer; with equal weights and no pins
// the counts differ by at most one. Among hosts with an equal claim, one that
// need not give up a VIP for it comes first, then the lower name.
//
// Within these counts the fewest possible VIPs change hands: a VIP leaves its
// holder only for a pin or when the holder has too many, and then the highest
// addresses go.
//
// The result depends on nothing but the values given, never on their order.
// Every agent computes it for itself while the others carry it out, so it also
// stays the same in every state on the way, with any of the moving VIPs given
// up or taken already.
func AssignReaders(vips []netip.Addr, hosts []ReaderHost, prev, pins map[netip.Addr]string) map[netip.Addr]string {
	d := newDeal(hosts)
	if len(d.seats) == 0 {
		return map[netip.Addr]string{}
	}
	vips = slices.Compact(sortedAddrs(vips))
	out := make(map[netip.Addr]string, len(vips))
	var loose, homeless []netip.Addr
	for _, vip := range vips {
		if s := d.find(pins[vip]); s != nil {
			s.share++
			out[vip] = s.name
			continue
		}
		loose = append(loose, vip)
		if s := d.find(prev[vip]); s != nil {
			s.holds++
		}
	}
	for range loose {
		d.next().give()
	}
	for _, vip := range loose {
		if s := d.find(prev[vip]); s != nil && s.room > 0 {
			s.room--
			out[vip] = s.name
			continue
		}
		homeless = append(homeless, vip)
	}
	for _, s := range d.seats { // the rooms left are as many as the homeless
		for _, vip := range homeless[:s.room] {
			out[vip] = s.name
		}
		homeless = homeless[s.room:]
	}
	return out
}

// seat is one host while VIPs are dealt out.
type seat struct {
	name   string
	weight int
	share  int // VIPs that it is to have, those pinned to it included
	room   int // of its share, what is not yet taken by a certain VIP
	holds  int // VIPs that it holds now and that no pin places
}

func (s *seat) give() {
	s.share++
	s.room++
}

// keeps reports whether one more VIP for this host is one that it holds already.
func (s *seat) keeps() bool { return s.holds > s.room }

// deal is all hosts, by name.
type deal struct{ seats []seat }

// newDeal treats hosts of weight 0 as equals when there are no others.
func newDeal(hosts []ReaderHost) deal {
	var d deal
	weighted := slices.ContainsFunc(hosts, func(h ReaderHost) bool { return h.Weight > 0 })
	for _, h := range hosts {
		weight := max(h.Weight, 0)
		if !weighted {
			weight = 1
		}
		d.seats = append(d.seats, seat{name: h.Name, weight: weight})
	}
	slices.SortFunc(d.seats, func(a, b seat) int { return cmp.Compare(a.name, b.name) })
	return d
}

// find is the seat of a host, nil when it is not there.
func (d deal) find(name string) *seat {
	i, ok := slices.BinarySearchFunc(d.seats, name, func(s seat, n string) int { return cmp.Compare(s.name, n) })
	if !ok {
		return nil
	}
	return &d.seats[i]
}

// next is the host whose turn it is to get one more VIP.
func (d deal) next() *seat {
	var best *seat
	for i := range d.seats {
		if s := &d.seats[i]; s.weight > 0 && (best == nil || s.before(best)) {
			best = s
		}
	}
	return best
}

// before reports whether the host should get a VIP before o, whose name is lower.
func (s *seat) before(o *seat) bool {
	mine, theirs := (2*s.share+1)*o.weight, (2*o.share+1)*s.weight // both sides times both weights
	if mine != theirs {
		return mine < theirs
	}
	return s.keeps() && !o.keeps()
}
