package step

import (
	"testing"
	"time"

	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

// Positions are told once a second. One that the writer waits for, to let an
// acker go, is told as soon as it is received: clients wait for it.
func TestPositionThatTheWriterAwaitsIsToldAtOnce(t *testing.T) {
	now := time.Now()
	c := cluster()
	writer := c.Hosts[c.Writer.Value.ID]
	s := newState()
	s.Self, s.ID = "db9", "id-db9"
	report := func(received string) topology.Report {
		s.TakeCluster(c, now)
		s.Probe = topology.Probe{At: now, Received: pos(t, received)}
		r := s.Report("none", false)
		r.Lease = 1
		return r
	}
	var beat Heartbeat
	first := report("0-1-100")
	if !beat.Due(first, now) {
		t.Fatal("the first report is not due")
	}
	beat.Wrote(first, now)
	if beat.Due(report("0-1-105"), now.Add(10*time.Millisecond)) {
		t.Fatal("a position that nobody waits for was told at once")
	}
	writer.Value.Awaits = pos(t, "0-1-104")
	c.Hosts = map[topology.HostID]topology.Entry[topology.Report]{c.Writer.Value.ID: writer}
	if beat.Due(report("0-1-103"), now.Add(20*time.Millisecond)) {
		t.Error("told before it was received")
	}
	r := report("0-1-105")
	if !beat.Due(r, now.Add(30*time.Millisecond)) || !r.Received.Equal(pos(t, "0-1-105")) {
		t.Error("what the writer waits for was not told at once")
	}
}

// What a writer awaits is the furthest position at which it has cut an acker off
// that is still in the set.
func TestWriterSaysWhatItAwaits(t *testing.T) {
	now := time.Now()
	c := cluster()
	s := newState()
	s.TakeCluster(c, now)
	s.Term.Epoch = c.Epoch()
	if r := s.Report("none", false); !r.Awaits.Empty() {
		t.Errorf("awaits %s while nobody was cut off", r.Awaits)
	}
	s.Seen.Cut = map[topology.HostID]gtid.Set{}
	for id := range c.Reign.Value.Ackers {
		s.Seen.Cut[id] = pos(t, "0-1-104")
	}
	s.Seen.Cut["stranger"] = pos(t, "0-1-900")
	if r := s.Report("none", false); len(c.Reign.Value.Ackers) == 0 || !r.Awaits.Equal(pos(t, "0-1-104")) {
		t.Errorf("awaits %s", r.Awaits)
	}
}

// What a router says of itself is told at once, the number of its sessions once a second.
func TestSessionsOfARouterAreToldOnceASecond(t *testing.T) {
	now := time.Now()
	report := func(w topology.RouterWord) topology.Report {
		return topology.Report{Name: "router1", Lease: 1, Says: &w}
	}
	var beat Heartbeat
	beat.Wrote(report(topology.RouterWord{Ready: true, Epoch: 7, Sessions: 10}), now)
	soon := now.Add(10 * time.Millisecond)
	if more := report(topology.RouterWord{Ready: true, Epoch: 7, Sessions: 11}); beat.Due(more, soon) || !beat.Due(more, now.Add(slowFacts)) {
		t.Error("one session more was told at once, or never")
	}
	if !beat.Due(report(topology.RouterWord{Ready: true, Epoch: 9, Sessions: 10}), soon) {
		t.Error("a new epoch was not told at once")
	}
	if !beat.Due(report(topology.RouterWord{Epoch: 7, Sessions: 10}), soon) {
		t.Error("that it is not ready was not told at once")
	}
}
