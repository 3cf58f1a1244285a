package storm

import (
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// sight is how those who must act notice a fault that takes the writer away. The
// time that this takes, and a second for everything else (bids, fetching, the
// first row, the clients' new connections), is how long writes may be away.
type sight int

const (
	// unseen: nobody has to notice it. Writes go on.
	unseen sight = iota
	// atOnce: the kernel tells the agent that its mysqld is dead.
	atOnce
	// byLease: a lease must end, for which etcd may take as long as it lasts; a
	// mysqld that hangs has as long, for the looks that must fail and its end.
	byLease
	// byDisk: every try to write must fail for a time; then one more second until
	// a stalled one counts, one for read_only, and one for the end of mysqld.
	byDisk
	// byOrder: somebody ordered it. Writes are away for the steps of the order,
	// which the cluster takes back when they need longer than it may take.
	byOrder
)

// takes is the time until those who must act have noticed.
func (s sight) takes(t topology.Timing) time.Duration {
	switch s {
	case byLease:
		return 2 * t.TTL.D()
	case byDisk:
		return t.DiskLimit().D() + 3*second
	case byOrder:
		return t.TTL.D()
	case unseen, atOnce:
	}
	return 0
}

// limits are how long no write may be acknowledged, and how long a VIP may be
// silent, because of one fault that strikes a whole cluster. Where it spares the
// writer writes stop at most until the writer does without an acker. leads: the
// host of etcd's leader is lost with it; a new one gives every lease a full TTL
// more, after its election.
func (c class) limits(t topology.Timing, hits, leads bool) (writes, vips time.Duration) {
	vips = c.seen.takes(t) + second
	writes = vips
	if c.family == routerFamily { // nobody but clients of routers may notice
		return second, vips
	}
	if !hits && c.anyway == 0 && c.seen != unseen && c.seen != atOnce {
		writes = t.TTL.D() + second
	}
	if leads && c.member {
		writes, vips = max(writes, vips)+t.TTL.D()+second, vips+t.TTL.D()+second
	}
	return writes, vips
}

// routed are the limits of the clients of routers. What was under way with a server or
// a router that is silent ends with the patience of its client. A new connection whose
// first packet is lost asks again after a second.
func routed(writes, vips time.Duration) time.Duration {
	return max(writes, vips) + routerTime + second
}

// failovers is how often the writer may change. second: the fault came on top of
// another, and may hit whoever became writer meanwhile, or take the promise of a
// host away that the other one needs.
func (c class) failovers(t topology.Timing, hits, leads, second bool) int {
	n := c.anyway
	if hits || second || leads && c.member && t.TTL.D() <= time.Second {
		n = max(n, c.changes)
	}
	return n
}

// allow writes down what the class of a fault allows. There is no limit to how
// long two faults at once may keep writes away.
func (k *strikes) allow(r *running, second, leads bool) {
	timing := k.now().Spec.Value.Timing
	hits := r.hitsWriter()
	r.record.Failovers = r.class.failovers(timing, hits, leads, second)
	if !second {
		writes, vips := r.class.limits(timing, hits, leads)
		r.record.GapLimit, r.record.VIPLimit = writes+k.slack, vips+k.slack
		r.record.RoutedLimit = routed(writes, vips) + k.slack
	}
}

// hitsWriter: what strikes etcd strikes no host, whoever has the member.
func (r *running) hitsWriter() bool {
	return r.act.host == r.record.Writer && r.planned.on != onLeader && r.planned.on != onMember && r.planned.on != onAll
}

// extend gives a fault that is over the time for which it was on, where its class
// says so.
func (k *strikes) extend(r *running) {
	if r.record.GapLimit == 0 {
		return
	}
	on := r.record.Healed.Sub(r.record.Begin) + r.class.after
	if r.class.stalls && (r.hitsWriter() || r.class.anyway > 0) {
		r.record.GapLimit += on
		r.record.RoutedLimit += on
	}
	if r.class.mutes {
		r.record.VIPLimit += on
	}
}
