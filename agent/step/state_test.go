package step

import (
	"testing"
	"time"

	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

func TestOlderReadingOfMysqldIsNotTaken(t *testing.T) {
	s := newState()
	s.TakeProbe(topology.Probe{At: noon, Incarnation: "new"}, noon)
	s.TakeProbe(topology.Probe{At: noon.Add(-time.Millisecond), Incarnation: "old"}, noon)
	if s.Probe.Incarnation != "new" {
		t.Error("an older reading was taken")
	}
}

func TestWaitingAndAckedCountFromTheFirstReading(t *testing.T) {
	s := newState()
	Resumed(epoch, oddRun, leaseID)(s)
	read := func(at time.Time, waiting int, row topology.Rev) {
		s.TakeProbe(topology.Probe{At: at, Waiting: waiting, Epoch: topology.EpochRow{Epoch: row}}, at)
	}
	read(noon, 1, epoch)
	read(noon.Add(time.Second), 3, epoch)
	if !s.Seen.Waiting.Equal(noon) || !s.Seen.Acked.Equal(noon) {
		t.Errorf("waiting %s, acked %s", s.Seen.Waiting, s.Seen.Acked)
	}
	read(noon.Add(2*time.Second), 0, epoch-1) // the row of another reign
	if !s.Seen.Waiting.IsZero() || !s.Seen.Acked.IsZero() {
		t.Errorf("waiting %s, acked %s", s.Seen.Waiting, s.Seen.Acked)
	}
}

// R17: an etcd that is older than what was seen teaches no epoch, and a row of
// another cluster none either.
func TestEpochsOfOthersAreNotLearned(t *testing.T) {
	s := New(self, "id-1", "me", 100)
	c := cluster()
	c.Rev = 50
	s.TakeCluster(c, noon)
	s.TakeProbe(topology.Probe{At: noon, Epoch: topology.EpochRow{Cluster: "another", Epoch: 900}}, noon)
	if s.Seen.Epoch != 100 {
		t.Errorf("learned %d", s.Seen.Epoch)
	}
	s.TakeProbe(topology.Probe{At: noon, Epoch: topology.EpochRow{Cluster: "c-1", Epoch: 120}}, noon)
	c.Rev, c.Writer.Rev = 200, 130
	s.TakeCluster(c, noon)
	if s.Seen.Epoch != 130 {
		t.Errorf("learned %d", s.Seen.Epoch)
	}
}

// The limits of an order count from its own beginning, also when the watch
// never showed the moment between two orders.
func TestEachOrderHasItsOwnTime(t *testing.T) {
	s := newState()
	c := cluster()
	see := func(step topology.SwitchStep, asked, now time.Time) {
		c.Switchover = topology.Entry[topology.Switchover]{Rev: 20, Value: topology.Switchover{Step: step, Asked: asked}}
		s.TakeCluster(c, now)
	}
	see(topology.Asked, noon, noon)
	s.Seen.Drained = noon
	see(topology.Drained, noon, noon.Add(time.Second))
	if !s.Seen.Order.Equal(noon) || s.Seen.Drained.IsZero() {
		t.Errorf("a step made it another order: %s", s.Seen.Order)
	}
	second := noon.Add(time.Minute)
	see(topology.Asked, second, second)
	if !s.Seen.Order.Equal(second) || !s.Seen.Drained.IsZero() {
		t.Errorf("the second order counts from %s, drained %s", s.Seen.Order, s.Seen.Drained)
	}
	see(topology.Done, second, second)
	if !s.Seen.Order.IsZero() {
		t.Error("a settled order goes on")
	}
}

func TestCutOfAHostThatLeftTheSetIsForgotten(t *testing.T) {
	s := newState()
	s.Seen.Cut = map[topology.HostID]gtid.Set{"id-2": {}, "id-3": {}}
	s.TakeCluster(cluster(), noon)
	if _, in := s.Seen.Cut["id-2"]; !in || len(s.Seen.Cut) != 1 {
		t.Errorf("%v", s.Seen.Cut)
	}
}
