package step

import (
	"net/netip"
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

// TestPositionOfAFormerHeirDoesNotCount: an heir is named but not shut out. When
// it is, for another host has joined, what it acknowledged meanwhile must be asked
// for again (R23).
func TestPositionOfAFormerHeirDoesNotCount(t *testing.T) {
	two, three := db2, netip.MustParseAddr("192.0.2.3")
	at := func(text string) gtid.Set { return pos(t, text) }
	c := cluster()
	c.Spec.Value.Hosts = append(c.Spec.Value.Hosts, topology.HostSpec{Name: "db3", Address: three})
	c.Memories = map[string]topology.Entry[topology.Memory]{"db2": {Value: topology.Memory{ID: "id-2"}}, "db3": {Value: topology.Memory{ID: "id-3"}}}
	c.Reign.Value.Ackers = map[topology.HostID]topology.Incarnation{"id-2": "run-2", "id-3": "run-3"}
	s := newState()
	s.TakeCluster(c, noon)
	CutOff("id-2", at("0-1-7"), []netip.Addr{three})(s) // the heir
	CutOff("id-3", at("0-1-8"), []netip.Addr{three})(s)
	if _, in := s.Seen.Cut["id-2"]; in {
		t.Error("the heir was never shut out, and counts as cut off")
	}
	CutOff("id-2", at("0-1-9"), []netip.Addr{three})(s)
	if len(s.Seen.Cut) != 2 {
		t.Fatalf("cut off are %v", s.Seen.Cut)
	}
	Shunned([]netip.Addr{two, three}, s.Cluster)(s)
	if _, in := s.Seen.Cut["id-2"]; in {
		t.Error("a former heir counts as cut off at the position at which it was named")
	}
	if got := s.Seen.Cut["id-3"].String(); got != "0-1-8" {
		t.Errorf("id-3 was shut out all the time and is cut at %q", got)
	}
}

// R16: a put without an answer is in doubt until another one is taken.
func TestDoubtEndsWithThePutThatIsTaken(t *testing.T) {
	s := newState()
	InDoubt(s)
	Wrote(7)(s)
	if !s.Seen.InDoubt {
		t.Error("another key says nothing of reign")
	}
	PutReign(8)(s)
	if s.Seen.InDoubt {
		t.Error("still in doubt")
	}
	Resumed(5, "run", 1)(s)
	if !s.Seen.InDoubt {
		t.Error("what the agent before had sent is not known")
	}
}
