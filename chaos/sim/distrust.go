package sim

import (
	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/topology"
)

// loseTrust looks at etcd once more and keeps on disk that it went back (R17).
func (a *agent) loseTrust(p *proc, l *limit, j job) (step.Note, error) {
	c, err := a.reg.load(p, l)
	if err != nil {
		return nil, err
	}
	d := *j.Distrust
	if !d.Older(c, j.Epoch) {
		return nil, nil // only the watch was late
	}
	d.At = c.Rev
	a.remember(func(k *disk) { k.doubts = d })
	return step.Distrusted(d), nil
}

// trust believes etcd again: an operator has looked at it.
func (a *agent) trust(_ *proc, _ *limit, j job) (step.Note, error) {
	if seen := a.h.disk.doubts.Seen; j.cluster.Recovery.Value.Floor < seen {
		a.w.checks.violated("etcd is doubted until an operator has looked", "%s had seen %d, and believes it at %d", a.h.name, seen, j.cluster.Rev)
	}
	a.remember(func(k *disk) { k.doubts = topology.Distrust{} })
	return step.Trusted(j.cluster.Rev), nil
}
