package agent

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mmm-ha/mmm/election"
	"github.com/mmm-ha/mmm/internal/peer"
	"github.com/mmm-ha/mmm/topology"
)

// How the others are asked. An outage of etcd is noticed when a renewal fails;
// what is left of the lease then must do for at least one round.
const (
	askPause  = 50 * time.Millisecond // between two looks whether etcd is lost, and after a round in vain
	askRounds = 5                     // in one TTL, when all promise
	askPart   = 4                     // a round may take this part of a TTL: less than a third
)

// failsafe is what this host has to do with others while etcd is away: whom it
// asks, what they promised it, and what it promised them.
type failsafe struct {
	key      ed25519.PrivateKey
	promises *election.Promises
	client   asker
	log      *slog.Logger

	wanted  atomic.Pointer[wanted]           // by the loop: whom to ask; nil: nobody
	session atomic.Pointer[election.Session] // what is being renewed; nil: there is no lease
	book    atomic.Pointer[book]             // by the loop: who the others are
	pledges chan pledge                      // the newest full round, for lifetimes
	retaken chan struct{}                    // the reign was taken again, for lifetimes
	asks    chan question                    // what others ask, for the loop
	words   chan word                        // what routers ask, likewise

	back    election.Deadline        // of the loop: until when etcd counts as just back
	routers map[netip.Addr]time.Time // of the loop: who routers are, and when etcd showed them last

	mu   sync.Mutex
	kept pledge // what lifetimes counts on
}

// asker is how another host is asked for a promise.
type asker interface {
	Ask(ctx context.Context, to peer.Host, q peer.Question) (refusal string, err error)
	Close()
}

// wanted is whom to ask for what. It is never changed: another list is another
// value, so that a round which was begun for an older one is known to be void.
type wanted struct {
	cluster string
	epoch   topology.Rev // 0: only reader VIPs are held
	hosts   []peer.Host
	names   map[topology.HostID]string
	unknown string // a host that must promise and that nobody knows how to ask
}

// same reports whether both ask for the same.
func (w *wanted) same(o *wanted) bool {
	if w == nil || o == nil {
		return w == o
	}
	return w.cluster == o.cluster && w.epoch == o.epoch && w.unknown == o.unknown && slices.Equal(w.hosts, o.hosts)
}

// pledge is one round in which all have promised.
type pledge struct {
	epoch    topology.Rev // for which reign; 0: for reader VIPs only
	was      topology.Rev // the epoch of that reign before it was taken again; 0: it was not
	deadline election.Deadline
}

// book is who the other hosts are, as etcd said last.
type book struct {
	keys      map[topology.HostID]string
	addresses map[netip.Addr]bool
}

func newFailsafe(key ed25519.PrivateKey, promises *election.Promises, client asker, log *slog.Logger) *failsafe {
	return &failsafe{key: key, promises: promises, client: client, log: log,
		pledges: make(chan pledge, 1), retaken: make(chan struct{}, 1), asks: make(chan question), words: make(chan word), routers: map[netip.Addr]time.Time{}}
}

// view is how this host stands without etcd, for a decision.
func (f *failsafe) view(s *state, clock election.Clock) topology.Failsafe {
	out := topology.Failsafe{Key: peer.Public(f.key), Etcd: s.session != nil && s.session.Err() == nil, Left: f.left(s.Term.Epoch, clock)}
	if s.session != nil && errors.Is(s.session.Err(), election.ErrUnreachable) {
		f.back = clock.Now().Deadline(s.session.TTL())
	}
	out.Back = f.back.Left(clock.Now())
	out.Run, out.Claim, out.To = f.promises.Left()
	return out
}

// left is how long this host may go on by promises: those of that reign.
func (f *failsafe) left(epoch topology.Rev, clock election.Clock) time.Duration {
	k := f.counted()
	if k.epoch != epoch && (k.was == 0 || k.was != epoch) { // the loop may not know yet that it was taken again
		return 0
	}
	return max(0, k.deadline.Left(clock.Now()))
}

// counted is the newest round that lifetimes counts on.
func (f *failsafe) counted() pledge {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.kept
}

// count notes a round that lifetimes counts on; the zero value: none any more.
func (f *failsafe) count(p pledge) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept = p
}

// again lets what was promised to a reign count for the one that it goes on as.
func (f *failsafe) again(epoch topology.Rev) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept.was, f.kept.epoch = f.kept.epoch, epoch
}

// publish tells the other goroutines whom to ask and who may ask.
func (f *failsafe) publish(v topology.View) {
	b := bookOf(v.Cluster)
	f.admit(b, v)
	f.book.Store(b)
	next := wantedBy(v)
	if !next.same(f.wanted.Load()) {
		f.wanted.Store(next)
	}
}

func bookOf(c topology.Cluster) *book {
	b := &book{keys: map[topology.HostID]string{}, addresses: map[netip.Addr]bool{}}
	for _, h := range c.Spec.Value.Hosts {
		b.addresses[h.Address] = true
		if m := c.Memories[h.Name]; m.Present() && m.Value.Key != "" {
			b.keys[m.Value.ID] = m.Value.Key
		}
	}
	return b
}

// routerKnown is how long a router may ask that etcd no longer shows: it may be
// the one that cannot reach it.
const routerKnown = 10 * time.Minute

// admit lets routers ask who reigns. They have no key here: nothing else of theirs
// is heard.
func (f *failsafe) admit(b *book, v topology.View) {
	for _, r := range v.Cluster.Holds {
		for _, address := range r.Value.Addresses {
			f.routers[address] = v.Now
		}
	}
	for address, seen := range f.routers {
		if v.Now.Sub(seen) > routerKnown {
			delete(f.routers, address)
			continue
		}
		b.addresses[address] = true
	}
}

// wantedBy is whom a view says to ask.
func wantedBy(v topology.View) *wanted {
	ids := topology.Promisers(v)
	if len(ids) == 0 {
		return nil
	}
	w := &wanted{cluster: v.Cluster.Spec.Value.ID, epoch: v.Term.Epoch, names: map[topology.HostID]string{}}
	for _, id := range ids {
		h, name := hostOf(v.Cluster, id)
		w.names[id] = name
		if h.Key == "" && w.unknown == "" {
			w.unknown = name
		}
		w.hosts = append(w.hosts, h)
	}
	return w
}

// hostOf is how a host is reached and known, by what etcd said last.
func hostOf(c topology.Cluster, id topology.HostID) (peer.Host, string) {
	for _, name := range slices.Sorted(maps.Keys(c.Memories)) {
		m := c.Memories[name].Value
		spec, ok := c.Spec.Value.Host(name)
		if m.ID != id || !ok {
			continue
		}
		port := c.Hosts[id].Value.Peer
		if port == 0 {
			port = peerPort
		}
		return peer.Host{ID: id, Address: netip.AddrPortFrom(spec.Address, port), Key: m.Key}, name
	}
	return peer.Host{ID: id}, string(id)
}

// lost reports whether etcd gives no answer to renewals. One that answers that
// the lease is gone is not lost (R49).
func (f *failsafe) lost() (*election.Session, bool) {
	s := f.session.Load()
	if s == nil {
		return nil, false
	}
	err := s.Err()
	return s, errors.Is(err, election.ErrUnreachable) && !errors.Is(err, election.ErrGone)
}

// askOthers asks, as long as etcd gives no answer, all that must promise, and
// hands each round in which all did to lifetimes.
func (a *Agent) askOthers(ctx context.Context) error {
	var told outage
	pause := askPause
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause = askPause
		session, lost := a.failsafe.lost()
		w := a.failsafe.wanted.Load()
		if !lost || w == nil {
			a.outageOver(&told, lost)
			continue
		}
		began, sent := time.Now(), a.clock.Now() // BEFORE the first question leaves: R50
		missing := a.failsafe.round(ctx, w, session.TTL())
		if a.failsafe.wanted.Load() != w {
			continue // meanwhile others must be asked: this round counts for nothing
		}
		a.tellOutage(&told, w, missing)
		if len(missing) > 0 {
			continue
		}
		ttl := session.TTL()
		latest(a.failsafe.pledges, pledge{epoch: w.epoch, deadline: sent.Deadline(ttl - election.Margin(ttl))})
		pause = max(askPause, ttl/askRounds-time.Since(began))
	}
}

// round asks everybody at once and returns who did not promise, with the reason.
func (f *failsafe) round(ctx context.Context, w *wanted, ttl time.Duration) map[string]string {
	missing := map[string]string{}
	if w.unknown != "" {
		missing[w.unknown] = "it has not written down its key"
		return missing
	}
	ctx, cancel := context.WithTimeout(ctx, ttl/askPart)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, h := range w.hosts {
		wg.Go(func() {
			why, err := f.client.Ask(ctx, h, peer.Question{Cluster: w.cluster, Epoch: w.epoch, TTL: ttl})
			if err != nil {
				why = err.Error()
			}
			if why != "" {
				mu.Lock()
				defer mu.Unlock()
				missing[w.names[h.ID]] = why
			}
		})
	}
	wg.Wait()
	return missing
}

// outage is what was last said of one.
type outage struct {
	since time.Time // zero: there is none
	went  bool      // it went on without etcd
	epoch topology.Rev
	said  string
}

// tellOutage logs each change of how a host stands without etcd.
func (a *Agent) tellOutage(o *outage, w *wanted, missing map[string]string) {
	if o.since.IsZero() {
		*o = outage{since: time.Now(), epoch: w.epoch}
	}
	o.went = o.went || len(missing) == 0
	names := slices.Sorted(maps.Keys(missing))
	said := strings.Join(names, ", ")
	switch {
	case o.said == said && o.said != "" || len(missing) == 0 && o.said == "all":
	case len(missing) == 0:
		said = "all"
		a.log.Warn("etcd does not answer: goes on by the promises of all others", "term", w.epoch, "promised", slices.Sorted(maps.Values(w.names)))
	default:
		a.log.Warn("etcd does not answer, and not all others promise to keep still: what this host serves ends in time", "term", w.epoch, "missing", said, "why", missing[names[0]])
	}
	if len(missing) == 0 {
		said = "all"
	}
	o.said = said
}

// outageOver says, once etcd answers again, that this host went on without it.
func (a *Agent) outageOver(o *outage, lost bool) {
	if o.since.IsZero() || lost {
		return
	}
	if o.went {
		took := time.Since(o.since).Round(100 * time.Millisecond)
		a.log.Info("etcd answers again", "took", took)
		a.history.add(topology.Event{At: time.Now(), Host: a.opt.Host, Epoch: o.epoch,
			What: fmt.Sprintf("%s went on without etcd for %s", a.opt.Host, took), Why: "etcd did not answer, and all other hosts promised to keep still"})
	}
	*o = outage{}
}
