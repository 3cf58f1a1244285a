package session

import (
	"bytes"
	"errors"
	"time"

	"github.com/mmm-ha/mmm/router/backend"
	"github.com/mmm-ha/mmm/router/route"
	"github.com/mmm-ha/mmm/router/tally"
	"github.com/mmm-ha/mmm/router/wire"
)

// longAfter is how many reads one answer takes before it counts as long.
const longAfter = 3

// exchange sends the request to a server and passes the answer on. It reports true
// when the request must be sent again: the server has proven that it did nothing (see
// refused), or it went away and the request only reads (see rereads).
func (s *Session) exchange(srv *server) (again bool) {
	if !s.begin(srv) {
		if s.req.command == wire.ComStmtLongData { // an error would be taken for the answer to the next command
			s.req.stmt.missed = errInterrupted
			return false
		}
		s.cannot(errInterrupted)
		return false
	}
	w := &srv.walker
	if !w.Start(s.req.command, srv.conn.Capabilities) {
		if err := srv.link.write(s.req.packet); err != nil {
			s.lose(srv)
		}
		return false
	}
	srv.load.Begin()
	return s.relayAnswer(srv, srv.link.exchange(s.req.packet))
}

// begin says that a statement runs on a server from now on. It is false when somebody
// has asked to end the statement before.
func (s *Session) begin(srv *server) bool {
	s.mu.Lock()
	for s.killing != nil { // it is meant for the statement before this one
		wait := s.killing
		s.mu.Unlock()
		<-wait
		s.mu.Lock()
	}
	defer s.mu.Unlock()
	if s.doomed {
		s.doomed = false
		return false
	}
	s.running = srv
	return true
}

// relayAnswer passes the answer on, from what came last.
func (s *Session) relayAnswer(srv *server, err error) (again bool) {
	w := &srv.walker
	for reads := 1; ; reads++ {
		if err != nil {
			srv.load.Lost(time.Now())
			if s.rereads(srv) {
				s.lose(srv)
				return true
			}
			s.lostAnswer(srv, err)
			return false
		}
		n, e := w.Walk(srv.link.bytes)
		if w.Broken { // what comes next could be taken for the answer to another statement
			err = wire.ErrMalformed
			continue
		}
		if e == wire.More {
			if s.pass(srv, srv.link.bytes[:n], n) != nil {
				return false
			}
			srv.link.long = reads >= longAfter
			err = srv.link.exchange(nil)
			continue
		}
		end := n + len(w.Packet)
		if e == wire.End && n == 0 && !w.Passed {
			if what := s.refused(srv, w.Packet); what != final {
				srv.link.used(end)
				srv.load.End(time.Since(s.req.began))
				return s.mend(srv, what)
			}
		}
		code := s.learn(srv, e, w.Packet)
		shorter := s.toClient(srv, e, w.Packet)
		if s.pass(srv, srv.link.bytes[:n+shorter], end) != nil {
			return false
		}
		switch e {
		case wire.End:
			s.finished(srv, code)
			return false
		case wire.Local:
			s.req.sql = bytes.Clone(s.req.sql) // the file comes where it stands
			s.errand = func() error { return s.localFile(srv) }
			return false
		case wire.More, wire.Middle, wire.Ready: // it goes on
		}
	}
}

// pass writes a part of the answer to the client; used bytes of the server's are
// then done with.
func (s *Session) pass(srv *server, b []byte, used int) error {
	if len(b) > 0 {
		srv.walker.Passed = true
		if err := s.client.write(b); err != nil {
			srv.load.End(time.Since(s.req.began))
			s.ended = err
			s.lose(srv) // its answer has not ended: nobody can use it any more
			return err
		}
		s.req.sent += len(b)
	}
	srv.link.used(used)
	return nil
}

// toClient makes of the last packet of a result, in place, what the client has
// asked for, and returns its length.
func (s *Session) toClient(srv *server, e wire.Event, packet []byte) int {
	switch {
	case e == wire.Ready:
		wire.SetPreparedID(packet[wire.HeaderSize:], s.lastID)
	case len(packet) <= wire.HeaderSize || e == wire.Local:
	case s.caps.Has(wire.SessionTrack):
		return len(wire.Retrack(packet, srv.conn.Capabilities, s.asked.wants))
	default:
		return len(wire.Untrack(packet, srv.conn.Capabilities))
	}
	return len(packet)
}

// finished ends the request.
func (s *Session) finished(srv *server, code uint16) {
	srv.used = s.req.end()
	srv.load.End(s.req.over())
	srv.link.long = false
	srv.link.idle()
	if s.unheard {
		s.hear(srv)
	}
	if s.unsaid && s.opt.Rules().AllReads && (s.req.class.MayWrite() || s.req.retried) { // others are to see it, too
		if err := s.askPosition(); err != nil {
			s.ended = errors.Join(errGoodbye, err)
		}
	}
	s.last = srv
	t := tally.Writer
	if srv.reader {
		t = tally.Reader
	}
	s.tally(t, srv.conn.Target.Name, code)
}

// lose closes a connection that cannot be used any more.
func (s *Session) lose(srv *server) {
	switch srv {
	case s.writer:
		s.dropWriter()
	case s.reader:
		s.dropReader()
	}
}

// lostAnswer is for a server that went away while it had the request. What may
// have been committed is unknown, and the protocol's word for that is a closed
// connection (R59).
func (s *Session) lostAnswer(srv *server, err error) {
	passed, host, reader := srv.walker.Passed, srv.conn.Target.Name, srv.reader
	autocommit := s.transaction == route.NoTransaction
	pinned := s.pins != 0 && !reader
	closing := s.killedBy()
	if closing != nil {
		s.slay(srv)
	}
	s.lose(srv)
	s.outOfTransaction()
	code := uint16(1213)
	switch {
	case s.ctx.Err() != nil:
		s.ended = s.ctx.Err()
	case passed || pinned || autocommit && s.req.class.Commits || !autocommit && s.req.class.MayEnd() && s.req.class.Kind != route.Rollback:
		s.ended = errors.Join(errGoodbye, err)
		code = 2013
		s.tally(targetOf(reader), host, code)
	case closing != nil:
		s.answer(refusal(closing.Code, closing.State, closing.Message), targetOf(reader), host, closing.Code)
		s.ended = errGoodbye
	case s.interrupted():
		s.answer(refusal(1317, "70100", "Query execution was interrupted, by closing its connection to "+host+
			": it may go on there, for this router does not know your password and cannot KILL QUERY it"), targetOf(reader), host, 1317)
	default:
		s.answer(refusal(1213, "40001", "the server "+host+" went away; what was asked of it was not committed: try again"), targetOf(reader), host, code)
	}
}

// interrupted reports whether the connection under the statement was cut to end it.
func (s *Session) interrupted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wasCut
}

func targetOf(reader bool) tally.Target {
	if reader {
		return tally.Reader
	}
	return tally.Writer
}

// cannot answers a request that was not sent to any server.
func (s *Session) cannot(err error) {
	var theirs *backend.Server
	var said *wire.Err
	switch {
	case s.ctx.Err() != nil:
		s.ended = s.ctx.Err()
	case errors.Is(err, errLost) && (s.transaction == route.OnReader || s.transaction == route.OnWriter && s.pins == 0):
		s.rolledBack()
	case errors.Is(err, errLost):
		s.refuse(2013, "HY000", "its server has changed, and with it is gone what this session had there: "+sessionHad(s.pins)+s.alone)
		s.ended = errGoodbye
	case errors.Is(err, errLess):
		s.refuse(2013, "HY000", err.Error())
		s.ended = errGoodbye
	case errors.Is(err, ErrHold):
		s.gaveUp(err)
		s.refuse(1290, "HY000", err.Error())
	case errors.As(err, &theirs):
		s.answer(bytes.Clone(theirs.Payload), tally.Router, "", theirs.Number)
	case errors.As(err, &said):
		s.refuse(said.Code, said.State, said.Message)
	default:
		s.refuse(1105, "08S01", err.Error())
	}
}

func sessionHad(p route.Pin) string {
	var b []byte
	for i, n := range p.Names() {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, n...)
	}
	return string(b)
}

// rolledBack is for a transaction whose server is another one now, or out of reach: it
// was not committed.
func (s *Session) rolledBack() {
	if s.writer != nil && s.transaction == route.OnWriter {
		s.dropWriter()
	}
	s.outOfTransaction()
	if s.req.class.Kind == route.Rollback {
		s.fine()
		return
	}
	s.refuse(1213, "40001", "the server of the transaction has changed, and it was rolled back: try it again")
}

// outOfTransaction is after the loss of a transaction, with what was set for it.
func (s *Session) outOfTransaction() {
	s.transaction, s.next, s.coming = route.NoTransaction, false, nil
	s.status &^= wire.InTransaction | wire.InReadOnlyTransaction
}
