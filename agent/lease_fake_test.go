package agent

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/election"
	"github.com/mmm-ha/mmm/topology"
)

// lessor is an etcd that gives leases; it can fall silent or end them.
type lessor struct {
	mu     sync.Mutex
	last   topology.LeaseID
	silent bool
	gone   bool
}

var errSilent = errors.New("no answer")

func (l *lessor) set(silent, gone bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.silent, l.gone = silent, gone
}

func (l *lessor) Grant(_ context.Context, ttl time.Duration) (topology.LeaseID, time.Duration, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.silent {
		return 0, 0, errSilent
	}
	l.last++
	l.gone = false
	return l.last, ttl, nil
}

func (l *lessor) KeepAliveOnce(_ context.Context, id topology.LeaseID) (time.Duration, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.silent:
		return 0, errSilent
	case l.gone || id != l.last:
		return 0, election.ErrGone
	default:
		return defaultTTL, nil
	}
}

func (l *lessor) Revoke(context.Context, topology.LeaseID) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone = true
	return nil
}

// session opens a lease of the lessor.
func (r *rig) session(l *lessor) *election.Session {
	r.t.Helper()
	s, err := election.Open(r.t.Context(), election.Options{Members: []election.Granter{l}, TTL: r.ttl, Clock: r.clock, Log: r.log})
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// during runs goroutines of the agent as long as the test body.
func (r *rig) during(body func(), runs ...func(ctx context.Context) error) {
	ctx, cancel := context.WithCancel(r.t.Context())
	var wg sync.WaitGroup
	for _, run := range runs {
		wg.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				r.t.Errorf("ended by itself: %v", err)
			}
		})
	}
	defer wg.Wait()
	defer cancel()
	body()
}

// bubble makes a rig whose server is in order; use it inside synctest.
func bubble(t *testing.T) (*rig, *lessor) {
	r := newRig(t)
	r.lastProbe.Store(r.db.now())
	return r, &lessor{}
}
