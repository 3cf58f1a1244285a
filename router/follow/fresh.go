package follow

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mmm-ha/mmm/election"
	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/topology"
)

// freshness is until when what is known may be acted upon (R57): by the proof of
// etcd, or by the word of the writer's agent while etcd does not answer. Both count
// on two clocks, one of which goes on while the machine is suspended.
type freshness struct {
	clock election.Clock
	proof atomic.Pointer[election.Deadline]
	word  atomic.Pointer[word]

	mu    sync.Mutex // so that what is forgotten does not come back
	since time.Time  // what was asked for before counts for nothing

	mono time.Time     // of the last look whether the machine slept
	boot time.Duration // likewise
}

// word is what the agent of the writer has said of its reign.
type word struct {
	epoch topology.Rev
	until election.Deadline
}

// sleepLeast is by how much the clocks must part for the machine to have slept.
const sleepLeast = 5 * time.Millisecond

func newFreshness(clock election.Clock) *freshness {
	f := &freshness{clock: clock, mono: time.Now(), boot: clock.Uptime()}
	f.forget()
	return f
}

// forget makes nothing fresh that was asked for until now.
func (f *freshness) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.since = time.Now()
	f.proof.Store(&election.Deadline{})
	f.word.Store(&word{})
}

// left is how long a write may still begin in an epoch; 0: it may not.
func (f *freshness) left(epoch topology.Rev) time.Duration {
	now := f.clock.Now()
	left := f.proof.Load().Left(now)
	if w := f.word.Load(); w.epoch == epoch {
		left = max(left, w.until.Left(now))
	}
	return max(left, 0)
}

// slept reports whether the machine was suspended since the last look: a proof
// that was asked for before may be older than the clock of the program says.
func (f *freshness) slept() bool {
	mono, boot := time.Now(), f.clock.Uptime()
	gap := (boot - f.boot) - mono.Sub(f.mono)
	f.mono, f.boot = mono, boot
	return gap > sleepLeast
}

// prove takes a proof of etcd: at that moment it held all that the View says, and
// the writer's lease was granted for ttl.
func (f *freshness) prove(at time.Time, ttl time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !at.After(f.since) || ttl <= 0 {
		return
	}
	d := f.clock.Now().Deadline(ttl - election.Margin(ttl) - time.Since(at))
	f.proof.Store(&d)
}

// believe takes the word of the writer's agent: it reigns in that epoch for so long
// after the question left.
func (f *freshness) believe(epoch topology.Rev, at time.Time, sent election.Instant, left time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if at.After(f.since) {
		f.word.Store(&word{epoch: epoch, until: sent.Deadline(left - left/100)}) // the clocks of two machines
	}
}

// granted knows for how long etcd granted the leases of hosts. That is what the
// writer itself goes by; the cluster file says only what was asked for.
type granted struct {
	client *store.Client
	ask    chan []topology.LeaseID

	mu  sync.Mutex
	ttl map[topology.LeaseID]time.Duration
}

func newGranted(client *store.Client) *granted {
	return &granted{client: client, ask: make(chan []topology.LeaseID, 1), ttl: map[topology.LeaseID]time.Duration{}}
}

// of is what was granted; 0: it is not known yet.
func (g *granted) of(lease topology.LeaseID) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.ttl[lease]
}

// want says which leases there are: those of the writer, and of who may be next.
func (g *granted) want(c topology.Cluster) {
	all := []topology.LeaseID{}
	if c.Writer.Present() {
		all = append(all, c.Writer.Lease)
	}
	for _, e := range c.Hosts {
		if h, _ := c.Spec.Value.Host(e.Value.Name); h.MayWrite() {
			all = append(all, e.Lease)
		}
	}
	select {
	case <-g.ask:
	default:
	}
	g.ask <- all
}

// run looks at leases that it does not know, until ctx ends.
func (g *granted) run(ctx context.Context) {
	var all []topology.LeaseID
	for {
		unknown := g.look(ctx, all)
		again := make(<-chan time.Time)
		if unknown {
			again = time.After(look)
		}
		select {
		case <-ctx.Done():
			return
		case all = <-g.ask:
		case <-again:
		}
	}
}

// look asks for those that are not known, and forgets those that are gone. It is
// true when some are not known yet.
func (g *granted) look(ctx context.Context, all []topology.LeaseID) (unknown bool) {
	ttl := map[topology.LeaseID]time.Duration{}
	for _, lease := range all {
		t := g.of(lease)
		if t == 0 && lease != 0 {
			t, _ = g.client.Granted(ctx, lease) // one that is gone, or not known, is asked for again
		}
		if t > 0 {
			ttl[lease] = t
		}
		unknown = unknown || t == 0 && lease != 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ttl = ttl
	return unknown
}
