package agent

import (
	"context"
	"errors"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/election"
	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/topology"
)

// reignIn makes the state that of a writer, under its lease if it has one.
func (r *rig) reignIn(s *state) {
	under := leaseID
	if s.session != nil {
		under = s.session.ID()
	}
	step.Resumed(epoch, oddRun, under)(s.State)
	s.live(r.t.Context(), "")
	term := s.term
	r.t.Cleanup(func() { term.End("the test is over") })
}

// R8 and R39: who may not acknowledge is shut out, then port, server, VIP, phase.
func TestDoorOpensInTheOrderOfTheRules(t *testing.T) {
	r := newRig(t)
	j, _, _ := r.openJob()
	j.Shun = []netip.Addr{db2}
	note, err := r.openDoor(bounded(t), j)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"refuse [192.0.2.2]", "gate-open", "writable", "vips [192.0.2.10 192.0.2.11]", "put-phase ready"}
	if got := r.order(want...); !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
	s := r.newState(0)
	note(s.State)
	if !slices.Equal(s.Seen.Shunned, j.Shun) {
		t.Errorf("shunned %v", s.Seen.Shunned)
	}
}

func TestDoorStaysShutWithoutItsGrounds(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(r *rig, j *job, l *fakeLease, term *election.Term)
	}{
		{"no lease", func(_ *rig, j *job, _ *fakeLease, _ *election.Term) { j.session = nil }},
		{"no term", func(_ *rig, j *job, _ *fakeLease, _ *election.Term) { j.term = nil }},
		{"the lease has run out", func(_ *rig, _ *job, l *fakeLease, _ *election.Term) { l.runOut() }},
		{"the term has ended", func(_ *rig, _ *job, _ *fakeLease, term *election.Term) { term.End("over") }},
		{"outsiders could acknowledge", func(r *rig, _ *job, _ *fakeLease, _ *election.Term) { r.fail("refuse []", errBroken) }},
		{"the port does not open", func(r *rig, _ *job, _ *fakeLease, _ *election.Term) { r.fail("gate-open", errBroken) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			j, lease, term := r.openJob()
			tt.spoil(r, &j, lease, term)
			if _, err := r.openDoor(bounded(t), j); err == nil {
				t.Error("opened")
			}
			r.mustBeClosed()
			if r.did("writable") > 0 {
				t.Error("mysqld was made writable")
			}
		})
	}
}

// The lease runs out, or the term ends, between two steps of the opening.
func TestOpeningThatIsVoidHalfwayEndsClosed(t *testing.T) {
	for _, verb := range []string{"gate-open", "writable", "vips [192.0.2.10 192.0.2.11]"} {
		for _, cause := range []string{"lease", "term", "fence"} {
			t.Run(cause+" at "+verb, func(t *testing.T) {
				r := newRig(t)
				r.run()
				j, lease, term := r.openJob()
				ctx, cancel := context.WithCancel(bounded(t))
				defer cancel()
				r.hook(verb, func(context.Context) error {
					switch cause {
					case "lease":
						lease.runOut()
					case "term":
						term.End("over")
					default:
						cancel()
					}
					return nil
				})
				if _, err := r.openDoor(ctx, j); err == nil {
					t.Error("no error")
				}
				r.mustBeClosed()
				if r.did("put-phase ready") > 0 {
					t.Error("the phase says ready")
				}
			})
		}
	}
}

// A fence that comes while the server is being made writable waits for that, for
// the statement could otherwise take effect after the fence has closed.
func TestFenceEndsAnOpeningAndTheHostIsClosed(t *testing.T) {
	r := newRig(t)
	inc := r.run()
	s := r.newState(0)
	s.Probe, s.Cluster = r.db.now(), cluster()
	r.reignIn(s)
	sent, answer := make(chan struct{}), make(chan struct{})
	r.hook("writable", func(ctx context.Context) error {
		close(sent)
		select {
		case <-answer:
			return nil // and takes effect
		case <-ctx.Done():
			return dbops.ErrTimeout
		}
	})
	j, _, _ := r.openJob()
	j.term = s.term
	opening := startJob(r, s, j)
	<-sent
	go func() {
		eventually(t, "the fence is at work", func() bool { return r.did("gate-close") > 0 })
		close(answer)
	}()
	r.Agent.start(t.Context(), s, topology.Action{Kind: topology.EndReign, Epoch: epoch, Why: "a test"})
	for range 2 {
		r.finish(s, <-r.in.outcomes)
	}
	if err := opening(); err == nil {
		t.Error("the opening says that it worked")
	}
	r.mustBeClosed()
	if !alive(inc) {
		t.Error("mysqld was killed, though it did as told")
	}
	if r.did("drop-writer") != 1 || r.last("writable", "read-only", "drop-writer") != "drop-writer" {
		t.Errorf("key: %v", r.order("writable", "read-only", "drop-writer"))
	}
	if s.term != nil || len(s.Busy()) > 0 {
		t.Errorf("term %v, running %v", s.term, s.Busy())
	}
}

// startJob runs an action in its lane with a lease of the test's own.
func startJob(r *rig, s *state, j job) (result func() error) {
	lane := j.Kind.Lane()
	run, cancel := context.WithCancel(r.t.Context())
	s.Begin(j.Action)
	s.cancel[lane] = cancel
	var err error
	done := make(chan struct{})
	r.actions.Add(1)
	go func() {
		defer r.actions.Done()
		defer cancel()
		o := r.carryOut(run, hands[j.Kind], j)
		err = o.Err
		close(done)
		r.in.outcomes <- o
	}()
	return func() error { <-done; return err }
}

// A statement that did not return may still be carried out, after a fence has
// read back read_only=1. Such a server is closed by its death.
func TestServerThatMayYetBecomeWritableIsKilled(t *testing.T) {
	for _, fate := range []error{dbops.ErrTimeout, dbops.ErrUnreachable} {
		r := newRig(t)
		inc := r.run()
		r.fail("writable", fate)
		j, _, _ := r.openJob()
		if _, err := r.openDoor(bounded(t), j); !errors.Is(err, fate) {
			t.Fatalf("open: %v", err)
		}
		if err := r.shut(bounded(t), r.db.now(), patience); err != nil {
			t.Fatal(err)
		}
		if alive(inc) {
			t.Errorf("%v: mysqld lives", fate)
		}
	}
}

func TestServerThatRefusedToBecomeWritableIsNotKilled(t *testing.T) {
	r := newRig(t)
	inc := r.run()
	r.fail("writable", dbops.ErrDenied)
	j, _, _ := r.openJob()
	if _, err := r.openDoor(bounded(t), j); !errors.Is(err, dbops.ErrDenied) {
		t.Fatalf("open: %v", err)
	}
	if err := r.shut(bounded(t), r.db.now(), patience); err != nil || !alive(inc) {
		t.Errorf("err %v, alive %t", err, alive(inc))
	}
}

// The dead-man does not wait for an opening that hangs with mysqld.
func TestClosingDoesNotWaitForAHungOpening(t *testing.T) {
	r := newRig(t)
	inc := r.run()
	sent := make(chan struct{})
	r.hook("writable", func(ctx context.Context) error {
		close(sent)
		for alive(inc) && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		if r.gate.isOpen() {
			t.Error("the port stayed open as long as the opening hung")
		}
		return dbops.ErrUnreachable
	})
	j, _, _ := r.openJob()
	opened := make(chan error, 1)
	go func() {
		_, err := r.openDoor(bounded(t), j)
		opened <- err
	}()
	<-sent
	if err := r.shut(bounded(t), r.db.now(), time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err == nil {
		t.Error("the opening says that it worked")
	}
	if alive(inc) {
		t.Error("mysqld lives")
	}
	r.mustBeClosed()
}

// The watch is late: etcd knows already that the reign is over.
func TestRefusedPhaseClosesTheDoorAgain(t *testing.T) {
	tests := []struct {
		fate error
		open bool
	}{
		{store.ErrGuard, false},
		{store.ErrLeaseGone, false},
		{store.ErrUnreachable, true}, // the lease decides
		{store.ErrUnknownOutcome, true},
	}
	for _, tt := range tests {
		r := newRig(t)
		r.run()
		r.fail("put-phase ready", tt.fate)
		j, _, _ := r.openJob()
		if _, err := r.openDoor(bounded(t), j); !errors.Is(err, tt.fate) {
			t.Errorf("%v: err %v", tt.fate, err)
		}
		if r.gate.isOpen() != tt.open || r.db.now().ReadOnly == tt.open {
			t.Errorf("%v: port open %t, read-only %t", tt.fate, r.gate.isOpen(), r.db.now().ReadOnly)
		}
	}
}

func TestVoidActionBringsNoAddressUp(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(cancel func(), l *fakeLease, term *election.Term)
	}{
		{"a fence ended it", func(cancel func(), _ *fakeLease, _ *election.Term) { cancel() }},
		{"the lease has run out", func(_ func(), l *fakeLease, _ *election.Term) { l.runOut() }},
		{"the term has ended", func(_ func(), _ *fakeLease, term *election.Term) { term.End("over") }},
	}
	for _, tt := range tests {
		r := newRig(t)
		j, lease, term := r.job(topology.Action{Kind: topology.SetVIPs, VIPs: []netip.Addr{writerVIP}})
		ctx, cancel := context.WithCancel(bounded(t))
		tt.spoil(cancel, lease, term)
		_, err := r.setVIPs(ctx, j)
		cancel()
		if err == nil || len(r.vips.up(t)) > 0 {
			t.Errorf("%s: err %v, up %v", tt.name, err, r.vips.up(t))
		}
	}
}

// R4: the clock is read again after the write.
func TestAddressThatCameUpTooLateGoesAtOnce(t *testing.T) {
	r := newRig(t)
	j, lease, _ := r.job(topology.Action{Kind: topology.SetVIPs, VIPs: []netip.Addr{readerVIP}})
	r.hook("vips [192.0.2.11]", func(context.Context) error { lease.runOut(); return nil })
	if _, err := r.setVIPs(bounded(t), j); err == nil {
		t.Error("no error")
	}
	if up := r.vips.up(t); len(up) > 0 {
		t.Errorf("up: %v", up)
	}
}

// Openings, closings and moving addresses in every order: what was decided last,
// the fence, has the last word.
func TestFenceHasTheLastWordInEveryInterleaving(t *testing.T) {
	for turns := range 200 {
		r := newRig(t)
		j, _, term := r.openJob()
		v, _, _ := r.job(topology.Action{Kind: topology.SetVIPs, VIPs: []netip.Addr{writerVIP}})
		v.term = term
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{}, 2)
		go func() { _, _ = r.openDoor(ctx, j); done <- struct{}{} }()
		go func() { _, _ = r.setVIPs(ctx, v); done <- struct{}{} }()
		for range turns % 20 {
			runtime.Gosched()
		}
		cancel() // as start does, before the fence runs
		term.End("fenced")
		if err := r.shut(t.Context(), r.db.now(), patience); err != nil {
			t.Fatal(err)
		}
		<-done
		<-done
		r.mustBeClosed()
	}
}

// An address that is on its way up when the fence comes is taken down again
// before the fence says that the host is closed.
func TestFenceWaitsForAnAddressOnItsWayUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := bubble(t)
		j, _, _ := r.job(topology.Action{Kind: topology.SetVIPs, VIPs: []netip.Addr{writerVIP}})
		r.hook("vips [192.0.2.10]", func(context.Context) error { time.Sleep(patience / 2); return nil })
		done := make(chan struct{})
		go func() { _, _ = r.setVIPs(t.Context(), j); close(done) }()
		synctest.Wait()
		if err := r.shut(t.Context(), r.db.now(), patience); err != nil {
			t.Fatal(err)
		}
		<-done
		r.mustBeClosed()
	})
}
