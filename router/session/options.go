package session

import (
	"context"
	"log/slog"
	"time"

	"github.com/mmm-ha/mmm/router/auth"
	"github.com/mmm-ha/mmm/router/backend"
	"github.com/mmm-ha/mmm/router/follow"
	"github.com/mmm-ha/mmm/router/pick"
)

// Options is what all conversations of a router share.
type Options struct {
	Log      *slog.Logger
	Follow   Follower
	Picker   *pick.Picker
	Accounts *auth.Loader
	Keys     *auth.KeyPair // nil: none
	Holder   *Holder
	Pool     *backend.Pool      // of connections that clients left behind; nil: none are kept
	Servers  func() backend.TLS // how to speak to servers now
	Rules    func() Rules       // what counts now
}

// Follower says where the servers are.
type Follower interface {
	View() *follow.View
	// Fresh reports whether a write may begin by the newest View.
	Fresh() bool
	// Over reports whether a planned switchover, for which the View is held, waits no
	// longer for the transactions that were open when it began.
	Over(v *follow.View) bool
}

// WriterReads says when the writer is read from.
type WriterReads uint8

// When.
const (
	IfNoReader WriterReads = iota
	Never
	AlwaysToo
)

// Rules is what may change while a router runs.
type Rules struct {
	Writer   WriterReads
	OwnReads bool          // a session's reads see its own writes
	AllReads bool          // they see the writes of all sessions of this router
	Catch    time.Duration // how long a reader may take to have them, before the writer is asked
	Dial     time.Duration // how long a connection to a server may take
	Review   time.Duration // how long a session stays with a reader until it asks whether to move; about
	Most     int           // bytes of one command of a client, as servers count max_allowed_packet
}

// Defaults of the rules that no file names.
const (
	catchUp   = 100 * time.Millisecond
	dialLimit = 3 * time.Second
	review    = 10 * time.Second
	mostBytes = 64 << 20
)

// complete fills in what is zero.
func (r Rules) complete() Rules {
	if r.Catch <= 0 {
		r.Catch = catchUp
	}
	if r.Dial <= 0 {
		r.Dial = dialLimit
	}
	if r.Review <= 0 {
		r.Review = review
	}
	if r.Most <= 0 {
		r.Most = mostBytes
	}
	return r
}

// context of one connection to a server.
func (s *Session) dialing(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.opt.Rules().complete().Dial)
}
