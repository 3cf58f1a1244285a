package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// KillHost is a power cut: the host's cable is dead first, so that no farewell
// (FIN, RST) leaves it, then everything on it ends at once. Addresses and packet
// filter are lost, files stay.
func (b *Bed) KillHost(_ context.Context, host string) error {
	m, err := b.machine(host)
	if err != nil {
		return err
	}
	if _, err := m.up(); err != nil {
		return err
	}
	if err := b.net.setPort(host, false); err != nil {
		return fmt.Errorf("kill host %s: %w", host, err)
	}
	boot, err := m.powerOff()
	if err != nil {
		return fmt.Errorf("kill host %s: %w", host, err)
	}
	left, err := processesIn(boot.namespace)
	if err != nil {
		return fmt.Errorf("verify that %s is dead: %w", host, err)
	}
	if len(left) > 0 {
		return fmt.Errorf("kill host %s: %d processes still live", host, len(left))
	}
	return nil
}

// powerOff ends the present life of the host; nil when it had none.
func (m *machine) powerOff() (*boot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.boot
	if b == nil {
		return nil, nil
	}
	if m.loop != "" {
		// Who waits for a stalled disk cannot even be killed. Not stalled: refused.
		_ = ioctl(m.mounted(b), fsThaw, 0)
	}
	if err := b.powerOff(); err != nil {
		return b, err
	}
	m.boot, m.frozen = nil, false
	return b, m.awaitNoLoop()
}

// StartHost gives a killed host its power back: an empty network, the files as
// they were, and the programs that Options.Parts names. mysqld must answer; the
// etcd member and the agent are only started, as they may have to wait for others.
func (b *Bed) StartHost(ctx context.Context, host string) error {
	m, err := b.machine(host)
	if err != nil {
		return err
	}
	if err := b.powerOn(ctx, m); err != nil {
		return err
	}
	parts := b.options.Parts
	if parts.Has(Etcd) && m.Etcd {
		if err := b.launchEtcd(ctx, m); err != nil {
			return err
		}
	}
	if parts.Has(MySQL) {
		// Sockets and pid files of the last life are no sign of this one.
		for _, name := range []string{"mysqld.sock", "mysqld.pid"} {
			if err := os.Remove(filepath.Join(m.dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("start host %s: %w", host, err)
			}
		}
		if err := b.startMySQL(ctx, m); err != nil {
			return err
		}
	}
	if parts.Has(Agents) {
		return b.startAgent(ctx, m)
	}
	return nil
}
