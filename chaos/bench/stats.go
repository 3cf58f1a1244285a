package bench

import (
	"math"
	"slices"
	"time"
)

// percentile is the smallest value that at least p percent of the values do not
// exceed (nearest rank): it is always one that was measured. Of 10 values the
// 99th percentile is the largest. Of none it is 0.
func percentile(values []time.Duration, p float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// longestGap is the longest time between two neighbours of the times at, which
// are in order, of which at least a part is after from. Without a time before
// from, from takes its place.
func longestGap(at []time.Time, from time.Time) time.Duration {
	last := from
	var longest time.Duration
	for _, t := range at {
		if t.After(from) {
			longest = max(longest, t.Sub(last))
		}
		last = t
	}
	return longest
}
