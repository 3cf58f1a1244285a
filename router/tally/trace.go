package tally

import (
	"sync"
	"sync/atomic"
	"time"
)

// traceQueue bounds what one listener of the trace may be behind.
const traceQueue = 1024

// Tracer tells those who listen about every statement. It costs nothing while
// nobody does.
type Tracer struct {
	listening atomic.Int32
	literals  atomic.Bool

	mu        sync.Mutex
	listeners map[*Listening]struct{}
}

// Traced is one statement as a trace shows it.
type Traced struct {
	Time    time.Time     `json:"time"`
	Session uint32        `json:"session"`
	User    string        `json:"user"`
	SQL     string        `json:"sql"` // without literals, unless ShowLiterals
	Target  Target        `json:"target"`
	Host    string        `json:"host,omitempty"`
	Why     string        `json:"why"`
	Took    time.Duration `json:"tookNanoseconds"`
	Held    time.Duration `json:"heldNanoseconds,omitempty"`
	Code    uint16        `json:"error,omitempty"`
	Retried bool          `json:"retried,omitempty"`
	Rereads int           `json:"rereads,omitempty"`
}

// Listening is one who hears the trace. Close it.
type Listening struct {
	C       <-chan Traced // what is said; never closed
	Dropped atomic.Uint64 // what was said while C was full

	tracer  *Tracer
	session uint32
	c       chan Traced
}

// NewTracer returns one to whom nobody listens.
func NewTracer() *Tracer { return &Tracer{listeners: map[*Listening]struct{}{}} }

// Listen hears the statements of one session; 0 means all.
func (t *Tracer) Listen(session uint32) *Listening {
	l := &Listening{tracer: t, session: session, c: make(chan Traced, traceQueue)}
	l.C = l.c
	t.mu.Lock()
	defer t.mu.Unlock()
	t.listeners[l] = struct{}{}
	t.listening.Add(1)
	return l
}

// Close ends the listening. It may be called twice.
func (l *Listening) Close() {
	l.tracer.mu.Lock()
	defer l.tracer.mu.Unlock()
	if _, here := l.tracer.listeners[l]; here {
		delete(l.tracer.listeners, l)
		l.tracer.listening.Add(-1)
	}
}

// ShowLiterals says whether statements are shown as they are, with what stands in them.
// A new Tracer shows them without, as digests and the slow log do.
func (t *Tracer) ShowLiterals(show bool) { t.literals.Store(show) }

// On reports whether anybody listens.
func (t *Tracer) On() bool { return t.listening.Load() > 0 }

func (t *Tracer) say(s *Statement, text string) {
	said := Traced{
		Time: time.Now(), Session: s.Session, User: s.User, SQL: text, Target: s.Target, Host: s.Host, Why: s.Why,
		Took: s.Took, Held: s.Held, Code: s.Code, Retried: s.Retried, Rereads: s.Rereads,
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for l := range t.listeners {
		if l.session != 0 && l.session != s.Session {
			continue
		}
		select {
		case l.c <- said:
		default:
			l.Dropped.Add(1)
		}
	}
}
