package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

// leaseHolder is the part of a session that actions need.
type leaseHolder interface {
	ID() topology.LeaseID
	Left() time.Duration
}

// termHolder is the part of a term that actions need.
type termHolder interface {
	Epoch() topology.Rev
	Context() context.Context
}

// errNoLease says that the action needs a lease and there is none: nothing was done.
var errNoLease = errors.New("there is no lease")

// placeBid stops the IO thread, and only the IO thread, sees it stopped, reads
// the position and publishes it (R11, R28). The old writer's address is
// rejected first: the stop would wait two seconds for a host that is gone.
func (a *Agent) placeBid(ctx context.Context, j job) (step.Note, error) {
	if j.session == nil {
		return nil, errNoLease
	}
	if j.Addr.IsValid() {
		if err := a.ports.Reject(ctx, []netip.Addr{j.Addr}, j.Port); err != nil {
			return nil, err
		}
		a.rejected.Store(j.Addr)
	}
	// Whom this host refused as a writer may have to fetch from it now (R33); there
	// is nobody here any more whom an acknowledgement could let go.
	if err := a.ports.Refuse(ctx, nil, portOf(j, a.opt.Host)); err != nil {
		return nil, err
	}
	if r := j.probe.Replication; r.Configured && r.IO != "No" {
		// It may have been stopped since the last look. Only while the IO thread
		// lives can it be started without losing what is not applied; after the bid
		// that would be stuck in the relay log (R11).
		if err := a.db.StartSQL(ctx); err != nil {
			a.log.Debug("the SQL thread stays stopped", "err", err)
		}
	}
	return a.bid(ctx, j, *j.Bid)
}

// bid freezes this host and says how far it has come.
func (a *Agent) bid(ctx context.Context, j job, b topology.Bid) (step.Note, error) {
	if err := a.db.StopIO(ctx); err != nil {
		return nil, err
	}
	p, err := a.db.Observe(ctx)
	switch {
	case err != nil:
		return nil, err
	case p.Incarnation != b.Incarnation:
		return nil, errors.New("mysqld was restarted before the bid was placed")
	case p.Replication.Configured && p.Replication.IO != "No":
		return nil, fmt.Errorf("the IO thread is %s after it was stopped", p.Replication.IO)
	}
	b.Received = p.Received
	if b.Broken == "" { // somebody may have written here since the last look
		b.Broken = topology.Strayed(j.cluster, a.id, p)
	}
	if why := step.Dropped(j.cluster.Bids[a.id].Value, b); b.Broken == "" && why != "" {
		b.Broken = why
		a.log.Error("this host dropped its relay log in an election", "why", why)
	}
	rev, err := a.store.PutBid(ctx, j.session.ID(), a.id, b, store.Guards{}.Reign(j.cluster.Reign.Rev))
	if err != nil {
		return nil, err
	}
	return step.Wrote(rev), nil
}

// fetch takes from another host what this one lacks (R33). The bid is seen
// deleted before the IO thread starts again (R29).
func (a *Agent) fetch(ctx context.Context, j job) (step.Note, error) {
	if j.session == nil {
		return nil, errNoLease
	}
	if err := a.db.WaitApplied(ctx, j.probe.Received); err != nil {
		return nil, err
	}
	if _, err := a.store.DeleteBid(ctx, a.id, j.BidRev); err != nil {
		return nil, err
	}
	if err := a.accept(ctx, j.Addr, j.Port); err != nil {
		return nil, err
	}
	if err := a.attach(ctx, dbops.Source{Address: j.Addr, Port: j.Port}); err != nil {
		return nil, err
	}
	err := a.untilReceived(ctx, j.Position)
	note, bidErr := a.bid(ctx, j, *j.Bid) // with what there is: a short bid is better than none
	return note, errors.Join(err, bidErr)
}

// untilReceived waits, up to ctx, for a position to arrive.
func (a *Agent) untilReceived(ctx context.Context, pos gtid.Set) error {
	for {
		p, err := a.db.Observe(ctx)
		switch {
		case err != nil:
			return err
		case p.Received.Contains(pos):
			return nil
		case p.Replication.IO == "No" && p.Replication.Error != "":
			return fmt.Errorf("fetch the difference: %s", p.Replication.Error)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("fetch the difference: %w", ctx.Err())
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// campaign asks etcd for the writer's place, in one transaction guarded by
// everything the decision rested on (R34).
func (a *Agent) campaign(ctx context.Context, j job) (step.Note, error) {
	if j.session == nil {
		return nil, errNoLease
	}
	epoch, err := a.store.Campaign(ctx, store.CampaignRequest{
		Lease:       j.session.ID(),
		Incarnation: j.probe.Incarnation,
		Guards:      a.guardsOf(j.Guards),
		Writer: topology.Writer{
			ID: a.id, Name: a.opt.Host, Best: j.Position, Previous: j.Epoch,
			Agent: fmt.Sprintf("%s/%d", a.token, a.campaigns.Add(1)), // no two campaigns put the same value
		},
		Loss: acceptedLoss(j),
	})
	if err != nil {
		return nil, err
	}
	a.mourn(j, epoch)
	return a.begin(j, epoch, epoch), nil
}

// guardsOf names the keys that the decision rested on.
func (a *Agent) guardsOf(g topology.Guards) store.Guards {
	out := store.Guards{}.Reign(g.Reign).Spec(g.Spec).Mode(g.Mode).Intent(a.opt.Host, g.Intent).Switchover(g.Order)
	for id, rev := range g.Bids {
		out = out.Bid(id, rev)
	}
	return out
}

// begin makes a won or handed epoch the term of this process. rev is the last
// thing that it wrote.
func (a *Agent) begin(j job, epoch, rev topology.Rev) step.Note {
	a.remembered.reign(j.session.ID(), epoch, j.probe.Incarnation)
	return step.Began(epoch, j.probe.Incarnation, j.session.ID(), rev)
}

// adopt takes over a reign that was handed to this process (R43).
func (a *Agent) adopt(ctx context.Context, j job) (step.Note, error) {
	if j.session == nil {
		return nil, errNoLease
	}
	p := topology.Phase{Epoch: j.Epoch, Step: topology.CatchingUp, Incarnation: j.probe.Incarnation}
	rev, err := a.store.PutPhase(ctx, j.session.ID(), j.Epoch, p)
	if err != nil {
		return nil, err
	}
	return a.begin(j, j.Epoch, rev), nil
}
