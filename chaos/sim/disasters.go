package sim

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// disasterRate is how many of the episodes have a disaster among their faults.
const disasterRate = 0.08

// disasters are what strikes all hosts at once.
var disasters = []kind{
	{"all mysqlds killed", 1, false, 2 * time.Second, 5 * time.Second, allKilled},
	{"etcd gone for long", 1, false, 20 * time.Second, 50 * time.Second, etcdDown},
	{"etcd back, agents new", 1, false, 4 * time.Second, 8 * time.Second, agentsNew},
	{"etcd restored from an old copy", 1, false, 3 * time.Second, 20 * time.Second, etcdRestored},
}

// meddlingRate is how many of the episodes have somebody who writes on a replica.
const meddlingRate = 0.15

// meddling is what people do to a server by hand.
var meddling = kind{"written to by hand", 1, true, 3 * time.Second, 9 * time.Second, writtenTo}

// writtenTo writes on a host that does not reign, with every privilege: what no
// writer ever had. On a toss the host cannot hear the writer then, which goes on with
// the others and loses its power a moment later: by its numbers the host may have
// most of all. The last writer is spared: what is written there goes by the numbers
// of its reign, and nobody can tell it from what a client wrote.
func writtenTo(w *world, h *host, f fault) func() {
	wr, m := w.writer(), h.db
	if wr == h || !m.up() || len(m.log) == 0 || m.semiSource || w.etcd.cluster.Reign.Value.ID == h.id {
		return nil
	}
	for range 1 + 8*f.other {
		m.write(&trx{})
	}
	m.touch()
	w.story("%s: somebody writes on it, up to %s", h.name, m.position())
	if wr == nil || !f.coin {
		return nil
	}
	rejoined := cutHost(w, h, fault{other: wr.n, coin: true})
	back := func() {}
	w.after(w.between(0, 500*time.Millisecond), nil, func() {
		if undo := powerLost(w, wr, f); undo != nil {
			back = undo
		}
	})
	return func() { rejoined(); back() }
}

// emptyRate is how many of the episodes have a host whose disk is replaced.
const emptyRate = 0.08

// emptied is a host that comes back with nothing but its name.
var emptied = kind{"datadir lost", 1, false, 3 * time.Second, 9 * time.Second, datadirLost}

// datadirLost takes a host's power, and with it all that its mysqld had, what was kept
// of earlier runs, and its id (R48). The state directory is on another disk.
func datadirLost(w *world, h *host, f fault) func() {
	undo := powerLost(w, h, f)
	if undo == nil {
		return nil
	}
	m := h.db
	m.replace(nil)
	m.relay, m.copies, m.marked, m.fork = nil, nil, "", -1
	m.configured, m.source = false, nil
	h.lives++
	h.id = topology.HostID(fmt.Sprintf("id-%s-%d", h.name, h.lives))
	w.story("%s: its datadir is lost, it is %s now", h.name, h.id)
	return undo
}

// allKilled kills every mysqld while replicas lag, so that what was acknowledged
// is in relay logs. On a toss nothing of it is kept for want of room.
func allKilled(w *world, _ *host, f fault) func() {
	for _, h := range w.hosts {
		h.db.slow = w.between(20*time.Millisecond, 400*time.Millisecond)
	}
	w.after(f.lasts/4, nil, func() {
		for _, h := range w.hosts {
			h.db.slow = 0
			if f.coin {
				h.db.marked = ""
			}
			h.db.die("kill -9 of all")
			w.restarts(h, w.between(100*time.Millisecond, f.lasts/2))
		}
	})
	return nil
}

// agentsNew restarts all agents but the writer's just before etcd, which lets go
// of the leases that ran out, is back.
func agentsNew(w *world, _ *host, f fault) func() {
	w.etcd.silence(f.lasts, true)
	w.after(f.lasts-w.between(50*time.Millisecond, 400*time.Millisecond), nil, func() {
		wr := w.writer()
		for _, h := range w.hosts {
			if h != wr && h.agent.up {
				h.agent.stop()
				w.after(w.between(10*time.Millisecond, 100*time.Millisecond), nil, h.agent.start)
			}
		}
	})
	return nil
}

// etcdRestored takes a copy of etcd and puts it back a while later: what was
// written since is gone, and revisions are given a second time (R17). That a writer
// went on alone is gone with it, so who was away then would be elected by the acker set
// of the copy: nobody can restore that.
func etcdRestored(w *world, _ *host, f fault) func() {
	e := w.etcd
	if available(w.seed) {
		return nil
	}
	cluster, keys, leases := e.cluster, maps.Clone(e.keys), slices.Sorted(maps.Keys(e.leases))
	w.after(f.lasts*3/4, nil, func() { e.silence(f.lasts/4, false) })
	return func() {
		w.story("etcd: restored, from revision %d to %d", e.cluster.Rev, cluster.Rev)
		e.cluster, e.keys, e.waiting = cluster, maps.Clone(keys), nil
		old := e.leases
		e.leases = map[topology.LeaseID]*lease{}
		for _, id := range leases {
			e.leases[id] = &lease{ttl: w.spec.Timing.TTL.D()}
			if l := old[id]; l != nil {
				e.leases[id].ttl = l.ttl
			}
			e.extend(id)
		}
		w.checks.restored, w.checks.since = true, w.now
		e.changed(true)
	}
}

// recoverEtcd is what an operator does when hosts say that etcd went back (mmmctl
// recover-etcd). It is false when none does, or one is not heard.
func (w *world) recoverEtcd() bool {
	c := w.etcd.cluster
	var floor topology.Rev
	newest, reign := c.Reign.Rev, c.Reign.Value
	for _, h := range w.hosts {
		r, live := c.Hosts[h.id]
		if !live {
			return false
		}
		if halt := r.Value.Halt; halt != nil {
			floor = max(floor, halt.Seen)
			if halt.Reign.Rev > newest {
				newest, reign = halt.Reign.Rev, halt.Reign.Value
			}
		}
	}
	if floor == 0 || w.etcd.down > 0 {
		return false
	}
	w.story("operator: recovers etcd, above %d", floor)
	w.etcd.cluster.Rev = max(c.Rev, floor)
	w.checks.restored = false
	return w.etcd.take(change{puts: []put{{"recovery", topology.Recovered{Floor: floor}, 0}, {"reign", reign, 0}}, drops: []string{"writer", "phase"}}).rev > 0
}

// halted reports whether a host distrusts etcd.
func (w *world) halted() bool {
	for _, r := range w.etcd.cluster.Hosts {
		if r.Value.Halt != nil {
			return true
		}
	}
	return false
}
