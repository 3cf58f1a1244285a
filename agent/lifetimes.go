package agent

import (
	"context"
	"errors"

	"github.com/mmm-ha/mmm/election"
	"github.com/mmm-ha/mmm/internal/fence"
	"github.com/mmm-ha/mmm/topology"
)

// guard arms the dead-man for a new lease. The one of the lease before has
// expired or is disarmed by the new deadline.
func (a *Agent) guard(session *election.Session) {
	latest(a.guards, guarded{session: session, guard: election.NewGuard(a.clock, session.Deadline())})
}

// guarded is a lease and its dead-man.
type guarded struct {
	session *election.Session
	guard   *election.Guard
}

// lifetimes extends what the kernel lets this host serve at each renewal, and
// nothing else does. When no renewal comes in time it closes by itself, without
// asking the loop, which may hang.
func (a *Agent) lifetimes(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case g := <-a.guards:
			for again := true; again; {
				if next, ok := a.whileRenewed(ctx, g); ok {
					g = next
					continue
				}
				g, again = a.rearm(ctx, g)
			}
		}
	}
}

// whileRenewed follows one lease until its deadline passes or ctx ends. What all
// others promise moves the same deadline. A lease that is gone while they do is
// followed by the next one, which is returned with true.
func (a *Agent) whileRenewed(ctx context.Context, g guarded) (guarded, bool) {
	watch, cancel := context.WithCancel(ctx)
	defer cancel()
	expired := make(chan error, 1)
	go func() { expired <- g.guard.Wait(watch) }()
	for {
		select {
		case d := <-g.session.Renewed():
			if g.guard.Extend(d) {
				a.extend(ctx, d)
			}
			latest(a.in.renewed, struct{}{})
		case p := <-a.failsafe.pledges:
			a.promised(ctx, g, p)
		case <-g.session.Gone():
			g.guard.Expire()
			cancel()
			<-expired //nolint:errcheck // it was ended above; only its end matters
			next, ok := a.carry(ctx)
			if !ok {
				a.lapse(ctx)
				if next.session != nil {
					a.guard(next.session) // a lease that came too late for the reign
				}
			}
			return next, ok
		case err := <-expired:
			if errors.Is(err, election.ErrExpired) {
				a.lapse(ctx)
			}
			return guarded{}, false
		}
	}
}

// promised lets a round in which all have promised extend what the lease did. It
// counts only for the reign for which they were asked, and never opens again what
// was closed: an expired guard takes nothing.
func (a *Agent) promised(ctx context.Context, g guarded, p pledge) {
	if p.epoch != topology.Rev(a.reignOf.Load()) || !g.guard.Extend(p.deadline) {
		return
	}
	a.failsafe.count(p)
	a.extend(ctx, p.deadline)
	latest(a.in.renewed, struct{}{})
}

// extend writes the new lifetime into the kernel. The clock is read last (R4).
func (a *Agent) extend(ctx context.Context, d election.Deadline) {
	if err := a.vips.Extend(ctx, d.Left(a.clock.Now())); err != nil {
		a.log.Warn("cannot extend the lifetime of the VIPs", "err", err)
	}
	if a.gate.State() == fence.Timed && a.reigning.Load() {
		if err := a.gate.Extend(ctx, d.Left(a.clock.Now())); err != nil {
			a.log.Warn("cannot extend the lifetime of the port", "err", err)
		}
	}
	if d.Left(a.clock.Now()) <= 0 { // and read again after it (R4)
		if err := a.withdraw(context.WithoutCancel(ctx)); err != nil {
			a.log.Error("cannot take back what was extended too late", "err", err)
		}
	}
}

// lapse closes what this host serves: no renewal came in time. It does not ask
// what is held: by this clock the addresses are over, in the kernel they may
// live on for a second.
func (a *Agent) lapse(ctx context.Context) {
	a.failsafe.count(pledge{})
	p, _ := a.lastProbe.Load().(topology.Probe)
	a.log.Warn("no renewal of the lease came in time: closing", "reigning", a.reigning.Load())
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limitServer)
	defer cancel()
	if err := a.shutOrWithdraw(ctx, p); err != nil {
		a.log.Error("closing did not work", "err", err)
	}
	latest(a.in.renewed, struct{}{}) // the loop has something to decide
}

// shutOrWithdraw closes a writer wholly; of a replica only the addresses go, it
// is read-only anyway.
func (a *Agent) shutOrWithdraw(ctx context.Context, p topology.Probe) error {
	if a.reigning.Load() {
		return a.shut(ctx, p, patienceLate)
	}
	if replicaOnly(p) {
		return a.retire(ctx)
	}
	return a.withdraw(ctx)
}

// rearm makes a new dead-man when the lease is still renewed after all: etcd
// answers again, and it had not yet given the lease up. It is false when the
// lease is gone.
func (a *Agent) rearm(ctx context.Context, g guarded) (guarded, bool) {
	select {
	case <-ctx.Done():
	case <-g.session.Gone():
	case d := <-g.session.Renewed():
		latest(a.in.renewed, struct{}{})
		return guarded{session: g.session, guard: election.NewGuard(a.clock, d)}, true
	}
	return guarded{}, false
}
