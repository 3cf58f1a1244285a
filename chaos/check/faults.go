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
				f.late(h, fault.Healed, fault.Settled, "after %s at %s: %s", s, at(h, s.from), fault.Unsettled)
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
	last := make([]history.Time, len(all)) // change of the writer
	for i, r := range Reigns(h) {
		if i == 0 {
			continue
		}
		f.Checked++
		n := sort.Search(len(all), func(i int) bool { return all[i].from > r.From }) - 1
		if n < 0 {
			f.late(h, r.From.Add(-noticed(h)), r.From, "%s became writer at %s before any fault", r.Writer, at(h, r.From))
			continue
		}
		counts[n]++
		last[n] = r.From
	}
	for i, s := range all {
		if counts[i] > s.failovers {
			f.late(h, s.from.Add(-noticed(h)), last[i], "%s at %s: the writer changed %d times, at most %d are right", s, at(h, s.from), counts[i], s.failovers)
		}
	}
	return f
}

// noticed is how long before a change of the writer its cause may lie: a lease that
// was not renewed, and the election.
func noticed(h *history.History) time.Duration { return 2 * h.Run.TTL }

// Gap is what a fault cost.
type Gap struct {
	Fault  history.Fault
	Write  time.Duration // longest time without an acknowledged write of any client, from the fault to the next strike
	From   history.Time  // where that gap begins
	Routed time.Duration // likewise of the clients of routers
	Since  history.Time  // likewise
	VIP    time.Duration // longest silence of a VIP
	Silent string        // which
	Quiet  history.Time  // where that begins
}

// Gaps measures every fault. Faults of one strike share their window.
func Gaps(h *history.History) []Gap {
	acks, routed := Acknowledged(h), acknowledged(h, "router")
	answers := answered(h)
	var out []Gap
	for _, s := range strikes(h) {
		write, from := longest(acks, s.from, s.to)
		g := Gap{Write: write, From: from}
		if len(routed) > 0 {
			g.Routed, g.Since = longest(routed, s.from, s.to)
		}
		for vip, times := range answers {
			if d, since := longest(times, s.from, s.to); d > g.VIP {
				g.VIP, g.Quiet, g.Silent = d, since, vip
			}
		}
		for _, f := range s.faults {
			g.Fault = f
			out = append(out, g)
		}
	}
	return out
}

// Acknowledged are the times of all acknowledgements through the writer VIP.
func Acknowledged(h *history.History) []history.Time { return acknowledged(h, "writer") }

func acknowledged(h *history.History, route string) []history.Time {
	var acks []history.Time
	for _, o := range h.Ops {
		if o.Outcome == history.OK && o.Route == route && (o.Do == history.Insert || o.Do == history.Transfer) {
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
			f.late(h, g.From, g.From.Add(g.Write), "%s: no write was acknowledged for %v, at most %v is right", what, g.Write.Round(time.Millisecond), limit)
		}
		if limit := g.Fault.RoutedLimit; limit > 0 && g.Routed > limit {
			f.late(h, g.Since, g.Since.Add(g.Routed), "%s: no write of the routers' clients was acknowledged for %v, at most %v is right", what, g.Routed.Round(time.Millisecond), limit)
		}
		if limit := g.Fault.VIPLimit; limit > 0 && g.VIP > limit {
			f.late(h, g.Quiet, g.Quiet.Add(g.VIP), "%s: VIP %s was silent for %v, at most %v is right", what, g.Silent, g.VIP.Round(time.Millisecond), limit)
		}
	}
	return f
}
