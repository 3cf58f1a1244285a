package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

// errTermOver says that the reign ended before the action was done.
var errTermOver = errors.New("the reign is over")

// waitApplied waits for the relay log. Before a host is pointed at a writer that
// it rejected as a deposed one, that writer is let in: it may be the source already.
func (a *Agent) waitApplied(ctx context.Context, j job) (step.Note, error) {
	if j.Addr.IsValid() {
		if err := a.accept(ctx, j.Addr, j.Port); err != nil {
			return nil, err
		}
	}
	return nil, a.db.WaitApplied(ctx, j.Position)
}

// becomeSource drops the replica side and turns semi-sync on. The agent's own
// tables are made before that, while no acknowledgement is needed; the epoch
// row that follows proves that they arrived.
func (a *Agent) becomeSource(ctx context.Context, j job) (step.Note, error) {
	if err := a.ports.Refuse(ctx, nil, j.Port); err != nil {
		return nil, err
	}
	if err := a.db.EnsureTables(ctx); err != nil {
		return nil, err
	}
	return nil, a.db.BecomeSource(ctx)
}

func (a *Agent) putPhase(ctx context.Context, j job) (step.Note, error) {
	if j.session == nil {
		return nil, errNoLease
	}
	rev, err := a.store.PutPhase(ctx, j.session.ID(), j.Epoch, *j.Phase)
	if err != nil {
		return nil, err
	}
	return step.Wrote(rev), nil
}

// writeRow writes the first transaction of the reign. It returns when a replica
// has acknowledged it.
func (a *Agent) writeRow(ctx context.Context, j job) (step.Note, error) {
	row := topology.EpochRow{Cluster: j.cluster.Spec.Value.ID, Epoch: j.Epoch, ID: a.id}
	_, err := a.db.WriteEpochRow(ctx, j.probe.Incarnation, row, j.Jump)
	return nil, err
}

// nudge is for the mysqld that was looked at and for no other: one that was
// restarted since would give the number of a transaction that it lost.
func (a *Agent) nudge(ctx context.Context, j job) (step.Note, error) {
	return nil, a.db.WriteNudge(ctx, j.probe.Incarnation)
}

func (a *Agent) putReign(ctx context.Context, j job) (step.Note, error) {
	rev, err := a.store.PutReign(ctx, j.Epoch, j.Guards.Reign, *j.Reign)
	switch {
	case errors.Is(err, store.ErrUnknownOutcome):
		return step.InDoubt, err
	case err != nil:
		return nil, err
	}
	return step.PutReign(rev), nil
}

// openDoor opens in the order of R8 and R39: who may not acknowledge is shut
// out, the lease is looked at once more, then port, server, VIP, and the phase.
func (a *Agent) openDoor(ctx context.Context, j job) (step.Note, error) {
	if j.session == nil || j.term == nil {
		return nil, errNoLease
	}
	if err := a.ports.Refuse(ctx, j.Shun, portOf(j, a.opt.Host)); err != nil {
		return nil, err
	}
	if err := a.admit(ctx, j); err != nil {
		return nil, err
	}
	rev, err := a.store.PutPhase(ctx, j.session.ID(), j.Epoch, *j.Phase)
	if errors.Is(err, store.ErrGuard) || errors.Is(err, store.ErrLeaseGone) { // the reign is over, and the watch is late
		return nil, errors.Join(err, a.shut(context.WithoutCancel(ctx), j.probe, patienceFor(j)))
	}
	if err != nil {
		return nil, err
	}
	return step.Opened(rev, j.Shun), nil
}

func portOf(j job, host string) uint16 {
	h, _ := j.cluster.Spec.Value.Host(host)
	return h.ReplicationPort
}

func (a *Agent) setShun(ctx context.Context, j job) (step.Note, error) {
	if err := a.ports.Refuse(ctx, j.Shun, portOf(j, a.opt.Host)); err != nil {
		return nil, err
	}
	return step.Shunned(j.Shun, j.cluster), nil
}

// cutAcker ends a replica's admission and its connection, and then reads the
// position that the others must reach before the set may shrink (R23).
func (a *Agent) cutAcker(ctx context.Context, j job) (step.Note, error) {
	if err := a.ports.Refuse(ctx, j.Shun, j.Port); err != nil {
		return nil, err
	}
	if _, err := a.db.DisconnectReplica(ctx, j.Addr); err != nil {
		return nil, err
	}
	p, err := a.db.Observe(ctx)
	if err != nil {
		return nil, err
	}
	return step.CutOff(j.HostID, p.Position, j.Shun), nil
}

func (a *Agent) settle(ctx context.Context, j job) (step.Note, error) {
	rev, err := a.store.AdvanceSwitchover(ctx, j.Epoch, j.Guards.Order, *j.Order)
	if err != nil {
		return nil, err
	}
	return step.Settled(rev), nil
}

// drain stops writing here for a planned switchover: read_only first, and idle
// clients are told while the VIP can still carry it (a client that is told comes
// back at once, one that is not waits for its own time-out); then the VIP goes,
// and the position is read twice (R42).
func (a *Agent) drain(ctx context.Context, j job) (step.Note, error) {
	if err := a.db.SetReadOnly(ctx); err != nil {
		return nil, err
	}
	if _, err := a.db.KillIdleClients(ctx); err != nil {
		return nil, err
	}
	if err := a.vips.Drop(ctx, j.VIPs...); err != nil {
		return nil, err
	}
	pos, err := a.restingPosition(ctx)
	if err != nil {
		return nil, err
	}
	order := *j.Order
	order.Position = pos
	rev, err := a.store.AdvanceSwitchover(ctx, j.Epoch, j.Guards.Order, order)
	if err != nil {
		return nil, err
	}
	return step.Drained(rev, time.Now()), nil
}

// restingPosition is where a read-only server stands, read twice.
func (a *Agent) restingPosition(ctx context.Context) (gtid.Set, error) {
	first, err := a.db.Observe(ctx)
	if err != nil {
		return gtid.Set{}, err
	}
	again, err := a.db.Observe(ctx)
	switch {
	case err != nil:
		return gtid.Set{}, err
	case !again.ReadOnly:
		return gtid.Set{}, errors.New("read_only did not stick")
	case !first.Position.Equal(again.Position):
		return gtid.Set{}, fmt.Errorf("somebody still writes: %s, then %s", first.Position, again.Position)
	}
	return again.Position, nil
}

// stopForOrder is the target's part: everything is applied, nothing more comes.
func (a *Agent) stopForOrder(ctx context.Context, j job) (step.Note, error) {
	if err := a.db.StopIO(ctx); err != nil {
		return nil, err
	}
	p, err := a.db.Observe(ctx)
	if err != nil {
		return nil, err
	}
	if !p.Applied.Contains(j.Position) {
		return nil, fmt.Errorf("applied %s, the old writer stopped at %s", p.Applied, j.Position)
	}
	rev, err := a.store.AdvanceSwitchover(ctx, j.Epoch, j.Guards.Order, *j.Order)
	if err != nil {
		return nil, err
	}
	return step.Wrote(rev), nil
}

// handOver gives the writer key to the target in one transaction (R43). What is
// not known to have happened is left to the next reading of etcd: this host
// stays read-only until then.
func (a *Agent) handOver(ctx context.Context, j job) (step.Note, error) {
	target := topology.Writer{ID: j.HostID, Name: j.Host, Best: j.Position, Previous: j.Epoch}
	rev, err := a.store.HandOver(ctx, j.Epoch, j.cluster.Switchover, target, j.Lease)
	if err != nil {
		return nil, err
	}
	a.remembered.forgetReign()
	return step.HandedOver(rev), nil
}
