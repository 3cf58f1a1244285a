package agent

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/topology"
)

// beating runs the heartbeat of a rig in a bubble. say hands it a report, as
// each turn of the loop does.
func beating(t *testing.T, test func(r *rig, say func(lease topology.LeaseID, change func(*topology.Report)))) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.heartbeat(ctx) }()
		now := topology.Report{Name: self, MySQL: topology.Health{Up: true}, Position: pos(t, "0-1-1"),
			Checks: []topology.Check{{Name: topology.CheckBacklog, OK: true, Message: "lag 0s"}}}
		test(r, func(lease topology.LeaseID, change func(*topology.Report)) {
			change(&now)
			now.Lease = lease
			latest(r.reports, now)
			synctest.Wait()
		})
		cancel()
		<-done
	})
}

func TestDecidingFactIsWrittenAtOnce(t *testing.T) {
	changes := map[string]func(*topology.Report){
		"mysqld died": func(r *topology.Report) { r.MySQL = topology.Health{Why: "dead"} },
		"read_only":   func(r *topology.Report) { r.ReadOnly = true },
		"another run": func(r *topology.Report) { r.Incarnation = "another" },
		"replication": func(r *topology.Report) { r.Replication.Attached = true },
		"epoch row":   func(r *topology.Report) { r.EpochRow = 9 },
		"stuck":       func(r *topology.Report) { r.Stuck = true },
		"unable":      func(r *topology.Report) { r.Unable = "log_bin is off" },
		"a check fails": func(r *topology.Report) {
			r.Checks = []topology.Check{{Name: topology.CheckBacklog, Message: "lag 9s"}}
		},
		"another address": func(r *topology.Report) { r.Address = db2 },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			beating(t, func(r *rig, say func(topology.LeaseID, func(*topology.Report))) {
				say(leaseID, func(*topology.Report) {})
				say(leaseID, change)
				if n := len(r.etcd.written()); n != 2 {
					t.Errorf("%d reports, want 2", n)
				}
			})
		})
	}
}

func TestPositionsAreWrittenOnceASecondAtMost(t *testing.T) {
	beating(t, func(r *rig, say func(topology.LeaseID, func(*topology.Report))) {
		for i := range 100 { // ten seconds of a busy server
			say(leaseID, func(r *topology.Report) {
				lag := topology.Duration(i)
				r.Position, r.Lag = pos(t, "0-1-"+string(rune('1'+i%9))), &lag
				r.Checks = []topology.Check{{Name: topology.CheckBacklog, OK: true, Message: lag.String()}}
			})
			time.Sleep(100 * time.Millisecond)
		}
		if n := len(r.etcd.written()); n < 9 || n > 11 {
			t.Errorf("%d reports in ten seconds", n)
		}
	})
}

func TestNothingNewIsNotWritten(t *testing.T) {
	beating(t, func(r *rig, say func(topology.LeaseID, func(*topology.Report))) {
		for range 100 {
			say(leaseID, func(*topology.Report) {})
			time.Sleep(100 * time.Millisecond)
		}
		if n := len(r.etcd.written()); n != 1 {
			t.Errorf("%d reports", n)
		}
	})
}

func TestReportIsWrittenAnewOnAnotherLease(t *testing.T) {
	beating(t, func(r *rig, say func(topology.LeaseID, func(*topology.Report))) {
		say(leaseID, func(*topology.Report) {})
		say(0, func(r *topology.Report) { r.ReadOnly = true }) // without a lease nothing is said
		say(otherLease, func(*topology.Report) {})
		got := r.etcd.written()
		if len(got) != 2 || got[0].Lease != leaseID || got[1].Lease != otherLease {
			t.Errorf("%+v", got)
		}
	})
}

func TestReportThatWasNotWrittenIsTriedAgain(t *testing.T) {
	beating(t, func(r *rig, say func(topology.LeaseID, func(*topology.Report))) {
		r.fail("put-report", store.ErrGuard) // the report of the last lease has not ended yet
		say(leaseID, func(*topology.Report) {})
		time.Sleep(time.Second)
		if len(r.etcd.written()) > 0 || r.did("put-report") < 2 {
			t.Fatalf("tried %d times", r.did("put-report"))
		}
		r.fail("put-report", nil)
		time.Sleep(time.Second)
		if n := len(r.etcd.written()); n != 1 {
			t.Errorf("%d reports", n)
		}
	})
}

// The report names the lease only while it may be counted on: a hand-over to a
// lease that has run out would leave the cluster without a writer.
func TestReportNamesNoLeaseThatHasRunOut(t *testing.T) {
	r := newRig(t)
	s := r.newState(0)
	s.Cluster = cluster()
	if d := r.report(s, false); d.Lease != 0 {
		t.Errorf("%+v", d)
	}
	s.Probe = topology.Probe{Problems: []string{"log_bin is off", "server_id is 0"}, Epoch: topology.EpochRow{Cluster: "another", Epoch: 99}}
	if d := r.report(s, false); d.Unable != "log_bin is off" || d.EpochRow != 0 || d.Fence != "fake" || d.Address != db1 {
		t.Errorf("%+v", d)
	}
}
