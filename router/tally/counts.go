package tally

import (
	"fmt"
	"sync/atomic"
	"time"
)

// Target is who answered a statement.
type Target uint8

// The targets.
const (
	Writer Target = iota + 1
	Reader
	Router // nobody was asked: the router answered or refused it
)

// targets is one more than the last target.
const targets = int(Router) + 1

// Targets lists them, for who prints them.
func Targets() []Target { return []Target{Writer, Reader, Router} }

// String is the word of metrics and pages.
func (t Target) String() string {
	switch t {
	case Writer:
		return "writer"
	case Reader:
		return "reader"
	case Router:
		return "router"
	default:
		return "unknown"
	}
}

// MarshalText makes JSON say the word.
func (t Target) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads the word.
func (t *Target) UnmarshalText(text []byte) error {
	for _, one := range Targets() {
		if one.String() == string(text) {
			*t = one
			return nil
		}
	}
	return fmt.Errorf("no target: %q", text)
}

// Bounds are the upper ends of the histogram's buckets but the last, which has
// none. They span what a point select and a report take.
var Bounds = [...]time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// Counts is what one session counts. The session adds, anybody reads. The zero
// value is ready.
type Counts struct {
	statements [targets]atomic.Uint64
	errors     [targets]atomic.Uint64
	times      [targets][len(Bounds) + 1]atomic.Uint64
	sum        [targets]atomic.Uint64 // nanoseconds
	retried    atomic.Uint64
	rereads    atomic.Uint64
	held       atomic.Uint64
	heldFor    atomic.Uint64 // nanoseconds
	received   atomic.Uint64 // bytes
	sent       atomic.Uint64
}

// Bytes adds what was received from the client and sent to it.
func (c *Counts) Bytes(received, sent int) {
	c.received.Add(uint64(received))
	c.sent.Add(uint64(sent))
}

func (c *Counts) ended(s *Statement) {
	t := s.Target
	if int(t) >= targets {
		t = 0
	}
	c.statements[t].Add(1)
	if s.Code != 0 {
		c.errors[t].Add(1)
	}
	c.times[t][bucket(s.Took)].Add(1)
	c.sum[t].Add(uint64(max(s.Took, 0)))
	if s.Retried {
		c.retried.Add(1)
	}
	if s.Rereads > 0 {
		c.rereads.Add(uint64(s.Rereads))
	}
	if s.Held > 0 {
		c.held.Add(1)
		c.heldFor.Add(uint64(s.Held))
	}
}

// bucket is the first whose bound is not below a time.
func bucket(d time.Duration) int {
	for i, bound := range Bounds {
		if d <= bound {
			return i
		}
	}
	return len(Bounds)
}

// Totals are counts of many sessions.
type Totals struct {
	ByTarget       [targets]TargetTotals
	Retried        uint64 // a reader refused it as read-only, and the writer answered
	Rereads        uint64 // times that a read was sent again because its server went away
	Held           uint64 // waited for a writer
	HeldFor        time.Duration
	Received, Sent uint64 // bytes, from and to clients
}

// TargetTotals are those that one target answered.
type TargetTotals struct {
	Statements, Errors uint64
	Times              [len(Bounds) + 1]uint64 // by bucket
	Sum                time.Duration
}

// Add adds what a session has counted so far.
func (t *Totals) Add(c *Counts) {
	for i := range t.ByTarget {
		one := &t.ByTarget[i]
		one.Statements += c.statements[i].Load()
		one.Errors += c.errors[i].Load()
		one.Sum += time.Duration(c.sum[i].Load())
		for b := range one.Times {
			one.Times[b] += c.times[i][b].Load()
		}
	}
	t.Retried += c.retried.Load()
	t.Rereads += c.rereads.Load()
	t.Held += c.held.Load()
	t.HeldFor += time.Duration(c.heldFor.Load())
	t.Received += c.received.Load()
	t.Sent += c.sent.Load()
}

// Of is what one target answered.
func (t *Totals) Of(target Target) TargetTotals { return t.ByTarget[target] }
