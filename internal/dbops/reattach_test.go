package dbops_test

import (
	"errors"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/topology"
)

// A source that hangs is killed and comes back with a shorter binlog, in which
// the old file and position mean nothing. A replica that was about to attach by
// them must not end with that error: its bid would count for nothing.
func TestReattachToASourceThatHangsLeavesGTIDsBehind(t *testing.T) {
	w := writer(t)
	r := replica(t, w)
	beats := func() string {
		return r.Query("SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME='SLAVE_RECEIVED_HEARTBEATS'")
	}
	r.observe(t)
	before := beats()
	r.eventually(t, "a heartbeat of the source", func(topology.Probe) bool { return beats() != before })
	r.observe(t)
	w.Freeze()
	began := time.Now()
	if err := r.ops.Reattach(within(t, 4*time.Second)); err == nil || errors.Is(err, dbops.ErrNotTold) {
		t.Errorf("%v; a source that hangs was attached to, or it was not tried", err)
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("it took %v; nobody can bid meanwhile", took)
	}
	w.Kill()
	w.Restart()
	p := r.observe(t)
	if p.Replication.IO != "No" || p.Replication.Error != "" {
		t.Errorf("the IO thread is %q, error %q; want it stopped without one", p.Replication.IO, p.Replication.Error)
	}
	if how := r.Query("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE COMMAND = 'Slave_IO'"); how != "0" {
		t.Errorf("%s IO threads run", how)
	}
	must(t, r.ops.StartIO(patiently(t)))
	r.caughtUp(t, w)
}
