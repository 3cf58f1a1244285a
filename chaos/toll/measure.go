package toll

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Sample is one cell, measured once. Times are in microseconds.
type Sample struct {
	Round     int     `json:"round"`
	Queries   float64 `json:"queries"`
	PerSecond float64 `json:"queriesPerSecond"`
	CPU       float64 `json:"cpuMicros"`       // of the proxy, for one query
	User      float64 `json:"userMicros"`      // of it, in user mode; an estimate of the kernel's
	P50       float64 `json:"p50Micros"`       // of a cycle of the load
	P99       float64 `json:"p99Micros"`       //
	Ratio     float64 `json:"ratio,omitempty"` // CPU / haproxy's in the same round
	Speed     float64 `json:"speed,omitempty"` // queries per second / haproxy's in the same round
}

// warm is how long the clients work before anything counts.
const warm = 100 * time.Millisecond

// most is how long one cell may take before something hangs.
const most = time.Minute

// crowd is clients that do one load at one target.
type crowd struct {
	load    Load
	target  *target
	clients []*client
	counted atomic.Bool // what happens now counts
	over    atomic.Bool
	tally   []tally
}

// tally is what one client has done while it counted.
type tally struct {
	queries int
	took    []time.Duration
}

// gather connects n clients.
func gather(ctx context.Context, l Load, t *target, n int) (*crowd, error) {
	c := &crowd{load: l, target: t, tally: make([]tally, n)}
	for i := range n {
		one, err := connect(ctx, t.address)
		if err == nil {
			one.place, one.counted = uint64(i), &c.counted
			c.clients = append(c.clients, one)
			_ = one.conn.SetDeadline(time.Now().Add(most))
			err = one.point() // a proxy that splits opens its second connection here
		}
		if err == nil && l.prepare {
			err = one.prepareStatement()
		}
		if err != nil {
			c.part()
			return nil, err
		}
	}
	return c, nil
}

// part ends all connections.
func (c *crowd) part() {
	for _, one := range c.clients {
		one.close()
	}
}

// work lets the crowd work while during runs, which is to wait for as long as it
// wants to count.
func (c *crowd) work(ctx context.Context, during func() error) error {
	errs := make([]error, len(c.clients)+1)
	var all sync.WaitGroup
	for i := range c.clients {
		all.Go(func() { errs[i] = c.repeat(ctx, i) })
	}
	time.Sleep(warm)
	errs[len(c.clients)] = during()
	c.over.Store(true)
	all.Wait()
	return errors.Join(errs...)
}

// repeat is one client's work.
func (c *crowd) repeat(ctx context.Context, i int) error {
	mine := &c.tally[i]
	mine.took = make([]time.Duration, 0, 1<<14)
	for !c.over.Load() {
		began := time.Now()
		n, err := c.load.cycle(ctx, c.clients[i], c.target.address)
		if err != nil {
			c.over.Store(true)
			return err
		}
		if c.counted.Load() || c.load.size > 0 { // a long one may last longer than the counting
			mine.queries += n
			mine.took = append(mine.took, time.Since(began))
		}
	}
	return nil
}

// count counts while it runs: CPU of the proxy and queries of the clients.
func (c *crowd) count(ctx context.Context, each time.Duration, s *Sample) error {
	var before, userBefore, after, userAfter time.Duration
	var err error
	pid := 0
	if c.target.proxy != nil {
		pid = c.target.proxy.pid
		if before, userBefore, err = cpu(pid); err != nil {
			return err
		}
	}
	began := time.Now()
	c.counted.Store(true)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(each):
	}
	c.counted.Store(false)
	took := time.Since(began)
	if pid != 0 {
		if after, userAfter, err = cpu(pid); err != nil {
			return err
		}
	}
	s.PerSecond = 1 / took.Seconds() // completed by finish
	s.CPU, s.User = float64((after-before).Nanoseconds())/1000, float64((userAfter - userBefore).Microseconds())
	return nil
}

// finish makes numbers for one query of sums.
func (c *crowd) finish(s *Sample) error {
	var took []time.Duration
	for i, t := range c.tally {
		if c.load.size > 0 {
			s.Queries += float64(c.clients[i].got) / c.load.size
		} else {
			s.Queries += float64(t.queries)
		}
		took = append(took, t.took...)
	}
	if len(took) == 0 {
		return errStalled
	}
	n := s.Queries
	s.PerSecond, s.CPU, s.User = s.PerSecond*n, s.CPU/n, s.User/n
	slices.Sort(took)
	s.P50, s.P99 = micros(took[len(took)/2]), micros(took[len(took)*99/100])
	return nil
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

// errStalled: no query has ended while it counted.
var errStalled = errors.New("nothing has ended")

// trials is how often a cell is measured anew in which everything stood still: the
// machine did something else.
const trials = 5

// measured is one cell of one round.
func measured(ctx context.Context, t *target, l Load, clients int, each time.Duration) (Sample, error) {
	for trial := 1; ; trial++ {
		s, err := measure(ctx, t, l, clients, each)
		if !errors.Is(err, errStalled) || trial == trials {
			return s, err
		}
	}
}

func measure(ctx context.Context, t *target, l Load, clients int, each time.Duration) (Sample, error) {
	var s Sample
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	c, err := gather(ctx, l, t, clients)
	if err == nil {
		defer c.part()
		err = c.work(ctx, func() error { return c.count(ctx, each, &s) })
	}
	if err == nil {
		err = c.finish(&s)
	}
	if err != nil {
		return s, fmt.Errorf("%s, %s, %d clients: %w", t.name, l.Name, clients, err)
	}
	return s, nil
}
