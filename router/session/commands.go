package session

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mmm-ha/mmm/router"
	"github.com/mmm-ha/mmm/router/auth"
	"github.com/mmm-ha/mmm/router/backend"
	"github.com/mmm-ha/mmm/router/follow"
	"github.com/mmm-ha/mmm/router/route"
	"github.com/mmm-ha/mmm/router/wire"
)

// localFile passes the client's file on to the server that asked for it, up to the
// empty packet that ends it, and goes on with the answer.
func (s *Session) localFile(srv *server) error {
	for last := false; !last; {
		n, _, ok := wire.Header(s.client.bytes)
		if !ok || len(s.client.bytes) < wire.HeaderSize+n {
			if err := s.client.read(); err != nil {
				srv.load.End(time.Since(s.req.began))
				s.lose(srv) // a server that waits for the rest of a file rolls back when nobody comes
				return err
			}
			continue
		}
		if err := srv.link.write(s.client.bytes[:wire.HeaderSize+n]); err != nil {
			srv.load.Lost(time.Now())
			s.lostAnswer(srv, err)
			return s.ended
		}
		s.client.used(wire.HeaderSize + n)
		last = n == 0
	}
	s.relayAnswer(srv, srv.link.exchange(nil))
	if s.errand == nil { // else a second one is asked for
		s.enter(router.Idle)
	}
	return s.ended
}

// resetConnection is COM_RESET_CONNECTION: as after a login, but for the schema. Where
// it fails the session has all that it had.
func (s *Session) resetConnection() {
	if s.reader != nil {
		s.dropReader()
	}
	if s.transaction == route.OnReader {
		s.outOfTransaction()
	}
	if s.writer != nil && !s.current() {
		s.dropWriter() // with all that is to be forgotten
	}
	if s.writer == nil {
		s.forget()
		s.fine()
		return
	}
	s.simple(route.Class{Kind: route.Ask, Rule: route.RuleSet})
	if s.req.code != 0 {
		return
	}
	s.forget()
	if s.writer == nil {
		return
	}
	s.writer.prepared = map[uint32]*prepared{}
	s.writer.applied = s.settings.version
	if err := s.writer.trackAgain(); err != nil {
		s.dropWriter()
	}
}

// forget is what a session is after a login.
func (s *Session) forget() {
	schema, version := s.schema, s.settings.version
	s.state = state{status: wire.Autocommit, schema: schema, position: s.position, settings: settings{version: version}, option: s.option,
		multibyte: slices.Contains(multibyteLogins, s.who.Charset)}
	s.statements = map[uint32]*statement{}
}

// trackAgain asks the server for its reports again, which a reset has switched off.
func (s *server) trackAgain() error {
	ask := backend.Track(s.conn.Greeting)
	if !s.conn.Capabilities.Has(wire.SessionTrack) {
		return nil
	}
	_, err := s.ask(wire.ComQuery, []byte(ask))
	return err
}

// changeUser is COM_CHANGE_USER. The proof is a new login's; what cannot be judged here
// is judged by the writer. The connections of the old user are closed first.
func (s *Session) changeUser(packet []byte) error {
	login, err := wire.ParseChangeUser(packet, s.caps)
	d := s.dialogue()
	d.seq = 1
	if err != nil {
		return errors.Join(errGoodbye, d.write(refusal(1043, "08S01", "Bad handshake: "+err.Error())))
	}
	s.dropServers()
	s.alone = ""
	s.mu.Lock()
	s.entered(router.LoggingIn, time.Now()) // and has as long for it as a new one
	s.shown.Waited = time.Since(s.opened)
	s.who.User, s.who.Schema, s.who.Charset = login.User, login.Schema, login.Charset
	if len(login.Attributes) > 0 {
		s.who.Attributes = login.Attributes
	}
	s.secret = auth.Secret{}
	s.mu.Unlock()
	s.forget()
	s.schema = ""
	// Drivers answer to the salt that they were greeted with; libmariadb does even when
	// it is asked with another one.
	front := auth.NewFront(s.opt.Accounts.Now(), s.salt, s.opt.Keys)
	verdict := front.Start(s.asClient(), login.Plugin, login.Answer)
	if verdict.Do != auth.Accept {
		front = auth.NewFront(s.opt.Accounts.Now(), auth.NewSalt(), s.opt.Keys)
		verdict = front.Change(s.asClient())
	}
	if err := s.judged(s.ctx, d, front, verdict); err != nil {
		return err
	}
	s.enter(router.Idle)
	return nil
}

// killByNumber is COM_PROCESS_KILL.
func (s *Session) killByNumber(p []byte) {
	if len(p) < 5 {
		s.refuse(1835, "HY000", "Malformed communication packet")
		return
	}
	s.req.class = route.Class{Kind: route.Kill, Rule: route.RuleKill, KillID: uint64(binary.LittleEndian.Uint32(p[1:]))}
	if !s.killed() {
		s.run()
	}
}

// killed is for KILL of a number that a session is known by: that of its greeting, or
// that of its connection to the writer, which CONNECTION_ID() and SHOW PROCESSLIST
// say. One of its own user's is ended here, wherever it runs; for any other the server
// is asked, by the number that it knows.
func (s *Session) killed() bool {
	c := s.req.class
	if c.KillID == 0 || c.KillID > 1<<32-1 || s.info.Find == nil {
		return false
	}
	found, ok := s.info.Find(uint32(c.KillID))
	if !ok {
		found = s.all.numbered(uint32(c.KillID), s.who.User)
	}
	other, mine := found.(*Session)
	if !mine || other == nil {
		return false
	}
	if other.State().User != s.who.User {
		s.killOther(other)
		return true
	}
	s.req.why = "the session is one of this router's"
	switch {
	case other == s && c.KillQuery:
		s.refuse(1317, "70100", "Query execution was interrupted")
		return true
	case other == s:
		s.refuse(1927, "70100", "Connection was killed")
		s.ended = errGoodbye
		return true
	case !c.KillQuery:
		other.Close(&router.Refusal{Code: 1927, State: "70100", Message: "Connection was killed"})
		s.fine()
		return true
	}
	ctx, cancel := context.WithTimeout(s.ctx, 5*time.Second)
	defer cancel()
	if err := other.KillQuery(ctx, time.Time{}); err != nil {
		s.cannot(err)
		return true
	}
	s.fine()
	return true
}

// numbered finds the session of a user whose connection to the writer has this number
// there; nil if there is none. What it runs may run on a reader, where a server that is
// asked to kill that number would not find it.
func (c *Conversations) numbered(number uint32, user string) *Session {
	writer := c.opt.Follow.View()
	c.mu.Lock()
	defer c.mu.Unlock()
	for s := range c.sessions {
		if s.hasOnWriter(number, writer) && s.State().User == user {
			return s
		}
	}
	return nil
}

func (s *Session) hasOnWriter(number uint32, v *follow.View) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.main != nil && s.main.conn.Greeting.Connection == number &&
		s.main.conn.Target.Name == v.Writer.Name && s.main.conn.Target.Epoch == int64(v.Epoch)
}

// killOther asks the writer to kill the session of another user, by the number of
// its connection there: whether this user may do that is the server's to say.
func (s *Session) killOther(other *Session) {
	other.mu.Lock()
	srv := other.running
	if srv == nil {
		srv = other.main
	}
	number, host := uint32(0), ""
	if srv != nil {
		number, host = srv.conn.Greeting.Connection, srv.conn.Target.Name
		s.req.reign = srv.conn.Target.Epoch
	}
	other.mu.Unlock()
	if number == 0 || s.opt.Follow.View().Writer.Name != host {
		s.refuse(1094, "HY000", fmt.Sprintf("Unknown thread id: %d (it has no connection to the writer now)", s.req.class.KillID))
		return
	}
	text := "KILL "
	if s.req.class.KillQuery {
		text += "QUERY "
	}
	s.req.packet, _ = wire.AppendPacket(nil, fmt.Appendf([]byte{byte(wire.ComQuery)}, "%s%d", text, number), 0)
	s.req.command = wire.ComQuery
	s.run()
}
