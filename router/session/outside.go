package session

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/mmm-ha/mmm/router"
	"github.com/mmm-ha/mmm/router/auth"
	"github.com/mmm-ha/mmm/router/backend"
	"github.com/mmm-ha/mmm/router/route"
	"github.com/mmm-ha/mmm/router/wire"
)

// outward is what others ask for and change while a session runs; mu guards all of it.
type outward struct {
	mu      sync.Mutex
	shown   router.State
	running *server                 // what a statement runs on
	open    bool                    // it is in a transaction on the writer, or was when it was last idle
	wasCut  bool                    // the connection under the statement was cut, to end it
	doomed  bool                    // the statement that is not on a server yet must not run
	release context.CancelCauseFunc // ends its wait for a writer; nil: it does not wait
	killing chan struct{}           // closed when the server was told to end a statement; no other may run there before
	main    *server                 // its writer, as others see it
	side    *server                 // its reader, likewise
	goodbye *router.Refusal         // end at the next idle moment
	closing *router.Refusal         // end now
	wake    context.CancelFunc
}

// enter says what the session does from now on.
func (s *Session) enter(p router.Phase) { s.enterAt(p, time.Now()) }

// enterAt says what the session does since a moment that is now, and was read from
// the clock already: a statement reads it twice and no more.
func (s *Session) enterAt(p router.Phase, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entered(p, now)
}

// entered is enterAt with mu held.
func (s *Session) entered(p router.Phase, now time.Time) {
	s.shown.Phase, s.shown.Since = p, now
	if p == router.Running {
		s.shown.Statements++
	}
	if p == router.Idle {
		s.running, s.doomed, s.wasCut = nil, false, false
		s.shown.InTransaction = s.transaction != route.NoTransaction
		s.open = s.transaction == route.OnWriter
	}
}

// rest says that the session is idle since a moment, and returns why it must end
// now, if it must.
func (s *Session) rest(now time.Time) *router.Refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entered(router.Idle, now)
	return s.told()
}

// told is why the session must end, if somebody has told it to and it may now; with
// mu held.
func (s *Session) told() *router.Refusal {
	if s.closing == nil && s.transaction == route.NoTransaction {
		return s.goodbye
	}
	return s.closing
}

// enterHold says that the statement waits for a writer, and how to end that wait.
func (s *Session) enterHold(release context.CancelCauseFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entered(router.Held, time.Now())
	s.release = release
}

// errInterrupted is what a server says of a statement that was killed.
var errInterrupted = &wire.Err{Code: 1317, State: "70100", Message: "Query execution was interrupted"}

// stopped reports whether somebody has asked to end the statement, which is on no
// server yet.
func (s *Session) stopped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.doomed
}

// goOn says that the statement is no longer held, or refused by a server, and looks
// for one again.
func (s *Session) goOn() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown.Phase, s.shown.Since, s.running, s.release = router.Running, time.Now(), nil, nil
}

// Writing counts what is under way on the writer: statements, and transactions
// between two of their statements. A statement counts before it looks whether it may
// be sent. So when a View that holds is published, and this is asked after that, what
// is not counted will see that View.
func (c *Conversations) Writing() (running, open int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for s := range c.sessions {
		switch runs, within := s.writing(); {
		case runs:
			running++
		case within:
			open++
		}
	}
	return running, open
}

// writing is what Writing counts of a session.
func (s *Session) writing() (running, open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	onReader := s.running != nil && s.running.reader
	return s.shown.Phase == router.Running && !onReader, s.open
}

// State is what the session is doing.
func (s *Session) State() router.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown
}

// show brings what has changed into State.
func (s *Session) show() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown.User, s.shown.Schema, s.shown.Pins = s.who.User, s.schema, s.pins.Names()
	s.main, s.side = s.writer, s.reader
	if s.closing != nil {
		s.cut()
	}
	s.shown.Writer, s.shown.Reader = name(s.writer), name(s.reader)
}

func name(s *server) string {
	if s == nil {
		return ""
	}
	return s.conn.Target.Name
}

// KillQuery ends the statement that runs, on its server, if it is the one that is meant.
func (s *Session) KillQuery(ctx context.Context, since time.Time) error {
	s.mu.Lock()
	if !since.IsZero() && !s.shown.Since.Equal(since) {
		s.mu.Unlock()
		return nil
	}
	srv, who, secret := s.running, s.who, s.secret
	if srv == nil || s.killing != nil {
		s.doomed = s.shown.Phase == router.Running || s.shown.Phase == router.Held
		if s.release != nil {
			s.release(errInterrupted)
		}
		s.mu.Unlock()
		return nil
	}
	done := make(chan struct{})
	s.killing = done
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.killing = nil
		s.mu.Unlock()
		close(done)
	}()
	if secret.None() {
		s.mu.Lock()
		s.wasCut = true
		s.mu.Unlock()
		_ = srv.conn.SetDeadline(time.Unix(1, 0)) // there is no other way to reach it
		return nil
	}
	return s.kill(ctx, srv, who, secret, "KILL QUERY")
}

// kill has a server end what runs on one of its connections, or that connection.
func (s *Session) kill(ctx context.Context, srv *server, who backend.Who, secret auth.Secret, how string) error {
	who.Schema = ""
	c, err := backend.Dial(ctx, srv.conn.Target, who, secret, s.opt.Servers())
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if deadline, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(deadline)
	}
	second := &server{conn: c, link: newLink(c.Conn)}
	_, err = second.ask(wire.ComQuery, fmt.Appendf(nil, "%s %d", how, srv.conn.Greeting.Connection))
	return err
}

// killedBy is why the session must end at once; nil: nobody has said so.
func (s *Session) killedBy() *router.Refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// slay ends what runs on a server for a session that somebody has ended. By itself the
// server would go on, with all its locks: it looks for its client when it has
// something to say.
func (s *Session) slay(srv *server) {
	if s.secret.None() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), keepLimit)
	defer cancel()
	_ = s.kill(ctx, srv, s.who, s.secret, "KILL") // it may have ended meanwhile
}

// Drain makes the session end at its next idle moment.
func (s *Session) Drain(goodbye *router.Refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.goodbye = goodbye
	if s.shown.Phase == router.Idle {
		_ = s.client.conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// Close ends the session now.
func (s *Session) Close(why *router.Refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = why
	s.cut()
	_ = s.client.conn.SetDeadline(time.Unix(1, 0))
	if s.wake != nil {
		s.wake()
	}
}

// cut ends every wait for a server, with mu held: also for what the router asks before
// it sends a statement.
func (s *Session) cut() {
	for _, srv := range []*server{s.running, s.main, s.side} {
		if srv != nil {
			_ = srv.conn.SetDeadline(time.Unix(1, 0))
		}
	}
}
