package price

import (
	"errors"
	"os"
	"slices"
	"time"
)

// fsyncs is how many are measured.
const fsyncs = 51

// fsync is how long one takes after a small write, as a binlog makes them; 0 when
// it cannot be measured.
func fsync(dir string) time.Duration {
	f, err := os.CreateTemp(dir, "mmm-price-")
	if err != nil {
		return 0
	}
	var took []time.Duration
	for range fsyncs {
		began := time.Now()
		_, err1 := f.WriteString("one event of a hundred bytes or so, written and flushed as a binlog is flushed at each group commit")
		if errors.Join(err1, f.Sync()) != nil {
			break
		}
		took = append(took, time.Since(began))
	}
	if errors.Join(f.Close(), os.Remove(f.Name())) != nil || len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[len(took)/2]
}
