package election

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// Granter is one member of etcd, as far as leases go. Every method returns soon
// after its context has ended, and an error that wraps ErrGone when the member
// answered that there is no such lease; any other error means "don't know".
// Methods may be called from several goroutines at once.
type Granter interface {
	// Grant makes a lease and returns the TTL that etcd granted, which may be
	// longer than the asked one.
	Grant(ctx context.Context, ttl time.Duration) (topology.LeaseID, time.Duration, error)
	// KeepAliveOnce sends one renewal and returns the TTL in its answer. It must not
	// answer from anything but a request that left after the call.
	KeepAliveOnce(ctx context.Context, id topology.LeaseID) (time.Duration, error)
	// Revoke ends a lease and deletes its keys.
	Revoke(ctx context.Context, id topology.LeaseID) error
}

const (
	renewals    = 5                      // in one TTL
	renewLimit  = 300 * time.Millisecond // of one renewal; below a third of the shortest TTL
	renewHedge  = 200 * time.Millisecond // silence after which the next member is asked too
	changeLimit = time.Second            // of one grant or revocation, which wait for a write of etcd
)

// Options says which lease is wanted.
type Options struct {
	Members []Granter     // one per etcd member, the nearest one first
	TTL     time.Duration // asked of etcd: whole seconds. What it grants is what counts

	// Margin may ask for a larger margin than the function Margin; a smaller one is
	// not taken. Nil: Margin.
	Margin func(granted time.Duration) time.Duration

	Clock Clock
	Log   *slog.Logger // nil: silent
}

// Session is one lease of etcd that is being renewed. It is made by Open or
// Resume; its renewals happen in Run, which somebody has to call. All other
// methods may be called at any time from any goroutine.
//
// What it guarantees: etcd does not end the lease by time before Deadline, if no
// clock is off by more than Margin allows for. It ends by somebody's revocation
// whenever that happens. Nothing but an answer of etcd moves the deadline, and
// the deadline never moves back but to zero, when the lease is gone.
type Session struct {
	opt     Options
	log     *slog.Logger
	gone    chan struct{}
	renewed chan Deadline

	mu       sync.Mutex
	id       topology.LeaseID
	ttl      time.Duration // granted, of the last good answer
	sent     Instant       // when the request left that got the last good answer
	deadline Deadline
	first    int   // member that gave the last good answer
	err      error // see Err
}

// Open asks for a new lease. Every member is asked once, a second at most for
// each. The error wraps ErrUnreachable when none granted one; a lease that was
// granted without our knowing it holds no keys and ends by itself.
func Open(ctx context.Context, opt Options) (*Session, error) {
	s, err := newSession(opt)
	if err != nil {
		return nil, fmt.Errorf("open a session: %w", err)
	}
	// A second grant would only leave a lease behind, so nobody is hedged.
	r := round{members: len(opt.Members), limit: changeLimit, hedge: changeLimit}
	_, err = race(ctx, r, func(ctx context.Context, member int) error {
		sent := s.opt.Clock.Now()
		id, ttl, err := opt.Members[member].Grant(ctx, opt.TTL)
		if err != nil {
			return err
		}
		return s.adopt(id, member, sent, ttl)
	})
	if err != nil {
		return nil, fmt.Errorf("grant a lease: %w", err)
	}
	return s, nil
}

// Resume goes on with the lease id that an earlier process of this host kept
// (R5), by renewing it. The error wraps ErrGone when etcd does not know it any
// more, and ErrUnreachable when nobody answered; in that case the caller may try
// again as long as it has not opened another session.
//
// A resumed lease says nothing of a reign: the other conditions of R5 are the
// caller's.
func Resume(ctx context.Context, opt Options, id topology.LeaseID) (*Session, error) {
	s, err := newSession(opt)
	if err != nil {
		return nil, fmt.Errorf("resume lease %x: %w", id, err)
	}
	if id == 0 {
		return nil, fmt.Errorf("resume lease: no id was kept: %w", ErrGone)
	}
	r := round{members: len(opt.Members), limit: renewLimit, hedge: renewHedge}
	_, err = race(ctx, r, func(ctx context.Context, member int) error {
		sent := s.opt.Clock.Now()
		ttl, err := opt.Members[member].KeepAliveOnce(ctx, id)
		if err != nil {
			return err
		}
		return s.adopt(id, member, sent, ttl)
	})
	if err != nil {
		return nil, fmt.Errorf("resume lease %x: %w", id, err)
	}
	return s, nil
}

func newSession(opt Options) (*Session, error) {
	if len(opt.Members) == 0 {
		return nil, errors.New("no etcd member is configured")
	}
	if opt.TTL < time.Second || opt.TTL%time.Second != 0 {
		return nil, fmt.Errorf("ttl is %s; etcd knows whole seconds only", opt.TTL)
	}
	log := opt.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Session{
		opt: opt, log: log,
		gone:    make(chan struct{}),
		renewed: make(chan Deadline, 1),
	}, nil
}

// ID returns the id of the lease.
func (s *Session) ID() topology.LeaseID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}

// TTL returns the granted TTL, as the last good answer gave it.
func (s *Session) TTL() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ttl
}

// Deadline returns until when the lease surely lives. It is zero, and so has
// passed, when the lease is gone.
func (s *Session) Deadline() Deadline {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deadline
}

// Renewed carries each new deadline, the latest only: a reader that is slow
// misses those between. It is for one reader, starts with the deadline that Open
// or Resume found, and is never closed.
func (s *Session) Renewed() <-chan Deadline { return s.renewed }

// Gone is closed when etcd said that the lease does not exist, or by Revoke. It
// says nothing of a deadline that passes because nobody answers.
func (s *Session) Gone() <-chan struct{} { return s.gone }

// Err returns nil while renewals are answered; an error that wraps
// ErrUnreachable from the first renewal on that got no usable answer, until one
// does; and for ever an error that wraps ErrGone when the lease is gone.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Run renews the lease until it is gone, and then returns an error that wraps
// ErrGone, or until ctx ends, and then returns nil: the lease is left to end by
// its TTL, and the deadline to pass. It goes on when the deadline has passed
// unanswered, for the lease may live all the same. Run is called once.
func (s *Session) Run(ctx context.Context) error {
	wait := time.NewTimer(s.untilNext(time.Time{}))
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			if err := s.Err(); errors.Is(err, ErrGone) {
				return err // both at once: gone must not be missed
			}
			return nil
		case <-s.gone:
			return s.Err()
		case <-wait.C:
		}
		started := time.Now()
		s.renew(ctx)
		wait.Reset(s.untilNext(started))
	}
}

// untilNext returns how long to wait before the next round of renewals: a fifth
// of the TTL counts from the request that renewed the lease, or from the start of
// the last round when that was in vain.
func (s *Session) untilNext(started time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := s.sent.mono
	if started.After(from) {
		from = started
	}
	return s.ttl/renewals - time.Since(from)
}

// renew asks the members, the one that answered last first, until one has
// renewed the lease or all have failed. The tries record what comes of it.
func (s *Session) renew(ctx context.Context) {
	s.mu.Lock()
	r := round{members: len(s.opt.Members), first: s.first, limit: renewLimit, hedge: renewHedge, rolling: true}
	s.mu.Unlock()
	_, _ = race(ctx, r, s.try)
}

// try sends one renewal to one member and records what comes of it as soon as it
// is known. Several tries may be in flight.
func (s *Session) try(ctx context.Context, member int) error {
	select {
	case <-s.gone: // revoked meanwhile: R3
		return s.Err()
	default:
	}
	sent := s.opt.Clock.Now() // BEFORE the request leaves: R1
	ttl, err := s.opt.Members[member].KeepAliveOnce(ctx, s.ID())
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		err = s.extend(member, sent, ttl)
	}
	switch {
	case err == nil:
	case errors.Is(err, ErrGone):
		if s.end(fmt.Errorf("renew lease %x: member %d: %w", s.id, member, err)) {
			s.log.Warn("lease is gone", "lease", s.id, "member", member)
		}
	case errors.Is(ctx.Err(), context.Canceled): // nobody waits for it any longer
	default:
		s.noteFailure(member, sent, err)
	}
	return err
}

// adopt takes over the lease that a first answer gave.
func (s *Session) adopt(id topology.LeaseID, member int, sent Instant, ttl time.Duration) error {
	if ttl <= s.margin(ttl) {
		return fmt.Errorf("granted ttl of %s leaves nothing beside a margin of %s", ttl, s.margin(ttl))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.id != 0 {
		return errors.New("another answer was taken before")
	}
	if err := s.extend(member, sent, ttl); err != nil {
		return err
	}
	s.id = id
	return nil
}

// extend moves the deadline to what an answer with the granted ttl yields for a
// request that left at sent, unless R3 forbids it. The lock is held.
func (s *Session) extend(member int, sent Instant, ttl time.Duration) error {
	deadline := sent.Deadline(ttl - s.margin(ttl))
	select {
	case <-s.gone:
		return s.err
	default:
	}
	if deadline.Passed(s.opt.Clock.Now()) || !deadline.After(s.deadline) {
		return errLate
	}
	if s.err != nil {
		s.log.Info("lease is renewed again", "lease", s.id, "member", member)
	}
	s.deadline, s.ttl, s.sent, s.first, s.err = deadline, ttl, sent, member, nil
	s.takeRenewed()
	s.renewed <- deadline // has room: only filled here, under the lock
	return nil
}

// takeRenewed removes a deadline that nobody has read yet.
func (s *Session) takeRenewed() {
	select {
	case <-s.renewed:
	default:
	}
}

// noteFailure remembers that a request sent at sent got no usable answer, unless
// a later one did. The lock is held.
func (s *Session) noteFailure(member int, sent Instant, err error) {
	if errors.Is(s.err, ErrGone) || !sent.mono.After(s.sent.mono) {
		return
	}
	if s.err == nil {
		s.log.Warn("lease is not being renewed", "lease", s.id, "member", member, "err", err)
	}
	s.err = fmt.Errorf("renew lease %x: %w: member %d: %w", s.id, ErrUnreachable, member, err)
}

// end closes the session for ever and reports whether it was open. Nothing is to
// be counted on from now on. The lock is held.
func (s *Session) end(err error) bool {
	select {
	case <-s.gone:
		return false
	default:
	}
	s.err, s.deadline = err, Deadline{}
	s.takeRenewed()
	close(s.gone)
	return true
}

// Revoke ends the lease with all its keys. From its start on the session is
// gone, whatever comes of the request: the caller must have closed everything
// that rested on the lease before (R13). The error wraps ErrUnreachable when the
// outcome is unknown; then the lease ends by its TTL at the latest. Each member
// is asked once.
func (s *Session) Revoke(ctx context.Context) error {
	s.mu.Lock()
	id := s.id
	if s.end(fmt.Errorf("lease %x was revoked by this process: %w", id, ErrGone)) {
		s.log.Info("lease is revoked", "lease", id)
	}
	s.mu.Unlock()
	r := round{members: len(s.opt.Members), limit: changeLimit, hedge: renewHedge}
	_, err := race(ctx, r, func(ctx context.Context, member int) error {
		err := s.opt.Members[member].Revoke(ctx, id)
		if errors.Is(err, ErrGone) {
			return nil // as wanted
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("revoke lease %x: %w", id, err)
	}
	return nil
}

// margin is what R2 asks for, or more when the options do.
func (s *Session) margin(ttl time.Duration) time.Duration {
	least := Margin(ttl)
	if s.opt.Margin == nil {
		return least
	}
	return max(least, s.opt.Margin(ttl))
}
