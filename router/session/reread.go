package session

import (
	"context"
	"errors"

	"github.com/mmm-ha/mmm/router/route"
	"github.com/mmm-ha/mmm/router/wire"
)

// A read whose server goes away before the client has got a byte of the answer is sent
// again. What looks like a read in its text may write all the same, in a function that
// a view calls. A reader refuses that, so what was lost with a reader did nothing. What
// was lost with the writer may have: it is sent again to readers only, and when one
// of them refuses it, it was a write, and nobody knows what became of it.

// mostRereads is how many times one read is sent again.
const mostRereads = 2

// lostReads says why a statement went where it went, once it was sent again.
const lostReads = "it only reads, and its server went away before it answered"

// rereads reports whether the request that was lost with a server is sent again. It
// must be asked while the connection still stands for what the session is.
func (s *Session) rereads(srv *server) bool {
	r := &s.req
	if srv.walker.Passed || r.sent > 0 || r.rereads >= mostRereads || s.transaction != route.NoTransaction || s.pins != 0 ||
		s.ctx.Err() != nil || s.killedBy() != nil || s.interrupted() {
		return false
	}
	if r.command == wire.ComStmtPrepare { // does nothing, and is the writer's
		r.rereads++
		return true
	}
	pure := r.class.Kind == route.Read && !r.class.Commits && !r.class.Multi && !r.class.Opaque && r.class.Pins == 0 && !r.retried
	if !pure || route.Decide(r.class, s.situation()).Target != route.Reader {
		return false
	}
	if view := s.opt.Follow.View(); !srv.reader || view.Writer.Name == srv.conn.Target.Name {
		if len(view.Readers) == 0 || s.alone != "" {
			return false
		}
		r.readersOnly = true
	}
	r.rereads++
	r.why = lostReads
	return true
}

// nextTarget is where a request goes that is sent once more.
func (r *request) nextTarget() route.Target {
	if r.class.Kind == route.Read && r.rereads > 0 && !r.retried {
		return route.Reader
	}
	return route.Writer
}

// onlyReader is toReader for a read that was lost with the writer. After a failover
// readers need a moment until they have what the session must see.
func (s *Session) onlyReader(ctx context.Context) (srv *server, err error) {
	srv, err = s.toReader(ctx)
	if !errors.Is(err, errNoReader) {
		return srv, err
	}
	held := s.held(ctx, func(ctx context.Context) error {
		return s.opt.Holder.wait(ctx, len(s.req.packet), func() (bool, string, <-chan struct{}) {
			srv, err = s.toReader(ctx)
			return !errors.Is(err, errNoReader), "a read was lost with the writer, and no reader can answer it", s.opt.Follow.View().Next()
		})
	})
	if held != nil {
		return nil, held
	}
	return srv, err
}
