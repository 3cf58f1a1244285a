package agent

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/election"
	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/topology"
)

// R5: each condition alone forbids to resume.
func TestReignIsResumedOnlyWhenNothingDiffers(t *testing.T) {
	tests := []struct {
		name   string
		differ func(r *rig, c *topology.Cluster, p *topology.Probe)
		want   bool
	}{
		{"nothing", func(*rig, *topology.Cluster, *topology.Probe) {}, true},
		{"etcd does not answer", func(r *rig, _ *topology.Cluster, _ *topology.Probe) { r.fail("load", store.ErrUnreachable) }, false},
		{"there is no writer", func(_ *rig, c *topology.Cluster, _ *topology.Probe) { c.Writer = topology.Entry[topology.Writer]{} }, false},
		{"another host is writer", func(_ *rig, c *topology.Cluster, _ *topology.Probe) { c.Writer.Value.ID = "id-2" }, false},
		{"another epoch", func(_ *rig, c *topology.Cluster, _ *topology.Probe) { c.Writer.Rev = epoch + 1 }, false},
		{"another lease", func(_ *rig, c *topology.Cluster, _ *topology.Probe) { c.Writer.Lease = otherLease }, false},
		{"the phase is of another mysqld", func(_ *rig, c *topology.Cluster, _ *topology.Probe) { c.Phase.Value.Incarnation = "another" }, false},
		{"there is no phase", func(_ *rig, c *topology.Cluster, _ *topology.Probe) { c.Phase = topology.Entry[topology.Phase]{} }, false},
		{"another mysqld runs", func(_ *rig, _ *topology.Cluster, p *topology.Probe) { p.Incarnation = "another" }, false},
		{"no mysqld runs", func(_ *rig, c *topology.Cluster, p *topology.Probe) {
			p.Incarnation = ""
			c.Phase.Value.Incarnation = ""
		}, false},
		{"mysqld hangs", func(_ *rig, _ *topology.Cluster, p *topology.Probe) { p.Up = false }, false},
		{"another mysqld was kept", func(r *rig, _ *topology.Cluster, _ *topology.Probe) { r.kept.Incarnation = "another" }, false},
		{"nothing was kept of mysqld", func(r *rig, _ *topology.Cluster, _ *topology.Probe) { r.kept.Incarnation = "" }, false},
		{"no reign was kept", func(r *rig, _ *topology.Cluster, _ *topology.Probe) { r.kept.Epoch = 0 }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.kept = election.Runtime{Lease: leaseID, Epoch: epoch, Incarnation: oddRun}
			c, s := cluster(), r.newState(0)
			s.Probe = r.db.now()
			tt.differ(r, &c, &s.Probe)
			r.etcd.cluster = c
			if got := r.resumeReign(bounded(t), s); got != tt.want {
				t.Fatalf("resumed %t, want %t", got, tt.want)
			}
			if !tt.want {
				if s.term != nil || r.reigning.Load() {
					t.Error("it reigns all the same")
				}
				return
			}
			if s.term.Epoch() != epoch || s.term.Incarnation() != oddRun || s.Term.Under != leaseID {
				t.Errorf("term %d of %s under %x", s.term.Epoch(), s.term.Incarnation(), s.Term.Under)
			}
			if !r.reigning.Load() {
				t.Error("the dead-man would not close this writer before the loop has turned")
			}
		})
	}
}

// What the last agent left is kept only by one that goes on with it.
func TestAddressesOfTheLastAgentStayOnlyWhenItIsResumed(t *testing.T) {
	tests := []struct {
		name  string
		lease bool
		kept  election.Runtime
		stays bool
	}{
		{"lease and reign", true, election.Runtime{Epoch: epoch, Incarnation: oddRun}, true},
		{"the lease of a reader", true, election.Runtime{}, true},
		{"the lease, not the reign", true, election.Runtime{Epoch: epoch + 1, Incarnation: oddRun}, false},
		{"nothing", false, election.Runtime{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, l := bubble(t)
				r.vips.kernel.Leave(writerVIP, 2*time.Second)
				s := r.newState(0)
				s.Probe = r.db.now()
				if tt.lease {
					r.resumed = r.session(l)
					r.kept = tt.kept
					r.kept.Lease = r.resumed.ID()
				}
				r.etcd.cluster = cluster()
				r.etcd.cluster.Writer.Lease = r.kept.Lease
				if err := r.takeUp(t.Context(), s); err != nil {
					t.Fatal(err)
				}
				if stays := len(r.vips.up(t)) > 0; stays != tt.stays {
					t.Errorf("addresses stay %t, want %t", stays, tt.stays)
				}
			})
		})
	}
}

// Two leases in a row, so fast that the loop never saw itself without one: the
// reign rested on the first, and its key went with it.
func TestReignDoesNotRestOnTheNextLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, l := bubble(t)
		first, second := r.session(l), r.session(l)
		s := r.newState(0)
		s.Cluster, s.Probe = cluster(), r.db.now()
		s.session = first
		r.reignIn(s)
		if got := s.lease(r.clock); got.ID != first.ID() || got.Left <= 0 {
			t.Fatalf("%+v", got)
		}
		s.session = second
		if got := s.lease(r.clock); got.ID != 0 || got.Left > 0 {
			t.Errorf("%+v", got)
		}
		acts := topology.Decide(s.View(r.reading(s, nil, time.Now())))
		if len(acts) != 1 || acts[0].Kind != topology.EndReign {
			t.Errorf("decided %v", acts)
		}
		step.Over(epoch)(s.State)
		if got := s.lease(r.clock); got.ID != second.ID() || got.Left <= 0 {
			t.Errorf("after the reign: %+v", got)
		}
	})
}

func TestAnotherLeaseIsOpenedWhenOneIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, l := bubble(t)
		first := r.session(l)
		r.during(func() {
			time.Sleep(5 * time.Second)
			if s := <-r.in.sessions; s != first {
				t.Fatal("the first lease was not handed to the loop")
			}
			l.set(false, true)
			time.Sleep(time.Second)
			if s := <-r.in.sessions; s != nil {
				t.Errorf("after the end the loop got %x", s.ID())
			}
			if k := r.remembered.kept; k.Lease != first.ID() {
				t.Errorf("kept %x", k.Lease)
			}
		}, func(ctx context.Context) error { return r.leases(ctx, first) })
	})
}

// A lease that the next agent may resume is written down when it is held; one of
// another lease keeps no reign.
func TestAnotherLeaseForgetsTheReign(t *testing.T) {
	r := newRig(t)
	r.remembered.reign(leaseID, epoch, oddRun)
	r.remembered.lease(leaseID)
	if k, err := election.LoadRuntime(r.opt.RunDir); err != nil || k.Epoch != epoch || k.Incarnation != oddRun || k.Agent != "me" {
		t.Errorf("%+v, %v", k, err)
	}
	r.remembered.lease(otherLease)
	if k, err := election.LoadRuntime(r.opt.RunDir); err != nil || k.Epoch != 0 || k.Lease != otherLease {
		t.Errorf("%+v, %v", k, err)
	}
}

// R17: the highest epoch reaches the disk, and never goes back.
func TestHighestEpochIsKept(t *testing.T) {
	r := newRig(t)
	r.during(func() {
		r.remembered.saw("c-1", 9)
		eventually(t, "epoch 9 is kept", func() bool { return r.remembered.highest.Epoch("c-1") == 9 })
		r.remembered.saw("c-1", 8)
		r.remembered.saw("", 99)
		r.remembered.saw("c-1", 10)
		eventually(t, "epoch 10 is kept", func() bool { return r.remembered.highest.Epoch("c-1") == 10 })
	}, r.remembered.run)
}
