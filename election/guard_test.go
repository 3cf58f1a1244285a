package election

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func TestGuardExpiresAtItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := newBootClock().clock()
		g := NewGuard(clock, clock.Now().Deadline(1234*time.Millisecond))
		start := time.Now()
		if err := g.Wait(t.Context()); !errors.Is(err, ErrExpired) {
			t.Errorf("wait returned %v", err)
		}
		if took := time.Since(start); took != 1234*time.Millisecond {
			t.Errorf("expired after %s", took)
		}
		if g.Extend(clock.Now().Deadline(time.Hour)) {
			t.Error("an expired guard was extended")
		}
		if err := g.Wait(t.Context()); !errors.Is(err, ErrExpired) {
			t.Errorf("second wait returned %v", err)
		}
	})
}

func TestGuardIsQuietWhileItIsExtended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := newBootClock().clock()
		g := NewGuard(clock, clock.Now().Deadline(time.Second))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- g.Wait(ctx) }()
		for range 1000 {
			time.Sleep(time.Second - time.Nanosecond)
			if !g.Extend(clock.Now().Deadline(time.Second)) {
				t.Fatal("expired though extended in time")
			}
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("wait returned %v", err)
		}
	})
}

func TestGuardIsNeverMovedBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := newBootClock().clock()
		want := clock.Now().Deadline(time.Second)
		g := NewGuard(clock, want)
		if !g.Extend(clock.Now().Deadline(time.Millisecond)) || !g.Extend(Deadline{}) || g.Deadline() != want {
			t.Error("an earlier deadline moved the guard")
		}
	})
}

func TestGuardExpiresAfterASuspend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		boot := newBootClock()
		g := NewGuard(boot.clock(), boot.clock().Now().Deadline(2*time.Second))
		done := make(chan error)
		go func() { done <- g.Wait(t.Context()) }()
		time.Sleep(time.Second / 2)
		boot.suspend(time.Hour)
		resumed := time.Now()
		if err := <-done; !errors.Is(err, ErrExpired) {
			t.Errorf("wait returned %v", err)
		}
		if took := time.Since(resumed); took > guardPoll {
			t.Errorf("expired %s after the resume", took)
		}
	})
}

func TestGuardExpiresWhenTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := newBootClock().clock()
		g := NewGuard(clock, clock.Now().Deadline(time.Hour))
		done := make(chan error)
		go func() { done <- g.Wait(t.Context()) }()
		synctest.Wait()
		told := time.Now()
		g.Expire()
		g.Expire()
		if err := <-done; !errors.Is(err, ErrExpired) || time.Since(told) != 0 {
			t.Errorf("wait returned %v after %s", err, time.Since(told))
		}
	})
}

func TestNewGuardWithoutDeadlineHasExpired(t *testing.T) {
	if err := NewGuard(Clock{}, Deadline{}).Wait(t.Context()); !errors.Is(err, ErrExpired) {
		t.Errorf("wait returned %v", err)
	}
}

// TestGuardAndRenewalNeverBothWin lets renewals arrive around the deadline, to
// the nanosecond: whoever was told "extended" must have been right.
func TestGuardAndRenewalNeverBothWin(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		offset := rapid.SampledFrom([]time.Duration{-1e6, -2, -1, 0, 1, 2, 1e6}).Draw(rt, "offset")
		renewers := rapid.IntRange(1, 4).Draw(rt, "renewers")
		var extended, expired int
		synctest.Test(t, func(t *testing.T) {
			clock := newBootClock().clock()
			g := NewGuard(clock, clock.Now().Deadline(time.Second))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second+time.Second/2)
			defer cancel()
			var all sync.WaitGroup
			var mu sync.Mutex
			all.Go(func() {
				if errors.Is(g.Wait(ctx), ErrExpired) {
					expired++
				}
			})
			for range renewers {
				all.Go(func() {
					time.Sleep(time.Second + offset)
					ok := g.Extend(clock.Now().Deadline(time.Second))
					mu.Lock()
					defer mu.Unlock()
					if ok {
						extended++
					}
				})
			}
			all.Wait()
		})
		if offset < 0 && (extended != renewers || expired != 0) || offset >= 0 && (extended != 0 || expired != 1) {
			rt.Fatalf("renewed at deadline%+d ns: %d of %d extended, expired %d times", offset, extended, renewers, expired)
		}
	})
}
