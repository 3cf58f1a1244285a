package agent

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/topology"
)

// R23: admission ends, then the connection, then the position of that moment.
func TestAckerIsCutInTheOrderOfTheRules(t *testing.T) {
	r := newRig(t)
	r.hook("disconnect", func(context.Context) error {
		r.db.with(func(p *topology.Probe) { p.Position = pos(t, "0-1-9") })
		return nil
	})
	j, _, _ := r.job(topology.Action{Kind: topology.CutAcker, Addr: db2, HostID: "id-2", Port: 3307, Shun: []netip.Addr{db2}})
	note, err := r.cutAcker(bounded(t), j)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"refuse [192.0.2.2]", "disconnect", "observe"}
	if got := r.order(want...); !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
	s := r.newState(0)
	before := s.Seen.Cut
	note(s.State)
	if got := s.Seen.Cut["id-2"].String(); got != "0-1-9" {
		t.Errorf("cut at %s", got)
	}
	if len(before) > 0 {
		t.Error("a map that a view may hold was changed")
	}
}

func TestAckerThatCouldNotBeCutStays(t *testing.T) {
	for _, verb := range []string{"refuse []", "disconnect", "observe"} {
		r := newRig(t)
		r.fail(verb, errBroken)
		j, _, _ := r.job(topology.Action{Kind: topology.CutAcker, HostID: "id-2"})
		if note, err := r.cutAcker(bounded(t), j); err == nil || note != nil {
			t.Errorf("%s: note %t, err %v", verb, note != nil, err)
		}
	}
}

// R16: a put of reign that was not answered leaves the agent in doubt, a refused one does not.
func TestPutOfReignWithoutAnAnswerLeavesDoubt(t *testing.T) {
	for err, doubt := range map[error]bool{store.ErrUnknownOutcome: true, store.ErrGuard: false, store.ErrUnreachable: false} {
		r := newRig(t)
		r.fail("put-reign", err)
		j, _, _ := r.job(topology.Action{Kind: topology.PutReign, Reign: &topology.Reign{}})
		note, got := r.putReign(bounded(t), j)
		if !errors.Is(got, err) {
			t.Fatalf("%v, want %v", got, err)
		}
		s := r.newState(0)
		if note != nil {
			note(s.State)
		}
		if s.Seen.InDoubt != doubt {
			t.Errorf("%v: in doubt %t", err, s.Seen.InDoubt)
		}
	}
}

func (r *rig) drainJob() job {
	j, _, _ := r.job(topology.Action{Kind: topology.Drain, VIPs: []netip.Addr{writerVIP},
		Order: &topology.Switchover{Step: topology.Drained, Target: "db2"}})
	return j
}

// R42: read_only, the VIP, the position, and only then the step.
func TestDrainStopsWritingBeforeItSaysSo(t *testing.T) {
	r := newRig(t)
	r.serving()
	r.db.with(func(p *topology.Probe) { p.Position = pos(t, "0-1-5") })
	note, err := r.drain(bounded(t), r.drainJob())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"read-only", "drop [192.0.2.10]", "observe", "advance drained"}
	if got := r.order(want...); !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
	if got := r.etcd.cluster.Switchover.Value.Position.String(); got != "0-1-5" {
		t.Errorf("position %s", got)
	}
	s := r.newState(0)
	note(s.State)
	if s.Seen.Drained.IsZero() {
		t.Error("the limit does not count")
	}
}

func TestDrainSaysNothingOfAServerThatStillMoves(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(r *rig)
	}{
		{"the VIP stays", func(r *rig) { r.fail("drop [192.0.2.10]", errBroken) }},
		{"somebody waits", func(r *rig) { r.fail("read-only", dbops.ErrLockWait) }},
		{"the position moves", func(r *rig) {
			n := 0
			r.hook("observe", func(context.Context) error {
				n++
				r.db.with(func(p *topology.Probe) { p.Position = pos(t, []string{"0-1-1", "0-1-2"}[n%2]) })
				return nil
			})
		}},
		{"read_only does not stick", func(r *rig) {
			r.hook("observe", func(context.Context) error { r.db.with(writable); return nil })
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.serving()
			tt.spoil(r)
			if _, err := r.drain(bounded(t), r.drainJob()); err == nil || r.did("advance drained") > 0 {
				t.Errorf("err %v, said drained %d", err, r.did("advance drained"))
			}
		})
	}
}

// R43: the key goes to the target's lease; what is not known to have happened
// ends nothing here.
func TestHandOverEndsTheTermOnlyWhenItIsKnown(t *testing.T) {
	act := topology.Action{Kind: topology.HandOver, Host: "db2", HostID: "id-2", Lease: otherLease}
	r := newRig(t)
	j, _, _ := r.job(act)
	note, err := r.handOver(bounded(t), j)
	if err != nil {
		t.Fatal(err)
	}
	s := r.newState(0)
	r.reignIn(s)
	term := s.term
	r.finish(s, step.Outcome{Action: j.Action, Note: note})
	if s.term != nil || term.Context().Err() == nil || r.etcd.target != otherLease || r.etcd.writers[0].Previous != epoch {
		t.Errorf("term %v, target %x, %+v", s.term, r.etcd.target, r.etcd.writers)
	}
	for _, fate := range []error{store.ErrUnknownOutcome, store.ErrGuard, store.ErrLeaseGone} {
		r := newRig(t)
		r.fail("hand-over", fate)
		if note, err := r.handOver(bounded(t), j); note != nil || !errors.Is(err, fate) {
			t.Errorf("%v: note %t, err %v", fate, note != nil, err)
		}
	}
}

// R42: the target stops its IO thread, sees that it has everything, and says so.
func TestTargetIsReadyOnlyWithEverything(t *testing.T) {
	act := topology.Action{Kind: topology.StopForOrder, Position: pos(t, "0-1-5"), Order: &topology.Switchover{Step: topology.TargetReady}}
	for applied, ready := range map[string]bool{"0-1-4": false, "0-1-5": true} {
		r := newRig(t)
		r.db.with(func(p *topology.Probe) { p.Applied = pos(t, applied) })
		j, _, _ := r.job(act)
		_, err := r.stopForOrder(bounded(t), j)
		if (err == nil) != ready || (r.did("advance target-ready") > 0) != ready || r.did("stop-io") != 1 {
			t.Errorf("applied %s: err %v, steps %d", applied, err, r.did("advance target-ready"))
		}
	}
}

// R36, R37: the tables are made while no acknowledgement is needed.
func TestWinnerBecomesASourceAfterItsTablesAreThere(t *testing.T) {
	r := newRig(t)
	j, _, _ := r.job(topology.Action{Kind: topology.BecomeSource})
	if _, err := r.becomeSource(bounded(t), j); err != nil {
		t.Fatal(err)
	}
	want := []string{"refuse []", "ensure-tables", "become-source"}
	if got := r.order(want...); !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
}

// R54: the address goes before the claim.
func TestReaderVIPIsGivenUpBeforeItsClaim(t *testing.T) {
	r := newRig(t)
	act := topology.Action{Kind: topology.GiveUpVIP, VIPs: []netip.Addr{readerVIP}}
	j, _, _ := r.job(act)
	if _, err := r.giveUpVIP(bounded(t), j); err != nil {
		t.Fatal(err)
	}
	want := []string{"drop [192.0.2.11]", "release 192.0.2.11"}
	if got := r.order(want...); !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
	r = newRig(t)
	r.fail("drop [192.0.2.11]", errBroken)
	if _, err := r.giveUpVIP(bounded(t), j); err == nil || r.did("release 192.0.2.11") > 0 {
		t.Errorf("err %v; the claim of an address that is up was given up", err)
	}
}

// R54, R55: a claim brings no address up by itself, and a stranger is told of.
func TestClaimComesBeforeTheAddress(t *testing.T) {
	r := newRig(t)
	r.vips.kernel.Answer(readerVIP, []byte{2, 0, 0, 0, 0, 9})
	j, _, _ := r.job(topology.Action{Kind: topology.ClaimVIP, VIPs: []netip.Addr{readerVIP}})
	for range 2 {
		if _, err := r.claimVIP(bounded(t), j); err != nil {
			t.Fatal(err)
		}
	}
	r.actions.Wait()
	if up := r.vips.up(t); len(up) > 0 {
		t.Errorf("up: %v", up)
	}
	if got := r.lines.with("somebody else answers", "02:00:00:00:00:09"); len(got) != 1 {
		t.Errorf("the stranger was reported %d times", len(got))
	}
}

func TestWhatHangsOnALeaseNeedsOne(t *testing.T) {
	for _, kind := range []topology.Kind{topology.PlaceBid, topology.Fetch, topology.Campaign, topology.Adopt, topology.PutPhase,
		topology.OpenDoor, topology.ClaimVIP, topology.GiveUpVIP, topology.SetVIPs} {
		r := newRig(t)
		j, _, _ := r.job(topology.Action{Kind: kind, VIPs: []netip.Addr{readerVIP}, Phase: &topology.Phase{}, Bid: &topology.Bid{}})
		j.session = nil
		if _, err := hands[kind].do(r.Agent, bounded(t), j); !errors.Is(err, errNoLease) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestEveryKindHasAHand(t *testing.T) {
	for _, kind := range []topology.Kind{topology.Demote, topology.EndReign, topology.PlaceBid, topology.Fetch, topology.Campaign,
		topology.Adopt, topology.WaitApplied, topology.BecomeSource, topology.PutPhase, topology.OpenDoor, topology.LeaveSource,
		topology.Follow, topology.Reattach, topology.StartSQL, topology.SetSemi, topology.Drain, topology.StopForOrder, topology.HandOver, topology.Undo,
		topology.WriteRow, topology.Nudge, topology.Remember, topology.PutReign, topology.SetShun, topology.CutAcker, topology.Settle,
		topology.ClaimVIP, topology.GiveUpVIP, topology.SetVIPs} {
		h, ok := hands[kind]
		if !ok || h.do == nil || h.limit <= 0 {
			t.Errorf("%s cannot be done", kind)
		}
	}
}

// quietWire is a network on which the question who has an address is not over before
// the claim is written.
type quietWire struct {
	addresses
	claimed <-chan struct{}
}

func (q quietWire) Probe(ctx context.Context, addr netip.Addr, wait time.Duration) (net.HardwareAddr, error) {
	select {
	case <-q.claimed:
	case <-time.After(patience):
		return nil, errBroken
	}
	return q.addresses.Probe(ctx, addr, wait)
}

// R55: a client that meets no address waits for a second, so nothing waits for silence.
func TestClaimDoesNotWaitForTheWire(t *testing.T) {
	r := newRig(t)
	claimed := make(chan struct{})
	r.Agent.vips = quietWire{r.Agent.vips, claimed}
	r.vips.kernel.Answer(readerVIP, []byte{2, 0, 0, 0, 0, 9})
	j, _, _ := r.job(topology.Action{Kind: topology.ClaimVIP, VIPs: []netip.Addr{readerVIP}})
	if _, err := r.claimVIP(bounded(t), j); err != nil || r.did("claim "+readerVIP.String()) != 1 {
		t.Errorf("err %v; claimed %d times", err, r.did("claim "+readerVIP.String()))
	}
	close(claimed)
	r.actions.Wait()
	if got := r.lines.with("somebody else answers", "02:00:00:00:00:09"); len(got) != 1 {
		t.Errorf("the stranger was reported %d times", len(got))
	}
}
