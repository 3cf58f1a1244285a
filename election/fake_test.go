package election

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// fakeLessor is etcd with at most one lease, which ends exactly at its expiry. It
// keeps time by time.Now, so it belongs into a bubble.
type fakeLessor struct {
	granted time.Duration

	mu      sync.Mutex
	id      topology.LeaseID
	expiry  time.Time
	revoked bool
}

// fakeMember is one member of etcd behind a network whose plan decides the fate
// of each call.
type fakeMember struct {
	etcd *fakeLessor

	mu    sync.Mutex
	plan  func(call int) path
	calls []time.Time // when each one arrived at this end
}

// path is what the network does to one call.
type path struct {
	out     time.Duration // until the member has it
	back    time.Duration // until the answer is here
	lost    bool          // nothing comes back before the caller gives up
	refused bool          // fails at once
	deaf    bool          // the caller cannot give up: the answer comes however late
}

var errRefused = errors.New("connection refused")

func newFakes(granted time.Duration, members int) (*fakeLessor, []*fakeMember, []Granter) {
	etcd := &fakeLessor{granted: granted}
	var fakes []*fakeMember
	var granters []Granter
	for range members {
		m := &fakeMember{etcd: etcd, plan: func(int) path { return path{out: time.Millisecond, back: time.Millisecond} }}
		fakes, granters = append(fakes, m), append(granters, m)
	}
	return etcd, fakes, granters
}

// always makes every call from now on take the path p.
func (m *fakeMember) always(p path) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.plan = func(int) path { return p }
}

func (m *fakeMember) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.calls)
}

func (m *fakeMember) lastCall() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls[len(m.calls)-1]
}

// travel takes a call along its path; serve is what etcd does when it has it.
func (m *fakeMember) travel(ctx context.Context, serve func()) error {
	m.mu.Lock()
	p := m.plan(len(m.calls))
	m.calls = append(m.calls, time.Now())
	m.mu.Unlock()
	if p.refused {
		return errRefused
	}
	patience := ctx
	if p.deaf {
		patience = context.WithoutCancel(ctx)
	}
	if err := sleep(patience, p.out); err != nil {
		return err
	}
	serve()
	if p.lost {
		<-ctx.Done()
		return ctx.Err()
	}
	return sleep(patience, p.back)
}

func (m *fakeMember) Grant(ctx context.Context, _ time.Duration) (topology.LeaseID, time.Duration, error) {
	err := m.travel(ctx, func() {
		m.etcd.mu.Lock()
		defer m.etcd.mu.Unlock()
		m.etcd.id++
		m.etcd.expiry = time.Now().Add(m.etcd.granted)
	})
	if err != nil {
		return 0, 0, err
	}
	return m.etcd.id, m.etcd.granted, nil
}

func (m *fakeMember) KeepAliveOnce(ctx context.Context, id topology.LeaseID) (time.Duration, error) {
	alive := false
	err := m.travel(ctx, func() {
		m.etcd.mu.Lock()
		defer m.etcd.mu.Unlock()
		alive = !m.etcd.revoked && id == m.etcd.id && time.Now().Before(m.etcd.expiry)
		if alive {
			m.etcd.expiry = time.Now().Add(m.etcd.granted)
		}
	})
	if err != nil {
		return 0, err
	}
	if !alive {
		return 0, ErrGone
	}
	return m.etcd.granted, nil
}

func (m *fakeMember) Revoke(ctx context.Context, id topology.LeaseID) error {
	known := false
	err := m.travel(ctx, func() {
		m.etcd.mu.Lock()
		defer m.etcd.mu.Unlock()
		known = id == m.etcd.id && !m.etcd.revoked
		m.etcd.revoked = true
	})
	if err == nil && !known {
		return ErrGone
	}
	return err
}

func (l *fakeLessor) expires() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.expiry
}

// revoke is somebody else's doing.
func (l *fakeLessor) revoke() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.revoked = true
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// bootClock is CLOCK_BOOTTIME in a bubble: it runs with the bubble's time and can
// jump, as after a suspend of the machine.
type bootClock struct {
	start time.Time

	mu   sync.Mutex
	jump time.Duration
}

func newBootClock() *bootClock { return &bootClock{start: time.Now()} }

func (b *bootClock) clock() Clock {
	return Clock{Boot: func() time.Duration {
		b.mu.Lock()
		defer b.mu.Unlock()
		return time.Since(b.start) + b.jump
	}}
}

func (b *bootClock) suspend(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.jump += d
}

// open opens a session over the members or fails the test.
func open(t *testing.T, opt Options) *Session {
	t.Helper()
	s, err := Open(t.Context(), opt)
	if err != nil {
		t.Fatalf("open a session: %v", err)
	}
	return s
}

// run runs s until the returned func is called, which returns what Run did.
func run(t *testing.T, s *Session) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() { _ = stop() })
	return stop
}
