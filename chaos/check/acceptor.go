package check

import (
	"math"
	"slices"

	"github.com/mmm-ha/mmm/chaos/history"
)

// reignsOf gives each row the epoch under which it was committed, from the
// binlogs: what follows an epoch row in a log belongs to that reign.
func reignsOf(h *history.History) map[history.RowID]int64 {
	epochs := map[history.RowID]int64{}
	now := map[string]int64{}
	for _, c := range h.Commits {
		if c.Epoch != 0 {
			now[c.Host] = c.Epoch
		}
		for _, row := range c.Rows {
			// A log that does not reach back to an epoch row knows nothing.
			if e := now[c.Host]; e != 0 {
				epochs[row] = e
			}
		}
	}
	return epochs
}

// oneAcceptor looks for two reigns that acknowledged at the same time: an
// acknowledgement of an earlier reign for a write that began when a later reign
// had already acknowledged another.
func oneAcceptor(h *history.History) Finding {
	var f Finding
	reigns := reignsOf(h)
	byEpoch := map[int64][]history.Op{}
	for _, o := range h.Ops {
		if o.Outcome != history.OK || !o.Writes() {
			continue
		}
		if e, known := reigns[history.RowID{Client: o.Client, ID: o.ID}]; known {
			byEpoch[e] = append(byEpoch[e], o)
			f.Checked++
		}
	}
	var epochs []int64
	for e := range byEpoch {
		epochs = append(epochs, e)
	}
	slices.Sort(epochs)
	first := history.Time(math.MaxInt64) // acknowledgement of any later reign
	var of history.Op
	var later int64
	for _, e := range slices.Backward(epochs) {
		for _, o := range byEpoch[e] {
			if o.Call > first {
				f.violate("%s/%d began at %s and was acknowledged in reign %d, but reign %d had acknowledged %s/%d at %s",
					o.Client, o.ID, at(h, o.Call), e, later, of.Client, of.ID, at(h, first))
			}
		}
		for _, o := range byEpoch[e] {
			if o.Return < first {
				first, of, later = o.Return, o, e
			}
		}
	}
	return f
}

// oneProbe looks for a round of direct probes with two acceptors.
func oneProbe(h *history.History) Finding {
	var f Finding
	accepted := map[uint64][]history.Op{}
	for _, o := range h.Ops {
		if o.Do != history.Probe {
			continue
		}
		f.Checked++
		if o.Outcome == history.OK {
			accepted[o.Round] = append(accepted[o.Round], o)
		}
	}
	for round, ops := range accepted {
		if len(ops) > 1 {
			f.violate("round %d at %s: %s and %s both accepted a write", round, at(h, ops[0].Call), ops[0].Route, ops[1].Route)
		}
	}
	return f
}
