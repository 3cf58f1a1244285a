package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

// acceptedLoss is the part of a campaign that rests on an operator's word; nil
// when it rests on proof.
func acceptedLoss(j job) *store.AcceptedLoss {
	if j.Tombstone == nil {
		return nil
	}
	return &store.AcceptedLoss{Order: *j.Order, Tombstone: *j.Tombstone, Previous: j.TombstoneRev}
}

// mourn writes down, as an event, what was given up by a campaign that won.
func (a *Agent) mourn(j job, epoch topology.Rev) {
	if j.Tombstone == nil {
		return
	}
	l := j.Tombstone.Loss
	a.log.Error("acknowledged writes may be lost: an operator accepted it", "why", j.Why, "range", l.Range())
	a.history.add(topology.Event{At: time.Now(), Host: a.opt.Host, Epoch: epoch, Why: j.Why,
		What: fmt.Sprintf("the end of epoch %d was given up to make %s the writer: %s", j.Tombstone.Epoch, a.opt.Host, l.Range())})
}

// bury names hosts no longer in a tombstone.
func (a *Agent) bury(ctx context.Context, j job) (step.Note, error) {
	rev, err := a.store.PutTombstone(ctx, j.Epoch, j.TombstoneRev, *j.Tombstone)
	if err != nil {
		return nil, err
	}
	return step.Wrote(rev), nil
}

// replay takes in what a run of mysqld that has ended left behind (R31). The bid
// that is placed next says so.
func (a *Agent) replay(ctx context.Context, j job) (step.Note, error) {
	return nil, a.db.Replay(ctx, a.opt.MySQL.Datadir, j.Kept.Run)
}

// setSource makes commits wait for acknowledgements, or for nobody. That nobody
// acknowledges is seen in etcd by then (R24).
func (a *Agent) setSource(ctx context.Context, j job) (step.Note, error) {
	if !j.On {
		return step.WaitsAgain(gtid.Set{}, ""), a.db.WaitForNobody(ctx)
	}
	pos, err := a.db.WaitAgain(ctx)
	if err != nil {
		return nil, err
	}
	return step.WaitsAgain(pos, j.HostID), nil
}
