package agent

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// releasing is a writer with a lease, whose acker has everything.
func releasing(t *testing.T, test func(r *rig, s *state)) {
	synctest.Test(t, func(t *testing.T) {
		r, l := bubble(t)
		r.db.with(func(p *topology.Probe) { p.Position = pos(t, "0-1-9") })
		r.serving()
		s := r.newState(0)
		s.Probe, s.session = r.db.now(), r.session(l)
		r.reignIn(s)
		c := cluster()
		c.Hosts["id-2"] = topology.Entry[topology.Report]{Value: topology.Report{Incarnation: "run-2", Received: pos(t, "0-1-9")}}
		s.Cluster, r.etcd.cluster = c, c
		test(r, s)
	})
}

// R60, R13: closed, on an acker, written down, and only then the key.
func TestReleaseGivesTheKeyBackLast(t *testing.T) {
	releasing(t, func(r *rig, s *state) {
		if err := r.release(r.t.Context(), s); err != nil {
			r.t.Fatal(err)
		}
		want := []string{"gate-close", "vips-gone", "read-only", "load", "put-reign", "drop-writer"}
		if got := r.order(want...); !slices.Equal(got, want) {
			r.t.Errorf("order %v, want %v", got, want)
		}
		r.mustBeClosed()
		closed := r.etcd.cluster.Reign.Value.Closed
		if closed == nil || closed.String() != "0-1-9" {
			r.t.Errorf("closed at %v", closed)
		}
		if s.term != nil || s.session.Deadline().Left(r.clock.Now()) > 0 {
			r.t.Error("the reign or the lease goes on")
		}
	})
}

// Without proof of a clean end nothing is written of one: the next election
// needs the bids of the ackers.
func TestReleaseSaysNothingOfAnEndThatIsNotClean(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(r *rig)
	}{
		{"no acker has everything", func(r *rig) {
			r.etcd.cluster.Hosts = map[topology.HostID]topology.Entry[topology.Report]{
				"id-2": {Value: topology.Report{Incarnation: "run-2", Received: pos(r.t, "0-1-8")}}}
		}},
		{"the acker is another mysqld", func(r *rig) {
			r.etcd.cluster.Hosts = map[topology.HostID]topology.Entry[topology.Report]{
				"id-2": {Value: topology.Report{Incarnation: "another", Received: pos(r.t, "0-1-9")}}}
		}},
		{"etcd does not answer", func(r *rig) { r.fail("load", errBroken) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			releasing(t, func(r *rig, s *state) {
				tt.spoil(r)
				_ = r.release(r.t.Context(), s)
				if r.did("put-reign") > 0 {
					t.Error("the end was called clean")
				}
				r.mustBeClosed()
			})
		})
	}
}

func TestWriterThatCannotBeClosedKeepsItsKey(t *testing.T) {
	releasing(t, func(r *rig, s *state) {
		r.fail("read-only", errBroken) // and oddRun cannot be killed
		if err := r.release(r.t.Context(), s); err == nil || s.term == nil || r.did("drop-writer") > 0 {
			r.t.Errorf("err %v, term %v, key given back %d", err, s.term, r.did("drop-writer"))
		}
	})
}

// Giving a replica's roles back is no reason to touch its mysqld.
func TestReleasedReplicaKeepsItsMysqld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, l := bubble(t)
		s := r.newState(0)
		s.Probe, s.session, s.Cluster = r.db.now(), r.session(l), cluster()
		if err := r.vips.Manager.Reconcile(t.Context(), []netip.Addr{readerVIP}, time.Minute); err != nil {
			t.Fatal(err)
		}
		if err := r.release(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		r.mustBeClosed()
		if r.did("read-only")+r.did("kill-idle") > 0 {
			t.Error("mysqld was touched")
		}
	})
}

// What still runs is ended: an epoch row may wait half a minute.
func TestReleaseDoesNotWaitForActions(t *testing.T) {
	releasing(t, func(r *rig, s *state) {
		r.hook("nudge", hang)
		r.Agent.start(r.t.Context(), s, topology.Action{Kind: topology.Nudge, Epoch: epoch})
		began := time.Now()
		if err := r.release(r.t.Context(), s); err != nil {
			r.t.Fatal(err)
		}
		if took := time.Since(began); took > time.Second {
			r.t.Errorf("took %s of the bubble's time", took)
		}
	})
}

func TestRolesAreGivenBackOnce(t *testing.T) {
	r := newRig(t)
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() { first <- r.Release(ctx) }() // nobody serves it
	eventually(t, "the first waits", func() bool { return len(r.releasing) == 1 })
	if err := r.Release(ctx); err == nil {
		t.Error("a second time at once")
	}
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the first: %v", err)
	}
}

func TestRunningAgentIsFoundByItsPidfile(t *testing.T) {
	cfg := Config{RunDir: t.TempDir()}
	if _, err := Running(cfg); err == nil {
		t.Error("found without a file")
	}
	for text, found := range map[string]bool{strconv.Itoa(os.Getpid()) + "\n": true, "no number": false, "999999999": false} {
		if err := os.WriteFile(cfg.Pidfile(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if pid, err := Running(cfg); (err == nil) != found || (found && pid != os.Getpid()) {
			t.Errorf("%q: %d, %v", text, pid, err)
		}
	}
}
