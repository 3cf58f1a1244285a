package store

import (
	"context"
	"fmt"

	"github.com/mmm-ha/mmm/topology"
)

// AcceptedLoss is the part of a campaign that rests on an operator's word
// instead of proof (R30). In the transaction that wins, the order goes on to step
// handed, so that it can never be used again, and the tombstone is put.
type AcceptedLoss struct {
	Order     topology.Switchover // as it shall be: at step handed; its revision must be in Guards
	Tombstone topology.Tombstone
	Previous  topology.Rev // of a tombstone of the same epoch that is replaced; 0: there is none
}

// join adds the order and the tombstone to a campaign.
func (l AcceptedLoss) join(ch *change) error {
	if !(Guards{ch.guards}).has(switchoverKey) || l.Order.Step != topology.Handed || l.Tombstone.Epoch <= 0 {
		return fmt.Errorf("%s: %w: a loss needs its order, used up by this, and the epoch that it gives up", ch.verb, ErrGuard)
	}
	order, err := record(switchoverKey, 0, l.Order)
	if err != nil {
		return err
	}
	tomb, err := record(tombKey(l.Tombstone.Epoch), 0, l.Tombstone)
	if err != nil {
		return err
	}
	ch.puts = append(ch.puts, order, tomb)
	ch.guards = append(ch.guards, guard{tomb.key, l.Previous})
	return nil
}

// PutTombstone writes down that a tombstone names fewer hosts; one that names
// none is removed. prev is the revision that the caller changed.
func (c *Client) PutTombstone(ctx context.Context, epoch, prev topology.Rev, t topology.Tombstone) (topology.Rev, error) {
	const verb = "put tombstone"
	if err := reigning(verb, epoch); err != nil {
		return 0, err
	}
	if prev <= 0 {
		return 0, fmt.Errorf("%s: %w: no revision of it given", verb, ErrGuard)
	}
	key := tombKey(t.Epoch)
	if len(t.Hosts) > 0 {
		return c.replace(ctx, verb, key, prev, t, guard{writerKey, epoch})
	}
	return c.commit(ctx, change{verb: verb, guards: []guard{{key, prev}, {writerKey, epoch}}, drops: []string{key}})
}
