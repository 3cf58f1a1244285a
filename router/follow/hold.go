package follow

import (
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// holdMost is how long an order holds writes that does not say how long it may take.
const holdMost = 10 * time.Second

// hold remembers since when this router holds writes, and for which order (R58).
type hold struct {
	epoch topology.Rev
	asked int64 // when the order was given, in unix nanoseconds; with epoch it tells orders apart
	since time.Time
}

// limit ends the hold of a View when its order has had all the time it was given.
// Only the length of the order's time is taken from etcd: the clock is this router's,
// for the hosts' clocks may differ, and nobody may be left to abort the order.
func (h *hold) limit(v *View, s topology.Switchover, now time.Time) {
	if !v.Held {
		return
	}
	asked := s.Asked.UnixNano()
	if h.since.IsZero() || h.epoch != s.Epoch || h.asked != asked {
		*h = hold{epoch: s.Epoch, asked: asked, since: now}
	}
	most := s.Deadline.Sub(s.Asked)
	if s.Asked.IsZero() || most <= 0 {
		most = holdMost
	}
	if now.Sub(h.since) >= most {
		v.Held, v.Why = false, ""
	}
}
