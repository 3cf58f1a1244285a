package check

import (
	"fmt"

	"github.com/mmm-ha/mmm/chaos/history"
)

// minChecked is how much a checker that needs traffic must have looked at.
var minChecked = map[string]int{"one acceptor": 100, "probes": 100, "kept": 100, "logs": 100, "bank": 20, "register": 20, "one answer": 100}

// Invalid says why a run proves nothing; nil: it proves something.
func Invalid(h *history.History, verdicts []Verdict) []string {
	var why []string
	for _, stopped := range h.Run.Stopped {
		why = append(why, "it did not come to its end: "+stopped)
	}
	if len(h.Faults) == 0 {
		why = append(why, "there was no fault")
	}
	for _, f := range h.Faults {
		switch {
		case f.Error != "":
			why = append(why, fmt.Sprintf("%s on %s: %s", f.Class, f.Host, f.Error))
		case f.Verified == 0 || f.Healed == 0:
			why = append(why, fmt.Sprintf("%s on %s was not seen to bite and to end", f.Class, f.Host))
		}
	}
	// The rate is that of the times without a gap: what a fault stopped is no fault of the clients.
	calm := h.Run.Ended.Sub(h.Run.Began)
	counted := map[int]bool{}
	for _, g := range Gaps(h) {
		if !counted[g.Fault.Strike] { // faults of one strike share their gap
			counted[g.Fault.Strike] = true
			calm -= g.Write
		}
	}
	acked := len(Acknowledged(h)) + len(acknowledged(h, "router"))
	if rate := float64(acked) / max(calm.Seconds(), 1); rate < h.Run.MinRate || acked == 0 {
		why = append(why, fmt.Sprintf("traffic was thin: %d acknowledged writes, %.1f a second; at least %.1f are needed", acked, rate, h.Run.MinRate))
	}
	for _, v := range verdicts {
		why = append(why, v.Undecided...)
		if v.Checked < minChecked[v.Name] {
			why = append(why, fmt.Sprintf("checker %q had %d things to look at, %d are needed", v.Name, v.Checked, minChecked[v.Name]))
		}
	}
	return why
}
