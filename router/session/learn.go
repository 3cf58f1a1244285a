package session

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mmm-ha/mmm/router/lexer"
	"github.com/mmm-ha/mmm/router/route"
	"github.com/mmm-ha/mmm/router/wire"
)

// learn takes what the end of a result says of the session, and returns the code
// of an error.
func (s *Session) learn(srv *server, e wire.Event, packet []byte) uint16 {
	if e == wire.Local || len(packet) < wire.HeaderSize+1 {
		return 0
	}
	p := packet[wire.HeaderSize:]
	if e == wire.Ready {
		s.registered(srv, p)
		return 0
	}
	if wire.IsErr(p) {
		failed, _ := wire.ParseErr(p)
		return failed.Code
	}
	if s.req.command == wire.ComStatistics {
		return 0
	}
	ok, err := wire.ParseOK(p, srv.conn.Capabilities)
	if err == nil && !ok.EOF && ok.InsertID != 0 && !srv.reader {
		s.insertID = ok.InsertID
	}
	changed := false
	if err == nil && len(ok.Tracked) > 0 {
		changed = s.tracked(srv, ok.Tracked)
	}
	s.wentAstray(srv, changed)
	if err == nil && !srv.reader && s.position == "" && s.brand&lexer.MySQL != 0 && (ok.Affected > 0 || s.req.class.Unseen()) {
		s.unplaced = true
	}
	s.after(srv, srv.walker.Status)
	if _, bare := wire.ParseEOF(p); bare && !srv.reader && !srv.conn.Capabilities.Has(wire.DeprecateEOF) && s.transaction == route.NoTransaction {
		s.unsaid = s.unsaid || s.req.class.Kind == route.Read || s.req.class.MayWrite()
	}
	return 0
}

// askPosition asks the writer for the position of what may have been written by a
// statement that has answered with rows: INSERT ... RETURNING, a function or a view
// behind which something writes. For a client that does not know the newer end of rows
// (CLIENT_DEPRECATE_EOF) they end in a packet that has no room for it.
func (s *Session) askPosition() error {
	srv := s.writer
	if srv == nil {
		return errors.New("the connection is gone that knows the position of the last write")
	}
	ask := "SELECT @@last_gtid"
	if !srv.conn.Greeting.MariaDB() {
		ask = "SELECT @@GLOBAL.gtid_executed" // it has no word for the session's own
	}
	s.req.detour = true
	a, err := srv.ask(wire.ComQuery, []byte(ask))
	if err != nil {
		return fmt.Errorf("ask for the position of the last write: %w", err)
	}
	s.unsaid = false
	if len(a.cell) > 0 { // else nothing was written since this connection is there, or there are no GTIDs
		s.wrote(srv, a.cell)
	}
	return nil
}

// after takes the status of a result that ended well.
func (s *Session) after(srv *server, status wire.Status) {
	c := &s.req.class
	was := s.transaction
	switch {
	case !status.Has(wire.InTransaction):
		s.transaction = route.NoTransaction
	case srv.reader:
		s.transaction = route.OnReader
	default:
		s.transaction = route.OnWriter
	}
	if s.transaction == route.NoTransaction && (was != route.NoTransaction || c.Kind == route.Write) {
		s.next = false
	}
	if !srv.reader || s.listen == route.ReaderOnly {
		s.status = status
	} else {
		s.status = s.status&wire.Autocommit | status&^wire.Autocommit
	}
	if c.Next {
		s.next = true
	}
	if c.Releases && !c.Multi {
		s.ended = errGoodbye
	}
	if c.Collates && !srv.reader {
		s.unheard = true
	}
	pins := (s.pins | c.Pins) &^ c.Frees
	if srv.reader && s.listen != route.ReaderOnly {
		pins = s.pins
	}
	if pins != s.pins {
		s.pins = pins
		s.show()
	}
	if c.Pins&route.OpaqueSettings != 0 && setsReports(s.req.sql) {
		s.asked.variables = "set"
	}
}

// tracked takes what changed in the session. changed: something did of which the server
// does not say what.
func (s *Session) tracked(srv *server, t wire.Tracked) (changed bool) {
	for kind, data, more := t.Next(); more; kind, data, more = t.Next() {
		switch kind {
		case wire.TrackVariable:
			for name, value, rest, ok := wire.Variable(data); ok; name, value, rest, ok = wire.Variable(rest) {
				s.variable(srv, name, value)
			}
		case wire.TrackSchema:
			s.schema = string(wire.Text(data))
			srv.schema = s.schema
			s.show()
		case wire.TrackState:
			changed = true
		case wire.TrackCharacteristics:
			if !srv.reader {
				s.coming = bytes.Clone(wire.Text(data))
			}
		case wire.TrackGTIDs: // of MySQL: how it is written, which is always 0, and what was committed
			if len(data) > 1 {
				s.wrote(srv, wire.Text(data[1:]))
			}
		case wire.TrackTransaction: // the status says what is needed of it
		}
	}
	// Of a statement that changes data its text says nothing when a trigger does it.
	if changed && (s.req.class.Opaque || s.req.class.Rule == route.RuleWrite && s.req.class.Pins == 0) && !srv.reader {
		s.pins |= route.OpaqueState
		s.show()
	}
	return changed
}

// wrote takes the position of what was written.
func (s *Session) wrote(srv *server, position []byte) {
	if srv.reader {
		return
	}
	s.unsaid = false
	if string(position) == s.position {
		return
	}
	s.position = string(position)
	if s.opt.Rules().AllReads {
		s.all.wrote(s.position)
	}
}

// wrote takes the position of a write of any session. They come here in another order
// than they were committed in.
func (c *Conversations) wrote(position string) {
	for {
		before := c.newest.Load()
		if before != nil && comesAfter(*before, position) || c.newest.CompareAndSwap(before, &position) {
			return
		}
	}
}

// comesAfter reports whether a comes after b, as far as can be told: both are of one server.
func comesAfter(a, b string) bool {
	i, j := strings.LastIndexAny(a, "-:"), strings.LastIndexAny(b, "-:")
	if i < 0 || i != j || a[:i] != b[:j] {
		return false
	}
	m, errA := strconv.ParseUint(a[i+1:], 10, 64)
	n, errB := strconv.ParseUint(b[j+1:], 10, 64)
	return errA == nil && errB == nil && m > n
}

// variable takes the new value of a variable of the session.
func (s *Session) variable(srv *server, name, value []byte) {
	switch string(name) {
	case "last_gtid":
		s.wrote(srv, value)
		return
	case "statement_id": // MySQL counts in it, and nobody may set it
		return
	case "autocommit": // the status has it
	case "tx_isolation", "transaction_isolation":
		s.strict = bytes.EqualFold(value, []byte("SERIALIZABLE"))
	case "sql_auto_is_null":
		s.nullIsLast = string(value) == "ON" || string(value) == "1"
	case "sql_mode":
		s.ansi = bytes.Contains(value, []byte("ANSI_QUOTES"))
		s.spaces = bytes.Contains(value, []byte("IGNORE_SPACE"))
	case "character_set_client":
		s.multibyte = slices.Contains(multibyte, string(value))
	}
	if s.req.class.SetStatement {
		return
	}
	if len(name) > 13 && string(name[:13]) == "session_track" {
		s.asked.told(name, value)
		return
	}
	switch string(name) {
	case collation:
		s.unheard = true
	case "character_set_connection":
		s.unheard = s.unheard || s.settings.has(collation)
	}
	if s.settings.note(name, value) && srv.applied+1 == s.settings.version {
		srv.applied = s.settings.version
	}
}

// hear asks the server for what it has not reported: the collation, which a change
// of the character set changes, too. If nobody knows it the session cannot go on.
func (s *Session) hear(srv *server) {
	s.unheard = false
	e := setting{name: []byte(collation), raw: s.req.class.Names}
	ask := "SELECT @@" + collation
	if e.raw {
		ask = "SELECT CONCAT('NAMES ', @@character_set_connection, ' COLLATE ', @@collation_connection)"
	}
	a, err := srv.ask(wire.ComQuery, []byte(ask))
	if err != nil {
		s.ended = errors.Join(errGoodbye, err)
		return
	}
	e.value = bytes.Clone(a.cell)
	s.settings.set(e)
	if srv.applied+1 == s.settings.version {
		srv.applied = s.settings.version
	}
}

// multibyte are the character sets of clients in which a letter's second byte may
// be a quote or a backslash.
var multibyte = []string{"big5", "cp932", "gb18030", "gbk", "sjis"}

// multibyteLogins are the collations of those character sets, by the numbers that a
// client logs in with.
var multibyteLogins = []byte{1, 13, 28, 84, 87, 88, 95, 96, 248, 249, 250}
