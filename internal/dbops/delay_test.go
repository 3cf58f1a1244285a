package dbops_test

import (
	"testing"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// A delay that somebody has set is told as such, beside threads that run well;
// it ends when the host is pointed at another source, which no host of a cluster
// follows late.
func TestDelayOfAReplicaIsToldAndEndsAtTheNextSource(t *testing.T) {
	w, next := writer(t), start(t)
	must(t, next.ops.Follow(patiently(t), w.source()))
	must(t, next.ops.SetSemiReplica(patiently(t), true))
	r := replica(t, w)
	if d := r.observe(t).Replication.Delay; d != 0 {
		t.Fatalf("a delay of %s without one", d)
	}
	r.Exec("STOP SLAVE", "CHANGE MASTER TO MASTER_DELAY=2", "START SLAVE")
	must(t, ended(t, w.insert(t, 1)))
	end := w.observe(t).Position
	p := r.eventually(t, "received", func(p topology.Probe) bool { return p.Received.Contains(end) })
	if d := p.Replication.Delay.D(); d != 2*time.Second || !p.Replication.SQL || topology.Late(p.Replication) == "" {
		t.Errorf("delay %s, SQL thread %t; want 2s and a running thread", d, p.Replication.SQL)
	}
	r.eventually(t, "applied when its time has come", func(p topology.Probe) bool { return p.Applied.Contains(end) })
	next.caughtUp(t, w)
	must(t, next.ops.StopIO(patiently(t)))
	must(t, next.ops.BecomeSource(patiently(t)))
	must(t, r.ops.StopIO(patiently(t)))
	must(t, r.ops.Follow(patiently(t), next.source()))
	if p := r.observe(t); p.Replication.Delay != 0 || p.Replication.Source != next.source().String() {
		t.Errorf("it follows %s with a delay of %s", p.Replication.Source, p.Replication.Delay)
	}
}
