package sim

import (
	"errors"
	"time"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/topology"
)

// door is the lock between opening and closing (agent/door.go).
type door struct {
	taken bool
	queue []func()
}

func (a *agent) enter(p *proc, l *limit) error {
	d := &a.door
	for d.taken {
		if err := p.await(l, func(wake func()) { d.queue = append(d.queue, wake) }); err != nil {
			return err
		}
	}
	if err := l.err(p.now()); err != nil {
		return err
	}
	d.taken = true
	return nil
}

func (a *agent) leave() {
	d := &a.door
	d.taken = false
	for _, wake := range d.queue {
		a.w.after(0, a.proc, wake)
	}
	d.queue = nil
}

// void says that what an action was decided on is gone.
func (a *agent) void(p *proc, l *limit, j job) error {
	now := a.state.Term
	switch {
	case l.err(p.now()) != nil:
		return l.err(p.now())
	case j.term.Epoch != 0 && (now.Epoch != j.term.Epoch || now.Ending):
		return errors.New("the reign is over")
	case j.lease == 0 || a.leaseLeft(j) <= 0:
		return errNoLease
	default:
		return nil
	}
}

// leaseLeft is what is left of the lease that the action began with.
func (a *agent) leaseLeft(j job) time.Duration {
	if a.lease.id != j.lease {
		return 0
	}
	return a.lease.left()
}

// openDoor opens in the order of R8 and R39.
func (a *agent) openDoor(p *proc, l *limit, j job) (step.Note, error) {
	if j.lease == 0 || j.term.Epoch == 0 {
		return nil, errNoLease
	}
	a.h.refuse(a.shunned(j.Shun))
	if err := a.admit(p, l, j); err != nil {
		return nil, err
	}
	rev, err := a.reg.putPhase(p, l, j.lease, j.Epoch, *j.Phase)
	if errors.Is(err, errGuard) || errors.Is(err, errLeaseGone) {
		return nil, errors.Join(err, a.shut(p, nil, j.probe, a.patienceFor(j)))
	}
	if err != nil {
		return nil, err
	}
	return step.Opened(rev, j.Shun), nil
}

// admit opens port, server and VIPs, in that order.
func (a *agent) admit(p *proc, l *limit, j job) error {
	if err := a.enter(p, l); err != nil {
		return err
	}
	defer a.leave()
	if err := a.void(p, l, j); err != nil {
		return err
	}
	_ = p.sleep(nil, a.w.between(time.Millisecond, 4*time.Millisecond)) // the kernel is written and read back
	err := a.h.open(a.leaseLeft(j))
	if err == nil {
		err = a.unlock(p, j.probe.Incarnation)
	}
	if err == nil && a.void(p, l, j) == nil {
		err = a.h.setVIPs(j.VIPs, a.leaseLeft(j))
	}
	if gone := a.void(p, l, j); gone != nil {
		return errors.Join(gone, err, a.shutInside(p, nil, p.within(nil, patience), j.probe))
	}
	return err
}

// unlock makes mysqld writable; one that does not return in time is remembered.
func (a *agent) unlock(p *proc, inc topology.Incarnation) error {
	err := a.db().setWritable(p, p.within(nil, patience), inc)
	if err != nil {
		a.unsure = inc
	}
	return err
}

func (a *agent) setVIPs(p *proc, l *limit, j job) (step.Note, error) {
	if err := a.enter(p, l); err != nil {
		return nil, err
	}
	defer a.leave()
	if err := a.void(p, l, j); err != nil {
		return nil, err
	}
	err := a.h.setVIPs(j.VIPs, a.leaseLeft(j))
	if a.leaseLeft(j) <= 0 {
		a.withdraw()
		return nil, errNoLease
	}
	return nil, err
}

func replicaOnly(p topology.Probe) bool { return p.Up && p.ReadOnly && p.Waiting == 0 }

func (a *agent) demote(p *proc, l *limit, j job) (step.Note, error) {
	if j.term.Epoch == 0 && replicaOnly(j.probe) {
		a.retire()
		return nil, nil
	}
	return nil, a.shut(p, l, j.probe, a.patienceFor(j))
}

// endReign closes, and only then gives the writer key back (R8, R13).
func (a *agent) endReign(p *proc, l *limit, j job) (step.Note, error) {
	if err := a.shut(p, l, j.probe, a.patienceFor(j)); err != nil {
		return nil, err
	}
	a.forgetReign()
	rev, err := a.reg.dropWriter(p, p.within(l, limitEtcd), j.Epoch)
	if err != nil && !errors.Is(err, errGuard) {
		return step.Over(j.Epoch), err
	}
	return step.GaveBack(j.Epoch, rev), nil
}

func (a *agent) patienceFor(j job) time.Duration {
	if j.lease == 0 || !j.probe.Up {
		return patienceLate
	}
	return max(patienceLate, min(patience, a.leaseLeft(j)))
}

// withdraw closes the port and takes every address down.
func (a *agent) withdraw() {
	a.h.port = 0
	a.clearVIPs()
}

func (a *agent) clearVIPs() {
	clear(a.h.addrs)
	clear(a.h.served)
}

// retire is withdraw for a replica, whose readers may stay (R9).
func (a *agent) retire() {
	if a.h.port != forever {
		a.h.port = 0
	}
	a.clearVIPs()
}

// openReaders opens the port without end, where nobody can make the server
// writable meanwhile (R9).
func (a *agent) openReaders(p *proc, l *limit, j job) (step.Note, error) {
	if err := a.enter(p, l); err != nil {
		return nil, err
	}
	defer a.leave()
	probe, err := a.db().observe(p, l)
	switch {
	case err != nil:
		return nil, err
	case a.reigning || j.term.Epoch != 0:
		return nil, errors.New("this host is the writer")
	case !replicaOnly(probe) || probe.Incarnation == a.unsure || probe.Incarnation != j.probe.Incarnation:
		return nil, errors.New("the server is not surely read-only")
	}
	a.h.port = forever
	a.w.checks.admits(a.h)
	return nil, nil
}

func (a *agent) closePort(p *proc, l *limit, _ job) (step.Note, error) {
	if err := a.enter(p, l); err != nil {
		return nil, err
	}
	defer a.leave()
	a.h.port = 0
	return nil, nil
}

// shut closes: nothing served, mysqld read-only with nobody waiting, or dead.
func (a *agent) shut(p *proc, l *limit, last topology.Probe, patience time.Duration) error {
	a.withdraw()
	hurry := p.within(l, patience)
	if err := a.enter(p, hurry); err != nil {
		a.kill(last)
		if err := a.enter(p, l); err != nil {
			return err
		}
	}
	defer a.leave()
	return a.shutInside(p, l, hurry, last)
}

func (a *agent) shutInside(p *proc, _, hurry *limit, last topology.Probe) error {
	a.withdraw()
	if last.Up && last.Incarnation != a.unsure && a.h.db.inc == last.Incarnation && a.closeServer(p, hurry) == nil {
		return nil
	}
	a.kill(last)
	return nil
}

func (a *agent) closeServer(p *proc, l *limit) error {
	if err := a.db().setReadOnly(p, l); err != nil {
		return err
	}
	probe, err := a.db().observe(p, l)
	switch {
	case err != nil:
		return err
	case !probe.ReadOnly || probe.Waiting > 0:
		return errors.New("sessions wait for an acknowledgement")
	}
	return nil
}

// kill ends that run of mysqld with SIGKILL; systemd starts another one.
func (a *agent) kill(last topology.Probe) {
	if last.Incarnation == "" || a.h.db.inc != last.Incarnation {
		return
	}
	a.h.db.die("killed by the agent")
	a.w.restarts(a.h, a.w.between(200*time.Millisecond, 2*time.Second))
}
