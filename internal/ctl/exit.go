package ctl

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/mmm-ha/mmm/internal/certs"
	"github.com/mmm-ha/mmm/internal/store"
)

// Exit is an exit code of mmmctl. Scripts rely on them: they are never renumbered.
type Exit int

// The exit codes.
const (
	ExitOK          Exit = 0  // done, or healthy
	ExitError       Exit = 1  // anything that has no code of its own
	ExitUsage       Exit = 2  // wrong words, or a confirmation was needed and nobody could be asked
	ExitRefused     Exit = 3  // a safety check said no, or the order was undone: nothing was changed
	ExitUnreachable Exit = 4  // etcd or its quorum cannot be reached
	ExitTimeout     Exit = 5  // the end was not seen in time; it may still come
	ExitPartly      Exit = 6  // some of it was done; the text names what
	ExitNotFound    Exit = 7  // no such host, role, VIP or cluster
	ExitWarn        Exit = 10 // status --check: degraded
	ExitCrit        Exit = 11 // status --check: no writes are possible, or no router serves
)

// Error is a command that did not reach its end.
type Error struct {
	Exit Exit
	Text string // for mmmctl, one or more lines without a full stop
	MMM  string // the sentence that mmm_control says; empty: "ERROR: " and Text
	Err  error  // the cause, if there is one
}

// Error gives the text for mmmctl.
func (e *Error) Error() string { return e.Text }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// sentence is what mmm_control says.
func (e *Error) sentence() string {
	if e.MMM != "" {
		return e.MMM
	}
	return "ERROR: " + e.Text
}

// ExitOf is the exit code for what a command returned.
func ExitOf(err error) Exit {
	var e *Error
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &e):
		return e.Exit
	default:
		return explain(err).Exit
	}
}

// Describe is the text for what a command returned, in words for an operator.
func Describe(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Text
	}
	return explain(err).Text
}

// dialing is what gRPC and net say before the cause; the endpoint stands in
// front of it already.
var dialing = regexp.MustCompile(`transport: Error while dialing: (dial tcp \S+: )?(connect: )?`)

// explain gives an error of the store its code and the way out.
func explain(err error) *Error {
	switch {
	case errors.Is(err, store.ErrUnknownOutcome):
		return &Error{Exit: ExitTimeout, Err: err, Text: fmt.Sprintf("%v: it may have happened or not; look with `mmmctl status` before you try again", err)}
	case errors.Is(err, store.ErrUnreachable):
		cause := err.Error()
		if i := strings.Index(cause, store.ErrUnreachable.Error()); i >= 0 {
			cause = strings.TrimPrefix(cause[i+len(store.ErrUnreachable.Error()):], ": ")
		}
		cause = dialing.ReplaceAllString(cause, "")
		if e := (*certs.Explained)(nil); errors.As(err, &e) { // it ends in the way out
			return &Error{Exit: ExitUnreachable, Err: err, Text: "cannot reach etcd: " + cause}
		}
		return &Error{Exit: ExitUnreachable, Err: err, Text: fmt.Sprintf("cannot reach etcd: %s; start etcd there, or name the right members with --endpoints or MMM_ENDPOINTS", cause)}
	case errors.Is(err, store.ErrGuard):
		return &Error{Exit: ExitRefused, Err: err, Text: fmt.Sprintf("%v: the cluster changed in the same moment; look with `mmmctl status` and try again", err)}
	case errors.Is(err, context.Canceled):
		return &Error{Exit: ExitTimeout, Err: err, Text: "interrupted; what was ordered goes on: see `mmmctl status`"}
	default:
		return &Error{Exit: ExitError, Err: err, Text: err.Error()}
	}
}

func refused(format string, args ...any) *Error {
	return &Error{Exit: ExitRefused, Text: "refused: " + fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) *Error {
	return &Error{Exit: ExitNotFound, Text: fmt.Sprintf(format, args...)}
}

func usage(format string, args ...any) *Error {
	return &Error{Exit: ExitUsage, Text: fmt.Sprintf(format, args...)}
}

// inMMM adds the sentence that MMM had for this.
func (e *Error) inMMM(format string, args ...any) *Error {
	e.MMM = fmt.Sprintf(format, args...)
	return e
}
