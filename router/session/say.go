package session

import (
	"errors"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mmm-ha/mmm/router/backend"
)

// What the log says of sessions. Whatever clients can make happen is said once a
// minute of each kind (tally.Rare).

// turned ends a login that was refused, for a reason that the client is not told.
type turned struct{ why string }

func (t turned) Error() string { return t.why }
func (t turned) Unwrap() error { return errGoodbye }

// kindOfWhy is how much of a cause tells one kind from another: what comes later may
// have addresses in it.
const kindOfWhy = 24

// notIn says why a client was not let in.
func (s *Session) notIn(err error) {
	var t turned
	switch {
	case errors.As(err, &t):
	case s.ctx.Err() != nil, errors.Is(err, errGoodbye), errors.Is(err, io.EOF): // it left, or the refusal was said already
		return
	default:
		t.why = err.Error()
	}
	if unsaid, due := s.all.rare.Due("login " + s.who.User + " " + t.why[:min(len(t.why), kindOfWhy)]); due {
		s.opt.Log.Warn("a client was not let in", "client", s.info.Client.String(), "user", s.who.User, "listener", s.info.Listener, "why", t.why, "unsaid", unsaid)
	}
}

// aboutTheClient are errors by which a server refuses one client and serves others.
var aboutTheClient = map[uint16]bool{
	1044: true, 1045: true, 1049: true, 1203: true, 1226: true, 1251: true, 1698: true, 1820: true, 1862: true, 3118: true, 3159: true, 3878: true, 4151: true,
}

// unreached takes note of a server that could not be logged in at. Only what is wrong
// with the server counts against it: one user with an old password would otherwise
// put it aside for all.
func (s *Session) unreached(t backend.Target, err error) {
	var theirs *backend.Server
	if errors.As(err, &theirs) && aboutTheClient[theirs.Number] {
		if unsaid, due := s.all.rare.Due("refused " + t.Name + " " + s.who.User); due {
			s.opt.Log.Info("a server refuses a user", "host", t.Name, "user", s.who.User, "why", err, "unsaid", unsaid)
		}
		return
	}
	if ours(err) {
		if unsaid, due := s.all.rare.Due("ours"); due {
			s.opt.Log.Error("this router has no file, port or memory left for a connection to a server: raise LimitNOFILE of the unit, or lower limits.connections",
				"host", t.Name, "why", err, "unsaid", unsaid)
		}
		return
	}
	s.opt.Picker.Load(t.Name).Failed(time.Now())
	if s.ctx.Err() != nil { // it was the client who did not wait
		return
	}
	if unsaid, due := s.all.rare.Due("unreached " + t.Name); due {
		s.opt.Log.Warn("cannot connect to a server; other clients may not, either", "host", t.Name, "address", t.Address.String(), "why", err, "unsaid", unsaid)
	}
}

// notRead says that a reader is of no use to a session, for a reason that stays.
func (s *Session) notRead(host, why string) {
	if unsaid, due := s.all.rare.Due("not read " + host + " " + why[:min(len(why), kindOfWhy)]); due {
		s.opt.Log.Warn("reads go to the writer", "host", host, "why", why, "unsaid", unsaid)
	}
}

// ours reports whether a connection failed for want of something on this machine, of
// which no server can be blamed.
func ours(err error) bool {
	for _, e := range []error{unix.EMFILE, unix.ENFILE, unix.EADDRNOTAVAIL, unix.ENOBUFS, unix.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// gaveUp says that a statement did not get a writer.
func (s *Session) gaveUp(err error) {
	if unsaid, due := s.all.rare.Due("hold"); due {
		s.opt.Log.Warn("statements fail that waited for a writer", "why", err, "unsaid", unsaid)
	}
}
