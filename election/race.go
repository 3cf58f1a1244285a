package election

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// round says how a question is put to several members.
type round struct {
	members int           // how many there are
	first   int           // who is asked first
	limit   time.Duration // of one try
	hedge   time.Duration // silence after which the next member is asked as well
	rolling bool          // go on around the members while somebody may still answer
}

type outcome struct {
	member int
	err    error
}

// race calls try for one member after the other until one answers, and returns
// that member. The next member is asked when the ones before have been silent
// for r.hedge, and at once when one has failed; the earlier tries stay in flight,
// each until r.limit. ErrGone settles the question as much as success does.
// Otherwise, when every member was asked and every try has failed, the error is
// ErrUnreachable with all causes.
//
// When race returns, all tries have: the rest is cancelled and waited for. What
// a try has to say besides its error it must have recorded itself, as it may come
// second.
func race(ctx context.Context, r round, try func(ctx context.Context, member int) error) (int, error) {
	var tries sync.WaitGroup
	defer tries.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // before the wait

	outcomes := make(chan outcome)
	silence := time.NewTimer(r.hedge)
	defer silence.Stop()
	launched, inFlight := 0, 0
	launch := func() {
		member := (r.first + launched) % r.members
		launched++
		inFlight++
		silence.Reset(r.hedge)
		tries.Go(func() {
			limited, cancel := context.WithTimeout(ctx, r.limit)
			defer cancel()
			o := outcome{member, try(limited, member)}
			select {
			case outcomes <- o:
			case <-ctx.Done(): // settled: nobody listens any more
			}
		})
	}

	causes := make([]error, r.members) // last one of each member
	launch()
	for {
		select {
		case <-ctx.Done():
			return -1, ctx.Err()
		case <-silence.C:
			if r.rolling || launched < r.members {
				launch()
			}
		case o := <-outcomes:
			if o.err == nil {
				return o.member, nil
			}
			if errors.Is(o.err, ErrGone) {
				return -1, o.err
			}
			inFlight--
			causes[o.member] = fmt.Errorf("member %d: %w", o.member, o.err)
			if launched < r.members {
				launch()
			} else if inFlight == 0 {
				return -1, fmt.Errorf("%w: %w", ErrUnreachable, errors.Join(causes...))
			}
		}
	}
}
