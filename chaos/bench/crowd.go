package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/chaos/load"
)

// clients write and read through the router VIP until they are stopped.
type clients struct {
	all    []*routedClient
	end    context.CancelFunc
	failed chan error
}

type routedClient struct{ writes, reads *load.Journal }

// newCrowd starts the clients on the client host.
func newCrowd(ctx context.Context, bed *lab.Bed, name string) (*clients, error) {
	dialer, err := bed.Dialer(lab.ClientHost)
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(ctx)
	c := &clients{end: end, failed: make(chan error, crowd)}
	for i := range crowd {
		writes, bad := load.NewJournal(fmt.Sprintf("%s-%d", name, i), nil)
		reads, worse := load.NewJournal(fmt.Sprintf("%s-%d-reads", name, i), nil)
		if err := errors.Join(bad, worse); err != nil {
			end()
			return nil, errors.Join(err, c.stop())
		}
		c.all = append(c.all, &routedClient{writes, reads})
		go func() {
			c.failed <- load.Run(ctx, load.Options{
				Dial: dialer.DialContext, Address: fmt.Sprintf("%s:%d", routerVIP, lab.ClientPort),
				User: lab.AppUser, Password: lab.AppPassword, Every: routedEvery, Timeout: routedTimeout,
				KeepAfterNo: true, Journal: writes, Reads: reads,
			})
		}()
	}
	return c, nil
}

// stop ends the clients and waits for them.
func (c *clients) stop() error {
	c.end()
	var all error
	for range c.all {
		all = errors.Join(all, <-c.failed)
	}
	return all
}

func (c *clients) writes() (all []*load.Journal) {
	for _, one := range c.all {
		all = append(all, one.writes)
	}
	return all
}

// read is how many reads were answered, and how many of them did not see what the
// same client had been told was written.
func (c *clients) read() (answered, stale int) {
	for _, one := range c.all {
		answered += one.reads.Count(load.Acked)
		stale += one.reads.Count(load.Stale)
	}
	return answered + stale, stale
}

// awaitSteady waits until no client has waited for long, but not for ever: with
// so many of them a busy machine always delays one. It returns the longest wait of the
// last second.
func (c *clients) awaitSteady(ctx context.Context) (noise Millis, err error) {
	const smooth, patience = Millis(40 * time.Millisecond), 10 * time.Second
	for end := time.Now().Add(patience); ; {
		from := time.Now()
		if err := rest(ctx, steady); err != nil {
			return 0, err
		}
		run := c.saw(from, time.Now(), false)
		if noise = max(run.Wait, run.ReadWait); noise < smooth || time.Now().After(end) {
			return noise, nil
		}
	}
}

// awaitAll waits until every client was acknowledged a write and answered a read that
// began after a moment, and returns when the last of them was.
func (c *clients) awaitAll(ctx context.Context, after time.Time) (last time.Time, err error) {
	for _, one := range c.all {
		for _, j := range []*load.Journal{one.writes, one.reads} {
			at, err := awaitWrite(ctx, j, after)
			if err != nil {
				return last, fmt.Errorf("%s: %w", j.Client(), err)
			}
			if at.After(last) {
				last = at
			}
		}
	}
	return last, nil
}

// saw is what the clients met from one moment to another. forgives: what broke may
// have broken with the router that failed.
func (c *clients) saw(from, to time.Time, forgives bool) (run RoutedRun) {
	for _, one := range c.all {
		run.Wait = max(run.Wait, Millis(one.writes.LongestWait(from, to)))
		run.ReadWait = max(run.ReadWait, Millis(one.reads.LongestWait(from, to)))
		run.Gap = max(run.Gap, Millis(one.writes.LongestGap(from, to).Length()))
		for _, a := range one.writes.Attempts() {
			switch {
			case a.End.Before(from) || a.Start.After(to) || a.Outcome == load.Acked:
				continue
			case a.Outcome == load.Unknown:
				run.UnderWay++
			default:
				run.Errors++
			}
			run.because("write: " + a.Why)
		}
		for _, a := range one.reads.Attempts() {
			switch {
			case a.End.Before(from) || a.Start.After(to) || a.Outcome == load.Acked || a.Outcome == load.Stale:
				continue
			case forgives && a.Outcome == load.Unknown:
				run.UnderWay++
			default:
				run.ReadErrors++
			}
			run.because("read: " + a.Why)
		}
	}
	return run
}

// because remembers a few different errors.
func (r *RoutedRun) because(why string) {
	const few = 6
	if len(r.Why) < few && !slices.Contains(r.Why, why) {
		r.Why = append(r.Why, why)
	}
}
