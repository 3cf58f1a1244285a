package follow

import (
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// holdMost is how long an order holds writes that does not say how long it may take.
const holdMost = 10 * time.Second

// order tells one planned switchover from another, whatever step it is at.
type order struct {
	epoch topology.Rev
	asked int64 // when it was given, in unix nanoseconds
}

func orderOf(s topology.Switchover) order { return order{s.Epoch, s.Asked.UnixNano()} }

// hold remembers since when this router holds writes, and for which order (R58).
type hold struct {
	order order
	since time.Time
}

// limit ends the hold of a View when its order has had all the time it was given.
// Only the length of the order's time is taken from etcd: the clock is this router's,
// for the hosts' clocks may differ, and nobody may be left to abort the order.
func (h *hold) limit(v *View, s topology.Switchover, now time.Time) {
	if !v.Held {
		return
	}
	if h.since.IsZero() || h.order != orderOf(s) {
		*h = hold{order: orderOf(s), since: now}
	}
	most := s.Deadline.Sub(s.Asked)
	if s.Asked.IsZero() || most <= 0 {
		most = holdMost
	}
	if now.Sub(h.since) >= most {
		v.Held, v.Why, v.asked = false, "", 0
	}
}
