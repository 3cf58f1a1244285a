package check

import (
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/chaos/history"
)

// overlapSlack is how long an address may stand on a second interface: the
// kernel ends lifetimes in whole seconds, up to 1.1 s late, and tells us of it
// some milliseconds later. Whether it was answered there is another question,
// and that one is strict.
const overlapSlack = 1250 * time.Millisecond

// Tenure is the time that an address stood on the interface of a host.
type Tenure struct {
	Addr, Host string
	From, To   history.Time
}

// Tenures are the times of all VIPs, by address and time. One that had no end
// ends with the run.
func Tenures(h *history.History) []Tenure {
	var out []Tenure
	began := map[[2]string]history.Time{}
	vips := slices.Concat(h.Run.WriterVIPs, h.Run.ReaderVIPs)
	for _, a := range h.Addresses {
		key := [2]string{a.Addr, a.Host}
		from, has := began[key]
		switch {
		case !slices.Contains(vips, a.Addr):
		case a.Gone && has:
			out = append(out, Tenure{a.Addr, a.Host, from, a.T})
			delete(began, key)
		case !a.Gone && !has:
			began[key] = a.T
		}
	}
	for key, from := range began {
		out = append(out, Tenure{key[0], key[1], from, max(h.Run.Ended, from)})
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := out[i], out[j]
		return a.Addr < b.Addr || a.Addr == b.Addr && a.From < b.From
	})
	return out
}

// oneAnswer looks for VIPs that two hosts answer, or carry for too long.
func oneAnswer(h *history.History) Finding {
	var f Finding
	for _, a := range h.ARPs {
		f.Checked++
		if len(a.Hosts) > 1 {
			f.violate("VIP %s was answered by %s at %s", a.VIP, strings.Join(a.Hosts, " and "), at(h, a.Call))
		}
	}
	var longest Tenure // of the same address: the one that reaches furthest
	for _, t := range Tenures(h) {
		f.Checked++
		if t.Addr == longest.Addr && t.Host != longest.Host {
			if both := min(t.To, longest.To).Sub(t.From); both > overlapSlack {
				f.violate("VIP %s stood on %s and on %s for %v from %s on", t.Addr, longest.Host, t.Host, both.Round(time.Millisecond), at(h, t.From))
			}
		}
		if t.Addr != longest.Addr || t.To > longest.To {
			longest = t
		}
	}
	return f
}
