package topology

import (
	"net/netip"
	"slices"
	"time"
)

// RouterHold is key holds/<run>: one run of an mmmrouter, and for which planned
// switchover it holds its clients' statements back (R58). It is leased: a router
// that is gone is not waited for.
type RouterHold struct {
	Name   string `json:"name"`
	Order  Rev    `json:"order,omitempty"`  // revision of the order that it holds for; 0: none
	Unsure int    `json:"unsure,omitempty"` // statements that still ran on the writer when their time was over

	Addresses []netip.Addr `json:"addresses,omitempty"` // of its machine: from there it may ask agents who reigns (R57)
}

// holdLimit is how long a planned switchover waits for routers. Each of them lets
// its transactions end for somewhat less.
const holdLimit = time.Second

// unheld names the routers that have not said yet that they hold for this order.
// One that said so for another order has said nothing: clients of its own may
// write again since.
func (c Cluster) unheld() []string {
	var out []string
	for _, e := range c.Holds {
		if e.Value.Order != c.Switchover.Rev {
			out = append(out, e.Value.Name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// awaited names the routers that a switchover still waits for, if it waits.
func (v *View) awaited() []string {
	if v.Seen.Order.IsZero() || v.Now.Sub(v.Seen.Order) >= holdLimit {
		return nil
	}
	return v.Cluster.unheld()
}

// mayDrain reports whether this writer was ordered away and could stop writing now.
func (v *View) mayDrain() (Switchover, bool) {
	s, ok := v.draining()
	return s, ok && s.Step == Asked && v.opened() && v.phase() == Ready &&
		v.Failsafe.Left <= 0 // those who promised to keep still could not take over yet
}
