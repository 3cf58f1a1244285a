package store

import (
	"context"
	"fmt"

	"github.com/mmm-ha/mmm/topology"
)

// CampaignRequest is one attempt to become writer.
type CampaignRequest struct {
	Lease       topology.LeaseID
	Writer      topology.Writer      // the record to put, with the epoch before it
	Incarnation topology.Incarnation // of the mysqld whose bid won (R36)
	// Guards is everything that the decision rests on (R34): reign, spec, mode and
	// the intent of this host always; every counted bid with the own one, or, where
	// no bid counts (R52, R61), none; the order, when it is what allows it.
	Guards Guards
	Loss   *AcceptedLoss // what an operator accepted in place of proof; nil: nothing is lost
}

// Campaign puts writer, and with it phase catching-up, if there is no writer
// and all guards hold. It returns the epoch. ErrGuard: somebody else won, or
// something that the decision rests on has changed. ErrUnknownOutcome: the next
// load shows whether writer names this agent; a reign that is found so was not
// won (R18).
//
// The epoch is the revision of this transaction, so the phase in it cannot name
// it: it is stored with epoch 0, and every snapshot shows the epoch of the
// writer of the same revision in its place.
func (c *Client) Campaign(ctx context.Context, r CampaignRequest) (topology.Rev, error) {
	const verb = "campaign"
	for _, key := range []string{reignKey, specKey, modeKey, intentKey(r.Writer.Name)} {
		if !r.Guards.has(key) {
			return 0, fmt.Errorf("%s: %w: nothing guards %s", verb, ErrGuard, key)
		}
	}
	if r.Lease == 0 {
		return 0, fmt.Errorf("%s: %w", verb, ErrLeaseGone)
	}
	writer, err := record(writerKey, r.Lease, r.Writer)
	if err != nil {
		return 0, err
	}
	phase, err := record(phaseKey, r.Lease, topology.Phase{Step: topology.CatchingUp, Incarnation: r.Incarnation})
	if err != nil {
		return 0, err
	}
	ch := change{
		verb:   verb,
		guards: append([]guard{{writerKey, 0}}, r.Guards.list...),
		puts:   []put{writer, phase},
	}
	if r.Loss != nil {
		if err := r.Loss.join(&ch); err != nil {
			return 0, err
		}
	}
	return c.commit(ctx, ch)
}

// PutPhase says how far the reign of that epoch has come (R15, R16).
func (c *Client) PutPhase(ctx context.Context, lease topology.LeaseID, epoch topology.Rev, p topology.Phase) (topology.Rev, error) {
	const verb = "put phase"
	if err := reigning(verb, epoch); err != nil {
		return 0, err
	}
	p.Epoch = epoch
	own, err := record(phaseKey, lease, p)
	if err != nil {
		return 0, err
	}
	return c.overwrite(ctx, verb, own, guard{writerKey, epoch})
}

// PutReign writes the acker set and all that the next election needs (R20);
// prev is the revision that the caller changed, 0 for the first reign of all.
func (c *Client) PutReign(ctx context.Context, epoch, prev topology.Rev, r topology.Reign) (topology.Rev, error) {
	const verb = "put reign"
	if err := reigning(verb, epoch); err != nil {
		return 0, err
	}
	return c.replace(ctx, verb, reignKey, prev, r, guard{writerKey, epoch})
}

// AdvanceSwitchover takes an order one step on, or settles it (R42, R44, R45).
// The writer and the target call it alike: epoch is the reign under which the
// step was decided, 0 for "there is no writer"; prev is the revision of the
// order that was decided upon. Not for the hand-over: that is HandOver.
func (c *Client) AdvanceSwitchover(ctx context.Context, epoch, prev topology.Rev, s topology.Switchover) (topology.Rev, error) {
	const verb = "advance switchover"
	if prev <= 0 {
		return 0, fmt.Errorf("%s: %w: no revision of the order given", verb, ErrGuard)
	}
	return c.replace(ctx, verb, switchoverKey, prev, s, guard{writerKey, epoch})
}

// HandOver ends the reign of that epoch and begins the target's in one
// transaction (R43): writer goes to the target's lease, the order to step
// handed, phase goes away. It returns the new epoch. The order must be at step
// target-ready, which its revision guards. ErrLeaseGone: the target is gone,
// and this reign goes on; ErrUnknownOutcome: stay read-only (R44).
func (c *Client) HandOver(ctx context.Context, epoch topology.Rev, order topology.Entry[topology.Switchover], target topology.Writer, targetLease topology.LeaseID) (topology.Rev, error) {
	const verb = "hand over"
	if err := reigning(verb, epoch); err != nil {
		return 0, err
	}
	if !order.Present() || order.Value.Step != topology.TargetReady {
		return 0, fmt.Errorf("%s: %w: the order is at step %q, not %q", verb, ErrGuard, order.Value.Step, topology.TargetReady)
	}
	if targetLease == 0 {
		return 0, fmt.Errorf("%s: %w", verb, ErrLeaseGone)
	}
	writer, err := record(writerKey, targetLease, target)
	if err != nil {
		return 0, err
	}
	order.Value.Step = topology.Handed
	switchover, err := record(switchoverKey, 0, order.Value)
	if err != nil {
		return 0, err
	}
	return c.commit(ctx, change{
		verb:   verb,
		guards: []guard{{writerKey, epoch}, {switchoverKey, order.Rev}},
		puts:   []put{writer, switchover},
		drops:  []string{phaseKey},
	})
}

// DropWriter deletes the writer key of that revision, which must name this
// host, and phase with it. nil means that this reign is seen ended in etcd; the
// host must be closed and its mysqld dead or read_only BEFORE (R13, R18). It
// returns the revision of the deletion, 0 when the key was gone already.
func (c *Client) DropWriter(ctx context.Context, epoch topology.Rev) (topology.Rev, error) {
	return c.drop(ctx, "drop writer", writerKey, epoch, phaseKey)
}

// reigning refuses epoch 0, which would mean "while there is no writer".
func reigning(verb string, epoch topology.Rev) error {
	if epoch <= 0 {
		return fmt.Errorf("%s: %w: no epoch given", verb, ErrGuard)
	}
	return nil
}
