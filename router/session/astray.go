package session

import (
	"fmt"

	"github.com/mmm-ha/mmm/router/route"
)

// astray are user variables that were set in a transaction on a reader: the writer does
// not know them, and what one of them holds cannot be told in another server's words.
// Whoever reads one anywhere else is told so, and never gets NULL in its place.
type astray struct {
	names map[string]bool // in small letters; nil: there are none
	any   bool            // a function may have set some, nobody knows which
	on    *server         // that has them
}

// someAstray reports why the request must not run where it would go to: it reads a
// variable that is elsewhere. Empty: it does not.
func (s *Session) someAstray() string {
	if len(s.astray.names) == 0 && !s.astray.any || s.transaction == route.OnReader && s.reader == s.astray.on {
		return ""
	}
	return s.readsAstray()
}

// readsAstray is someAstray, apart because what a function is given costs an allocation.
func (s *Session) readsAstray() (why string) {
	route.Variables(s.req.sql, s.mode(), func(name string, set bool) {
		if !set && (s.astray.any || s.astray.names[name]) {
			why = fmt.Sprintf("it reads @%s, which was set in a transaction that only reads and ran on a reader: "+
				"begin that one with /* mmm:writer */ START TRANSACTION READ ONLY", name)
		}
	})
	return why
}

// wentAstray notes what a statement that ended well has set, and where. changed: the
// server says that something in the session is not as it was.
func (s *Session) wentAstray(srv *server, changed bool) {
	if s.listen == route.ReaderOnly {
		return
	}
	c := &s.req.class
	switch {
	case srv.reader && changed && c.Opaque:
		s.astray.any, s.astray.on = true, srv
	case c.Pins&route.UserVariables == 0 || !srv.reader && s.astray.names == nil:
	default:
		route.Variables(s.req.sql, s.mode(), func(name string, set bool) { s.set(srv, name, set) })
	}
}

// set notes that a variable was set on a server, if it was.
func (s *Session) set(srv *server, name string, set bool) {
	switch {
	case !set:
	case !srv.reader:
		delete(s.astray.names, name)
	default:
		if s.astray.names == nil {
			s.astray.names = map[string]bool{}
		}
		s.astray.names[name] = true
		s.astray.on = srv
	}
}
