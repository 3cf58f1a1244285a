package sim

import (
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/topology"
)

// etcd is the key store: one linearizable object, however many members serve it.
type etcd struct {
	w       *world
	cluster topology.Cluster // what a reader of this revision sees; its maps are never changed in place
	keys    map[string]kv
	leases  map[topology.LeaseID]*lease
	next    topology.LeaseID
	down    int      // how many causes keep it from answering
	slow    bool     // requests lie about before they are taken
	waiting []func() // requests that a member without a leader will still take
}

type kv struct {
	value any
	rev   topology.Rev
	lease topology.LeaseID
}

type lease struct {
	ttl     time.Duration
	expires moment
	turn    int
}

func newEtcd(w *world) *etcd {
	e := &etcd{w: w, keys: map[string]kv{}, leases: map[topology.LeaseID]*lease{}, next: 1000}
	e.cluster = topology.Cluster{Rev: 10, Intents: map[string]topology.Entry[topology.Intent]{}, Memories: map[string]topology.Entry[topology.Memory]{},
		Hosts: map[topology.HostID]topology.Entry[topology.Report]{}, Bids: map[topology.HostID]topology.Entry[topology.Bid]{},
		Claims: map[netip.Addr]topology.Entry[topology.Claim]{}, Pins: map[netip.Addr]topology.Entry[topology.Pin]{}, Rejoins: map[string]topology.Entry[topology.RejoinOrder]{}, Tombstones: map[topology.Rev]topology.Entry[topology.Tombstone]{},
		Holds: map[string]topology.Entry[topology.RouterHold]{}}
	return e
}

// guard says that a key still has a revision; 0: that it is absent.
type guard struct {
	key string
	rev topology.Rev
}

type put struct {
	key   string
	value any
	lease topology.LeaseID
}

// change is one transaction: if all guards hold, all puts and drops happen.
type change struct {
	guards []guard
	puts   []put
	drops  []string
}

// answer is what etcd says of a transaction.
type answer struct {
	rev  topology.Rev // 0: refused
	seen map[string]kv
	gone bool // a lease does not exist
}

// take carries out a transaction at this moment.
func (e *etcd) take(ch change) answer {
	for _, p := range ch.puts {
		if p.lease != 0 && e.leases[p.lease] == nil {
			return answer{gone: true}
		}
	}
	holds, seen := true, map[string]kv{}
	for _, g := range ch.guards {
		now, there := e.keys[g.key]
		if there {
			seen[g.key] = now
		}
		holds = holds && now.rev == g.rev
	}
	if !holds {
		return answer{seen: seen}
	}
	e.cluster.Rev++
	rev, facts := e.cluster.Rev, len(ch.drops) > 0
	for _, p := range ch.puts {
		facts = facts || e.news(p)
		e.set(p.key, kv{p.value, rev, p.lease})
	}
	for _, key := range ch.drops {
		e.drop(key)
	}
	e.changed(facts)
	return answer{rev: rev}
}

// news is false for a report in which only positions have moved on.
func (e *etcd) news(p put) bool {
	after, reports := p.value.(topology.Report)
	before, _ := e.keys[p.key].value.(topology.Report)
	return !reports || !step.SameFacts(before, after)
}

func (e *etcd) set(key string, v kv) {
	e.keys[key] = v
	e.show(key, v)
}

func (e *etcd) drop(key string) {
	if _, there := e.keys[key]; there {
		delete(e.keys, key)
		e.show(key, kv{})
	}
}

// show takes a key into the snapshot that readers get.
func (e *etcd) show(key string, v kv) {
	c := &e.cluster
	family, rest, _ := strings.Cut(key, "/")
	switch family {
	case "spec":
		c.Spec = entry[topology.Spec](v)
	case "mode":
		c.Mode = entry[topology.ModeSetting](v)
	case "writer":
		c.Writer = entry[topology.Writer](v)
		e.w.checks.writerKey(c.Writer)
	case "phase":
		c.Phase = entry[topology.Phase](v)
		if c.Phase.Present() && c.Phase.Value.Epoch == 0 {
			c.Phase.Value.Epoch = c.Phase.Rev // put together with the writer
		}
	case "reign":
		c.Reign = entry[topology.Reign](v)
		if c.Reign.Present() && c.Reign.Value.Epoch == 0 {
			c.Reign.Value.Epoch = c.Reign.Rev // taken again together with the writer
		}
	case "switchover":
		c.Switchover = entry[topology.Switchover](v)
	case "recovery":
		c.Recovery = entry[topology.Recovered](v)
	case "intent":
		showIn(&c.Intents, rest, v)
	case "memory":
		showIn(&c.Memories, rest, v)
	case "hosts":
		showIn(&c.Hosts, topology.HostID(rest), v)
	case "bids":
		showIn(&c.Bids, topology.HostID(rest), v)
	case "readers":
		showIn(&c.Claims, netip.MustParseAddr(rest), v)
	case "rejoin":
		showIn(&c.Rejoins, rest, v)
	case "tombstones":
		epoch, _ := strconv.ParseInt(rest, 10, 64) //nolint:errcheck // tombKey has written it
		showIn(&c.Tombstones, topology.Rev(epoch), v)
		e.w.checks.gaveUp(c.Tombstones[topology.Rev(epoch)])
	case "holds":
		showIn(&c.Holds, rest, v)
	case "pins":
		showIn(&c.Pins, netip.MustParseAddr(rest), v)
	default:
		panic("etcd: there is no key " + key)
	}
}

func entry[T any](v kv) topology.Entry[T] {
	if v.rev == 0 {
		return topology.Entry[T]{}
	}
	return topology.Entry[T]{Value: v.value.(T), Rev: v.rev, Lease: v.lease}
}

func showIn[K comparable, T any](m *map[K]topology.Entry[T], key K, v kv) {
	*m = maps.Clone(*m)
	if v.rev == 0 {
		delete(*m, key)
		return
	}
	(*m)[key] = entry[T](v)
}

// changed tells the watches.
func (e *etcd) changed(facts bool) {
	e.w.mix(uint64(e.cluster.Rev))
	for _, h := range e.w.hosts {
		h.agent.watch.changed(facts)
	}
}

// grant makes a lease.
func (e *etcd) grant(ttl time.Duration) topology.LeaseID {
	e.next++
	e.leases[e.next] = &lease{ttl: ttl}
	e.extend(e.next)
	return e.next
}

// extend renews a lease; false: there is none. It ends up to half a second late,
// never early, and not while etcd has no leader.
func (e *etcd) extend(id topology.LeaseID) bool {
	l := e.leases[id]
	if l == nil {
		return false
	}
	l.expires = e.w.now + l.ttl
	l.turn++
	turn := l.turn
	e.w.after(l.ttl+e.w.between(0, 500*time.Millisecond), nil, func() {
		if e.leases[id] == l && l.turn == turn && e.down == 0 {
			e.revoke(id)
		}
	})
	return true
}

// revoke ends a lease with its keys.
func (e *etcd) revoke(id topology.LeaseID) {
	delete(e.leases, id)
	var gone []string
	for key, v := range e.keys {
		if v.lease == id {
			gone = append(gone, key)
		}
	}
	if len(gone) == 0 {
		return
	}
	slices.Sort(gone)
	e.cluster.Rev++
	for _, key := range gone {
		e.drop(key)
	}
	e.w.story("etcd: lease %x has ended, with %s", int64(id), strings.Join(gone, " "))
	e.changed(true)
}

// silence keeps etcd from answering for a while. After that a new leader extends
// every lease by its whole TTL; or, now and then, it lets those go that ran out.
func (e *etcd) silence(d time.Duration, forgets bool) {
	e.down++
	e.w.after(d, nil, func() {
		if e.down--; e.down > 0 {
			return
		}
		for _, id := range slices.Sorted(maps.Keys(e.leases)) {
			if forgets && e.leases[id].expires < e.w.now {
				e.revoke(id)
				continue
			}
			e.extend(id)
		}
		late := e.waiting
		e.waiting = nil
		for _, take := range late {
			take()
		}
		e.changed(true)
	})
}

// same reports whether a key holds exactly what a transaction puts there.
func (v kv) same(p put) bool { return v.lease == p.lease && reflect.DeepEqual(v.value, p.value) }
