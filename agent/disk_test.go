package agent

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mmm-ha/mmm/internal/disk"
	"github.com/mmm-ha/mmm/topology"
)

var errFull = fmt.Errorf("%w: %w", disk.ErrFailed, syscall.ENOSPC)

// watchDisk runs a watch in a bubble; try may block. end ends it, and waits.
func watchDisk(t *testing.T, limit time.Duration, try func() error) (d *diskWatch, end func()) {
	t.Helper()
	d = newDiskWatch(t.TempDir(), newRig(t).log)
	d.try = try
	d.tune(topology.Timing{Disk: topology.Duration(limit)})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.run(ctx) }()
	return d, func() { cancel(); <-done }
}

// after lets time pass and then gives the state.
func (d *diskWatch) after(pause time.Duration) topology.Disk {
	time.Sleep(pause)
	synctest.Wait()
	return d.now()
}

func TestDiskIsBadWhenAllTriesOfItsLimitFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var well atomic.Bool
		d, end := watchDisk(t, 3*time.Second, func() error {
			if well.Load() {
				return nil
			}
			return errFull
		})
		defer end()
		want := func(pause time.Duration, failing string, bad bool) {
			t.Helper()
			if got := d.after(pause); got != (topology.Disk{Failing: failing, Bad: bad}) {
				t.Errorf("%+v", got)
			}
		}
		want(0, "no space left on device", false)
		want(1500*time.Millisecond, "no space left on device", false)
		want(time.Second, "no space left on device", true)
		well.Store(true)
		want(time.Second, "", true) // one good try is luck
		want(2*time.Second, "", false)
		well.Store(false)
		want(2*time.Second, "no space left on device", false) // it starts from nothing
		well.Store(true)
		want(time.Second, "", false)
	})
}

// Of a disk that stalls there is one try at a time, and nobody waits for it.
func TestStalledDiskIsTriedOnceAndWaitedForByNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries atomic.Int32
		stalled := make(chan struct{})
		d, end := watchDisk(t, 2*time.Second, func() error { tries.Add(1); <-stalled; return nil })
		if got := d.after(1500 * time.Millisecond); got.Failing == "" || got.Bad {
			t.Errorf("after one miss: %+v", got)
		}
		if got := d.after(10 * time.Second); !got.Bad || tries.Load() != 1 {
			t.Errorf("%d tries, %+v", tries.Load(), got)
		}
		end() // returns, though the try hangs
		close(stalled)
		synctest.Wait()
	})
}

// A slow disk is no bad one: each try that comes to its end counts.
func TestSlowDiskIsNotBad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, end := watchDisk(t, 2*time.Second, func() error { time.Sleep(1800 * time.Millisecond); return nil })
		for range 50 {
			if got := d.after(100 * time.Millisecond); got.Bad {
				t.Fatalf("%+v", got)
			}
		}
		end()
		time.Sleep(2 * time.Second)
	})
}

func TestTryThatIsOurOwnFaultTellsNothingOfTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, end := watchDisk(t, time.Second, func() error { return syscall.EMFILE })
		defer end()
		if got := d.after(10 * time.Second); got != (topology.Disk{}) {
			t.Errorf("%+v", got)
		}
	})
}

// Every reading tells of the disk, also one of a dead mysqld.
func TestReadingTellsOfTheDisk(t *testing.T) {
	r := newRig(t)
	r.run()
	r.prober.disk.tune(topology.Timing{Disk: topology.Duration(time.Second)})
	r.prober.disk.ended(errFull)
	if p := r.prober.look(bounded(t)); !p.Up || !p.Disk.Bad {
		t.Errorf("%+v", p)
	}
	r.prober.last = topology.Probe{}
	r.fail("observe", errors.New("gone"))
	if p := r.prober.look(bounded(t)); p.Up || !p.Disk.Bad {
		t.Errorf("%+v", p)
	}
}
