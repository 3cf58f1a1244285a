package agent

import (
	"context"
	"time"

	"github.com/mmm-ha/mmm/etcdembed"
)

// leaderPeriod is how often the writer looks where etcd's leader is.
const leaderPeriod = 2 * time.Second

// leader keeps etcd's leadership off the writer's host while this process
// reigns: a change of etcd's leader extends every lease by a full TTL, so losing
// writer and leader in one host costs a TTL more.
func (a *Agent) leader(ctx context.Context) error {
	timer := time.NewTicker(leaderPeriod)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		address, _ := a.address.Load().(string)
		if !a.reigning.Load() || address == "" {
			continue
		}
		call, cancel := context.WithTimeout(ctx, leaderPeriod)
		moved, to, err := etcdembed.MoveLeaderAway(call, a.etcd, address)
		cancel()
		switch {
		case err != nil:
			a.log.Debug("cannot see to etcd's leader", "err", err)
		case moved:
			a.log.Info("moved etcd's leadership off the writer's host", "to", to)
		}
	}
}
