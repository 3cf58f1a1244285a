package sim

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// world is one whole cluster with all that can befall it, in virtual time.
type world struct {
	queue
	seed      uint64
	spec      topology.Spec
	vips      []netip.Addr // all, in order
	hosts     []*host
	etcd      *etcd
	clients   clients
	checks    checks
	faults    faults
	routers   *routers
	calm      bool // no fault for a while, before and after
	telling   bool
	lines     []string
	decisions int
}

var writerVIP = netip.MustParseAddr("192.0.2.113")

func newWorld(seed uint64, telling bool) *world {
	w := &world{seed: seed, telling: telling}
	w.queue = queue{rng: rand.New(rand.NewPCG(seed, 1)), hash: 0xcbf29ce484222325} //nolint:gosec // a simulation must replay
	w.checks.w, w.clients.w, w.faults.w = w, w, w
	readers := []netip.Addr{netip.MustParseAddr("192.0.2.111"), netip.MustParseAddr("192.0.2.112"), netip.MustParseAddr("192.0.2.114")}
	w.spec = topology.Spec{Cluster: "sim", ID: "cluster-1", Durability: durability(seed),
		Roles:    topology.Roles{Writer: topology.Role{VIPs: []netip.Addr{writerVIP}}, Reader: topology.Role{VIPs: readers}},
		Timing:   topology.Timing{TTL: topology.Duration(2 * time.Second), Probe: topology.Duration(probePeriod), ProbeLimit: topology.Duration(probeLimit), Misses: probeMisses},
		Recovery: topology.Recovery{AutoSetOnline: topology.Duration(5 * time.Second), FlapCount: 3, FlapDuration: topology.Duration(time.Minute)},
		Checks:   topology.Checks{BacklogMax: topology.Duration(10 * time.Second), BacklogFor: 3, ThreadsFor: 3}}
	w.vips = append(readers, writerVIP)
	w.etcd = newEtcd(w)
	for n := range 4 {
		h := newHost(w, n)
		w.hosts = append(w.hosts, h)
		mode := topology.Master
		if n == 3 {
			mode = topology.Slave
		}
		w.spec.Hosts = append(w.spec.Hosts, topology.HostSpec{Name: h.name, Address: h.address, Mode: mode, Priority: n + 1, Weight: 1, Port: 3306, ReplicationPort: listenerPort})
	}
	w.etcd.take(change{guards: []guard{{"spec", 0}}, puts: []put{{"spec", w.spec, 0}}})
	w.routers = newRouters(w, seed)
	for _, h := range w.hosts {
		w.after(w.between(0, 200*time.Millisecond), nil, h.db.start)
		w.after(w.between(200*time.Millisecond, 500*time.Millisecond), nil, h.agent.start)
	}
	w.after(time.Second, nil, func() { w.order(topology.OrderInit, "db1") })
	w.clients.begin()
	return w
}

// story tells what happens, when somebody wants to read it.
func (w *world) story(format string, args ...any) {
	if w.telling {
		w.lines = append(w.lines, fmt.Sprintf("%9.3f  ", w.now.Seconds())+fmt.Sprintf(format, args...))
	}
}

// restarts starts mysqld again after a while, as systemd does.
func (w *world) restarts(h *host, after time.Duration) {
	w.after(after, nil, func() {
		switch {
		case h.off || h.db.inc != "":
		case w.now < h.resting || h.machine.stands():
			w.restarts(h, 200*time.Millisecond)
		default:
			h.db.start()
		}
	})
}

// order is what an operator asks for; it is refused while another order is open.
func (w *world) order(kind topology.OrderKind, target string) {
	c := w.etcd.cluster
	if c.Switchover.Present() && c.Switchover.Value.Step.Open() || w.etcd.down > 0 {
		return
	}
	asked := wall(time.Hour + w.now)
	w.story("operator: %s %s", kind, target)
	took := w.etcd.take(change{guards: []guard{{"switchover", c.Switchover.Rev}}, puts: []put{{"switchover", topology.Switchover{Kind: kind, Target: target,
		Step: topology.Asked, Epoch: c.Writer.Rev, Asked: asked, Deadline: asked.Add(10 * time.Second)}, 0}}})
	if kind == topology.OrderSwitchover {
		w.routers.asked(took.rev)
	}
}

// acceptLoss is what an operator does when nobody can prove anything and all that
// can be heard was heard (mmmctl failover --accept-loss).
func (w *world) acceptLoss() {
	c := w.etcd.cluster
	if w.stalled() == "" || w.halted() || w.etcd.down > 0 || c.Switchover.Present() && c.Switchover.Value.Step.Open() {
		return
	}
	loss := topology.LossOf(c)
	for _, h := range w.hosts {
		if b := c.Bids[h.id]; h.n == 3 || topology.CannotLead(c, h.name) != "" || b.Value.After != c.LastEpoch() || b.Value.Incarnation != h.db.inc {
			continue
		}
		asked := wall(time.Hour + w.now)
		w.story("operator: failover to %s, accepting to lose %s (%s)", h.name, loss.Range(), topology.Prove(c).Why)
		w.checks.accepted++
		w.etcd.take(change{guards: []guard{{"switchover", c.Switchover.Rev}}, puts: []put{{"switchover", topology.Switchover{Kind: topology.OrderFailover, Target: h.name,
			Step: topology.Asked, Epoch: c.LastEpoch(), Loss: &loss, Asked: asked, Deadline: asked.Add(10 * time.Second)}, 0}}})
		return
	}
}

func (w *world) mode(m topology.Mode) {
	if w.etcd.down == 0 {
		w.story("operator: mode %s", m)
		w.etcd.take(change{guards: []guard{{"mode", w.etcd.cluster.Mode.Rev}}, puts: []put{{"mode", topology.ModeSetting{Mode: m}, 0}}})
	}
}

func (w *world) intent(h *host, want topology.Want) {
	if w.etcd.down == 0 {
		w.story("operator: set %s %s", h.name, want)
		key := "intent/" + h.name
		w.etcd.take(change{guards: []guard{{key, w.etcd.keys[key].rev}}, puts: []put{{key, topology.Intent{Want: want}, 0}}})
	}
}

// writer is the host that the writer key names.
func (w *world) writer() *host {
	for _, h := range w.hosts {
		if w.etcd.cluster.Writer.Present() && w.etcd.cluster.Writer.Value.ID == h.id {
			return h
		}
	}
	return nil
}

// settled reports whether the cluster is as it should be, or what is missing.
func (w *world) settled() string {
	c, wr := w.etcd.cluster, w.writer()
	switch {
	case wr == nil:
		return "there is no writer: " + topology.Prove(c).Why
	case c.Phase.Value.Step != topology.Ready:
		return "the reign of " + wr.name + " is " + string(c.Phase.Value.Step) + " " + c.Phase.Value.Waiting
	case !wr.db.up() || wr.db.readOnly || !wr.admits():
		return wr.name + " reigns and is closed"
	case !wr.answers(writerVIP):
		return wr.name + " reigns without its VIP"
	}
	var missing []string
	for _, h := range w.hosts {
		if h == wr || topology.Diverged(h.db.replication().Error) {
			continue
		}
		_, acks := c.Reign.Value.Ackers[h.id]
		if state, why := topology.Classify(c, h.name, wall(h.now())); state != topology.Online || !acks || h.db.link == nil || h.db.link.from != wr.db {
			missing = append(missing, fmt.Sprintf("%s is %s (%s), in the acker set %t, attached %t", h.name, state, why, acks, h.db.link != nil))
		}
	}
	for _, vip := range w.vips {
		if n := len(w.holders(vip)); n != 1 {
			missing = append(missing, fmt.Sprintf("%s is answered by %d hosts", vip, n))
		}
	}
	return strings.Join(missing, "; ")
}

func (w *world) holders(vip netip.Addr) (out []*host) {
	for _, h := range w.hosts {
		if h.answers(vip) {
			out = append(out, h)
		}
	}
	return out
}
