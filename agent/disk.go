package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/mmm-ha/mmm/internal/disk"
	"github.com/mmm-ha/mmm/topology"
)

// diskPeriod is how often the disk of the datadir is tried; a write that takes
// longer is a miss.
const diskPeriod = time.Second

// diskGood is how many tries in a row must work before a bad disk counts as well:
// one that is full to the last block lets a write through now and then.
const diskGood = 3

// diskWatch tries the disk of the datadir. It is its own goroutine, and each try is one
// more, of which there is never a second: a write to a stalled disk cannot be
// ended by anybody, so nobody waits for it, not even when the agent stops.
type diskWatch struct {
	try func() error
	log *slog.Logger

	mu     sync.Mutex
	limit  time.Duration
	misses int // in a row
	good   int // in a row
	state  topology.Disk
	told   string // last cause why the disk could not be tried
}

func newDiskWatch(dir string, log *slog.Logger) *diskWatch {
	return &diskWatch{try: func() error { return disk.Try(dir) }, log: log, limit: topology.Timing{}.DiskLimit().D()}
}

// run tries once a period until ctx ends.
func (d *diskWatch) run(ctx context.Context) error {
	tick := time.NewTicker(diskPeriod)
	defer tick.Stop()
	var outcome chan error // nil: no try is under way
	for {
		if outcome == nil {
			outcome = make(chan error, 1)
			go func(out chan<- error) { out <- d.try() }(outcome)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-outcome:
			d.ended(err)
			select { // the rest of the period
			case <-ctx.Done():
				return ctx.Err()
			case <-tick.C:
				outcome = nil
			}
		case <-tick.C:
			// Ticks are counted, not time: after a pause of the whole host there is one.
			d.missed(fmt.Sprintf("a write takes longer than %s", diskPeriod))
		}
	}
}

// ended takes the end of a try. What could not be tried tells nothing of the disk.
func (d *diskWatch) ended(err error) {
	switch {
	case err == nil:
		d.worked()
	case errors.Is(err, disk.ErrFailed):
		d.missed(disk.Cause(err))
	default:
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.told != err.Error() {
			d.told = err.Error()
			d.log.Warn("cannot try whether the disk of the datadir takes writes", "err", err)
		}
	}
}

func (d *diskWatch) missed(why string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.good = 0
	d.misses++
	d.state.Failing = why
	if !d.state.Bad && time.Duration(d.misses)*diskPeriod >= d.limit {
		d.state.Bad = true
		d.log.Warn("the disk of the datadir takes no writes", "why", why)
	}
}

func (d *diskWatch) worked() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.good++
	d.misses, d.state.Failing, d.told = 0, "", ""
	if d.state.Bad && d.good >= diskGood {
		d.state.Bad = false
		d.log.Info("the disk of the datadir takes writes again")
	}
}

// tune takes the limit of the cluster file.
func (d *diskWatch) tune(t topology.Timing) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.limit = t.DiskLimit().D()
}

// now is what is known of the disk.
func (d *diskWatch) now() topology.Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state
}
