package bench

import (
	"context"
	"fmt"

	"github.com/mmm-ha/mmm/chaos/lab"
)

// repair undoes whatever a fault left of the bed: it starts what is down and
// thaws what is frozen. What the cluster did to it meanwhile does not matter.
func repair(ctx context.Context, bed *lab.Bed) error {
	status, err := bed.Status(ctx)
	if err != nil {
		return fmt.Errorf("repair the bed: %w", err)
	}
	if anyEtcdDown(status) { // members of hosts without power start with their host
		if err := onEtcd(ctx, bed, bed.StartEtcd); err != nil {
			return fmt.Errorf("start etcd: %w", err)
		}
	}
	for _, h := range status.Hosts {
		if !h.Agent() {
			continue
		}
		switch {
		case !h.Up:
			err = bed.StartHost(ctx, h.Name)
		case h.Frozen:
			err = bed.Thaw(ctx, h.Name, lab.WholeHost)
		default:
			err = repairUnits(ctx, bed, h)
		}
		if err != nil {
			return fmt.Errorf("repair %s: %w", h.Name, err)
		}
	}
	return nil
}

// anyEtcdDown reports whether a member is held down on a host that has power.
func anyEtcdDown(s lab.Status) bool {
	for _, h := range s.Hosts {
		for _, u := range h.Units {
			if u.Name == lab.UnitEtcd && u.PID == 0 && u.Held {
				return true
			}
		}
	}
	return false
}

// repairUnits repairs mysqld, agent and router of one host.
func repairUnits(ctx context.Context, bed *lab.Bed, h lab.HostStatus) error {
	start := map[string]func(context.Context, string) error{
		lab.UnitMySQL: bed.StartMysqld, lab.UnitAgent: bed.StartAgent, lab.UnitRouter: bed.StartRouter,
	}
	for _, u := range h.Units {
		var err error
		switch {
		case u.Frozen:
			err = bed.Thaw(ctx, h.Name, u.Name)
		case u.PID == 0 && u.Held && start[u.Name] != nil:
			err = start[u.Name](ctx, h.Name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
