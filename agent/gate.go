package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/election"
	"github.com/mmm-ha/mmm/internal/fence"
	"github.com/mmm-ha/mmm/topology"
)

// gateEvery is how often the agent looks whether its packet filter still stands.
// The look is one question to the kernel.
const gateEvery = 50 * time.Millisecond

// openGate puts the fence on the client port up, closed, or takes over the one
// that stands. There is no agent without one unless the operator has said so.
func (a *Agent) openGate(ctx context.Context, spec topology.Spec) (fence.Gate, error) {
	a.layout.Store(a.layoutOf(spec))
	if a.opt.Fence == FenceNone {
		a.log.Warn("fence: none, as the file says: when this agent dies or hangs, NOTHING keeps clients from a writer that was replaced, and a VIP may be answered for twice")
		return fence.None{}, nil
	}
	port := fence.NewPort(fence.Options{Log: a.log})
	var err error
	if a.dry {
		err = fence.Supported(ctx)
	} else {
		err = port.Install(ctx, a.layoutOf(spec))
	}
	if err != nil {
		return nil, fmt.Errorf("the client port has no fence: %w; run the agent as root on a kernel with nftables (modprobe nf_tables), or write `fence: none` into its file and do without", err)
	}
	return port, nil
}

// layoutOf is what the cluster file wants guarded on this host.
func (a *Agent) layoutOf(spec topology.Spec) fence.Layout {
	me, _ := spec.Host(a.opt.Host)
	l := fence.Layout{Port: me.Port, Peer: me.ReplicationPort}
	if a.beside() {
		l = fence.Layout{} // the port of mmmrouter is its own: only the VIPs are guarded
	}
	for _, h := range spec.Hosts {
		l.Peers = append(l.Peers, h.Address)
	}
	l.VIPs = append(append(l.VIPs, spec.Roles.Writer.VIPs...), spec.Roles.Reader.VIPs...)
	return l
}

// keepGate asserts the rules for ever (F7): somebody reloads the packet filter,
// or the cluster file changes. The loop is told when the port stands otherwise.
func (a *Agent) keepGate(ctx context.Context) error {
	var said string
	was := a.gate.State()
	for range ticks(ctx, gateEvery) {
		layout, _ := a.layout.Load().(fence.Layout)
		if layout.Port == 0 && !a.beside() { // this host is no longer in the cluster file: what stands is kept
			continue
		}
		err := a.gate.Keep(ctx, layout)
		switch {
		case err == nil:
			said = ""
		case ctx.Err() == nil && said != err.Error():
			said = err.Error()
			a.log.Error("cannot keep the fence on the client port", "err", err)
		}
		if now := a.gate.State(); now != was {
			was = now
			latest(a.in.renewed, struct{}{})
		}
	}
	return ctx.Err()
}

// openReaders opens the port without end (R9). It is read once more, where
// nobody can make the server writable meanwhile, that it is a reader's.
func (a *Agent) openReaders(ctx context.Context, j job) (step.Note, error) {
	if err := a.door.enter(ctx); err != nil {
		return nil, err
	}
	defer a.door.leave()
	p, err := a.db.Observe(ctx)
	switch {
	case err != nil:
		return nil, err
	case a.reigning.Load() || j.term != nil:
		return nil, errors.New("this host is the writer")
	case !replicaOnly(p) || p.Incarnation == a.unsure || p.Incarnation != j.probe.Incarnation:
		return nil, errors.New("the server is not surely read-only")
	}
	return nil, a.gate.OpenForReaders(ctx)
}

func (a *Agent) closePort(ctx context.Context, _ job) (step.Note, error) {
	if err := a.door.enter(ctx); err != nil {
		return nil, err
	}
	defer a.door.leave()
	return nil, a.gate.Close(ctx)
}

// Unfence takes all rules of ours out of the packet filter. It is an error while
// an agent runs on this host.
func Unfence(ctx context.Context, cfg Config, log *slog.Logger) error {
	lock, err := election.Lock(cfg.home())
	if err != nil {
		return fmt.Errorf("an agent runs here and would put the rules back (mmmagent stop --release ends it): %w", err)
	}
	err = errors.Join(fence.RemoveGate(ctx), fence.New(fence.Options{Log: log}).Remove(ctx))
	return errors.Join(err, lock.Release())
}
