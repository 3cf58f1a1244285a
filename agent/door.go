package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/topology"
)

// door is the lock between opening and closing: whoever makes mysqld writable,
// brings addresses up or closes is inside, one at a time. Unlike a mutex it can
// be waited for in haste.
type door chan struct{}

func newDoor() door { return make(door, 1) }

// enter waits for the door as long as ctx lives.
func (d door) enter(ctx context.Context) error {
	select {
	case d <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for another opening or closing to end: %w", ctx.Err())
	}
}

func (d door) leave() { <-d }

// void says that what an action was decided on is gone: a fence has ended the
// action or the term, or the lease has run out.
func (j job) void(ctx context.Context) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case j.term != nil && j.term.Context().Err() != nil:
		return errTermOver
	case j.session == nil || j.session.Left() <= 0:
		return errNoLease
	default:
		return nil
	}
}

// admit opens port, server and VIPs, in that order (R8). Nothing of it can
// happen after a closing that was decided later: a fence ends the action first,
// then waits for the door; and what is void half-way is closed before the door
// is left.
func (a *Agent) admit(ctx context.Context, j job) error {
	if err := a.door.enter(ctx); err != nil {
		return err
	}
	defer a.door.leave()
	if err := j.void(ctx); err != nil {
		return err
	}
	err := a.gate.Open(ctx, j.session.Left())
	if err == nil {
		err = a.unlock(ctx, j.probe.Incarnation)
	}
	if err == nil && j.void(ctx) == nil {
		err = a.vips.Reconcile(ctx, j.VIPs, j.session.Left())
	}
	if gone := j.void(ctx); gone != nil { // the clock is read after the write, too (R4)
		late := context.WithoutCancel(ctx)
		hurry, cancel := context.WithTimeout(late, patience)
		defer cancel()
		return errors.Join(gone, err, a.shutInside(late, hurry, j.probe))
	}
	return err
}

// unlock makes mysqld writable. It is not cancelled half-way: a statement that
// was sent could take effect after a fence has closed. A run of mysqld that began
// since is left alone (R19). One that does not return
// in time is remembered, and mysqld can then only be closed by its death.
func (a *Agent) unlock(ctx context.Context, inc topology.Incarnation) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	err := a.db.SetWritable(ctx, inc)
	if errors.Is(err, dbops.ErrTimeout) || errors.Is(err, dbops.ErrUnreachable) || (err != nil && ctx.Err() != nil) {
		a.unsure = inc
	}
	return err
}

// serve makes the addresses on the interface those that are wanted, unless the
// action is void by the time it has the door.
func (a *Agent) serve(ctx context.Context, j job, want []netip.Addr) error {
	if err := a.door.enter(ctx); err != nil {
		return err
	}
	defer a.door.leave()
	if err := j.void(ctx); err != nil {
		return err
	}
	err := a.vips.Reconcile(ctx, want, j.session.Left())
	if j.session.Left() <= 0 { // the clock is read after the write, too (R4)
		return errors.Join(err, errNoLease, a.vips.Clear(context.WithoutCancel(ctx)))
	}
	return err
}
