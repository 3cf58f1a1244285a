package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mmm-ha/mmm/internal/process"
	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/topology"
)

// How long read_only may take before mysqld is killed instead (R12). A lease
// that has run out leaves only the margin.
const (
	patience     = time.Second
	patienceLate = 80 * time.Millisecond
)

// demote closes everything: port, VIPs, read_only; SIGKILL when that cannot be
// confirmed in time or somebody waits for an acknowledgement.
func (a *Agent) demote(ctx context.Context, j job) (func(*state), error) {
	return nil, a.shut(ctx, j.probe, patienceFor(j))
}

// endReign closes, and only when that is verified gives the writer key back
// (R8, R13). The term is over whatever etcd says.
func (a *Agent) endReign(ctx context.Context, j job) (func(*state), error) {
	if err := a.shut(ctx, j.probe, patienceFor(j)); err != nil {
		return nil, err
	}
	over := func(s *state) {
		if s.term != nil && s.term.Epoch() == j.Epoch {
			s.term, s.ending = nil, false
		}
	}
	a.remembered.forgetReign()
	call, cancel := context.WithTimeout(ctx, limitEtcd)
	defer cancel()
	rev, err := a.store.DropWriter(call, j.Epoch)
	if err != nil && !errors.Is(err, store.ErrGuard) {
		// The key hangs on this process's lease: it goes with the lease, or the
		// rule for foreign keys asks again.
		return over, fmt.Errorf("give the writer key back: %w", err)
	}
	return func(s *state) {
		over(s)
		s.seen.Rev = max(s.seen.Rev, rev)
		s.seen.Ended = max(s.seen.Ended, j.Epoch)
	}, nil
}

func patienceFor(j job) time.Duration {
	if j.session == nil || j.session.Left() <= 0 || !j.probe.Up {
		return patienceLate
	}
	return patience
}

// shut is the closing itself, used by the decisions and by the dead-man. It may
// be called at any time and any number of times; calls wait for each other. It
// returns nil only when the host is closed: nothing served, mysqld read-only
// with nobody waiting, or dead.
func (a *Agent) shut(ctx context.Context, last topology.Probe, patience time.Duration) error {
	a.shutting.Lock()
	defer a.shutting.Unlock()
	closed := errors.Join(a.gate.Close(ctx), a.vips.Drop(ctx, a.vips.Held()...))
	if last.Incarnation == "" || !alive(last.Incarnation) {
		return closed
	}
	if last.Up && a.closeServer(ctx, patience) == nil {
		return closed
	}
	if err := process.Kill(ctx, last.Incarnation); err != nil {
		return errors.Join(closed, fmt.Errorf("kill mysqld (%s): %w", last.Incarnation, err))
	}
	return closed
}

// closeServer makes mysqld read-only and finds that nobody waits for an
// acknowledgement. Waiters are never killed and semi-sync is never switched
// off: that would commit what nobody else has (R12).
func (a *Agent) closeServer(ctx context.Context, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := a.db.SetReadOnly(ctx); err != nil {
		return err
	}
	p, err := a.db.Observe(ctx)
	switch {
	case err != nil:
		return err
	case !p.ReadOnly:
		return errors.New("read_only did not stick")
	case p.Waiting > 0:
		return fmt.Errorf("%d sessions wait for an acknowledgement", p.Waiting)
	}
	_, err = a.db.KillIdleClients(ctx)
	return err
}
