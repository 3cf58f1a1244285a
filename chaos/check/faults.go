package check

import (
	"fmt"
	"sort"
	"time"

	"github.com/mmm-ha/mmm/chaos/history"
)

// settled looks at what was missing after each strike.
func settled(h *history.History) Finding {
	var f Finding
	for _, s := range strikes(h) {
		f.Checked++
		for _, fault := range s.faults {
			if fault.Unsettled != "" {
				f.violate("after %s at %s: %s", s, at(h, s.from), fault.Unsettled)
				break
			}
		}
	}
	return f
}

// Reign is one epoch as etcd showed it.
type Reign struct {
	Epoch    int64
	Writer   string
	From, To history.Time // the key writer: put, gone
}

// Reigns are all epochs, in order of time; the last one ends with the run.
func Reigns(h *history.History) []Reign {
	var out []Reign
	open := false
	for _, s := range h.States {
		n := len(out) - 1
		if open && s.Epoch != out[n].Epoch {
			out[n].To, open = s.T, false
		}
		if s.Epoch != 0 && (n < 0 || s.Epoch != out[n].Epoch) {
			out, open = append(out, Reign{Epoch: s.Epoch, Writer: s.Writer, From: s.T}), true
		}
	}
	if open {
		out[len(out)-1].To = h.Run.Ended
	}
	return out
}

// Failovers is how often the writer changed, planned changes included.
func Failovers(h *history.History) int { return max(0, len(Reigns(h))-1) }

// failovers compares the changes of the writer with the faults.
func failovers(h *history.History) Finding {
	var f Finding
	all := strikes(h)
	counts := make([]int, len(all))
	for i, r := range Reigns(h) {
		if i == 0 {
			continue
		}
		f.Checked++
		n := sort.Search(len(all), func(i int) bool { return all[i].from > r.From }) - 1
		if n < 0 {
			f.violate("%s became writer at %s before any fault", r.Writer, at(h, r.From))
			continue
		}
		counts[n]++
	}
	for i, s := range all {
		if counts[i] > s.failovers {
			f.violate("%s at %s: the writer changed %d times, at most %d are right", s, at(h, s.from), counts[i], s.failovers)
		}
	}
	return f
}

// Gap is what a fault cost.
type Gap struct {
	Fault  history.Fault
	Write  time.Duration // longest time without an acknowledged write of any client, from the fault to the next strike
	From   history.Time  // where that gap begins
	VIP    time.Duration // longest silence of a VIP
	Silent string        // which
}

// Gaps measures every fault. Faults of one strike share their window.
func Gaps(h *history.History) []Gap {
	acks := Acknowledged(h)
	answers := answered(h)
	var out []Gap
	for _, s := range strikes(h) {
		write, from := longest(acks, s.from, s.to)
		silence, silent := time.Duration(0), ""
		for vip, times := range answers {
			if d, _ := longest(times, s.from, s.to); d > silence {
				silence, silent = d, vip
			}
		}
		for _, f := range s.faults {
			out = append(out, Gap{f, write, from, silence, silent})
		}
	}
	return out
}

// Acknowledged are the times of all acknowledgements through the writer VIP.
func Acknowledged(h *history.History) []history.Time {
	var acks []history.Time
	for _, o := range h.Ops {
		if o.Outcome == history.OK && o.Route == "writer" && (o.Do == history.Insert || o.Do == history.Transfer) {
			acks = append(acks, o.Return)
		}
	}
	sort.Slice(acks, func(i, j int) bool { return acks[i] < acks[j] })
	return acks
}

// answered are the times at which each VIP was answered.
func answered(h *history.History) map[string][]history.Time {
	out := map[string][]history.Time{}
	for _, a := range h.ARPs {
		if _, known := out[a.VIP]; !known {
			out[a.VIP] = nil
		}
		if len(a.Hosts) > 0 {
			out[a.VIP] = append(out[a.VIP], a.Return)
		}
	}
	return out
}

// longest is the longest time between two neighbours that has a part in the
// window, and where it begins. It may begin before the window, whose fault may
// have struck between two acknowledgements; at the end of the window it is cut
// off, for what comes then belongs to the next fault.
func longest(times []history.Time, from, to history.Time) (time.Duration, history.Time) {
	i := sort.Search(len(times), func(i int) bool { return times[i] > from })
	last := from
	if i > 0 {
		last = times[i-1]
	}
	var most time.Duration
	begin := from
	for ; i < len(times) && last < to; i++ {
		if d := min(times[i], to).Sub(last); d > most {
			most, begin = d, last
		}
		last = times[i]
	}
	if d := to.Sub(last); d > most {
		most, begin = d, last
	}
	return most, begin
}

// gaps compares what the faults cost with what their classes allow.
func gaps(h *history.History) Finding {
	var f Finding
	for _, g := range Gaps(h) {
		f.Checked++
		what := fmt.Sprintf("%s on %s at %s", g.Fault.Class, g.Fault.Host, at(h, g.Fault.Begin))
		if limit := g.Fault.GapLimit; limit > 0 && g.Write > limit {
			f.violate("%s: no write was acknowledged for %v, at most %v is right", what, g.Write.Round(time.Millisecond), limit)
		}
		if limit := g.Fault.VIPLimit; limit > 0 && g.VIP > limit {
			f.violate("%s: VIP %s was silent for %v, at most %v is right", what, g.Silent, g.VIP.Round(time.Millisecond), limit)
		}
	}
	return f
}
