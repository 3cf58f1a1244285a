package check

import (
	"fmt"
	"time"

	"github.com/mmm-ha/mmm/chaos/history"
)

// What is promised about data is promised on any machine. What is promised about time
// needs one on which programs run: where even a program that only wakes up did so
// later than a tenth of the lease, or late for a fifth of the time, a lease that ends or
// a gap that is too long says nothing of the product. Such a finding is undecided: the
// run is no pass, and no proof.
const (
	stallPart = 10
	slowPart  = 5
)

// stalled is how late the machine was between two times; 0: it was in time.
func stalled(h *history.History, from, to history.Time) time.Duration {
	var most, sum time.Duration
	for _, s := range h.Stalls {
		if s.T > from && s.T.Add(-s.By) < to {
			most, sum = max(most, s.By), sum+s.By
		}
	}
	if most > h.Run.TTL/stallPart || sum > to.Sub(from)/slowPart {
		return sum
	}
	return 0
}

// late is violate for a promise about the time from one moment to another.
func (f *Finding) late(h *history.History, from, to history.Time, format string, args ...any) {
	by := stalled(h, from, to)
	if by == 0 {
		f.violate(format, args...)
		return
	}
	f.Undecided = append(f.Undecided, fmt.Sprintf("the machine was too slow (%v late): ", by.Round(time.Millisecond))+fmt.Sprintf(format, args...))
}
