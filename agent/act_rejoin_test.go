package agent

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/topology"
)

// parted is a rewind of this host, decided while db2 reigns in the epoch.
func (r *rig) parted() job {
	inc := r.run()
	r.db.with(func(p *topology.Probe) {
		p.Replication = topology.Replication{Configured: true, IO: "No", Error: "IO thread: error 1236: ..."}
	})
	c := cluster()
	c.Writer.Value = topology.Writer{ID: "id-2", Name: "db2"}
	c.Reign.Value.ID, c.Reign.Value.Name, c.Reign.Value.Incarnation = "id-2", "db2", "run-2"
	c.Reign.Value.Ackers = map[topology.HostID]topology.Incarnation{}
	r.etcd.cluster = c
	p := r.db.now()
	return job{Action: topology.Action{Kind: topology.Rewind, Epoch: epoch, Host: "db2", HostID: "id-2", Of: "it"}, probe: topology.Probe{Incarnation: inc, Replication: p.Replication}}
}

func TestRewindGivesUpNothingThatAnElectionCountsOn(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(c *topology.Cluster, inc topology.Incarnation)
		goes   bool
	}{
		{"nobody counts on it", func(*topology.Cluster, topology.Incarnation) {}, true},
		{"another reign", func(c *topology.Cluster, _ topology.Incarnation) { c.Writer.Rev++ }, false},
		{"it is an acker again", func(c *topology.Cluster, inc topology.Incarnation) { c.Reign.Value.Ackers[selfID] = inc }, false},
		{"its mysqld of before is", func(c *topology.Cluster, _ topology.Incarnation) { c.Reign.Value.Ackers[selfID] = "older" }, true},
		{"it is the last writer", func(c *topology.Cluster, inc topology.Incarnation) {
			c.Reign.Value.ID, c.Reign.Value.Incarnation = selfID, inc
		}, false},
		{"it has said that it proves nothing", func(c *topology.Cluster, inc topology.Incarnation) {
			c.Reign.Value.Ackers[selfID] = inc
			c.Memories = map[string]topology.Entry[topology.Memory]{self: {Value: topology.Memory{Void: &topology.Void{Incarnation: inc, Reign: epoch}}}}
		}, true},
		{"it has said so of an older reign", func(c *topology.Cluster, inc topology.Incarnation) {
			c.Reign.Value.Ackers[selfID] = inc
			c.Memories = map[string]topology.Entry[topology.Memory]{self: {Value: topology.Memory{Void: &topology.Void{Incarnation: inc, Reign: epoch - 1}}}}
		}, false},
	} {
		r := newRig(t)
		j := r.parted()
		tt.change(&r.etcd.cluster, j.probe.Incarnation)
		_, err := r.rewind(bounded(t), j)
		if went := r.did("rewind") == 1; went != tt.goes || (err == nil) != tt.goes {
			t.Errorf("%s: it went back: %t, %v", tt.name, went, err)
		}
	}
}

func TestRewindWithoutEtcdIsNotTried(t *testing.T) {
	r := newRig(t)
	j := r.parted()
	r.fail("load", errBroken)
	if _, err := r.rewind(bounded(t), j); err == nil || r.did("rewind") != 0 {
		t.Errorf("it went back unasked: %v", err)
	}
}

// What cannot be done is said once, with the cause, and is no failure to repeat.
func TestRewindThatIsNotPossibleIsNotedWithItsCause(t *testing.T) {
	r := newRig(t)
	j := r.parted()
	r.fail("rewind", fmt.Errorf("rewind: %w: table app.x does not roll back", dbops.ErrIrreversible))
	note, err := r.rewind(bounded(t), j)
	if err != nil {
		t.Fatal(err)
	}
	s := r.newState(0)
	note(s.State)
	if got := s.Seen.Refused; got.Of != "it" || !strings.Contains(got.Why, "app.x does not roll back") || got.Archive != "/archive" {
		t.Errorf("noted %+v", got)
	}
	if len(r.lines.with("event", "app.x does not roll back")) == 0 {
		t.Error("no event tells of it")
	}
	r.fail("rewind", dbops.ErrTimeout)
	if _, err := r.rewind(bounded(t), j); err == nil {
		t.Error("a timeout is taken for an answer")
	}
}
