package store

import (
	"errors"
	"testing"

	"github.com/mmm-ha/mmm/topology"
)

// lossy is a cluster without a writer in which an operator has accepted a loss,
// and a campaign that rests on it.
func lossy(b *bed) CampaignRequest {
	b.t.Helper()
	b.must(b.AskSwitchover(b.ctx(), none, topology.Switchover{Kind: topology.OrderFailover, Target: "db2", Epoch: 7, Step: topology.Asked, Loss: &topology.Loss{}}))
	now := b.load()
	req := campaign(b.lease(), "db2", now)
	req.Guards = req.Guards.Switchover(now.Switchover.Rev)
	used := now.Switchover.Value
	used.Step = topology.Handed
	req.Loss = &AcceptedLoss{Order: used, Tombstone: topology.Tombstone{Epoch: 7, Hosts: []topology.HostID{"a", "b"}}}
	return req
}

func TestAcceptedLossWinsOnceAndLeavesATombstone(t *testing.T) {
	b := newBed(t)
	req := lossy(b)
	epoch := b.must(b.Campaign(b.ctx(), req))
	c := b.load()
	if c.Epoch() != epoch || c.Switchover.Value.Step != topology.Handed || c.Switchover.Rev != epoch {
		t.Fatalf("epoch %d, order %+v", c.Epoch(), c.Switchover)
	}
	if tomb := c.Tombstones[7]; tomb.Rev != epoch || len(tomb.Value.Hosts) != 2 {
		t.Fatalf("tombstone %+v", tomb)
	}
	if _, err := b.DropWriter(b.ctx(), epoch); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Campaign(b.ctx(), req); !errors.Is(err, ErrGuard) {
		t.Fatalf("the same word won a second time: %v", err)
	}
}

func TestAcceptedLossIsRefused(t *testing.T) {
	for name, broken := range map[string]func(*bed) error{
		"an order while somebody reigns": func(b *bed) error {
			b.reign("db1")
			return second(b.AskSwitchover(b.ctx(), none, topology.Switchover{Kind: topology.OrderFailover, Target: "db2", Step: topology.Asked}))
		},
		"the order was replaced": func(b *bed) error {
			req := lossy(b)
			now := b.load().Switchover
			now.Value.Step = topology.Aborted
			b.must(b.AdvanceSwitchover(b.ctx(), 0, now.Rev, now.Value))
			return second(b.Campaign(b.ctx(), req))
		},
		"nothing guards the order": func(b *bed) error {
			req := lossy(b)
			req.Guards = campaign(b.lease(), "db2", b.load()).Guards
			return second(b.Campaign(b.ctx(), req))
		},
		"the order could be used again": func(b *bed) error {
			req := lossy(b)
			req.Loss.Order.Step = topology.Asked
			return second(b.Campaign(b.ctx(), req))
		},
		"a tombstone stands that was not seen": func(b *bed) error {
			req := lossy(b)
			epoch := b.must(b.Campaign(b.ctx(), req))
			if _, err := b.DropWriter(b.ctx(), epoch); err != nil {
				return err
			}
			again := campaign(b.lease(), "db2", b.load())
			again.Guards = again.Guards.Switchover(b.load().Switchover.Rev)
			again.Loss = req.Loss
			return second(b.Campaign(b.ctx(), again))
		},
		"a tombstone changed by nobody who reigns": func(b *bed) error {
			epoch := b.must(b.Campaign(b.ctx(), lossy(b)))
			tomb := b.load().Tombstones[7]
			return second(b.PutTombstone(b.ctx(), epoch-1, tomb.Rev, tomb.Value))
		},
		"a tombstone that changed meanwhile": func(b *bed) error {
			epoch := b.must(b.Campaign(b.ctx(), lossy(b)))
			tomb := b.load().Tombstones[7]
			b.must(b.PutTombstone(b.ctx(), epoch, tomb.Rev, tomb.Value))
			return second(b.PutTombstone(b.ctx(), epoch, tomb.Rev, topology.Tombstone{Epoch: 7}))
		},
		"no revision of the tombstone": func(b *bed) error {
			_, epoch := b.reign("db1")
			return second(b.PutTombstone(b.ctx(), epoch, 0, topology.Tombstone{Epoch: 7}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := broken(newBed(t)); !errors.Is(err, ErrGuard) {
				t.Fatalf("got %v, want ErrGuard", err)
			}
		})
	}
}

func TestTombstoneThatNamesNobodyGoes(t *testing.T) {
	b := newBed(t)
	epoch := b.must(b.Campaign(b.ctx(), lossy(b)))
	tomb := b.load().Tombstones[7]
	tomb.Value.Hosts = tomb.Value.Hosts[:1]
	rev := b.must(b.PutTombstone(b.ctx(), epoch, tomb.Rev, tomb.Value))
	if got := b.load().Tombstones[7]; got.Rev != rev || len(got.Value.Hosts) != 1 {
		t.Fatalf("tombstone %+v", got)
	}
	tomb.Value.Hosts = nil
	b.must(b.PutTombstone(b.ctx(), epoch, rev, tomb.Value))
	if got := b.load().Tombstones; len(got) != 0 {
		t.Fatalf("still there: %+v", got)
	}
}
