package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/topology"
)

// rewind takes this host back to where it parted from the writer. That it cannot
// be done is no failure: it is noted with the cause, and a person decides.
func (a *Agent) rewind(ctx context.Context, j job) (step.Note, error) {
	if err := a.mayRewind(ctx, j); err != nil {
		return nil, err
	}
	done, err := a.db.Rewind(ctx, dbops.Rewind{
		Line: j.Line, Named: j.Position, State: a.opt.State, OnlyOwn: j.OnlyOwn,
		Manifest: dbops.Manifest{Host: a.opt.Host, Source: j.Host, Epoch: int64(j.Epoch)},
	})
	if why := refusal(err); why != "" {
		if done.Archive != "" {
			why += "; archived in " + done.Archive
		}
		a.record(j, "does not take back what %s never had: %s", orElse(j.Host, "the writer"), why)
		return step.Refused(topology.Refusal{Of: j.Of, Why: why, Archive: done.Archive}), nil
	}
	if err != nil {
		return nil, err
	}
	switch {
	case len(done.GTIDs) == 0:
		a.record(j, "ended a rewind that was interrupted; it stands at %s", done.To)
	case done.Own:
		a.record(j, "took back %d transactions of the cluster's own (%s); it stands at %s; archived in %s", len(done.GTIDs), span(done.GTIDs), done.To, done.Archive)
	default:
		a.record(j, "took back %d transactions that only it had (%s); it stands at %s; they are archived in %s", len(done.GTIDs), span(done.GTIDs), done.To, done.Archive)
	}
	return step.Rewound(done.Archive), nil
}

// mayRewind asks etcd, linearizably, whether what was decided on still holds: the
// reign, and that no election would count on what is about to be given up (R46).
func (a *Agent) mayRewind(ctx context.Context, j job) error {
	if j.HostID == "" {
		return nil // it only ends what was begun
	}
	call, cancel := context.WithTimeout(ctx, limitEtcd)
	defer cancel()
	c, err := a.store.Load(call)
	if err != nil {
		return err
	}
	r, void, inc := c.Reign.Value, c.Memories[a.opt.Host].Value.Void, j.probe.Incarnation
	counts := r.Ackers[a.id] == inc || r.ID == a.id && r.Incarnation == inc
	switch {
	case c.Writer.Rev != j.Epoch:
		return fmt.Errorf("rewind: %w: the reign of epoch %d is over", store.ErrGuard, j.Epoch)
	case counts && (void == nil || void.Incarnation != inc || void.Reign != r.Epoch):
		return fmt.Errorf("rewind: %w: the acker set counts on this host again", store.ErrGuard)
	default:
		return nil
	}
}

// refusal is why a rewind is not possible, or nothing when trying again may help.
func refusal(err error) string {
	for _, no := range []error{dbops.ErrIrreversible, dbops.ErrOthers, dbops.ErrPurged, dbops.ErrTooMuch, dbops.ErrNoFork} {
		if errors.Is(err, no) {
			return err.Error()
		}
	}
	return ""
}

func (a *Agent) endRejoin(ctx context.Context, j job) (step.Note, error) {
	rev, err := a.store.EndRejoin(ctx, j.Host, j.BidRev)
	if err != nil {
		return nil, err
	}
	return step.Wrote(rev), nil
}

// record adds an event of this host.
func (a *Agent) record(j job, format string, args ...any) {
	a.history.add(topology.Event{At: time.Now(), Host: a.opt.Host, Epoch: j.Epoch, What: a.opt.Host + " " + fmt.Sprintf(format, args...), Why: j.Why})
}

func span(ids []string) string {
	if len(ids) == 1 {
		return ids[0]
	}
	return ids[0] + " to " + ids[len(ids)-1]
}

// ruleVerdict is the rule whose memory speaks of a verdict.
const ruleVerdict = "verdict"

func verdictSaid(self string, act topology.Action) string {
	if act.Memory.Verdict == "" {
		return self + " can follow the writer again"
	}
	return self + " cannot follow the writer as it is: " + act.Memory.Verdict
}
