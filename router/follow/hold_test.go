package follow

import (
	"testing"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

func TestAHoldEndsByTheRoutersOwnClock(t *testing.T) {
	elsewhere := now.Add(time.Hour) // the clock of the host that gave the order
	order := topology.Switchover{Kind: topology.OrderSwitchover, Target: "db2", Epoch: 7, Step: topology.Asked, Asked: elsewhere, Deadline: elsewhere.Add(4 * time.Second)}
	later, endless := order, order
	later.Asked, later.Deadline = order.Asked.Add(time.Minute), order.Deadline.Add(time.Minute)
	endless.Asked, endless.Deadline = time.Time{}, time.Time{}
	var h hold
	for _, tt := range []struct {
		fact  string
		order topology.Switchover
		after time.Duration
		held  bool
	}{
		{"an order holds", order, 0, true},
		{"until its time is over", order, 3999 * time.Millisecond, true},
		{"then it does not", order, 4 * time.Second, false},
		{"and never again", order, time.Hour, false},
		{"the next order holds anew", later, 2 * time.Hour, true},
		{"and ends", later, 2*time.Hour + 4*time.Second, false},
		{"one without a limit holds", endless, 3 * time.Hour, true},
		{"but not for ever", endless, 3*time.Hour + holdMost, false},
	} {
		v := judge(cluster(func(c *topology.Cluster) {
			c.Switchover = topology.Entry[topology.Switchover]{Value: tt.order, Rev: 9}
		}), 0, now, 0)
		h.limit(v, tt.order, now.Add(tt.after))
		if v.Held != tt.held || v.Writer.Name != "db1" || (v.Why == "") == tt.held {
			t.Errorf("%s: held %v, writer %q, why %q", tt.fact, v.Held, v.Writer.Name, v.Why)
		}
	}
}
