package agent

import (
	"context"
	"net/netip"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/internal/dbops"
)

// follow points this host at the writer. A bid is seen deleted first (R29); the
// rejection of its address ends, if it was a deposed writer.
func (a *Agent) follow(ctx context.Context, j job) (step.Note, error) {
	var note step.Note
	if j.Bid != nil {
		rev, err := a.store.DeleteBid(ctx, a.id, j.BidRev)
		if err != nil {
			return nil, err
		}
		note = step.Wrote(rev)
	}
	if err := a.accept(ctx, j.Addr, j.Port); err != nil {
		return note, err
	}
	if err := a.attach(ctx, dbops.Source{Address: j.Addr, Port: j.Port}); err != nil {
		return note, err
	}
	return step.Asked(j.Epoch, note), nil
}

// accept takes an address off the list of deposed writers. Others stay on it: a
// writer that resumes must not feed a replica that has moved on.
func (a *Agent) accept(ctx context.Context, addr netip.Addr, port uint16) error {
	if a.rejected.Load() != addr {
		return nil
	}
	if err := a.ports.Reject(ctx, nil, port); err != nil {
		return err
	}
	a.rejected.Store(netip.Addr{})
	return nil
}

func (a *Agent) leaveSource(ctx context.Context, _ job) (step.Note, error) {
	return nil, a.db.LeaveSource(ctx)
}

func (a *Agent) startSQL(ctx context.Context, _ job) (step.Note, error) {
	return nil, a.db.StartSQL(ctx)
}

// attach points mysqld at a source, with acknowledging on before it connects.
// MariaDB passes over events that bear its own server id, unless it connects
// so: a writer whose crash cut off what others had received already would go on
// without it, all positions equal and the rows not.
func (a *Agent) attach(ctx context.Context, from dbops.Source) error {
	if err := a.db.SetSemiReplica(ctx, true); err != nil {
		return err
	}
	return a.db.Follow(ctx, from)
}

// setSemi turns acknowledging on, or detaches: who is not counted on is not
// attached either.
func (a *Agent) setSemi(ctx context.Context, j job) (step.Note, error) {
	if !j.On {
		if err := a.db.StopIO(ctx); err != nil {
			return nil, err
		}
	}
	return nil, a.db.SetSemiReplica(ctx, j.On)
}

func (a *Agent) reattach(ctx context.Context, _ job) (step.Note, error) {
	return nil, a.db.Reattach(ctx)
}

func (a *Agent) remember(ctx context.Context, j job) (step.Note, error) {
	rev, err := a.store.PutMemory(ctx, a.opt.Host, j.Guards.Memory, *j.Memory)
	if err != nil {
		return nil, err
	}
	return step.Wrote(rev), nil
}
