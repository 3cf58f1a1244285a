package agent

import (
	"context"
	"fmt"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/election"
	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/topology"
)

// retake puts the keys of a reign again that etcd let go of (R52). The reign goes
// on under a new epoch; what this host serves is not touched.
func (a *Agent) retake(ctx context.Context, j job) (step.Note, error) {
	if j.session == nil || j.term == nil {
		return nil, errNoLease
	}
	epoch, err := a.store.Retake(ctx, store.CampaignRequest{
		Lease:       j.session.ID(),
		Incarnation: j.probe.Incarnation,
		Guards:      a.guardsOf(j.Guards),
		Writer: topology.Writer{
			ID: a.id, Name: a.opt.Host, Best: j.Position, Previous: j.Epoch,
			Agent: fmt.Sprintf("%s/%d", a.token, a.campaigns.Add(1)),
		},
	}, *j.Reign)
	if err != nil {
		return nil, err
	}
	a.failsafe.again(epoch)
	latest(a.failsafe.retaken, struct{}{})
	return step.Retook(a.begin(j, epoch, epoch)), nil
}

// forget makes rounds void that were begun before a record is sent: it may name
// others who must promise, too (R50).
func (f *failsafe) forget(act topology.Action) {
	if act.Kind == topology.PutReign {
		f.wanted.Store(nil)
	}
}

// carry goes on by promises alone after etcd has let go of the lease: it waits
// until the reign has been taken again, or a host without one has another lease.
// It returns that lease; false means that the promises ran out before, or that
// there were none.
func (a *Agent) carry(ctx context.Context) (next guarded, ok bool) {
	k := a.failsafe.counted()
	if k.deadline.Left(a.clock.Now()) <= 0 || a.reigning.Load() != (k.epoch > 0) {
		return guarded{}, false
	}
	a.log.Warn("etcd has let go of the lease, but all others promised to keep still: goes on until it is taken again", "left", k.deadline.Left(a.clock.Now()))
	select {
	case <-a.failsafe.retaken: // of another time
	default:
	}
	latest(a.in.renewed, struct{}{})
	watch, cancel := context.WithCancel(ctx)
	defer cancel()
	expired := make(chan error, 1)
	guard := election.NewGuard(a.clock, k.deadline)
	go func() { expired <- guard.Wait(watch) }()
	again := false
	for {
		select {
		case <-expired: //nolint:errcheck // however it ended, what was kept by promises is over
			a.failsafe.count(pledge{})
			return next, false
		case next = <-a.guards:
		case <-a.failsafe.retaken:
			again = true
		}
		if next.session != nil && (again || !a.reigning.Load()) {
			cancel()
			<-expired //nolint:errcheck // it was ended above; only its end matters
			return next, true
		}
	}
}
