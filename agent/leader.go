package agent

import (
	"context"
	"time"

	"github.com/mmm-ha/mmm/etcdembed"
	"github.com/mmm-ha/mmm/topology"
)

// leaderPeriod is how often the writer looks where etcd's leader is.
const leaderPeriod = 2 * time.Second

// leader keeps etcd's leadership off the writer's host while this process
// reigns: a change of etcd's leader extends every lease by a full TTL, so losing
// writer and leader in one host costs a TTL more. No host gets it that is
// HARD_OFFLINE: a disk that ended its mysqld ends its etcd at the next write.
func (a *Agent) leader(ctx context.Context) error {
	for range ticks(ctx, leaderPeriod) {
		address, _ := a.address.Load().(string)
		if !a.reigning.Load() || address == "" {
			continue
		}
		down, _ := a.down.Load().([]string)
		call, cancel := context.WithTimeout(ctx, leaderPeriod)
		moved, to, err := etcdembed.MoveLeaderAway(call, a.etcd, address, down...)
		cancel()
		switch {
		case err != nil:
			a.log.Debug("cannot see to etcd's leader", "err", err)
		case moved:
			a.log.Info("moved etcd's leadership off the writer's host", "to", to)
		}
	}
	return ctx.Err()
}

// hardOffline are the addresses of the hosts that are down, or whose mysqld is.
func hardOffline(c topology.Cluster, now time.Time) []string {
	down := []string{}
	for _, h := range c.Spec.Value.Hosts {
		if state, _ := topology.Classify(c, h.Name, now); state == topology.HardOffline {
			down = append(down, h.Address.String())
		}
	}
	return down
}
