package sim

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// What the store says of its calls.
var (
	errGuard     = errors.New("what it was decided on has changed")
	errUnknown   = errors.New("the outcome is unknown")
	errLeaseGone = errors.New("the lease is gone")
	errNoEtcd    = errors.New("etcd does not answer")
)

const perTry = 300 * time.Millisecond

// registry is a host's way to etcd: the transactions of internal/store, with the
// same guards, sent again until one copy is answered.
type registry struct {
	h     *host
	known map[string]kv // where this process last put its own keys: rev and lease
}

// verdict is what came of a transaction. doubted: an earlier copy may have been
// taken before this answer.
type verdict struct {
	answer
	doubted bool
}

// ask sends one request to etcd and brings its answer back; at is called there.
// It is lost with the network, and a slow etcd takes it late.
func (h *host) ask(p *proc, l *limit, at func() func()) error {
	w := h.w
	try := p.within(l, perTry)
	err := p.await(try, func(wake func()) {
		if h.cutTo.etcd > 0 || w.lossy(h) {
			return
		}
		d := w.wire(h)
		if w.etcd.slow && w.chance(0.2) {
			d += w.between(0, 3*time.Second)
		}
		w.after(d, nil, func() {
			if w.etcd.down > 0 {
				if w.chance(0.3) {
					w.etcd.waiting = append(w.etcd.waiting, func() { at() })
				}
				return
			}
			answer := at()
			if h.cutFrom.etcd > 0 || w.lossy(h) {
				return
			}
			w.after(w.wire(h), h.agent.proc, func() { answer(); wake() })
		})
	})
	if e := l.err(p.now()); e != nil && err != nil {
		return e
	}
	return err
}

// send gives a transaction to etcd until a copy is answered.
func (r *registry) send(p *proc, l *limit, ch change) (verdict, error) {
	doubted := false
	for {
		var got answer
		err := r.h.ask(p, l, func() func() {
			a := r.h.w.etcd.take(ch)
			return func() { got = a }
		})
		switch {
		case err == nil && got.gone && doubted:
			return verdict{}, fmt.Errorf("%w: sent once, then %w", errUnknown, errLeaseGone)
		case err == nil && got.gone:
			return verdict{}, errLeaseGone
		case err == nil:
			return ch.settle(verdict{got, doubted}), nil
		}
		doubted = true
		if l.err(p.now()) != nil || p.sleep(l, r.h.w.between(25*time.Millisecond, 75*time.Millisecond)) != nil {
			return verdict{}, errUnknown
		}
	}
}

// settle turns a refusal into a success when the keys hold what an earlier copy
// has put there (R16).
func (ch change) settle(v verdict) verdict {
	if !v.doubted || v.rev > 0 {
		return v
	}
	for _, g := range ch.guards {
		for _, p := range ch.puts {
			if now, there := v.seen[g.key]; p.key == g.key && there && now.rev != g.rev && now.same(p) {
				return verdict{answer: answer{rev: now.rev}}
			}
		}
	}
	return v
}

func (r *registry) commit(p *proc, l *limit, ch change) (topology.Rev, error) {
	v, err := r.send(p, l, ch)
	switch {
	case err != nil:
		return 0, err
	case v.rev > 0:
		return v.rev, nil
	case v.doubted:
		return 0, fmt.Errorf("%w: it was sent, and then the keys changed (%w)", errUnknown, errGuard)
	default:
		return 0, errGuard
	}
}

// overwrite puts a key of this host's own whatever revision it has now, provided
// that it is absent or hangs on the same lease.
func (r *registry) overwrite(p *proc, l *limit, own put, guards ...guard) (topology.Rev, error) {
	const tries = 5
	var guess topology.Rev
	if k := r.known[own.key]; k.lease == own.lease {
		guess = k.rev
	}
	for try := 1; ; try++ {
		v, err := r.send(p, l, change{guards: append([]guard{{own.key, guess}}, guards...), puts: []put{own}})
		if err != nil {
			return 0, err
		}
		if v.rev > 0 {
			r.known[own.key] = kv{rev: v.rev, lease: own.lease}
			return v.rev, nil
		}
		now, there := v.seen[own.key]
		if there && now.lease != own.lease || now.rev == guess || try == tries {
			return 0, errGuard
		}
		guess = now.rev
	}
}

// drop deletes keys, the first at a revision that was seen. A key that is gone
// already is what was wanted.
func (r *registry) drop(p *proc, l *limit, key string, rev topology.Rev, more ...string) (topology.Rev, error) {
	if rev <= 0 {
		return 0, errGuard
	}
	v, err := r.send(p, l, change{guards: []guard{{key, rev}}, drops: append([]string{key}, more...)})
	if err != nil {
		return 0, err
	}
	if _, there := v.seen[key]; v.rev == 0 && !v.doubted && there {
		return 0, errGuard
	}
	delete(r.known, key)
	return v.rev, nil
}

func (r *registry) load(p *proc, l *limit) (topology.Cluster, error) {
	for {
		var got topology.Cluster
		err := r.h.ask(p, l, func() func() {
			c := r.h.w.etcd.cluster
			return func() { got = c }
		})
		if err == nil {
			return got, nil
		}
		if l.err(p.now()) != nil || p.sleep(l, r.h.w.between(25*time.Millisecond, 75*time.Millisecond)) != nil {
			return got, errNoEtcd
		}
	}
}

func (r *registry) putReport(p *proc, l *limit, rep topology.Report) (topology.Rev, error) {
	return r.overwrite(p, l, put{"hosts/" + string(r.h.id), rep, rep.Lease})
}

func (r *registry) putBid(p *proc, l *limit, lease topology.LeaseID, b topology.Bid, reign topology.Rev) (topology.Rev, error) {
	return r.overwrite(p, l, put{"bids/" + string(r.h.id), b, lease}, guard{"writer", 0}, guard{"reign", reign})
}

func (r *registry) deleteBid(p *proc, l *limit, rev topology.Rev) (topology.Rev, error) {
	return r.drop(p, l, "bids/"+string(r.h.id), rev)
}

func (r *registry) campaign(p *proc, l *limit, j job, wr topology.Writer) (topology.Rev, error) {
	if j.lease == 0 {
		return 0, errLeaseGone
	}
	guards := r.guardsOf(j.Guards)
	puts := []put{{"writer", wr, j.lease}, {"phase", topology.Phase{Step: topology.CatchingUp, Incarnation: j.probe.Incarnation}, j.lease}}
	if t := j.Tombstone; t != nil { // an operator's word, used up by this
		guards = append(guards, guard{tombKey(t.Epoch), j.TombstoneRev})
		puts = append(puts, put{"switchover", *j.Order, 0}, put{tombKey(t.Epoch), *t, 0})
	}
	return r.commit(p, l, change{guards: guards, puts: puts})
}

// retake puts the keys of a reign again: one epoch in all of them (R52).
func (r *registry) retake(p *proc, l *limit, j job, wr topology.Writer) (topology.Rev, error) {
	reign := *j.Reign
	reign.Epoch = 0
	return r.commit(p, l, change{guards: r.guardsOf(j.Guards), puts: []put{{"writer", wr, j.lease},
		{"phase", topology.Phase{Step: topology.Ready, Incarnation: j.probe.Incarnation, Position: reign.Start}, j.lease}, {"reign", reign, 0}}})
}

// guardsOf are the keys that the decision rested on, and that nobody reigns.
func (r *registry) guardsOf(g topology.Guards) []guard {
	guards := []guard{{"writer", 0}, {"reign", g.Reign}, {"spec", g.Spec}, {"mode", g.Mode}, {"intent/" + r.h.name, g.Intent}, {"switchover", g.Order}}
	for _, id := range slices.Sorted(maps.Keys(g.Bids)) {
		guards = append(guards, guard{"bids/" + string(id), g.Bids[id]})
	}
	return guards
}

func tombKey(epoch topology.Rev) string { return fmt.Sprintf("tombstones/%d", epoch) }

func (r *registry) putTombstone(p *proc, l *limit, epoch, prev topology.Rev, t topology.Tombstone) (topology.Rev, error) {
	key := tombKey(t.Epoch)
	if len(t.Hosts) > 0 {
		return r.replace(p, l, key, prev, t, guard{"writer", epoch})
	}
	return r.commit(p, l, change{guards: []guard{{key, prev}, {"writer", epoch}}, drops: []string{key}})
}

func (r *registry) putPhase(p *proc, l *limit, lease topology.LeaseID, epoch topology.Rev, ph topology.Phase) (topology.Rev, error) {
	if epoch <= 0 {
		return 0, errGuard
	}
	ph.Epoch = epoch
	return r.overwrite(p, l, put{"phase", ph, lease}, guard{"writer", epoch})
}

func (r *registry) replace(p *proc, l *limit, key string, prev topology.Rev, value any, guards ...guard) (topology.Rev, error) {
	return r.commit(p, l, change{guards: append([]guard{{key, prev}}, guards...), puts: []put{{key, value, 0}}})
}

func (r *registry) putReign(p *proc, l *limit, epoch, prev topology.Rev, reign topology.Reign) (topology.Rev, error) {
	if epoch <= 0 {
		return 0, errGuard
	}
	return r.replace(p, l, "reign", prev, reign, guard{"writer", epoch})
}

func (r *registry) advance(p *proc, l *limit, epoch, prev topology.Rev, s topology.Switchover) (topology.Rev, error) {
	if prev <= 0 {
		return 0, errGuard
	}
	return r.replace(p, l, "switchover", prev, s, guard{"writer", epoch})
}

func (r *registry) handOver(p *proc, l *limit, epoch topology.Rev, order topology.Entry[topology.Switchover], target topology.Writer, lease topology.LeaseID) (topology.Rev, error) {
	if epoch <= 0 || !order.Present() || order.Value.Step != topology.TargetReady {
		return 0, errGuard
	}
	if lease == 0 {
		return 0, errLeaseGone
	}
	order.Value.Step = topology.Handed
	return r.commit(p, l, change{guards: []guard{{"writer", epoch}, {"switchover", order.Rev}},
		puts: []put{{"writer", target, lease}, {"switchover", order.Value, 0}}, drops: []string{"phase"}})
}

func (r *registry) dropWriter(p *proc, l *limit, epoch topology.Rev) (topology.Rev, error) {
	return r.drop(p, l, "writer", epoch, "phase")
}

func (r *registry) putMemory(p *proc, l *limit, prev topology.Rev, m topology.Memory) (topology.Rev, error) {
	return r.replace(p, l, "memory/"+r.h.name, prev, m)
}

func (r *registry) claim(p *proc, l *limit, lease topology.LeaseID, vip netip.Addr) (topology.Rev, error) {
	key := "readers/" + vip.String()
	return r.commit(p, l, change{guards: []guard{{key, 0}}, puts: []put{{key, topology.Claim{ID: r.h.id, Name: r.h.name}, lease}}})
}

func (r *registry) release(p *proc, l *limit, vip netip.Addr, rev topology.Rev) (topology.Rev, error) {
	return r.drop(p, l, "readers/"+vip.String(), rev)
}
