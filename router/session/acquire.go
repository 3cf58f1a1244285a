package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mmm-ha/mmm/router"
	"github.com/mmm-ha/mmm/router/backend"
	"github.com/mmm-ha/mmm/router/follow"
	"github.com/mmm-ha/mmm/router/route"
	"github.com/mmm-ha/mmm/router/wire"
)

// errNoWriterYet: there is no writer now; a statement waits for one.
var errNoWriterYet = errors.New("no writer yet")

// errUnlike: the next writer refuses what the session was on the last one.
var errUnlike = errors.New("the session cannot go on as it was")

// errLess: the next writer cannot do what the client was promised.
var errLess = errors.New("connect again, to agree anew")

// errLost: what the session had on its writer is gone with it.
var errLost = errors.New("the session is lost")

// doubtAfter is how long a connection may have rested before it is looked at
// whether its server has closed it.
const doubtAfter = time.Second

// first opens the first connection of a session.
func (s *Session) first(ctx context.Context) (*server, error) {
	if s.info.Mode == router.ReaderOnly {
		return s.toReader(ctx)
	}
	view := s.opt.Follow.View()
	if view.Writer.Name == "" {
		return nil, errNoWriterYet
	}
	return s.dialWriter(ctx, view)
}

// connectTries is how many connections may break before anything of a request was sent.
const connectTries = 3

// connection is where the request can be sent now: up to date, and with its statement
// prepared. One that breaks meanwhile is replaced, for nothing of the request was sent.
func (s *Session) connection(t route.Target) (srv *server, err error) {
	for range connectTries {
		srv, err = s.acquire(s.ctx, t)
		if err == nil && s.req.stmt != nil {
			err = s.ready(srv)
		}
		if err == nil || !s.dropBroken() {
			break
		}
	}
	return srv, err
}

// dropBroken closes connections that are of no use any more. It reports whether there
// was one.
func (s *Session) dropBroken() bool {
	any := false
	if s.writer != nil && s.writer.broken {
		s.dropWriter()
		any = true
	}
	if s.reader != nil && s.reader.broken {
		s.dropReader()
		any = true
	}
	return any
}

// acquire is the connection for a statement, brought up to date.
func (s *Session) acquire(ctx context.Context, t route.Target) (*server, error) {
	if t == route.SameAsLast {
		switch {
		case s.last == nil || s.last == s.writer:
			t = route.Writer
		default:
			return s.last, nil
		}
	}
	if s.req.readersOnly {
		return s.onlyReader(ctx)
	}
	if t == route.Reader {
		srv, err := s.toReader(ctx)
		if err == nil || s.info.Mode == router.ReaderOnly || !errors.Is(err, errNoReader) {
			return srv, err
		}
		s.req.why = s.instead(err)
	}
	return s.toWriter(ctx)
}

// toWriter is the connection to the writer of the current epoch, once it may be
// written to.
func (s *Session) toWriter(ctx context.Context) (*server, error) {
	view := s.opt.Follow.View()
	if s.writer == nil && (s.transaction == route.OnWriter || s.pins != 0) {
		return nil, errLost // with a connection that broke
	}
	if s.transaction == route.OnWriter {
		if s.opt.Follow.Over(view) {
			return nil, errLost
		}
		if int64(view.Epoch) == s.writer.conn.Target.Epoch && s.opt.Follow.Fresh() {
			return s.writer, nil // also while a switchover waits for it to end
		}
		if int64(view.Epoch) != s.writer.conn.Target.Epoch {
			return nil, errLost
		}
		switch err := s.hold(ctx, true); {
		case errors.Is(err, errInterrupted):
			return nil, err // the statement is, and not the transaction
		case err == nil && s.current():
			return s.writer, nil
		default:
			return nil, errLost
		}
	}
	if _, err := s.awaitWriter(ctx, view); err != nil {
		return nil, err
	}
	if s.writer != nil && (!s.current() || s.writer.closedAtRest(s.req.now())) {
		if s.pins != 0 {
			return nil, errLost
		}
		s.dropWriter()
	}
	if s.writer != nil {
		return s.writer, s.catchUp(s.writer)
	}
	return s.dialUntil(ctx)
}

// awaitWriter holds the statement until a View allows it to be written, and returns
// that View.
func (s *Session) awaitWriter(ctx context.Context, view *follow.View) (*follow.View, error) {
	for !s.mayWrite(view) {
		if err := s.hold(ctx, false); err != nil {
			return nil, err
		}
		view = s.opt.Follow.View() // once more: see Writing
	}
	return view, nil
}

// current reports whether the connection to the writer is of the newest epoch.
func (s *Session) current() bool {
	return s.writer != nil && s.writer.conn.Target.Epoch == int64(s.opt.Follow.View().Epoch)
}

func (s *Session) mayWrite(v *follow.View) bool {
	return v.Writer.Name != "" && !v.Held && s.opt.Follow.Fresh() && (s.req.closedBy != int64(v.Epoch) || time.Now().After(s.req.notBefore))
}

// still reports whether the request may be sent to that server after the router had to
// ask something of its own before: that took time.
func (s *Session) still(srv *server) bool {
	v := s.opt.Follow.View()
	return srv.reader || srv.conn.Target.Epoch == int64(v.Epoch) && s.opt.Follow.Fresh() && (!v.Held || s.transaction == route.OnWriter)
}

// hold waits until there is a writer that may be written to. inside: the session is
// in a transaction, which a switchover waits for.
func (s *Session) hold(ctx context.Context, inside bool) error {
	return s.held(ctx, func(ctx context.Context) error {
		return s.opt.Holder.wait(ctx, len(s.req.packet), s.mayGoOn(inside))
	})
}

// held is what wait returns, and shows the session as held meanwhile.
func (s *Session) held(ctx context.Context, wait func(context.Context) error) error {
	ctx, release := context.WithCancelCause(ctx)
	defer release(nil)
	s.enterHold(release)
	began := time.Now()
	err := wait(ctx)
	s.req.held += time.Since(began)
	s.goOn()
	return err
}

// mayGoOn is what hold waits for.
func (s *Session) mayGoOn(inside bool) func() (ok bool, why string, next <-chan struct{}) {
	return func() (bool, string, <-chan struct{}) {
		v := s.opt.Follow.View()
		if v.Held {
			s.req.closedBy = 0 // that was why; should it not be moved after all, it is open again
		}
		why := v.Why
		if why == "" && s.req.closedBy == int64(v.Epoch) {
			why = v.Writer.Name + " says that it is read-only"
		}
		if why == "" && !s.opt.Follow.Fresh() {
			why = "etcd was not heard of lately, so nobody knows whether " + v.Writer.Name + " is still the writer"
		}
		return s.mayWrite(v) || inside && v.Writer.Name != "" && s.opt.Follow.Fresh(), why, v.Next()
	}
}

// dialUntil opens the connection to the writer. While it cannot be reached the
// statement is held: a new writer may be there soon.
func (s *Session) dialUntil(ctx context.Context) (srv *server, err error) {
	err = s.untilReached(ctx, func(view *follow.View) (again bool, err error) {
		if view, err = s.awaitWriter(ctx, view); err != nil {
			return false, err
		}
		srv, err = s.dialWriter(ctx, view)
		var theirs *backend.Server
		return !errors.As(err, &theirs) && !errors.Is(err, errUnlike) && !errors.Is(err, errLost), err
	})
	return srv, err
}

// reachAgain is how long nobody tries again to reach a writer that could not be.
const reachAgain = 20 * time.Millisecond

// untilReached tries to reach the writer for as long as a statement is held, at once
// when there is another View. again: what failed may go well soon.
func (s *Session) untilReached(ctx context.Context, try func(*follow.View) (again bool, err error)) error {
	for end := time.Now().Add(s.opt.Holder.longest()); ; {
		view := s.opt.Follow.View()
		again, err := try(view)
		if err == nil || !again || ctx.Err() != nil || time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
		case <-view.Next():
		case <-time.After(reachAgain):
		}
		if s.stopped() {
			return errInterrupted
		}
	}
}

// dialWhile is dial for as long as the newest View has the server in its part: one that
// is still being dialled then may be dead, or hang, and its kernel would not say so for
// seconds.
func (s *Session) dialWhile(ctx context.Context, t backend.Target, reader bool, has func(*follow.View) bool) (*server, error) {
	while, cancel := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		defer cancel()
		for v := s.opt.Follow.View(); has(v); v = s.opt.Follow.View() {
			select {
			case <-while.Done():
				return
			case <-v.Next():
			}
		}
	}()
	srv, err := s.dial(while, t, reader)
	cancel()
	<-watched
	return srv, err
}

// dialWriter opens the connection to the writer of a view.
func (s *Session) dialWriter(ctx context.Context, view *follow.View) (*server, error) {
	t := backend.Target{Name: view.Writer.Name, Address: view.Writer.Address, Epoch: int64(view.Epoch)}
	srv, err := s.dialWhile(ctx, t, false, func(v *follow.View) bool { return v.Epoch == view.Epoch })
	if err != nil {
		return nil, err
	}
	if why := s.less(srv); why != "" {
		srv.close()
		return nil, fmt.Errorf("%w: %w: %s", errUnlike, errLess, why)
	}
	s.writer = srv
	s.show()
	if err := s.renew(srv); err != nil {
		s.dropWriter()
		return nil, err
	}
	return srv, nil
}

func (s *Session) dial(ctx context.Context, t backend.Target, reader bool) (*server, error) {
	if s.secret.None() && s.alone != "" {
		return nil, fmt.Errorf("%w: %s", errLost, s.alone)
	}
	limited, cancel := s.dialing(ctx)
	defer cancel()
	who := s.who
	if s.schema != "" {
		who.Schema = s.schema
	}
	s.req.detour = true
	load := s.opt.Picker.Load(t.Name)
	c, err := s.opt.Pool.Dial(limited, t, who, s.secret, s.opt.Servers())
	if err != nil {
		s.unreached(t, err)
		return nil, err
	}
	s.all.heard(t.Name, c.Greeting)
	srv := newServer(c, load, reader, who.Schema)
	srv.who = who
	return srv, nil
}

// renew brings a new connection to the state that the session had on the last one.
func (s *Session) renew(srv *server) error {
	err := s.catchUp(srv)
	if err == nil && s.insertID != 0 {
		_, err = srv.ask(wire.ComQuery, fmt.Appendf(nil, "SET last_insert_id=%d", s.insertID))
	}
	if err == nil && s.option != nil {
		_, err = srv.ask(wire.ComSetOption, s.option)
	}
	if err == nil && s.next {
		err = s.again(srv)
	}
	if said := (*wire.Err)(nil); errors.As(err, &said) {
		return fmt.Errorf("%w: %w", errUnlike, err)
	}
	return err
}

// again sets for the next transaction what was set for it on the last connection.
func (s *Session) again(srv *server) error {
	for one := range bytes.SplitSeq(s.coming, []byte(";")) {
		if one = bytes.TrimSpace(one); !bytes.HasPrefix(one, []byte("SET TRANSACTION")) {
			continue
		}
		if _, err := srv.ask(wire.ComQuery, one); err != nil {
			return err
		}
	}
	return nil
}

// catchUp sets on a connection what the client has set since it was last used.
func (s *Session) catchUp(srv *server) error {
	if srv.applied < s.settings.version {
		if set := s.settings.since(nil, srv.applied); len(set) > 0 {
			s.req.detour = true
			if _, err := srv.ask(wire.ComQuery, set); err != nil {
				return fmt.Errorf("set what was set on the writer: %w", err)
			}
		}
		srv.applied = s.settings.version
	}
	if srv.schema != s.schema && s.schema != "" {
		s.req.detour = true
		if _, err := srv.ask(wire.ComInitDB, []byte(s.schema)); err != nil {
			return err
		}
		srv.schema = s.schema
	}
	return nil
}

func (s *Session) dropWriter() {
	if s.last == s.writer {
		s.last = nil
	}
	s.writer.close()
	s.writer = nil
}

func (s *Session) dropReader() {
	if s.last == s.reader {
		s.last = nil
	}
	s.reader.close()
	s.reader = nil
}

// closedAtRest reports whether the server has closed a connection on which nothing was
// said for a while.
func (srv *server) closedAtRest(now time.Time) bool {
	return now.Sub(srv.used) >= doubtAfter && srv.conn.Closed()
}
