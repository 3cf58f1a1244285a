package step

import (
	"testing"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// reigning is a view of etcd in which db2 reigns and reports a position.
func reigning(t *testing.T, rev topology.Rev, position string) topology.Cluster {
	c := cluster()
	c.Writer = topology.Entry[topology.Writer]{Rev: rev, Value: topology.Writer{ID: "id-2", Name: "db2"}}
	c.Phase = topology.Entry[topology.Phase]{Rev: rev, Value: topology.Phase{Epoch: rev, Step: topology.Ready}}
	c.Hosts["id-2"] = topology.Entry[topology.Report]{Rev: 1, Value: topology.Report{Name: "db2", Position: pos(t, position)}}
	return c
}

// replicating is a reading of a replica that has applied a position.
func replicating(t *testing.T, applied string) topology.Probe {
	return topology.Probe{Up: true, Incarnation: oddRun, Applied: pos(t, applied),
		Replication: topology.Replication{Configured: true, Source: "192.0.2.2:3307", IO: "Yes", SQL: true}}
}

// The age counts from when this host learned of the position, on its own clock.
func TestLagIsTheAgeOfTheOldestPositionNotApplied(t *testing.T) {
	var m lagMeter
	m.see(reigning(t, 7, "0-2-10"), noon)
	m.see(reigning(t, 7, "0-2-20"), noon.Add(2*time.Second))
	m.see(reigning(t, 7, "0-2-20"), noon.Add(5*time.Second)) // nothing new
	m.see(reigning(t, 7, "0-2-30"), noon.Add(6*time.Second))
	for _, tt := range []struct {
		applied string
		want    time.Duration
	}{
		{"0-2-9", 10 * time.Second},
		{"0-2-10", 8 * time.Second},
		{"0-2-29", 4 * time.Second},
		{"0-2-30", 0},
		{"0-2-31", 0},
	} {
		lag := m.of(replicating(t, tt.applied), noon.Add(10*time.Second))
		if lag == nil || lag.D() != tt.want {
			t.Errorf("applied %s: lag %v, want %s", tt.applied, lag, tt.want)
		}
	}
}

func TestUnknownLagIsNeverZero(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(m *lagMeter, p *topology.Probe)
	}{
		{"nothing was heard of the writer", func(m *lagMeter, _ *topology.Probe) { *m = lagMeter{} }},
		{"there is no writer, and nobody else", func(m *lagMeter, _ *topology.Probe) { m.see(topology.Cluster{}, noon) }},
		{"another reign has begun, whose writer has said nothing", func(m *lagMeter, _ *topology.Probe) {
			c := reigning(t, 9, "")
			m.see(c, noon)
		}},
		{"mysqld is down", func(_ *lagMeter, p *topology.Probe) { p.Up = false }},
		{"it replicates nothing", func(_ *lagMeter, p *topology.Probe) { p.Replication.Configured = false }},
		{"it only tries to connect", func(_ *lagMeter, p *topology.Probe) { p.Replication.IO = "Connecting" }},
		{"nothing is applied", func(_ *lagMeter, p *topology.Probe) { p.Replication.SQL = false }},
	}
	for _, tt := range tests {
		var m lagMeter
		m.see(reigning(t, 7, "0-2-10"), noon)
		p := replicating(t, "0-2-10")
		tt.spoil(&m, &p)
		if lag := m.of(p, noon.Add(time.Second)); lag != nil {
			t.Errorf("%s: lag %s", tt.name, lag)
		}
	}
}

// between is a view of etcd after db2's reign: db2 is gone, and db1 and db3 say
// what they have received.
func between(t *testing.T, db1, db3 string) topology.Cluster {
	c := cluster()
	c.Writer = topology.Entry[topology.Writer]{}
	for id, received := range map[topology.HostID]string{selfID: db1, "id-3": db3} {
		c.Hosts[id] = topology.Entry[topology.Report]{Rev: 1, Value: topology.Report{MySQL: topology.Health{Up: true}, Received: pos(t, received)}}
	}
	return c
}

// Reads go on while there is no writer: who has applied all that is left is not
// behind, whoever is behind gets older, and what went with the writer counts no more.
func TestLagBetweenTwoReignsIsMeasuredByWhatIsLeft(t *testing.T) {
	for _, tt := range []struct {
		name, applied, db1, db3 string
		want                    time.Duration
	}{
		{"it has all", "0-2-20", "0-2-20", "0-2-20", 0},
		{"it has all that is left of what the writer had", "0-2-19", "0-2-19", "0-2-18", 0},
		{"it has received more than it applied", "0-2-19", "0-2-20", "0-2-20", 8 * time.Second},
		{"another host has more", "0-2-20", "0-2-20", "0-2-25", 6 * time.Second},
		{"it was late before", "0-2-5", "0-2-20", "0-2-20", 10 * time.Second},
	} {
		var m lagMeter
		m.see(reigning(t, 7, "0-2-10"), noon)
		m.see(reigning(t, 7, "0-2-20"), noon.Add(2*time.Second))
		m.see(between(t, tt.db1, tt.db3), noon.Add(4*time.Second))
		p := replicating(t, tt.applied)
		p.Replication.IO = "No" // it bids
		if lag := m.of(p, noon.Add(10*time.Second)); lag == nil || lag.D() != tt.want {
			t.Errorf("%s: lag %v, want %s", tt.name, lag, tt.want)
		}
	}
}

// A replica that was late is no less late because another writer reigns.
func TestLagOutlivesAReign(t *testing.T) {
	var m lagMeter
	m.see(reigning(t, 7, "0-2-10"), noon)
	m.see(reigning(t, 7, "0-2-20"), noon.Add(2*time.Second))
	m.see(reigning(t, 9, "0-2-15,1-2-1"), noon.Add(4*time.Second)) // the writer of epoch 7 lost some
	if lag := m.of(replicating(t, "0-2-9"), noon.Add(10*time.Second)); lag == nil || lag.D() != 10*time.Second {
		t.Errorf("lag %v, want 10s", lag)
	}
	if lag := m.of(replicating(t, "0-2-15,1-2-1"), noon.Add(10*time.Second)); lag == nil || *lag != 0 {
		t.Errorf("lag %v of a replica that has all that the writer has", lag)
	}
}

func TestLagMarksAreBounded(t *testing.T) {
	var m lagMeter
	for i := range 3 * lagMarks {
		m.see(reigning(t, 7, "0-2-"+string(rune('1'+i%2))), noon)
	}
	if len(m.marks) > lagMarks {
		t.Errorf("%d marks", len(m.marks))
	}
}

// watched is a replica whose checks are made once a second.
func watched(t *testing.T) *State {
	s := newState()
	c := reigning(t, 7, "0-2-10")
	c.Phase.Value.Step = topology.Ready
	c.Spec.Value.Checks = topology.Checks{ThreadsFor: 3, BacklogFor: 3, BacklogMax: topology.Duration(5 * time.Second)}
	s.TakeCluster(c, noon)
	s.TakeProbe(replicating(t, "0-2-10"), noon)
	return s
}

func ok(t *testing.T, s *State, name string) bool {
	t.Helper()
	for _, c := range s.checks.checks {
		if c.Name == name {
			return c.OK
		}
	}
	t.Fatalf("%s was not made", name)
	return false
}

func TestOneGoodSampleClearsAndSeveralBadOnesFail(t *testing.T) {
	s, now := watched(t), noon
	good, bad := replicating(t, "0-2-10"), replicating(t, "0-2-10")
	bad.Replication.IO = "Connecting" // MMM took that for running
	sample := func(p topology.Probe, want bool, what string) {
		t.Helper()
		s.Probe = p
		s.checks.sample(s, now)
		if got := ok(t, s, topology.CheckThreads); got != want {
			t.Errorf("%s: %t, want %t", what, got, want)
		}
		now = now.Add(samplePeriod)
	}
	sample(good, true, "the first good one")
	sample(bad, true, "one bad")
	sample(bad, true, "two bad")
	sample(good, true, "a good one between")
	sample(bad, true, "one bad again")
	sample(bad, true, "two bad again")
	sample(bad, false, "three bad")
	if !s.checks.good.IsZero() {
		t.Error("it counts as replicating well")
	}
	sample(good, true, "one good")
	if s.checks.good.IsZero() {
		t.Error("it does not count as replicating well")
	}
}

func TestSamplesAreMadeOnceASecond(t *testing.T) {
	s := watched(t)
	s.checks.sample(s, noon)
	s.Probe.Replication.SQL = false
	for i := range 20 { // the loop turns often
		s.checks.sample(s, noon.Add(time.Duration(i)*40*time.Millisecond))
	}
	if s.checks.bad[topology.CheckThreads] > 0 || !ok(t, s, topology.CheckThreads) {
		t.Error("turns of the loop counted as samples")
	}
}

func TestWhatWasNeverGoodIsNotGood(t *testing.T) {
	s := watched(t)
	s.Probe.Replication.IO = "No"
	s.checks.sample(s, noon)
	if ok(t, s, topology.CheckThreads) || ok(t, s, topology.CheckBacklog) {
		t.Error("a replica that never replicated passes")
	}
}

func TestThreadsCheckNamesTheCause(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(p *topology.Probe)
		why   string
	}{
		{"down", func(p *topology.Probe) { p.Up = false }, "mysqld is down"},
		{"diverged", func(p *topology.Probe) {
			p.Replication.Error = "Got fatal error 1236: the GTID is not in the master's binlog"
		}, "this host holds transactions that the writer does not have; it must be rewound or cloned anew: Got fatal error 1236: the GTID is not in the master's binlog"},
		{"error", func(p *topology.Probe) { p.Replication.Error = "1062" }, "1062"},
		{"not set up", func(p *topology.Probe) { p.Replication.Configured = false }, "replication is not set up"},
		{"another source", func(p *topology.Probe) { p.Replication.Source = "192.0.2.9:3307" },
			"replicates from 192.0.2.9:3307, the writer is at 192.0.2.2:3307"},
		{"connecting", func(p *topology.Probe) { p.Replication.IO = "Connecting" }, "the IO thread is not connected (Connecting)"},
		{"no SQL thread", func(p *topology.Probe) { p.Replication.SQL = false }, "the SQL thread is stopped"},
	}
	for _, tt := range tests {
		p := replicating(t, "0-2-10")
		tt.spoil(&p)
		if good, why := threads(reigning(t, 7, "0-2-10"), p); good || why != tt.why {
			t.Errorf("%s: %t, %q", tt.name, good, why)
		}
	}
}

func TestBacklogIsBadWhenUnknownOrAboveTheLimit(t *testing.T) {
	second := topology.Duration(time.Second)
	for _, tt := range []struct {
		lag   *topology.Duration
		limit time.Duration
		want  bool
	}{{nil, 0, false}, {nil, time.Minute, false}, {&second, time.Minute, true}, {&second, time.Millisecond, false}, {&second, 0, true}} {
		if got, why := backlog(tt.lag, tt.limit); got != tt.want {
			t.Errorf("lag %v, limit %s: %t (%s)", tt.lag, tt.limit, got, why)
		}
	}
}

// Between two reigns nobody replicates; that is no fault of the replicas.
func TestLastVerdictStandsBetweenTwoReigns(t *testing.T) {
	s := watched(t)
	s.checks.sample(s, noon)
	s.Cluster.Writer = topology.Entry[topology.Writer]{}
	s.Probe.Replication.IO = "No"
	for i := 1; i < 10; i++ {
		s.checks.sample(s, noon.Add(time.Duration(i)*samplePeriod))
	}
	if !ok(t, s, topology.CheckThreads) {
		t.Error("replicas failed for want of a writer")
	}
}

// A restart may be over between two samples. It ends the time of being well.
func TestShortRestartEndsTheGoodTime(t *testing.T) {
	s := watched(t)
	s.checks.sample(s, noon)
	if s.checks.good.IsZero() {
		t.Fatal("not well to begin with")
	}
	s.Probe.Incarnation = "another"
	s.checks.sample(s, noon.Add(300*time.Millisecond))
	later := noon.Add(samplePeriod)
	s.checks.sample(s, later)
	if !s.checks.good.Equal(later) {
		t.Errorf("well since %s, restarted after that", s.checks.good)
	}
}

func TestWriterPassesTheChecksOfReplicas(t *testing.T) {
	s := watched(t)
	s.Cluster.Writer.Value = topology.Writer{ID: selfID, Name: self}
	s.Probe = topology.Probe{Up: true}
	s.checks.sample(s, noon)
	for _, name := range []string{topology.CheckPing, topology.CheckMySQL, topology.CheckThreads, topology.CheckBacklog} {
		if !ok(t, s, name) {
			t.Errorf("%s failed", name)
		}
	}
}
