package agent

import (
	"context"
	"errors"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/topology"
)

// errOnlyLate makes the next look wait a moment.
var errOnlyLate = errors.New("etcd is not older: only the watch of this host is late")

// loseTrust looks at etcd once more, linearizably, and when it shows less than was
// seen keeps that on disk: it is not believed until an operator has looked (R17).
func (a *Agent) loseTrust(ctx context.Context, j job) (step.Note, error) {
	c, err := a.store.Load(ctx)
	if err != nil {
		return nil, err
	}
	d := *j.Distrust
	if !d.Older(c, j.Epoch) {
		return nil, errOnlyLate
	}
	d.At = c.Rev
	if err := a.remembered.highest.Distrust(a.clusterID, d); err != nil {
		return nil, err
	}
	a.log.Error("HALT: etcd went back to an older state", "why", d.Why, "seen", d.Seen, "rev", d.At)
	return step.Distrusted(d), nil
}

// trust believes etcd again: an operator has looked at it.
func (a *Agent) trust(_ context.Context, j job) (step.Note, error) {
	if err := a.remembered.highest.Distrust(a.clusterID, topology.Distrust{}); err != nil {
		return nil, err
	}
	a.log.Info("believes etcd again", "who", j.cluster.Recovery.Value.Who, "why", j.cluster.Recovery.Value.Why)
	return step.Trusted(j.cluster.Rev), nil
}
