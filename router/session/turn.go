package session

import (
	"bytes"
	"fmt"
	"time"

	"github.com/mmm-ha/mmm/router"
	"github.com/mmm-ha/mmm/router/lexer"
	"github.com/mmm-ha/mmm/router/route"
	"github.com/mmm-ha/mmm/router/tally"
	"github.com/mmm-ha/mmm/router/wire"
)

// request is one command of the client, while it is worked on.
type request struct {
	packet  []byte // with headers; a part of the client's inbox, or made of it
	command wire.Command
	sql     []byte // of a query; of a prepared statement its text
	class   route.Class
	stmt    *statement // of the commands about one

	why         string
	began       time.Time
	took        time.Duration // until its answer was over; 0: that is not known yet
	held        time.Duration
	retried     bool   // a reader refused it first
	rereads     int    // how often it was sent again because its server went away
	readersOnly bool   // it went away with the writer
	detour      bool   // a server was dialled, or asked something, on its behalf
	sent        int    // bytes of the answer
	code        uint16 // of the error that it was answered with; 0: none

	reign int64 // of KILL by a server's number: of the writer that gave it; else 0

	closedBy  int64 // epoch of the writer that said it is read-only
	notBefore time.Time
}

// payload is the packet without the header of its first part.
func (r *request) payload() []byte { return r.packet[wire.HeaderSize:] }

// now is a moment not long ago, without a look at the clock.
func (r *request) now() time.Time { return r.began.Add(r.held) }

// over reads the clock, once, at the end of the answer.
func (r *request) over() time.Duration {
	if r.took == 0 {
		r.took = max(time.Since(r.began), 1)
	}
	return r.took
}

// end is when the answer was over.
func (r *request) end() time.Time { return r.began.Add(r.over()) }

// turn works on every command that is whole in the inbox. It is false when the
// conversation must leave the poller.
func (s *Session) turn() bool {
	for {
		packet, much := s.whole()
		if much {
			s.tooMuch()
			return false
		}
		if packet == nil {
			return true
		}
		s.req = request{packet: packet, command: wire.Command(packet[wire.HeaderSize]), began: time.Now()}
		s.enterAt(router.Running, s.req.began)
		s.command()
		s.client.used(len(packet))
		if s.errand != nil {
			return false
		}
		why := s.rest(s.req.end())
		if s.ended == nil {
			s.ended = s.part(why)
		}
		if s.ended != nil {
			return false
		}
		if len(s.client.bytes) == 0 {
			return true
		}
	}
}

// whole is the first command of the inbox with all its packets, nil if there is
// more to come. much: it is more than a client may send, and is not waited for.
func (s *Session) whole() (packet []byte, much bool) {
	b := s.client.bytes
	at, size := 0, 0
	for {
		n, _, ok := wire.Header(b[at:])
		if size += n; n > bufferSize && size >= s.opt.Rules().complete().Most {
			return nil, true
		}
		if !ok || len(b) < at+wire.HeaderSize+n {
			return nil, false
		}
		at += wire.HeaderSize + n
		if n < wire.MaxPayload {
			break
		}
	}
	if at == wire.HeaderSize { // an empty packet is no command
		s.client.used(at)
		return s.whole()
	}
	return b[:at], false
}

// tooMuch refuses a command for its size, as a server does: it says so and closes.
// The client may be writing still; it reads what it was told once all that it has
// written was taken, so that is thrown away, for a time.
func (s *Session) tooMuch() {
	s.req = request{packet: s.client.bytes, began: time.Now()} // which command it is may not be there yet
	s.refuse(1153, "08S01", "Got a packet bigger than 'max_allowed_packet' bytes")
	s.errand = func() error {
		s.client.linger(lingerLimit)
		return errGoodbye
	}
}

// lingerLimit bounds how long a client may take to hear that it has sent too much.
const lingerLimit = time.Second

// command does what the client asks.
func (s *Session) command() {
	p := s.req.payload()
	switch s.req.command {
	case wire.ComQuery:
		s.query(wire.Message(s.req.packet)[1:])
	case wire.ComStmtPrepare:
		s.prepare(wire.Message(s.req.packet)[1:])
	case wire.ComStmtExecute, wire.ComStmtBulkExecute:
		s.execute()
	case wire.ComStmtFetch, wire.ComStmtReset, wire.ComStmtLongData, wire.ComStmtClose:
		s.about()
	case wire.ComQuit:
		s.ended = errGoodbye
	case wire.ComPing:
		s.fine()
	case wire.ComInitDB:
		s.simple(route.Class{Kind: route.Use, Rule: route.RuleUse})
	case wire.ComResetConnection:
		s.resetConnection()
	case wire.ComChangeUser:
		login := bytes.Clone(p[1:])
		s.errand = func() error { return s.changeUser(login) }
	case wire.ComProcessKill:
		s.killByNumber(p)
	case wire.ComSetOption:
		s.option = bytes.Clone(p[1:])
		s.simple(route.Class{Kind: route.Ask, Rule: route.RuleShowHere})
	case wire.ComBinlogDump, wire.ComBinlogDumpGTID, wire.ComRegisterReplica, wire.ComTableDump, wire.ComClone:
		s.refuse(1227, "42000", s.req.command.String()+" does not go through the router: connect to a database host itself")
	default:
		s.simple(route.Class{Kind: route.Ask, Rule: route.RuleShowHere, Commits: true, Opaque: true})
	}
}

// mode is how the session's statements are read.
func (s *Session) mode() lexer.Mode {
	m := s.brand
	if s.status.Has(wire.NoBackslashEscapes) {
		m |= lexer.NoBackslash
	}
	if s.status.Has(wire.AnsiQuotes) || s.ansi && m&lexer.MySQL != 0 {
		m |= lexer.AnsiQuotes
	}
	if s.spaces {
		m |= lexer.IgnoreSpace
	}
	if s.multibyte {
		m |= lexer.Multibyte
	}
	return m
}

// query is COM_QUERY.
func (s *Session) query(sql []byte) {
	if s.caps.Has(wire.QueryAttributes) {
		rest, ok := wire.SkipAttributes(sql)
		if !ok {
			s.refuse(1835, "HY000", "Malformed communication packet")
			return
		}
		sql = rest
	}
	s.req.sql = sql
	s.req.class = route.Classify(sql, s.mode())
	if s.req.class.Kind == route.Kill && s.killed() {
		return
	}
	s.run()
}

// simple is a command without text that goes to the writer.
func (s *Session) simple(c route.Class) {
	s.req.class = c
	s.run()
}

// situation is the session as route wants it.
func (s *Session) situation() route.Session {
	return route.Session{
		Mode: s.listen, Transaction: s.transaction, Autocommit: s.status.Has(wire.Autocommit),
		Strict: s.strict || s.next || s.nullIsLast, Pins: s.pins,
	}
}

var modes = map[router.Mode]route.Mode{router.WriterOnly: route.WriterOnly, router.ReaderOnly: route.ReaderOnly}

// run decides where the request goes, and sends it there.
func (s *Session) run() {
	r := &s.req
	if r.class.Diagnoses && s.last != nil && s.last.reader {
		s.refuse(1235, "42000", "GET DIAGNOSTICS of a statement that a reader has run does not go through the router: give that statement the hint /* mmm:writer */")
		return
	}
	if why := s.someAstray(); why != "" {
		s.refuse(1290, "HY000", "the router does not run this: "+why)
		return
	}
	d := route.Decide(r.class, s.situation())
	r.why = d.Why
	if d.Target == route.Refused {
		s.refuse(1290, "HY000", "the router does not run this: "+d.Why)
		return
	}
	if d.Leave {
		if s.reader != nil {
			s.dropReader() // a transaction that only read ends with its connection
		}
		s.transaction = route.NoTransaction
	}
	for target := d.Target; ; target = r.nextTarget() {
		srv, err := s.connection(target)
		if err != nil {
			s.cannot(err)
			return
		}
		if r.reign != 0 && r.reign != srv.conn.Target.Epoch {
			s.refuse(1094, "HY000", fmt.Sprintf("Unknown thread id: %d (the writer that knew it has changed)", r.class.KillID))
			return
		}
		if r.detour && !s.still(srv) {
			r.detour = false
			s.goOn()
			continue
		}
		if !s.exchange(srv) {
			return
		}
		s.goOn() // it is no longer on that server
	}
}

// lasting are the bits of a status that tell of the session, not of one statement.
const lasting = wire.InTransaction | wire.Autocommit | wire.NoBackslashEscapes | wire.InReadOnlyTransaction | wire.AnsiQuotes

// fine answers OK.
func (s *Session) fine() {
	ok := wire.OK{Status: s.status & lasting}
	s.answer(ok.Append(s.out[:0], s.caps), tally.Router, "", 0)
}

// refuse answers ERR.
func (s *Session) refuse(code uint16, state, message string) {
	s.answer(refusal(code, state, message), tally.Router, "", code)
}

// answer sends a payload of the router's own, as the whole answer.
func (s *Session) answer(payload []byte, t tally.Target, host string, code uint16) {
	packet, _ := wire.AppendPacket(nil, payload, 1)
	if err := s.client.write(packet); err != nil {
		s.ended = err
	}
	s.req.sent += len(packet)
	s.tally(t, host, code)
}

// tally brings the request to the board.
func (s *Session) tally(t tally.Target, host string, code uint16) {
	r := &s.req
	r.code = code
	if s.info.Board == nil || s.info.Counts == nil {
		return
	}
	s.info.Counts.Bytes(len(r.packet), r.sent)
	mode, digest := s.mode(), uint64(0)
	switch {
	case s.info.Board.Digests == nil || len(r.sql) == 0:
	case r.stmt != nil:
		digest = r.stmt.digestIn(mode)
	default:
		digest = lexer.Digest(r.sql, mode)
	}
	s.info.Board.Ended(s.info.Counts, &tally.Statement{
		Digest: digest, Mode: uint8(mode),
		Session: s.info.ID, User: s.who.User, Schema: s.schema, SQL: r.sql, Target: t, Host: host, Why: r.why,
		Took: r.over(), At: r.end(), Held: r.held, Code: code, Retried: r.retried, Rereads: r.rereads,
	})
}
