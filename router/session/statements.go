package session

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/mmm-ha/mmm/router/lexer"
	"github.com/mmm-ha/mmm/router/route"
	"github.com/mmm-ha/mmm/router/wire"
)

// latest is the id by which MariaDB's clients mean the statement prepared last.
const latest = 0xffffffff

// statement is one that the client has prepared.
type statement struct {
	id     uint32 // the client's
	sql    []byte
	class  route.Class
	params uint16
	types  []byte // of the parameters, as last sent

	schema   string     // in which it was prepared: what its names mean
	textMode lexer.Mode // by which its text was read then
	sqlMode  []byte     // likewise, as it was set; nil: as after a login

	parts  bool  // of its long data are on the writer
	missed error // why one of them is not; the execution will say it
	cursor bool  // rows of it wait on the writer

	digest     uint64 // in that mode; 0: not reckoned yet
	digestMode lexer.Mode
}

// digestIn is the digest of the text in a mode.
func (st *statement) digestIn(m lexer.Mode) uint64 {
	if st.digest == 0 || st.digestMode != m {
		st.digest, st.digestMode = lexer.Digest(st.sql, m), m
	}
	return st.digest
}

// prepare is COM_STMT_PREPARE. The text is prepared where it would most likely
// have to be: at the writer; at a reader when it is first executed there.
func (s *Session) prepare(sql []byte) {
	s.req.sql = sql
	c := route.Classify(sql, s.mode())
	s.lastID++
	if s.lastID == latest {
		s.lastID = 1
	}
	s.statements[s.lastID] = &statement{id: s.lastID, sql: bytes.Clone(sql), class: c, schema: s.schema, textMode: s.mode(), sqlMode: s.settings.value("sql_mode")}
	s.req.class = route.Class{Kind: route.Ask, Rule: c.Rule}
	id := s.lastID
	s.run()
	if st := s.statements[id]; st != nil && !s.isPrepared(id) {
		delete(s.statements, id)
	}
}

func (s *Session) isPrepared(id uint32) bool {
	return s.writer != nil && s.writer.prepared[id] != nil || s.reader != nil && s.reader.prepared[id] != nil
}

// registered takes a server's good answer to the client's COM_STMT_PREPARE.
func (s *Session) registered(srv *server, p []byte) {
	answer, err := wire.ParsePrepared(p)
	st := s.statements[s.lastID]
	if err != nil || st == nil {
		return
	}
	st.params = answer.Params
	srv.prepared[st.id] = &prepared{id: answer.ID}
}

// find is the statement that the request is about.
func (s *Session) find() *statement {
	id, ok := wire.StatementID(s.req.payload())
	if !ok {
		return nil
	}
	if id == latest {
		id = s.lastID
	}
	return s.statements[id]
}

// unknown answers that there is no such statement.
func (s *Session) unknown() {
	id, _ := wire.StatementID(s.req.payload())
	s.refuse(1243, "HY000", fmt.Sprintf("Unknown prepared statement handler (%d) given to %s", id, servant[s.req.command]))
}

// servant is what servers call, in that error, what does a command.
var servant = map[wire.Command]string{
	wire.ComStmtExecute: "mysqld_stmt_execute", wire.ComStmtBulkExecute: "mysqld_stmt_bulk_execute",
	wire.ComStmtFetch: "mysqld_stmt_fetch", wire.ComStmtReset: "mysqld_stmt_reset",
}

// execute is COM_STMT_EXECUTE.
func (s *Session) execute() {
	st := s.find()
	if st == nil {
		s.unknown()
		return
	}
	s.req.stmt, s.req.sql, s.req.class = st, st.sql, st.class
	if st.missed != nil {
		s.incomplete(st)
		return
	}
	cursor := s.req.command == wire.ComStmtExecute && wire.Cursor(s.req.payload())
	if cursor {
		// The rows wait on that server until they are fetched or the cursor is closed.
		s.req.class.Hint = route.ToWriter
		s.req.class.Pins |= route.Cursor
	}
	s.run()
	s.nowOnWriter(st, false, cursor && s.status.Has(wire.CursorExists))
}

// nowOnWriter notes what a statement has on the writer now, and pins the session by what all
// of them have there.
func (s *Session) nowOnWriter(st *statement, parts, cursor bool) {
	const both = route.LongData | route.Cursor
	st.parts, st.cursor = parts, cursor
	if s.pins&both == 0 {
		return
	}
	s.pins &^= both
	for _, one := range s.statements {
		if one.parts {
			s.pins |= route.LongData
		}
		if one.cursor {
			s.pins |= route.Cursor
		}
	}
}

// ready makes sure that the statement is prepared on that server, and writes its
// id there, and the types of its parameters if the server does not know them, into
// the request.
func (s *Session) ready(srv *server) error {
	st := s.req.stmt
	on := srv.prepared[st.id]
	if on == nil {
		s.req.detour = true
		back, err := s.asPrepared(srv, st)
		if err != nil {
			return err
		}
		a, err := srv.ask(wire.ComStmtPrepare, st.sql)
		if err := errors.Join(err, back()); err != nil {
			return err
		}
		answer, err := wire.ParsePrepared(a.first)
		if err != nil {
			return err
		}
		if answer.Params != st.params {
			return errors.New("the statement has another number of parameters on " + srv.conn.Target.Name)
		}
		on = &prepared{id: answer.ID}
		srv.prepared[st.id] = on
	}
	p := s.req.payload()
	if s.req.command == wire.ComStmtExecute {
		types, at, none, ok := wire.ExecuteTypes(p[:min(len(p), wire.MaxPayload)], st.params) // they stand before the values
		switch {
		case !ok:
		case none && !on.typed && st.types != nil:
			filled := wire.AppendExecuteWithTypes(nil, wire.Message(s.req.packet), at, st.types)
			s.req.packet, _ = wire.AppendPacket(nil, filled, 0)
			on.typed = true
		case len(types) > 0:
			if !bytes.Equal(types, st.types) {
				st.types = bytes.Clone(types)
			}
			on.typed = true
		}
	}
	wire.SetStatementID(s.req.payload(), on.id)
	return nil
}

// asPrepared brings a server to the schema and the mode in which a statement was
// prepared, by which its text means what it meant then. back takes that back.
func (s *Session) asPrepared(srv *server, st *statement) (back func() error, err error) {
	var undo []func() error
	back = func() error {
		for _, u := range undo {
			if err := u(); err != nil {
				return err
			}
		}
		return nil
	}
	if now := srv.schema; st.schema != "" && st.schema != now {
		if _, err := srv.ask(wire.ComInitDB, []byte(st.schema)); err != nil {
			return nil, err
		}
		undo = append(undo, func() error {
			if now == "" { // there is no way back to none
				srv.schema = st.schema
				return nil
			}
			_, err := srv.ask(wire.ComInitDB, []byte(now))
			return err
		})
	}
	if st.textMode == s.mode() {
		return back, nil
	}
	a, err := srv.ask(wire.ComQuery, []byte("SELECT @@sql_mode"))
	if err != nil {
		return nil, errors.Join(err, back())
	}
	set := func(value []byte) error {
		_, err := srv.ask(wire.ComQuery, appendValue([]byte("SET SESSION sql_mode="), value))
		return err
	}
	now := bytes.Clone(a.cell)
	undo = append(undo, func() error { return set(now) })
	if st.sqlMode == nil {
		_, err = srv.ask(wire.ComQuery, []byte("SET SESSION sql_mode=DEFAULT"))
	} else {
		err = set(st.sqlMode)
	}
	return back, err
}

// about is a command about a statement that is not executed by it.
func (s *Session) about() {
	st := s.find()
	c := s.req.command
	if st == nil {
		if c != wire.ComStmtClose && c != wire.ComStmtLongData {
			s.unknown()
		}
		return
	}
	switch c {
	case wire.ComStmtClose:
		s.closeStatement(st)
	case wire.ComStmtLongData:
		s.req.stmt = st
		s.req.class = route.Class{Kind: route.Ask, Rule: st.class.Rule}
		s.longData(st)
	default: // fetch, reset
		s.onWriter(st)
	}
}

// longData is COM_STMT_SEND_LONG_DATA: no answer, not even an error.
func (s *Session) longData(st *statement) {
	srv, err := s.connection(route.Writer)
	if err != nil {
		st.missed = err
		return
	}
	s.pins |= route.LongData
	s.nowOnWriter(st, true, st.cursor)
	s.exchange(srv)
}

// incomplete refuses an execution of which a part of the long data was dropped, with
// the cause of that. What was sent of it is forgotten: the next try is a new one.
func (s *Session) incomplete(st *statement) {
	err := st.missed
	st.missed = nil
	if st.parts && s.writer != nil {
		s.unprepare(s.writer, st)
	}
	s.nowOnWriter(st, false, false)
	if errors.Is(err, errLost) && s.transaction == route.NoTransaction && s.pins == 0 { // the client has ended it in between
		s.refuse(1105, "HY000", "a part of the statement's long data was lost with its writer: send it again")
		return
	}
	s.cannot(err)
}

// onWriter sends a command about a statement to the writer, where its cursor is.
func (s *Session) onWriter(st *statement) {
	s.req.stmt, s.req.class = st, route.Class{Kind: route.Ask, Rule: st.class.Rule}
	if s.req.command == wire.ComStmtReset {
		s.req.class.Frees = route.Cursor | route.LongData
		if !s.isPrepared(st.id) {
			st.missed = nil
			s.fine()
			return
		}
	}
	s.run()
	switch {
	case s.req.command == wire.ComStmtFetch:
		s.nowOnWriter(st, st.parts, st.cursor && !s.status.Has(wire.LastRowSent))
	case s.pins&(route.Cursor|route.LongData) == 0: // it is reset; others may have theirs still
		s.pins |= route.Cursor | route.LongData
		s.nowOnWriter(st, false, false)
		st.missed = nil
	}
}

// closeStatement closes it wherever it is prepared.
func (s *Session) closeStatement(st *statement) {
	for _, srv := range []*server{s.writer, s.reader} {
		if srv != nil && srv.prepared[st.id] != nil {
			s.unprepare(srv, st)
		}
	}
	delete(s.statements, st.id)
	s.nowOnWriter(st, false, false)
}

// unprepare closes a statement on one server, with all that the server has of it.
func (s *Session) unprepare(srv *server, st *statement) {
	payload := []byte{byte(wire.ComStmtClose), 0, 0, 0, 0}
	wire.SetStatementID(payload, srv.prepared[st.id].id)
	delete(srv.prepared, st.id)
	packet, _ := wire.AppendPacket(nil, payload, 0)
	if err := srv.link.write(packet); err != nil {
		s.lose(srv)
	}
}
