package sim

import (
	"errors"
	"fmt"
	"time"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/topology"
)

// rewind takes a host back to where it parted from the writer (agent/act_rejoin.go).
func (a *agent) rewind(p *proc, l *limit, j job) (step.Note, error) {
	if err := a.mayRewind(p, l, j); err != nil {
		return nil, err
	}
	refused := ""
	err := a.db().sql(p, l, func(m *mysqld) error {
		switch {
		case !m.readOnly:
			return errors.New("the server is writable")
		case m.semiSource || m.waiting() > 0:
			return errors.New("it is set up as a source, or sessions wait")
		case m.fork >= 0:
			return nil
		}
		m.stopIO()
		m.sql, m.relay = false, nil
		fork := m.parts(j)
		if fork < 0 {
			refused = "its binlog holds nothing that the source never had"
			return nil
		}
		m.w().story("%s: it parted from %s after %s", a.h.name, j.Host, end(m.log[:fork]))
		m.fork = fork
		return nil
	})
	if err != nil {
		return nil, err
	}
	if refused != "" {
		return step.Refused(topology.Refusal{Of: j.Of, Why: refused}), nil
	}
	if err := p.sleep(l, a.w.between(20*time.Millisecond, 2*time.Second)); err != nil {
		return nil, err
	}
	err = a.db().sql(p, l, func(m *mysqld) error {
		if m.fork < 0 || m.fork > len(m.log) {
			return errors.New("somebody wrote here meanwhile")
		}
		m.cut(m.fork)
		m.configured, m.source, m.fork, m.ioErr, m.sqlErr = false, nil, -1, "", ""
		m.touch()
		return nil
	})
	return step.Rewound("archive"), err
}

// parts is where this binlog leaves the line of the source; -1: nowhere.
func (m *mysqld) parts(j job) int {
	for i, t := range m.log {
		named := !j.Position.Empty() && j.Position.Contains(t.set) && t.set.Contains(j.Position)
		if named || j.Line.Foreign(t.set) {
			return i
		}
	}
	return -1
}

func (a *agent) mayRewind(p *proc, l *limit, j job) error {
	if j.HostID == "" {
		return nil
	}
	c, err := a.reg.load(p, p.within(l, limitEtcd))
	if err != nil {
		return err
	}
	r, void, inc := c.Reign.Value, c.Memories[a.h.name].Value.Void, j.probe.Incarnation
	counts := r.Ackers[a.h.id] == inc || r.ID == a.h.id && r.Incarnation == inc
	switch {
	case c.Writer.Rev != j.Epoch:
		return fmt.Errorf("%w: the reign of epoch %d is over", errGuard, j.Epoch)
	case counts && (void == nil || void.Incarnation != inc || void.Reign != r.Epoch):
		return fmt.Errorf("%w: the acker set counts on this host again", errGuard)
	default:
		return nil
	}
}

func (a *agent) endRejoin(p *proc, l *limit, j job) (step.Note, error) {
	rev, err := a.reg.drop(p, l, "rejoin/"+j.Host, j.BidRev)
	if err != nil {
		return nil, err
	}
	return step.Wrote(rev), nil
}
