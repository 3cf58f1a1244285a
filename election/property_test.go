package election

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// drawPath draws what the network does to one call: mostly well, and otherwise
// anything from a little late to three TTLs late.
func drawPath(t *rapid.T, ttl time.Duration, label string) path {
	some := func(name string) time.Duration {
		kind := rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, name+" kind")
		longest := []time.Duration{5 * time.Millisecond, ttl / 2, 3 * ttl}[kind]
		return time.Duration(rapid.Int64Range(0, int64(longest)).Draw(t, name))
	}
	return path{
		out:     some(label + " out"),
		back:    some(label + " back"),
		lost:    rapid.IntRange(0, 9).Draw(t, label+" lost") == 0,
		refused: rapid.IntRange(0, 9).Draw(t, label+" refused") == 0,
		deaf:    rapid.IntRange(0, 3).Draw(t, label+" deaf") == 0,
	}
}

// TestDeadlineIsNeverLaterThanExpiryLessMargin is the safety of everything that
// rests on a lease: whatever happens to requests and answers, at no time may more
// be left than until the lease's end at etcd, less the margin.
// R1, R2.
func TestDeadlineIsNeverLaterThanExpiryLessMargin(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ttl := time.Duration(rapid.IntRange(1, 3).Draw(rt, "ttl")) * time.Second
		plans := make([][]path, rapid.IntRange(1, 3).Draw(rt, "members"))
		for i := range plans {
			for call := range 12 {
				plans[i] = append(plans[i], drawPath(rt, ttl, fmt.Sprintf("member %d call %d", i, call)))
			}
		}
		var wrong string
		synctest.Test(t, func(t *testing.T) { wrong = violation(t, ttl, plans) })
		if wrong != "" {
			rt.Fatal(wrong)
		}
	})
}

// violation runs a session under the plans and returns what went wrong, if
// anything did.
func violation(t *testing.T, ttl time.Duration, plans [][]path) string {
	etcd, fakes, members := newFakes(ttl, len(plans))
	clock := newBootClock().clock()
	s, err := Open(t.Context(), Options{Members: members, TTL: ttl, Clock: clock})
	if err != nil {
		return err.Error()
	}
	for i, m := range fakes {
		m.mu.Lock()
		m.plan = func(call int) path { return plans[i][call%len(plans[i])] }
		m.mu.Unlock()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 12*ttl)
	defer cancel()
	var running sync.WaitGroup
	running.Go(func() { _ = s.Run(ctx) }) // gone or ended: both may be
	defer running.Wait()
	defer cancel()
	var last Deadline
	for ctx.Err() == nil {
		_ = sleep(ctx, 7*time.Millisecond)
		synctest.Wait()
		now := clock.Now()
		d := s.Deadline()
		if left, lives := d.Left(now), time.Until(etcd.expires())-Margin(ttl); left > 0 && left > lives {
			return fmt.Sprintf("%s are left of the deadline, but %s of the lease less margin", left, lives)
		}
		if !d.IsZero() && d != last && !d.After(last) {
			return "the deadline moved back"
		}
		if !d.IsZero() && last.IsZero() && isGone(s) {
			return "the deadline came back after the lease was gone"
		}
		last = d
	}
	return ""
}

func isGone(s *Session) bool {
	select {
	case <-s.Gone():
		return true
	default:
		return false
	}
}
