package session

import (
	"strings"
	"time"

	"github.com/mmm-ha/mmm/router/route"
	"github.com/mmm-ha/mmm/router/tally"
	"github.com/mmm-ha/mmm/router/wire"
)

// Errors by which a server says that it is read-only. What they refuse had no
// effect: MariaDB raises them before the first one (measured; a function's
// assignments before it were not made either).
const (
	errReadOnly      = 1290 // also of other options, which the text names
	errReadOnlyMySQL = 1836
)

// refusalKind is what an ERR that is a whole answer means for the request.
type refusalKind uint8

const (
	final     refusalKind = iota // the client's
	elsewhere                    // a reader found that it writes: the writer may have it
	later                        // the writer has closed: the next one may have it
	undone                       // likewise, within a transaction, which is lost
	doubtful                     // it writes, and the writer with which it was lost may have done it
	forbidden                    // a transaction that only reads was asked to write
)

// closedPause is how long a writer that said it is read-only is left alone, if
// nothing is heard of a next one: its agent is closing it, and a connection that it
// drops leaves the outcome of a statement unknown.
const closedPause = time.Second

// refused judges an ERR.
func (s *Session) refused(srv *server, packet []byte) refusalKind {
	if len(packet) <= wire.HeaderSize || !wire.IsErr(packet[wire.HeaderSize:]) {
		return final
	}
	e, err := wire.ParseErr(packet[wire.HeaderSize:])
	readOnly := err == nil && (e.Code == errReadOnlyMySQL || e.Code == errReadOnly &&
		(strings.Contains(e.Message, "read-only") || strings.Contains(e.Message, "read_only")))
	switch {
	case !readOnly || s.listen == route.ReaderOnly && !s.req.readersOnly:
		return final
	case s.req.readersOnly:
		return doubtful
	case s.transaction == route.OnReader:
		return forbidden
	case srv.reader:
		return elsewhere
	case s.transaction == route.OnWriter && s.pins == 0:
		return undone
	case s.req.class.InParts() || s.req.command == wire.ComStmtBulkExecute: // what it did before is done
		return final
	case s.pins != 0 || time.Since(s.req.began) > s.opt.Holder.longest():
		return final
	default:
		return later
	}
}

// mend does what a refusal asks for. It reports whether the request must be sent
// again.
func (s *Session) mend(srv *server, what refusalKind) bool {
	switch what {
	case elsewhere:
		s.req.retried = true
		s.req.why = "a reader found that it writes"
	case later:
		s.req.closedBy, s.req.notBefore = srv.conn.Target.Epoch, time.Now().Add(closedPause)
	case undone:
		if _, err := srv.ask(wire.ComQuery, []byte("ROLLBACK")); err != nil {
			s.lose(srv)
		}
		s.rolledBack()
		return false
	case doubtful:
		s.ended = errGoodbye
		s.tally(tally.Reader, srv.conn.Target.Name, 2013)
		return false
	case forbidden: // in the words that the writer has for it
		s.refuse(1792, "25006", "Cannot execute statement in a READ ONLY transaction")
		return false
	case final:
		return false
	}
	return true
}
