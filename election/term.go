package election

import (
	"context"

	"github.com/mmm-ha/mmm/topology"
)

// Term is a reign that this process is inside of. Work that is done because this
// host is the writer runs under its context and so ends with it, on whichever
// path the reign is left:
//
//	term := election.NewTerm(ctx, epoch, incarnation)
//	defer term.End("left")
//	return reign(term)
//
// Fencing must not run under it: it has to work when everything is cancelled.
type Term struct {
	epoch       topology.Rev
	incarnation topology.Incarnation
	ctx         context.Context
	end         context.CancelCauseFunc
}

// NewTerm begins the reign of epoch over the mysqld named by incarnation (R19).
// It ends by End or with parent.
func NewTerm(parent context.Context, epoch topology.Rev, incarnation topology.Incarnation) *Term {
	ctx, end := context.WithCancelCause(parent)
	return &Term{epoch: epoch, incarnation: incarnation, ctx: ctx, end: end}
}

// Epoch returns the ModRevision of the writer key that this reign put.
func (t *Term) Epoch() topology.Rev { return t.epoch }

// Incarnation returns the mysqld that reigns. With another one, or none, the term
// has to be ended at once, however short the gap.
func (t *Term) Incarnation() topology.Incarnation { return t.incarnation }

// Context ends when the term does. Its cause wraps ErrTermEnded if that was by
// End.
func (t *Term) Context() context.Context { return t.ctx }

// End ends the term for the given reason, an English phrase. Only the first call
// counts.
func (t *Term) End(reason string) { t.end(ended(reason)) }

// Reason returns why the term ended: what End was given, or the cause of the
// parent's end. It is empty while the term lasts.
func (t *Term) Reason() string {
	if cause := context.Cause(t.ctx); cause != nil {
		return cause.Error()
	}
	return ""
}

// ended is the reason of an end as an error, so that it can be a context's cause.
type ended string

// Error returns the reason alone.
func (e ended) Error() string { return string(e) }

// Unwrap makes ended an ErrTermEnded.
func (e ended) Unwrap() error { return ErrTermEnded }
