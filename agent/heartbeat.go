package agent

import (
	"context"
	"time"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/topology"
)

// report is what this host says of itself now.
func (a *Agent) report(s *state, stuck bool) topology.Report {
	r := s.Report(a.gate.Kind(), stuck)
	r.Peer = a.opt.Peer.Port
	if l := s.lease(a.clock); l.Left > 0 {
		r.Lease = l.ID
	}
	return r
}

// heartbeat writes the report when it is due. It judges nothing.
func (a *Agent) heartbeat(ctx context.Context) error {
	var beat step.Heartbeat
	var pending topology.Report
	retry := time.NewTicker(tick)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case pending = <-a.reports:
		case <-retry.C:
		}
		now := time.Now()
		if !beat.Due(pending, now) {
			continue
		}
		call, cancel := context.WithTimeout(ctx, limitEtcd)
		_, err := a.store.PutReport(call, pending.Lease, a.id, pending)
		cancel()
		if err != nil {
			a.log.Debug("cannot write the report; trying on", "err", err)
			continue
		}
		beat.Wrote(pending, now)
	}
}
