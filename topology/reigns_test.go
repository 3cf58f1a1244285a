package topology

import (
	"testing"
	"time"
)

// TestAWriterSaysHowLongItReigns: what routers that lost etcd are told (R57).
func TestAWriterSaysHowLongItReigns(t *testing.T) {
	const left = 1500 * time.Millisecond
	for _, tt := range []struct {
		fact   string
		epoch  Rev
		change func(*View)
		left   time.Duration
	}{
		{"its own reign", 100, func(*View) {}, left},
		{"by promises", 100, func(v *View) { v.Lease.Left, v.Failsafe.Left = -1, time.Second }, time.Second},
		{"another epoch", 99, func(*View) {}, 0},
		{"one that it was taken again from", 90, func(v *View) { v.Cluster.Reign.Value.Before = []Rev{80, 90} }, left},
		{"of another cluster", 100, func(v *View) { v.Cluster.Spec.Value.ID = "cluster-2" }, 0},
		{"no reign", 100, func(v *View) { v.Term = Term{} }, 0},
		{"one that ends", 100, func(v *View) { v.Term.Ending = true }, 0},
		{"no lease and no promises", 100, func(v *View) { v.Lease.Left = 0 }, 0},
		{"read-only", 100, func(v *View) { v.Probe.ReadOnly = true }, 0},
		{"mysqld is down", 100, func(v *View) { v.Probe.Up = false }, 0},
		{"an etcd that is not believed", 100, func(v *View) { v.Seen.Distrust.Seen = 5 }, 0},
		{"it is being moved", 100, func(v *View) {
			v.Cluster.Switchover = Entry[Switchover]{Value: Switchover{Kind: OrderSwitchover, Target: "db2", Epoch: 100, Step: Asked}, Rev: 120}
		}, 0},
	} {
		w := healthyWorld()
		h, err := w.host("db1")
		if err != nil {
			t.Fatal(err)
		}
		v := w.view(h, w.cluster())
		v.Lease.Left = left
		tt.change(&v)
		got, why := StillReigns(v, Ask{Cluster: "cluster-1", Epoch: tt.epoch})
		if got != tt.left || (why == "") != (got > 0) {
			t.Errorf("%s: %s, %q; want %s", tt.fact, got, why, tt.left)
		}
	}
}
