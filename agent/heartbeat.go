package agent

import (
	"context"
	"reflect"
	"slices"
	"time"

	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

// slowFacts is how often positions and lag are written when nothing else changes.
const slowFacts = time.Second

// dispatch is a report and the lease it hangs on.
type dispatch struct {
	lease topology.LeaseID
	left  time.Duration
	r     topology.Report
}

// report is what this host says of itself now.
func (a *Agent) report(s *state, stuck bool) dispatch {
	h, _ := s.cluster.Spec.Value.Host(a.opt.Host)
	p := s.probe
	r := topology.Report{
		Name: a.opt.Host, Address: h.Address, Fence: a.gate.Kind(), Version: p.Version, ServerID: p.ServerID,
		Incarnation: p.Incarnation, MySQL: topology.Health{Up: p.Up, Why: p.Why}, ReadOnly: p.ReadOnly,
		Replication: p.Replication, Position: p.Position, Received: p.Received, EpochRow: s.ownEpoch(p),
		Lag: s.checks.lag, Checks: slices.Clone(s.checks.checks), Stuck: stuck,
	}
	if len(p.Problems) > 0 {
		r.Unable = p.Problems[0]
	}
	d := dispatch{r: r}
	if l := s.lease(a.clock); l.Left > 0 {
		d.lease, d.left, d.r.Lease = l.ID, l.Left, l.ID
	}
	return d
}

// heartbeat writes the report: at once when a fact changed that decides
// something, at most once a second for positions and lag. It judges nothing.
func (a *Agent) heartbeat(ctx context.Context) error {
	var sent dispatch
	var at time.Time
	var pending dispatch
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
		same := pending.lease == sent.lease && equalFacts(pending.r, sent.r)
		still := same && reflect.DeepEqual(pending.r, sent.r)
		if pending.lease == 0 || pending.r.Name == "" || still || (same && now.Sub(at) < slowFacts) {
			continue
		}
		call, cancel := context.WithTimeout(ctx, limitEtcd)
		_, err := a.store.PutReport(call, pending.lease, a.id, pending.r)
		cancel()
		if err != nil {
			a.log.Debug("cannot write the report; trying on", "err", err)
			continue
		}
		sent, at = pending, now
	}
}

// equalFacts compares what decides, leaving out what merely moves on.
func equalFacts(a, b topology.Report) bool {
	a.State, b.State = gtid.State{}, gtid.State{}
	a.Position, b.Position = gtid.Set{}, gtid.Set{}
	a.Received, b.Received = gtid.Set{}, gtid.Set{}
	a.Lag, b.Lag = nil, nil
	a.Checks, b.Checks = verdicts(a.Checks), verdicts(b.Checks)
	return reflect.DeepEqual(a, b)
}

func verdicts(in []topology.Check) []topology.Check {
	out := slices.Clone(in)
	for i := range out {
		if out[i].OK {
			out[i].Message = "" // a good lag reads differently each second
		}
	}
	return out
}
