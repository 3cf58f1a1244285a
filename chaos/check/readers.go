package check

import (
	"cmp"
	"slices"
	"time"

	"github.com/mmm-ha/mmm/chaos/history"
)

// leftAfter is how long a router may go on reading from a host that is in service no
// more: etcd tells routers and observers of it at the same moment, give or take what a
// busy machine takes. Its lease comes on top.
const leftAfter = time.Second

// readFrom looks which servers answer the readers among the clients of routers. While a
// router itself is struck it may be the last to know.
func readFrom(h *history.History) Finding {
	var f Finding
	names := map[int64]string{}
	for _, host := range h.Run.Hosts {
		if host.Server != 0 {
			names[int64(host.Server)] = host.Name
		}
	}
	grace := leftAfter + h.Run.TTL
	for _, o := range h.Ops {
		if o.Do != history.Where || o.Outcome != history.OK || routerStruck(h, o, grace) {
			continue
		}
		f.Checked++
		host := names[o.Value]
		// It may have waited, and the host have come back meanwhile.
		if since := aside(h, host, o.Return); since != 0 && o.Call.Sub(since) > grace {
			f.late(h, o.Call.Add(-grace), o.Return, "%s was answered by %s at %s, which was not in service since %s", o.Client, host, at(h, o.Call), at(h, since))
		}
	}
	return f
}

// aside is since when a host was neither in service nor the writer at a moment; 0: it was.
func aside(h *history.History, host string, now history.Time) history.Time {
	last, _ := slices.BinarySearchFunc(h.States, now, func(s history.State, t history.Time) int { return cmp.Compare(s.T, t) })
	since := history.Time(0)
	for i := last - 1; i >= 0 && h.States[i].Hosts[host] != inService && h.States[i].Writer != host; i-- {
		since = h.States[i].T
	}
	return since
}

// inService is the state of a host that may be read from.
const inService = "ONLINE"

// routerStruck reports whether a router was struck shortly before an operation ended.
func routerStruck(h *history.History, o history.Op, grace time.Duration) bool {
	return slices.ContainsFunc(h.Faults, func(f history.Fault) bool {
		return (f.Class == "router-freeze" || f.Class == "router-cable") && f.Begin < o.Return && o.Call < f.Healed.Add(grace)
	})
}
