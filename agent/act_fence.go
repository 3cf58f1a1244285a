package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/internal/fence"
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
// confirmed in time or somebody waits for an acknowledgement. Of a replica only
// the addresses go.
func (a *Agent) demote(ctx context.Context, j job) (step.Note, error) {
	if j.term == nil && replicaOnly(j.probe) {
		return nil, a.retire(ctx)
	}
	return nil, a.shut(ctx, j.probe, patienceFor(j))
}

// replicaOnly reports whether mysqld was seen closed already: it must not be
// killed for being slow to say so again.
func replicaOnly(p topology.Probe) bool { return p.Up && p.ReadOnly && p.Waiting == 0 }

// endReign closes, and only when that is verified gives the writer key back
// (R8, R13). The term is over then, whatever etcd says. While closing does not
// work it goes on ending, and is asked to end again.
func (a *Agent) endReign(ctx context.Context, j job) (step.Note, error) {
	if err := a.shut(ctx, j.probe, patienceFor(j)); err != nil {
		return nil, err
	}
	a.remembered.forgetReign()
	call, cancel := context.WithTimeout(ctx, limitEtcd)
	defer cancel()
	rev, err := a.store.DropWriter(call, j.Epoch)
	if err != nil && !errors.Is(err, store.ErrGuard) {
		// The key hangs on this process's lease: it goes with the lease, or the
		// rule for foreign keys asks again.
		return step.Over(j.Epoch), fmt.Errorf("give the writer key back: %w", err)
	}
	return step.GaveBack(j.Epoch, rev), nil
}

// patienceFor never reaches beyond the lease: it must be confirmed by then (R12).
func patienceFor(j job) time.Duration {
	if j.session == nil || !j.probe.Up {
		return patienceLate
	}
	return max(patienceLate, min(patience, j.session.Left()))
}

// withdraw closes the port and takes every address of ours down, also those
// whose lifetime this process takes for over and those of an earlier agent.
func (a *Agent) withdraw(ctx context.Context) error {
	return errors.Join(a.gate.Close(ctx), a.vips.Clear(ctx))
}

// retire takes down what a replica serves under its lease: the addresses, and a
// port that is open for a time. One that is open for readers is not under any
// lease: what it rests on, a server that is read-only, is as true as before (R9).
func (a *Agent) retire(ctx context.Context) error {
	if a.gate.State() == fence.Unlimited {
		return a.vips.Clear(ctx)
	}
	return a.withdraw(ctx)
}

// shut is the closing itself, used by the decisions and by the dead-man. It may
// be called at any time and any number of times; calls wait for each other, and
// for an opening that is under way. It returns nil only when the host is closed:
// nothing served, mysqld read-only with nobody waiting, or dead.
func (a *Agent) shut(ctx context.Context, last topology.Probe, patience time.Duration) error {
	early := a.withdraw(ctx) // whoever is inside; once more when nobody is
	if a.beside() {
		return early // nothing else is open on this host
	}
	hurry, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := a.door.enter(hurry); err != nil {
		// Somebody hangs in there with mysqld: only its death ends that in time.
		if err := a.kill(ctx, last); err != nil {
			return errors.Join(early, err)
		}
		if err := a.door.enter(ctx); err != nil {
			return errors.Join(early, err)
		}
	}
	defer a.door.leave()
	return a.shutInside(ctx, hurry, last)
}

// shutInside is shut for who has the door already. hurry bounds what is asked of
// mysqld.
func (a *Agent) shutInside(ctx, hurry context.Context, last topology.Probe) error {
	closed := a.withdraw(ctx)
	if last.Up && last.Incarnation != a.unsure && alive(last.Incarnation) && a.closeServer(hurry) == nil {
		return closed
	}
	return errors.Join(closed, a.kill(ctx, last))
}

// kill ends that run of mysqld; none, or a dead one, is no error.
func (a *Agent) kill(ctx context.Context, last topology.Probe) error {
	if last.Incarnation == "" || !alive(last.Incarnation) {
		return nil
	}
	if err := process.Kill(ctx, last.Incarnation); err != nil {
		return fmt.Errorf("kill mysqld (%s): %w", last.Incarnation, err)
	}
	return nil
}

// closeServer makes mysqld read-only and finds that nobody waits for an
// acknowledgement. Waiters are never killed and semi-sync is never switched
// off: that would commit what nobody else has (R12).
func (a *Agent) closeServer(ctx context.Context) error {
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
	if _, err := a.db.KillIdleClients(ctx); err != nil {
		a.log.Debug("clients that do nothing stay connected to the closed server", "err", err)
	}
	return nil
}
