package session

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/router"
	"github.com/mmm-ha/mmm/router/backend"
	"github.com/mmm-ha/mmm/router/follow"
	"github.com/mmm-ha/mmm/router/pick"
	"github.com/mmm-ha/mmm/router/route"
	"github.com/mmm-ha/mmm/router/wire"
	"github.com/mmm-ha/mmm/topology/gtid"
)

// errNoReader: the statement belongs to the writer after all.
var errNoReader = errors.New("no reader")

// errBehind: likewise, for the reader does not have what the session must see.
var errBehind = fmt.Errorf("%w: it is behind", errNoReader)

// instead is why the writer answers what a reader could have; nothing is allocated, for
// it may be so for each statement.
func (s *Session) instead(err error) string {
	switch {
	case s.alone != "":
		return s.alone
	case errors.Is(err, errBehind):
		return "a reader could answer it, but does not have what the session must see yet"
	default:
		return "a reader could answer it, but there is none that can be used"
	}
}

// readerTries is how many readers are tried before the writer is.
const readerTries = 2

// toReader is the connection to a reader, brought up to date with the session.
func (s *Session) toReader(ctx context.Context) (*server, error) {
	if s.transaction == route.OnReader {
		if s.reader == nil {
			return nil, errLost
		}
		return s.reader, nil
	}
	rules := s.opt.Rules().complete()
	if s.alone != "" && (s.info.Mode != router.ReaderOnly || s.secret.None()) {
		return nil, fmt.Errorf("%w: %s", errNoReader, s.alone)
	}
	view := s.opt.Follow.View()
	if err := s.leaveReader(view, rules); err != nil {
		return nil, err
	}
	var last error
	for range readerTries {
		if s.reader == nil {
			if err := s.dialReader(ctx, view, rules); err != nil {
				if errors.Is(err, errNoReader) || ctx.Err() != nil {
					return nil, err
				}
				var theirs *backend.Server
				if errors.As(err, &theirs) { // one that lags may know an older password
					if s.info.Mode == router.ReaderOnly {
						return nil, err
					}
					break
				}
				last = err
				continue
			}
		}
		err := s.catchUp(s.reader)
		if err == nil {
			err = s.await(s.reader, view, rules)
		}
		if err == nil {
			return s.reader, nil
		}
		if errors.Is(err, errNoReader) {
			return nil, err
		}
		s.dropReader()
		if s.hasOnReader() {
			return nil, errLost
		}
	}
	if last != nil {
		return nil, fmt.Errorf("%w: %w", errNoReader, last)
	}
	return nil, errNoReader
}

// hasOnReader reports whether the session has something on its reader that no other has,
// such as a variable or a lock: on a readers' listener, where nothing goes to the writer.
func (s *Session) hasOnReader() bool { return s.listen == route.ReaderOnly && s.pins != 0 }

// leaveReader closes the connection to a reader that is none any more, or to which
// another is to be preferred.
func (s *Session) leaveReader(v *follow.View, rules Rules) error {
	switch {
	case s.reader == nil && s.hasOnReader(): // with a connection that broke
		return errLost
	case s.reader == nil:
		return nil
	case !s.stillReader(v, rules) || s.reader.closedAtRest(s.req.now()):
		s.dropReader()
		if s.hasOnReader() {
			return errLost
		}
	case !s.hasOnReader() && s.astray.on != s.reader && s.otherReader(v, rules):
		s.dropReader()
	}
	return nil
}

// stillReader reports whether the session's reader is one in the view.
func (s *Session) stillReader(v *follow.View, rules Rules) bool {
	t := s.reader.conn.Target
	for _, r := range v.Readers {
		if r.Name == t.Name && r.Address == t.Address {
			return true
		}
	}
	return v.Writer.Name == t.Name && v.Writer.Address == t.Address && (len(v.Readers) == 0 || rules.Writer == AlwaysToo)
}

// otherReader reports whether the session should leave its reader for another; it looks
// seldom.
func (s *Session) otherReader(v *follow.View, rules Rules) bool {
	now := s.req.now()
	if now.Before(s.reader.review) {
		return false
	}
	s.reader.review = nextReview(now, rules)
	var room [8]pick.Candidate
	return s.opt.Picker.Better(candidates(v, rules, room[:0]), s.reader.conn.Target.Name)
}

// nextReview is some time after now: sessions that were dialled together, after a
// failover, do not look together.
func nextReview(now time.Time, rules Rules) time.Time {
	return now.Add(rules.Review/2 + rand.N(rules.Review))
}

func (s *Session) dialReader(ctx context.Context, v *follow.View, rules Rules) error {
	var room [8]pick.Candidate
	all := candidates(v, rules, room[:0])
	i := s.opt.Picker.Pick(all)
	t := backend.Target{}
	switch {
	case i >= 0 && i < len(v.Readers):
		t.Name, t.Address = v.Readers[i].Name, v.Readers[i].Address
	case s.info.Mode == router.ReaderOnly && v.Writer.Name != "" && (i >= 0 || rules.Writer == IfNoReader):
		t.Name, t.Address = v.Writer.Name, v.Writer.Address
	default:
		return errNoReader
	}
	srv, err := s.dialWhile(ctx, t, true, func(v *follow.View) bool { return takesPart(v, t) })
	if err != nil {
		return err
	}
	if srv.conn.Capabilities != s.agreed(srv) {
		srv.close()
		return fmt.Errorf("%w: %s agrees on other capabilities than the writer", errNoReader, t.Name)
	}
	if why := s.less(srv); why != "" {
		srv.close()
		s.notRead(t.Name, why)
		return fmt.Errorf("%w: %s", errNoReader, why)
	}
	srv.review = nextReview(s.req.now(), rules)
	s.reader = srv
	s.show()
	return nil
}

// agreed is what a reader's connection must have agreed on: the form of its
// answers is that of the writer's.
func (s *Session) agreed(srv *server) wire.Capability {
	if s.writer == nil {
		return srv.conn.Capabilities
	}
	const either = wire.ConnectWithDB | wire.ConnectAttrs | wire.LocalFiles
	return s.writer.conn.Capabilities&^either | srv.conn.Capabilities&either
}

// await makes sure that the reader has what the session must see.
func (s *Session) await(srv *server, v *follow.View, rules Rules) error {
	if rules.OwnReads && s.unsaid {
		if err := s.askPosition(); err != nil {
			return fmt.Errorf("%w: %w", errNoReader, err)
		}
	}
	want := ""
	if rules.OwnReads {
		want = s.position
	}
	if newest := s.all.newest.Load(); rules.AllReads && newest != nil {
		want = *newest
	}
	if want == "" && rules.OwnReads && s.unplaced {
		s.notRead(srv.conn.Target.Name, "writes get no GTID at the writer, so nobody knows which reader has them: gtid_mode must be ON")
		return fmt.Errorf("%w: nobody knows whether %s has what was written", errNoReader, srv.conn.Target.Name)
	}
	if want == "" || srv.reached == want {
		return nil
	}
	if !applied(v, srv.conn.Target.Name, want) {
		if !s.req.readersOnly && srv.load.Behind(s.req.now()) {
			return fmt.Errorf("%w: %s was so a moment ago", errBehind, srv.conn.Target.Name)
		}
		a, err := srv.ask(wire.ComQuery, fmt.Appendf(nil, "SELECT %s('%s', %.3f)", waitFor(srv), want, rules.Catch.Seconds()))
		if err != nil {
			return err
		}
		if strings.TrimSpace(string(a.cell)) != "0" {
			srv.load.FellBehind(time.Now())
			return fmt.Errorf("%w: %s does not have %s yet", errBehind, srv.conn.Target.Name, want)
		}
	}
	srv.reached = want
	return nil
}

// waitFor is the function by which a server waits until it has a position. Both answer 0
// when it does.
func waitFor(srv *server) string {
	if srv.conn.Greeting.MariaDB() {
		return "MASTER_GTID_WAIT"
	}
	return "WAIT_FOR_EXECUTED_GTID_SET"
}

// applied reports whether the reader's own report says that it has a position.
func applied(v *follow.View, name, position string) bool {
	want, err := gtid.Parse(position)
	if err != nil {
		return false
	}
	for _, r := range v.Readers {
		if r.Name == name {
			return r.Applied.Contains(want)
		}
	}
	return false
}

// candidates are the hosts that may be read from, as pick wants them: the readers, and
// the writer last if it is one among them.
func candidates(v *follow.View, rules Rules, dst []pick.Candidate) []pick.Candidate {
	for _, r := range v.Readers {
		dst = append(dst, pick.Candidate{Name: r.Name, Weight: r.Weight})
	}
	if rules.Writer == AlwaysToo && v.Writer.Name != "" {
		dst = append(dst, pick.Candidate{Name: v.Writer.Name, Weight: 1})
	}
	return dst
}
