package router

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// One goroutine looks at all sessions once a second; so no session needs a timer
// of its own, and a limit is kept to about a second.
const (
	sweepEvery = time.Second
	// killLimit bounds one KILL QUERY; it needs a new connection to the server.
	killLimit = 5 * time.Second
	// killGrace is what a killed statement has to end before its session is closed.
	killGrace = 10 * time.Second
	// killsAtOnce bounds the connections that killing takes.
	killsAtOnce = 16
)

// killing is the last statement of a session that was killed.
type killing struct {
	since time.Time // when the statement began
	at    time.Time // when it was killed
}

// sweeper ends what takes too long or has nobody who waits for it.
type sweeper struct {
	sessions *registry
	limits   func() Limits
	turned   atomic.Int64 // unix nanoseconds of the last turn, for /healthz
	kills    sync.WaitGroup
	places   chan struct{}
	standing func() ([]netip.Addr, error) // on this machine
	address  addresses
	beat     func()              // feeds the watchdog of systemd
	ended    func(reason string) // counts
	failed   func(l *live, err error)
}

// run looks at all sessions until ctx ends.
func (s *sweeper) run(ctx context.Context) error {
	defer s.kills.Wait()
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		s.sweep(ctx, time.Now())
		s.turned.Store(time.Now().UnixNano())
		s.beat()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (s *sweeper) sweep(ctx context.Context, now time.Time) {
	limits := s.limits()
	if on, err := s.standing(); err == nil { // without an answer nothing is known to have changed
		s.address.look(now, on)
	}
	for _, l := range s.sessions.all() {
		state := l.session.State()
		lost := ""
		switch {
		case s.address.gone(now, l.at):
			lost = reasonLeft
		case state.Phase.busy() && gone(l.raw):
			lost = reasonGone
		}
		v := judge(state, l.began, l.killed, lost, limits, now)
		switch {
		case v.close != nil:
			s.ended(v.reason)
			l.session.Close(v.close)
		case v.kill:
			s.ended(v.reason)
			l.killed = killing{since: state.Since, at: now}
			s.kill(ctx, l, state.Since)
		}
	}
}

// kill ends the running statement of a session, beside the sweep. When all places
// are taken the next sweep tries again.
func (s *sweeper) kill(ctx context.Context, l *live, since time.Time) {
	select {
	case s.places <- struct{}{}:
	default:
		l.killed = killing{}
		return
	}
	s.kills.Go(func() {
		defer func() { <-s.places }()
		ctx, cancel := context.WithTimeout(ctx, killLimit)
		defer cancel()
		if err := l.session.KillQuery(ctx, since); err != nil {
			s.failed(l, err)
		}
	})
}

// busy reports whether the session does not read from its client, so that it
// would not notice that the client is gone.
func (p Phase) busy() bool { return p == Waiting || p == Running || p == Held }

// verdict is what has to happen to a session, and why, in one word for a metric.
type verdict struct {
	close  *Refusal
	kill   bool
	reason string
}

// The reasons for which the sweeper ends something.
const (
	reasonLogin = "login_time"
	reasonIdle  = "idle_time"
	reasonQuery = "query_time"
	reasonGone  = "client_gone"
	reasonLeft  = "address_left"
	reasonKill  = "kill_time"
	reasonPanic = "panic" // of a session; not the sweeper's, but an end like these
)

// lostWords say to a client that cannot hear it, and to the log, how it was lost.
var lostWords = map[string]string{reasonGone: "the client is gone", reasonLeft: "the address by which the client came has left this machine"}

// judge looks at one session. lost is the reason for which nobody waits for it any
// more, if so. It is pure.
func judge(s State, began time.Time, killed killing, lost string, l Limits, now time.Time) verdict {
	lasted := now.Sub(s.Since)
	wasKilled := killed.since.Equal(s.Since) && !killed.at.IsZero()
	if lost != "" && s.Phase != Running {
		return verdict{close: closedFor(lostWords[lost]), reason: lost}
	}
	switch s.Phase {
	case LoggingIn:
		if now.Sub(began)-s.Waited > l.LoginTime.D() {
			return verdict{close: closedFor("the login took longer than " + l.LoginTime.String() + " (limits.loginTime)"), reason: reasonLogin}
		}
	case Idle:
		if l.Idle > 0 && lasted > l.Idle.D() {
			return verdict{close: closedFor(fmt.Sprintf("nothing was asked for %s (limits.idle)", l.Idle)), reason: reasonIdle}
		}
	case Waiting, Held: // for the gate and for a writer, which have limits of their own
	case Running:
		switch {
		case wasKilled && now.Sub(killed.at) > killGrace:
			return verdict{close: closedFor("its statement did not end when it was killed"), reason: reasonKill}
		case wasKilled:
		case lost != "":
			return verdict{kill: true, reason: lost}
		case l.Query > 0 && lasted > l.Query.D():
			return verdict{kill: true, reason: reasonQuery}
		}
	}
	return verdict{}
}

// gone reports whether the other side of a connection has closed it. Bytes that
// wait to be read do not hide that: the kernel says it of its own.
func gone(raw syscall.RawConn) bool {
	if raw == nil {
		return true
	}
	over := false
	if err := raw.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(p, 0)
		over = err == nil && n > 0 && p[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
	}); err != nil {
		return true // closed here
	}
	return over
}
