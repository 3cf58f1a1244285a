package agent

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/topology"
)

var errBroken = errors.New("broken")

// R8 and R13: port, addresses, read_only, key.
func TestReignEndsInTheOrderOfTheRules(t *testing.T) {
	r := newRig(t)
	r.run()
	r.serving()
	j, _, _ := r.job(topology.Action{Kind: topology.EndReign})
	note, err := r.endReign(bounded(t), j)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"gate-close", "vips-gone", "read-only", "drop-writer"}
	if got := r.order(want...); !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
	r.mustBeClosed()
	if r.did("kill-idle") == 0 {
		t.Error("clients that do nothing were left connected")
	}
	s := r.newState(0)
	r.reignIn(s)
	note(s.State)
	if s.Term != (step.Term{}) || s.Seen.Rev != r.etcd.rev {
		t.Errorf("after the end: term %+v, rev %d", s.Term, s.Seen.Rev)
	}
}

// R13: the key outlives whatever could not be closed.
func TestKeyIsNeverGivenBackBeforeTheHostIsClosed(t *testing.T) {
	tests := []struct {
		name    string
		spoil   func(r *rig)
		dropped bool
		killed  bool
	}{
		{"all goes well", func(*rig) {}, true, false},
		{"read_only fails, mysqld can be killed", func(r *rig) { r.fail("read-only", errBroken) }, true, true},
		{"read_only hangs, mysqld can be killed", func(r *rig) { r.hook("read-only", hang) }, true, true},
		{"read_only does not stick", func(r *rig) { r.hook("observe", func(context.Context) error { r.db.with(writable); return nil }) }, true, true},
		{"nobody knows whether it stuck", func(r *rig) { r.fail("observe", dbops.ErrTimeout) }, true, true},
		{"idle clients cannot be ended", func(r *rig) { r.fail("kill-idle", errBroken) }, true, false},
		{"read_only fails and mysqld cannot be killed", func(r *rig) {
			r.fail("read-only", errBroken)
			r.db.with(func(p *topology.Probe) { p.Incarnation = oddRun })
		}, false, false},
		{"the port cannot be closed", func(r *rig) { r.fail("gate-close", errBroken) }, false, false},
		{"the addresses cannot be taken down", func(r *rig) { r.fail("vips-gone", errBroken) }, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			inc := r.run()
			r.serving()
			tt.spoil(r)
			j, lease, _ := r.job(topology.Action{Kind: topology.EndReign})
			lease.left.Store(int64(50 * time.Millisecond))
			note, err := r.endReign(bounded(t), j)
			if dropped := r.did("drop-writer") > 0; dropped != tt.dropped || (err == nil) != tt.dropped {
				t.Errorf("key given back %t, err %v; want %t", dropped, err, tt.dropped)
			}
			if killed := !alive(inc); killed != tt.killed {
				t.Errorf("mysqld killed %t, want %t", killed, tt.killed)
			}
			s := r.newState(0)
			r.reignIn(s)
			s.Term.Ending = true
			if note != nil {
				note(s.State)
			}
			if over := s.Term == (step.Term{}); over != tt.dropped {
				t.Errorf("the term is over: %t, want %t", over, tt.dropped)
			}
		})
	}
}

// R12: a waiter is never killed, and semi-sync stays on; mysqld dies.
func TestWaitersAreNeverKilledButMysqldIs(t *testing.T) {
	r := newRig(t)
	inc := r.run()
	r.serving()
	r.db.with(func(p *topology.Probe) { p.Waiting, p.SemiSource = 1, true })
	j, _, _ := r.job(topology.Action{Kind: topology.EndReign})
	if _, err := r.endReign(bounded(t), j); err != nil {
		t.Fatal(err)
	}
	if alive(inc) {
		t.Error("mysqld lives on with somebody waiting in it")
	}
	if r.did("kill-idle")+r.did("leave-source") > 0 {
		t.Errorf("the waiter was let go: %v", r.lines)
	}
}

// Somebody begins to wait after read_only was asked for.
func TestWaiterFoundAfterReadOnlyKillsMysqld(t *testing.T) {
	r := newRig(t)
	inc := r.run()
	r.serving()
	r.hook("observe", func(context.Context) error {
		r.db.with(func(p *topology.Probe) { p.Waiting = 2 })
		return nil
	})
	if err := r.shut(bounded(t), r.db.now(), patience); err != nil || alive(inc) {
		t.Errorf("err %v, alive %t; want a dead mysqld", err, alive(inc))
	}
}

func TestHungMysqldIsKilledWithoutBeingAsked(t *testing.T) {
	r := newRig(t)
	inc := r.run()
	r.serving()
	p := r.db.now()
	p.Up = false
	if err := r.shut(bounded(t), p, patience); err != nil || alive(inc) {
		t.Errorf("err %v, alive %t", err, alive(inc))
	}
	if r.did("read-only") > 0 {
		t.Error("a server that does not answer was asked")
	}
}

func TestDeadMysqldIsClosedByBeingDead(t *testing.T) {
	for _, inc := range []topology.Incarnation{"", goneRun} {
		r := newRig(t)
		r.serving()
		r.db.with(func(p *topology.Probe) { p.Incarnation = inc })
		if err := r.shut(bounded(t), topology.Probe{Incarnation: inc, Up: inc != ""}, patience); err != nil {
			t.Errorf("%q: %v", inc, err)
		}
		r.mustBeClosed()
	}
}

// An address lives in the kernel for up to a second after its lease; by then the
// keeper calls it over.
func TestAddressIsTakenDownAlsoAfterItsLifetime(t *testing.T) {
	r := newRig(t)
	r.run()
	if err := r.vips.Manager.Reconcile(bounded(t), []netip.Addr{writerVIP}, 10*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the keeper takes the address for over", func() bool { return len(r.vips.Held()) == 0 })
	if len(r.vips.up(t)) == 0 {
		t.Fatal("the kernel has let it go: the test shows nothing")
	}
	if err := r.shut(bounded(t), r.db.now(), patience); err != nil {
		t.Fatal(err)
	}
	r.mustBeClosed()
}

func TestAddressOfAnEarlierAgentIsTakenDown(t *testing.T) {
	r := newRig(t)
	r.run()
	r.vips.kernel.Leave(writerVIP, 2*time.Second)
	j, _, _ := r.job(topology.Action{Kind: topology.EndReign})
	if _, err := r.endReign(bounded(t), j); err != nil {
		t.Fatal(err)
	}
	r.mustBeClosed()
}

// An outage of etcd makes every reader give its VIPs up; that is no reason to
// kill a slow replica.
func TestDemotedReplicaKeepsItsMysqld(t *testing.T) {
	r := newRig(t)
	inc := r.run()
	if err := r.vips.Manager.Reconcile(bounded(t), []netip.Addr{readerVIP}, time.Minute); err != nil {
		t.Fatal(err)
	}
	r.hook("read-only", hang)
	j, lease, _ := r.job(topology.Action{Kind: topology.Demote})
	j.term = nil
	lease.runOut()
	if _, err := r.demote(bounded(t), j); err != nil {
		t.Fatal(err)
	}
	r.mustBeClosed()
	if !alive(inc) {
		t.Error("the mysqld of a replica was killed")
	}
}

// R12: what is not confirmed by the deadline is killed, not waited for.
func TestPatienceEndsWithTheLease(t *testing.T) {
	tests := []struct {
		name string
		left time.Duration
		up   bool
		want time.Duration
	}{
		{"much is left", time.Minute, true, patience},
		{"little is left", 300 * time.Millisecond, true, 300 * time.Millisecond},
		{"next to nothing is left", time.Millisecond, true, patienceLate},
		{"nothing is left", -time.Second, true, patienceLate},
		{"mysqld does not answer", time.Minute, false, patienceLate},
	}
	for _, tt := range tests {
		lease := &fakeLease{}
		lease.left.Store(int64(tt.left))
		if got := patienceFor(job{session: lease, probe: topology.Probe{Up: tt.up}}); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	if got := patienceFor(job{probe: topology.Probe{Up: true}}); got != patienceLate {
		t.Errorf("without a lease: %s", got)
	}
}

// R16: the outcome of giving the key back decides nothing that was not true
// anyway: the reign is over.
func TestReignIsOverWhateverEtcdSays(t *testing.T) {
	for _, fate := range []error{store.ErrGuard, store.ErrUnknownOutcome, store.ErrUnreachable} {
		r := newRig(t)
		r.run()
		r.fail("drop-writer", fate)
		j, _, _ := r.job(topology.Action{Kind: topology.EndReign})
		note, err := r.endReign(bounded(t), j)
		if known := errors.Is(fate, store.ErrGuard); (err == nil) != known {
			t.Errorf("%v: err %v", fate, err)
		}
		s := r.newState(0)
		r.reignIn(s)
		note(s.State)
		if s.Term.Epoch != 0 {
			t.Errorf("%v: the term goes on", fate)
		}
	}
}

func TestEndedReignIsNotResumedByTheNextAgent(t *testing.T) {
	r := newRig(t)
	r.run()
	r.remembered.reign(leaseID, epoch, oddRun)
	j, _, _ := r.job(topology.Action{Kind: topology.EndReign})
	if _, err := r.endReign(bounded(t), j); err != nil {
		t.Fatal(err)
	}
	if k := r.remembered.kept; k.Epoch != 0 || k.Lease != leaseID {
		t.Errorf("kept %+v", k)
	}
}

func writable(p *topology.Probe) { p.ReadOnly = false }
