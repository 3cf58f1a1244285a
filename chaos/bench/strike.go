package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/chaos/load"
)

// phase spreads the moments of the faults evenly over a second, so that they do
// not all meet the same point between two renewals of a lease or two adverts.
func phase(run int) time.Duration {
	const golden = 618 * time.Millisecond
	return time.Duration(run) * golden % time.Second
}

// strikeOnce waits for a whole cluster and a steady client, strikes, sees the
// writes return, repairs, and waits until all is whole again. The journal that
// it returns is that of the client which went past the VIP, if there was one.
func strikeOnce(ctx context.Context, o Options, f fault, journal *load.Journal, run int) (_ Strike, _ *load.Journal, err error) {
	before, err := awaitWhole(ctx, o.Bed)
	if err != nil {
		return Strike{}, nil, err
	}
	var past *client // the client that goes past the VIP
	var direct *load.Journal
	if f.direct {
		if past, err = newClient(ctx, o.Bed, fmt.Sprintf("direct-%s-%d", f.name, run), addressOf(o.Bed, before.Writer)); err != nil {
			return Strike{}, nil, err
		}
		direct = past.journal
		defer func() { err = errors.Join(err, past.stop()) }()
	}
	if err := makeReady(ctx, o.Bed, f, before.Writer, journal, phase(run)); err != nil {
		return Strike{}, direct, err
	}
	struck := time.Now()
	if err := f.strike(ctx, o.Bed, before.Writer); err != nil {
		return Strike{}, direct, err
	}
	if f.stays {
		s, err := sitOut(ctx, o, f, journal, struck, before)
		return s, direct, err
	}
	if f.lingers {
		if err := awaitMoved(ctx, o.Bed, before.Writer); err != nil {
			return Strike{}, direct, err
		}
	}
	s, err := seeMoved(ctx, o, journal, struck, before)
	if err == nil && past != nil {
		s.Second = secondAcceptor(journal, direct, struck, before.Writer != s.To)
	}
	return s, direct, err
}

// makeReady waits for a steady client, and for the fault's own moment.
func makeReady(ctx context.Context, bed *lab.Bed, f fault, writer string, journal *load.Journal, phase time.Duration) error {
	if err := awaitSteady(ctx, journal); err != nil {
		return err
	}
	if err := rest(ctx, phase); err != nil {
		return err
	}
	if f.prepare == nil {
		return nil
	}
	return f.prepare(ctx, bed, writer)
}

// seeMoved waits for writes on another host after a fault that ends the reign.
func seeMoved(ctx context.Context, o Options, journal *load.Journal, struck time.Time, before status) (Strike, error) {
	first, err := awaitWrite(ctx, journal, time.Now())
	if err != nil {
		return Strike{}, err
	}
	if err := rest(ctx, trail-time.Since(first)); err != nil {
		return Strike{}, err
	}
	window := first.Add(trail)
	gap := journal.LongestGap(struck, window)
	repaired := time.Now()
	if err := repair(ctx, o.Bed); err != nil {
		return Strike{}, err
	}
	after, err := awaitWhole(ctx, o.Bed)
	if err != nil {
		return Strike{}, err
	}
	if after.Writer == before.Writer {
		return Strike{}, fmt.Errorf("%s is writer before and after: the fault did not bite", after.Writer)
	}
	return Strike{
		Gap: Millis(gap.Length()), Healing: Millis(journal.LongestGap(window, time.Now()).Length()),
		Whole: Millis(time.Since(repaired)), From: before.Writer, To: after.Writer,
		At: struck.Format(clockFormat),
	}, nil
}

// sitOut lets a fault last that should move nothing, repairs it, and measures
// over all of it.
func sitOut(ctx context.Context, o Options, f fault, journal *load.Journal, struck time.Time, before status) (Strike, error) {
	if err := rest(ctx, f.lasts(TTL(o.Profile))); err != nil {
		return Strike{}, err
	}
	repaired := time.Now()
	if err := repair(ctx, o.Bed); err != nil {
		return Strike{}, err
	}
	after, err := awaitWhole(ctx, o.Bed)
	if err != nil {
		return Strike{}, err
	}
	whole := time.Now()
	if err := rest(ctx, trail); err != nil {
		return Strike{}, err
	}
	return Strike{
		Gap: Millis(journal.LongestGap(struck, time.Now()).Length()), Whole: Millis(whole.Sub(repaired)),
		From: before.Writer, To: after.Writer, At: struck.Format(clockFormat),
	}, nil
}

// clockFormat is that of the logs of the agents.
const clockFormat = "15:04:05.000"

// secondAcceptor counts the writes that the struck host acknowledged past the
// VIP after the next writer had acknowledged its first.
func secondAcceptor(journal, direct *load.Journal, struck time.Time, moved bool) int {
	if !moved {
		return 0
	}
	gap := journal.LongestGap(struck, time.Now())
	n := 0
	for _, a := range direct.Attempts() {
		if a.Outcome == load.Acked && a.End.After(gap.To) {
			n++
		}
	}
	return n
}
