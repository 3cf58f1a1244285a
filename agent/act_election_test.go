package agent

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/topology"
)

// follower makes the fake mysqld a replica of db2.
func (r *rig) follower() {
	r.db.with(func(p *topology.Probe) {
		p.Received, p.Applied = pos(r.t, "0-2-20"), pos(r.t, "0-2-20")
		p.Replication = topology.Replication{Configured: true, Source: "192.0.2.2:3307", IO: "Yes", SQL: true, Semi: true}
	})
}

func (r *rig) bidJob() job {
	j, _, _ := r.job(topology.Action{Kind: topology.PlaceBid, Addr: db2, Port: 3307,
		Bid: &topology.Bid{After: epoch, Name: self, Incarnation: oddRun}})
	j.term = nil
	return j
}

// R11: the position is read after the IO thread, and only it, was seen stopped.
func TestBidIsPlacedInTheOrderOfTheRules(t *testing.T) {
	r := newRig(t)
	r.follower()
	r.hook("stop-io", func(context.Context) error {
		r.db.with(func(p *topology.Probe) { p.Received = pos(t, "0-2-25") }) // arrived until then
		return nil
	})
	note, err := r.placeBid(bounded(t), r.bidJob())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"reject [192.0.2.2]", "refuse []", "stop-io", "observe", "put-bid"}
	if got := r.order(want...); !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
	if got := r.etcd.bid.Received.String(); got != "0-2-25" {
		t.Errorf("bid %s: the position was read too early", got)
	}
	if !r.db.now().Replication.SQL {
		t.Error("the SQL thread was stopped")
	}
	s := r.newState(0)
	note(s.State)
	if s.Seen.Rev != r.etcd.rev {
		t.Errorf("an older view would be acted upon: %d", s.Seen.Rev)
	}
}

// R11: with the IO thread stopped a start of the SQL thread would drop the relay
// log; so it is started before that, and a failure is no reason not to bid.
func TestStoppedSQLThreadIsStartedBeforeTheBid(t *testing.T) {
	for _, fate := range []error{nil, dbops.ErrUnapplied} {
		r := newRig(t)
		r.follower()
		j := r.bidJob()
		j.probe = r.db.now()
		r.db.with(func(p *topology.Probe) { p.Replication.SQL = false }) // seen by nobody yet
		r.fail("start-sql", fate)
		if _, err := r.placeBid(bounded(t), j); err != nil {
			t.Fatal(err)
		}
		want := []string{"start-sql", "stop-io", "put-bid"}
		if got := r.order(want...); !slices.Equal(got, want) {
			t.Errorf("order %v, want %v", got, want)
		}
	}
}

// Whoever wrote here after the last look made the position worthless: it is read
// again with the IO thread stopped.
func TestBidOfAHostThatSomebodyWroteOnProvesNothing(t *testing.T) {
	for _, x := range []struct{ state, want string }{
		{"0-2-20", ""},
		{"0-2-20,0-1-21", "it holds 0-1-21, which somebody wrote here while db2 was the writer"},
	} {
		r := newRig(t)
		r.follower()
		j := r.bidJob()
		j.cluster.Reign = topology.Entry[topology.Reign]{Value: topology.Reign{Epoch: epoch, ID: "id-db2", Name: "db2", Start: pos(t, "0-2-15")}, Rev: 1}
		j.cluster.Writer = topology.Entry[topology.Writer]{}
		r.hook("stop-io", func(context.Context) error {
			r.db.with(func(p *topology.Probe) {
				p.ServerID, p.SemiSource = 1, false
				if err := p.State.UnmarshalText([]byte(x.state)); err != nil {
					t.Error(err)
				}
			})
			return nil
		})
		if _, err := r.placeBid(bounded(t), j); err != nil {
			t.Fatal(err)
		}
		if got := r.etcd.bid.Broken; got != x.want {
			t.Errorf("with %s it bids with %q, want %q", x.state, got, x.want)
		}
	}
}

func TestBidIsNotPlacedUnlessTheHostIsFrozen(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(r *rig, j *job)
	}{
		{"no lease", func(_ *rig, j *job) { j.session = nil }},
		{"the old writer cannot be rejected", func(r *rig, _ *job) { r.fail("reject [192.0.2.2]", errBroken) }},
		{"the IO thread does not stop", func(r *rig, _ *job) { r.fail("stop-io", dbops.ErrTimeout) }},
		{"the IO thread runs again", func(r *rig, _ *job) {
			r.hook("observe", func(context.Context) error {
				r.db.with(func(p *topology.Probe) { p.Replication.IO = "Connecting" })
				return nil
			})
		}},
		{"mysqld was restarted", func(r *rig, _ *job) {
			r.db.with(func(p *topology.Probe) { p.Incarnation = "another" })
		}},
		{"mysqld does not answer", func(r *rig, _ *job) { r.fail("observe", dbops.ErrTimeout) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.follower()
			j := r.bidJob()
			tt.spoil(r, &j)
			if _, err := r.placeBid(bounded(t), j); err == nil || r.did("put-bid") > 0 {
				t.Errorf("err %v, bids placed %d", err, r.did("put-bid"))
			}
		})
	}
}

// R29: a bid is seen deleted before the IO thread starts again.
func TestBidIsGoneBeforeTheHostReplicatesAgain(t *testing.T) {
	kinds := map[string]func(r *rig, j job) error{
		"follow": func(r *rig, j job) error { _, err := r.follow(bounded(r.t), j); return err },
		"fetch":  func(r *rig, j job) error { _, err := r.fetch(bounded(r.t), j); return err },
	}
	for name, do := range kinds {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.follower()
			j := r.bidJob()
			j.BidRev, j.Position = 60, pos(t, "0-2-20")
			_ = do(r, j)
			want := []string{"delete-bid", "follow"}
			if got := r.order(want...); !slices.Equal(got, want) {
				t.Errorf("order %v, want %v", got, want)
			}
			for _, fate := range []error{store.ErrGuard, store.ErrUnknownOutcome, store.ErrUnreachable} {
				r := newRig(t)
				r.follower()
				r.fail("delete-bid", fate)
				if err := do(r, j); !errors.Is(err, fate) {
					t.Errorf("%v: err %v", fate, err)
				}
				if r.did("follow")+r.did("set-semi") > 0 {
					t.Errorf("%v: the IO thread was started with a bid that may stand", fate)
				}
			}
		})
	}
}

// R33, R40: what was received is applied before the host is pointed elsewhere,
// and the new bid is placed frozen again.
func TestFetchBidsAnewWhenItHasTheDifference(t *testing.T) {
	r := newRig(t)
	r.follower()
	j := r.bidJob()
	j.BidRev, j.Position = 60, pos(t, "0-2-30")
	r.hook("follow", func(context.Context) error {
		r.db.with(func(p *topology.Probe) { p.Received = pos(t, "0-2-30") })
		return nil
	})
	if _, err := r.fetch(bounded(t), j); err != nil {
		t.Fatal(err)
	}
	want := []string{"wait-applied", "delete-bid", "follow", "stop-io", "put-bid"}
	if got := r.order(want...); !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
	if got := r.etcd.bid.Received.String(); got != "0-2-30" {
		t.Errorf("bid %s", got)
	}
}

func TestRejectionEndsOnlyForTheHostThatIsFollowed(t *testing.T) {
	r := newRig(t)
	r.follower()
	if _, err := r.placeBid(bounded(t), r.bidJob()); err != nil {
		t.Fatal(err)
	}
	other := r.bidJob()
	other.Bid, other.Addr = nil, readerVIP
	if _, err := r.follow(bounded(t), other); err != nil || r.did("reject []") > 0 {
		t.Errorf("err %v; the deposed writer was let in again: %d", err, r.did("reject []"))
	}
	same := r.bidJob()
	same.Bid = nil
	if _, err := r.follow(bounded(t), same); err != nil || r.did("reject []") != 1 {
		t.Errorf("err %v; rejections lifted: %d", err, r.did("reject []"))
	}
}

// Two campaigns never put the same value, so a late copy cannot be taken for
// the other (R18); and a won reign is one of the mysqld that bid.
func TestCampaignsDiffer(t *testing.T) {
	r := newRig(t)
	j, _, _ := r.job(topology.Action{Kind: topology.Campaign})
	var note step.Note
	for range 2 {
		n, err := r.campaign(bounded(t), j)
		if err != nil {
			t.Fatal(err)
		}
		note = n
	}
	if w := r.etcd.writers; w[0].Agent == w[1].Agent || w[0].ID != selfID || w[0].Previous != epoch {
		t.Errorf("%+v", w)
	}
	s := r.newState(0)
	note(s.State)
	if s.Term.Epoch != r.etcd.rev || s.Term.Incarnation != oddRun || s.Term.Under != leaseID || s.Seen.Rev != r.etcd.rev {
		t.Errorf("term %d of %s under %x, seen %d", s.Term.Epoch, s.Term.Incarnation, s.Term.Under, s.Seen.Rev)
	}
	if k := r.remembered.kept; k.Epoch != r.etcd.rev || k.Lease != leaseID || k.Incarnation != oddRun {
		t.Errorf("kept %+v", k)
	}
}

func TestUnknownCampaignBeginsNoTerm(t *testing.T) {
	for _, fate := range []error{store.ErrUnknownOutcome, store.ErrGuard, store.ErrLeaseGone} {
		r := newRig(t)
		r.fail("campaign", fate)
		j, _, _ := r.job(topology.Action{Kind: topology.Campaign})
		if note, err := r.campaign(bounded(t), j); note != nil || !errors.Is(err, fate) {
			t.Errorf("%v: note %t, err %v", fate, note != nil, err)
		}
	}
}

// R43: the reign begins when the phase is put under the new epoch.
func TestHandedReignBeginsWithItsPhase(t *testing.T) {
	r := newRig(t)
	j, _, _ := r.job(topology.Action{Kind: topology.Adopt})
	note, err := r.adopt(bounded(t), j)
	if err != nil {
		t.Fatal(err)
	}
	s := r.newState(0)
	note(s.State)
	if s.Term.Epoch != epoch || s.Seen.Rev != r.etcd.rev {
		t.Errorf("term %d, seen %d", s.Term.Epoch, s.Seen.Rev)
	}
	r.fail("put-phase catching-up", store.ErrUnknownOutcome)
	if note, err := r.adopt(bounded(t), j); err == nil || note != nil {
		t.Errorf("note %t, err %v", note != nil, err)
	}
}

// R40: START SLAVE with both threads stopped deletes what was received and not
// applied, and the same mysqld goes on.
func TestHostThatLostWhatItBidSaysSo(t *testing.T) {
	before := topology.Bid{After: epoch, Incarnation: oddRun, Received: pos(t, "0-2-25")}
	for name, tt := range map[string]struct {
		change func(now *topology.Bid)
		broken bool
	}{
		"it holds as much":      {func(*topology.Bid) {}, false},
		"it holds less":         {func(now *topology.Bid) { now.Received = pos(t, "0-2-20") }, true},
		"it is another mysqld":  {func(now *topology.Bid) { now.Received, now.Incarnation = pos(t, "0-2-20"), "another" }, false},
		"it is a later reign's": {func(now *topology.Bid) { now.Received, now.After = pos(t, "0-2-20"), epoch+1 }, false},
	} {
		t.Run(name, func(t *testing.T) {
			now := before
			tt.change(&now)
			why := step.Dropped(before, now)
			if (why != "") != tt.broken {
				t.Fatalf("dropped: %q", why)
			}
			now.Broken = why
			if again := step.Dropped(now, now); again != why {
				t.Errorf("in the next bid: %q, want %q", again, why)
			}
		})
	}
}
