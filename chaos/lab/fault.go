package lab

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// WholeHost, in place of a unit, makes Freeze and Thaw act on every process of
// a host.
const WholeHost = "host"

// KillMysqld sends SIGKILL to the mysqld of a host and returns when it is gone.
// It stays down until StartMysqld, unless restart: then the host starts it
// again at once, as systemd would after a crash.
func (b *Bed) KillMysqld(ctx context.Context, host string, restart bool) error {
	return b.end(ctx, host, UnitMySQL, unix.SIGKILL, restart)
}

// StopMysqld shuts the mysqld of a host down in order (SIGTERM). It stays down
// until StartMysqld.
func (b *Bed) StopMysqld(ctx context.Context, host string) error {
	return b.end(ctx, host, UnitMySQL, unix.SIGTERM, false)
}

// StartMysqld starts the mysqld of a host and waits until it answers.
func (b *Bed) StartMysqld(ctx context.Context, host string) error {
	return b.start(ctx, host, UnitMySQL, b.startMySQL)
}

// KillAgent sends SIGKILL to the agent of a host and returns when it is gone.
// Without restart it stays down until StartAgent.
func (b *Bed) KillAgent(ctx context.Context, host string, restart bool) error {
	return b.end(ctx, host, UnitAgent, unix.SIGKILL, restart)
}

// StopAgent asks the agent of a host to end (SIGTERM). It stays down until StartAgent.
func (b *Bed) StopAgent(ctx context.Context, host string) error {
	return b.end(ctx, host, UnitAgent, unix.SIGTERM, false)
}

// StartAgent starts the agent of a host and sees that it stays up.
func (b *Bed) StartAgent(ctx context.Context, host string) error {
	return b.start(ctx, host, UnitAgent, b.startAgent)
}

// KillEtcd sends SIGKILL to the etcd member of a host; it stays down until StartEtcd.
func (b *Bed) KillEtcd(ctx context.Context, host string) error {
	return b.end(ctx, host, UnitEtcd, unix.SIGKILL, false)
}

// StartEtcd starts the etcd member of a host and waits until it is healthy,
// which needs a majority of the members.
func (b *Bed) StartEtcd(ctx context.Context, host string) error {
	return b.start(ctx, host, UnitEtcd, b.startEtcd)
}

// KillRouter sends SIGKILL to the mmmrouter of a host; with restart it is started
// again as its supervisor does, else it stays down until StartRouter.
func (b *Bed) KillRouter(ctx context.Context, host string, restart bool) error {
	return b.end(ctx, host, UnitRouter, unix.SIGKILL, restart)
}

// StartRouter starts the mmmrouter of a host and sees that it stays up.
func (b *Bed) StartRouter(ctx context.Context, host string) error {
	return b.start(ctx, host, UnitRouter, b.startRouter)
}

func (b *Bed) start(ctx context.Context, host, name string, start func(context.Context, *machine) error) error {
	m, err := b.machine(host)
	if err != nil {
		return err
	}
	there := map[string]bool{UnitEtcd: m.Etcd, UnitMySQL: m.Database(), UnitAgent: m.Agent(), UnitRouter: m.Router}
	if !there[name] {
		return fmt.Errorf("start %s: there is none on %s", name, host)
	}
	return start(ctx, m)
}

// end signals a unit and verifies that exactly the process that ran is gone.
func (b *Bed) end(ctx context.Context, host, name string, s syscall.Signal, restart bool) error {
	m, err := b.machine(host)
	if err != nil {
		return err
	}
	before, err := m.unit(ctx, name)
	if err != nil {
		return err
	}
	if _, err := m.ask(ctx, request{Op: "signal", Name: name, Signal: s, Hold: !restart}); err != nil {
		return fmt.Errorf("end %s: %w", name, err)
	}
	limit := processEnds
	if s != unix.SIGKILL {
		limit = processStops
	}
	return until(ctx, limit, fmt.Sprintf("%s (pid %d) on %s is gone", name, before.PID, host), func() (bool, error) {
		now, err := m.unit(ctx, name)
		if err != nil {
			return false, err
		}
		if restart {
			return now.PID != before.PID, nil
		}
		return now.PID == 0 && now.Held, nil
	})
}

// Freeze stops (SIGSTOP) one unit of a host, or all of it with WholeHost, and
// returns when each thread was seen stopped. A frozen process keeps its
// connections; the kernel goes on acknowledging what is sent to it.
func (b *Bed) Freeze(ctx context.Context, host, what string) error {
	return b.freeze(ctx, host, what, true)
}

// Thaw ends a Freeze of the same unit (or WholeHost, which thaws all of it).
func (b *Bed) Thaw(ctx context.Context, host, what string) error {
	return b.freeze(ctx, host, what, false)
}

func (b *Bed) freeze(ctx context.Context, host, what string, stop bool) error {
	m, err := b.machine(host)
	if err != nil {
		return err
	}
	s := unix.SIGCONT
	if stop {
		s = unix.SIGSTOP
	}
	boot, err := m.up()
	if err != nil {
		return err
	}
	targets := func() ([]process, error) { return processesIn(boot.namespace) }
	if what != WholeHost {
		pid, err := m.worldPIDOf(ctx, what)
		if err != nil {
			return err
		}
		targets = func() ([]process, error) { return []process{{pid: pid}}, nil }
	} else if stop {
		m.setFrozen(true)
	}
	err = until(ctx, processEnds, fmt.Sprintf("%s on %s is stopped: %t", what, host, stop), func() (bool, error) {
		return signalAll(targets, s, stop)
	})
	if what == WholeHost && !stop && err == nil {
		m.setFrozen(false)
	}
	return err
}

// signalAll signals every target and reports whether all their threads are (or
// are not) stopped. A process may fork before its turn; the caller repeats.
func signalAll(targets func() ([]process, error), s syscall.Signal, stop bool) (bool, error) {
	list, err := targets()
	if err != nil {
		return false, err
	}
	for _, p := range list {
		if err := unix.Kill(p.pid, s); err != nil && !errors.Is(err, unix.ESRCH) {
			return false, fmt.Errorf("signal %d: %w", p.pid, err)
		}
	}
	for _, p := range list {
		stopped, all, err := threadsIn(p.pid, "TtZX")
		if err != nil {
			return false, err
		}
		if stop && stopped != all || !stop && stopped != 0 {
			return false, nil
		}
	}
	return len(list) > 0, nil
}

func (m *machine) setFrozen(frozen bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.frozen = frozen
}
