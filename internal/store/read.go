package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mmm-ha/mmm/internal/certs"
)

// read asks the members until one answers: nearest first, another one when that
// failed or said nothing for 100 ms. It goes round until ctx ends.
func read[T any](ctx context.Context, c *Client, ask func(context.Context, *member) (T, error)) (T, error) {
	ctx, cancel := bound(ctx)
	defer cancel()
	var none T
	for {
		causes := failures{}
		answer, ok, err := race(ctx, c, ask, causes)
		if ok || err != nil {
			return answer, err
		}
		if !pause(ctx) {
			return none, unreachable(ctx, causes)
		}
	}
}

// race is one round over all members. It returns an answer, or an error that no
// other member could better, or neither, with the reasons in causes.
func race[T any](ctx context.Context, c *Client, ask func(context.Context, *member) (T, error), causes failures) (T, bool, error) {
	type result struct {
		m      *member
		answer T
		err    error
	}
	ctx, cancel := context.WithCancel(ctx)
	order := c.order()
	results := make(chan result, len(order))
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel() // runs before the wait above
	next, running := 0, 0
	start := func() {
		if next == len(order) {
			return
		}
		m := order[next]
		next++
		running++
		wg.Go(func() {
			answer, err := attempt(ctx, c, m, ask)
			results <- result{m, answer, err}
		})
	}
	start()
	hedge := time.NewTicker(hedgeAfter)
	defer hedge.Stop()
	var none T
	for running > 0 {
		select {
		case r := <-results:
			running--
			if r.err == nil {
				return r.answer, true, nil
			}
			if definite(r.err) {
				return none, false, fmt.Errorf("read from etcd %s: %w", r.m.endpoint, r.err)
			}
			causes[r.m.endpoint] = r.err
			start()
		case <-hedge.C:
			start()
		}
	}
	return none, false, nil
}

// attempt asks one member once, within the limit of one try.
func attempt[T any](ctx context.Context, c *Client, m *member, ask func(context.Context, *member) (T, error)) (T, error) {
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, c.perTry)
	defer cancel()
	answer, err := ask(ctx, m)
	c.note(m, time.Since(begun), err)
	return answer, m.explain(err)
}

// failures is why each member did not answer.
type failures map[string]error

// Error names every member and its cause in one sentence; those that have the same
// cause stand together.
func (f failures) Error() string {
	who := map[string][]string{}
	for _, endpoint := range slices.Sorted(maps.Keys(f)) {
		cause := plain(f[endpoint])
		who[cause] = append(who[cause], endpoint)
	}
	var parts []string
	for cause, endpoints := range who {
		parts = append(parts, strings.Join(endpoints, ", ")+": "+cause)
	}
	slices.Sort(parts)
	if len(parts) == 0 {
		return "no time was left to ask"
	}
	return strings.Join(parts, "; ")
}

// Unwrap gives what lies in certificates: the rest is only told.
func (f failures) Unwrap() []error {
	var errs []error
	for _, err := range f {
		var e *certs.Explained
		if errors.As(err, &e) {
			errs = append(errs, e)
		}
	}
	return errs
}

// unreachable is the error of a call that nobody answered before ctx ended.
func unreachable(ctx context.Context, causes failures) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("%w: %w", ErrUnreachable, ctx.Err())
	}
	return fmt.Errorf("%w: %w", ErrUnreachable, causes)
}

// plain takes gRPC's wrapping off an error.
func plain(err error) string {
	switch code(err) {
	case codes.DeadlineExceeded:
		return "no answer in time"
	case codes.Canceled:
		return "given up"
	default:
		text := status.Convert(err).Message()
		if i := strings.LastIndex(text, `desc = "`); i >= 0 {
			text = strings.TrimSuffix(text[i+len(`desc = "`):], `"`)
		}
		return text
	}
}

// code is the gRPC code of an error, also of a bare context error.
func code(err error) codes.Code {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return codes.DeadlineExceeded
	case errors.Is(err, context.Canceled):
		return codes.Canceled
	default:
		return status.Code(err)
	}
}

// cancelled reports whether the caller gave up, which tells nothing of the member.
func cancelled(err error) bool {
	c := code(err)
	return c == codes.Canceled || c == codes.DeadlineExceeded
}

// definite reports whether etcd itself answered "no", so that nothing was
// written and no other member would say anything else.
func definite(err error) bool {
	switch code(err) {
	case codes.InvalidArgument, codes.NotFound, codes.OutOfRange, codes.PermissionDenied,
		codes.Unauthenticated, codes.ResourceExhausted, codes.AlreadyExists:
		return true
	default:
		return false
	}
}

// pause waits a short, jittered time. It reports false when ctx ended first.
func pause(ctx context.Context) bool {
	t := time.NewTimer(retryPause/2 + rand.N(retryPause))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
