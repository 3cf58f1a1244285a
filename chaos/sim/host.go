package sim

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// host is one database host: a machine with its clock and kernel, a mysqld and
// an agent.
type host struct {
	w       *world
	n       int
	name    string
	id      topology.HostID
	address netip.Addr
	machine *actor
	clock   clock
	off     bool   // without power
	paused  bool   // the whole virtual machine stands still, its kernel too
	excused moment // until when a pause of the machine excuses that its fences are late
	resting moment // until when its mysqld is not started again

	db       *mysqld
	agent    *agent
	cutTo    cuts // what it sends is lost
	cutFrom  cuts // what is sent to it is lost
	refuses  map[*host]bool
	rejects  *host
	port     time.Duration                // on the kernel's clock: until when clients are admitted; 0: not at all
	addrs    map[netip.Addr]time.Duration // on the interface, until when
	served   map[netip.Addr]time.Duration // may be answered for, until when
	disk     disk
	boots    int
	lives    int // of its datadir
	promises promises
	lossRate float64
}

// cuts count the causes for which a way is closed.
type cuts struct {
	etcd    int
	clients int
	hosts   [maxHosts]int
}

const maxHosts = 5

// disk is what an agent finds again: the state directory, and the runtime
// directory, which a loss of power empties.
type disk struct {
	highest topology.Rev
	lease   topology.LeaseID
	epoch   topology.Rev
	inc     topology.Incarnation
	doubts  topology.Distrust
}

const listenerPort = 3309

func (h *host) listener() string { return fmt.Sprintf("%s:%d", h.address, listenerPort) }

func newHost(w *world, n int) *host {
	h := &host{w: w, n: n, name: fmt.Sprintf("db%d", n+1), id: topology.HostID(fmt.Sprintf("id-db%d", n+1)), machine: &actor{},
		address: netip.AddrFrom4([4]byte{192, 0, 2, byte(161 + n)}), addrs: map[netip.Addr]time.Duration{}, served: map[netip.Addr]time.Duration{}}
	h.clock = clock{rate: 1 + (w.rng.Float64()-0.5)*0.01, base: time.Hour + w.between(0, time.Hour)}
	h.db = &mysqld{h: h, id: uint32(n + 1), proc: &actor{on: h.machine}, readOnly: true, fork: -1}
	h.agent = &agent{h: h, w: w, proc: &actor{on: h.machine}}
	h.agent.watch.h = h
	return h
}

// wall is a host's clock as agents read it.
func wall(at time.Duration) time.Time { return time.Unix(1_800_000_000, 0).UTC().Add(at) }

func (h *host) now() time.Duration { return h.clock.read(h.w.now) }

// powerOff is a loss of power: processes and rules are gone, disks stay.
func (h *host) powerOff() {
	h.off = true
	h.boots++
	h.db.die("power is lost")
	h.agent.stop()
	h.machine.frozen, h.machine.backlog = 0, nil
	h.port, h.refuses, h.rejects = 0, nil, nil
	clear(h.addrs)
	clear(h.served)
	h.disk.lease, h.disk.epoch, h.disk.inc = 0, 0, ""
}

// The gate of the client port and the elements of virtual addresses: they end by
// themselves on the kernel's clock.

func (h *host) open(left time.Duration) error {
	if left <= 0 {
		h.port = 0
		return errNoLease
	}
	h.port = h.now() + left
	h.w.checks.admits(h)
	return nil
}

// forever is the end of a port that is open for readers.
const forever = time.Duration(1 << 62)

// standing is how the port stands, as the agent reads it.
func (h *host) standing() topology.Port {
	switch {
	case h.port == forever:
		return topology.PortUnlimited
	case h.port > h.now():
		return topology.PortTimed
	default:
		return topology.PortClosed
	}
}

func (h *host) extend(left time.Duration) {
	switch {
	case left <= 0:
		h.port = 0
	case h.standing() == topology.PortTimed:
		h.port = h.now() + left
	}
}

func (h *host) admits() bool { return !h.off && !h.paused && h.port > h.now() }

// wholeSeconds is what an address's own lifetime is counted in.
func wholeSeconds(d time.Duration) time.Duration {
	if whole := d.Truncate(time.Second); whole != d {
		return whole + time.Second
	}
	return d
}

func (h *host) putVIP(vip netip.Addr, left time.Duration) {
	fresh := !h.answers(vip)
	h.addrs[vip], h.served[vip] = h.now()+wholeSeconds(left), h.now()+left
	if fresh {
		h.w.checks.answers(h, vip)
		h.w.clients.announced(h, vip)
	}
}

func (h *host) dropVIP(vip netip.Addr) {
	delete(h.addrs, vip)
	delete(h.served, vip)
}

// answers reports whether this host answers for an address now.
func (h *host) answers(vip netip.Addr) bool {
	now := h.now()
	return !h.off && !h.paused && h.addrs[vip] > now && h.served[vip] > now
}

// held are the addresses of ours that are up.
func (h *host) held() []netip.Addr {
	var out []netip.Addr
	for _, vip := range h.w.vips {
		if h.addrs[vip] > h.now() {
			out = append(out, vip)
		}
	}
	return out
}

// setVIPs makes the addresses those that are wanted.
func (h *host) setVIPs(want []netip.Addr, left time.Duration) error {
	for _, vip := range h.held() {
		if !slices.Contains(want, vip) {
			h.dropVIP(vip)
		}
	}
	if left <= 0 {
		return errNoLease
	}
	for _, vip := range want {
		h.putVIP(vip, left)
	}
	return nil
}

// reaches reports whether what one host sends to another arrives.
func (w *world) reaches(from, to *host) bool {
	return !from.off && !to.off && from.cutTo.hosts[to.n] == 0 && to.cutFrom.hosts[from.n] == 0 && !to.machine.stands()
}

// wire is how long a packet of this host takes.
func (w *world) wire(h *host) time.Duration {
	d := w.between(60*time.Microsecond, 500*time.Microsecond)
	if h.lossRate > 0 && w.chance(h.lossRate) {
		d += w.between(50*time.Millisecond, 400*time.Millisecond) // sent again
	}
	return d
}

func (w *world) lossy(h *host) bool { return h.lossRate > 0 && w.chance(h.lossRate/2) }
