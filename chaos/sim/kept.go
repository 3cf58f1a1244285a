package sim

import (
	"errors"
	"slices"
	"time"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/topology"
)

// mostCopies is how many copies of log files a host keeps.
const mostCopies = 3

// copied is what prestart keeps of a run of mysqld: its binlog and behind it what
// was received and not applied (internal/dbops.KeepTails).
type copied struct {
	run  topology.Incarnation
	line []*trx
}

// keepTails copies what the end of a run leaves behind, if an agent has marked
// the files while that run lived.
func (m *mysqld) keepTails() {
	if m.marked != m.inc {
		return
	}
	line := m.log[:len(m.log):len(m.log)]
	m.copies = append(m.copies, copied{m.inc, append(line, m.relay...)})
	m.copies = m.copies[max(0, len(m.copies)-mostCopies):]
}

// keptRun says what is left of a run, for the server as it is (dbops.KeptRuns).
func (m *mysqld) keptRun(run topology.Incarnation) (topology.Kept, bool) {
	c, n, ok := m.copyOf(run)
	switch {
	case ok && n == len(c.line):
		return topology.Kept{Run: run}, true
	case ok:
		return topology.Kept{Run: run, Beyond: end(c.line)}, true
	case len(c.line) == 0:
		return topology.Kept{}, false
	default: // whatever it has written since, it has all of the line if it has the end
		last := c.line[len(c.line)-1]
		i := slices.IndexFunc(m.log, last.looksLike)
		return topology.Kept{Run: run}, i >= 0
	}
}

// copyOf finds the copy of a run, and how much of it the server has; ok is false
// when the server has gone another way.
func (m *mysqld) copyOf(run topology.Incarnation) (c copied, n int, ok bool) {
	i := slices.IndexFunc(m.copies, func(c copied) bool { return c.run == run })
	if i < 0 {
		return copied{}, 0, false
	}
	c = m.copies[i]
	if len(m.log) == 0 {
		return c, 0, true
	}
	last := m.log[len(m.log)-1]
	n = slices.IndexFunc(c.line, func(t *trx) bool { return t.server == last.server && t.seq == last.seq }) + 1
	return c, n, n > 0 && c.line[n-1].looksLike(last)
}

// looksLike is how the files tell transactions apart: by number and second.
func (t *trx) looksLike(o *trx) bool {
	return t.server == o.server && t.seq == o.seq && t.born/time.Second == o.born/time.Second
}

// asks tells keep what the loop needs to know, when that changed.
func (a *agent) asks(v topology.View) {
	if w, ok := step.WantOf(v); ok && w != a.asked {
		a.asked = w
		a.w.after(a.w.between(time.Millisecond, 20*time.Millisecond), a.proc, func() { a.keep(w) })
	}
}

// keep marks the files of a run and reads what is left of another one.
func (a *agent) keep(w step.Want) {
	m := a.h.db
	if a.asked != w || m.inc != w.Run || m.hung {
		return
	}
	m.marked = w.Run
	if w.Ended == "" {
		return
	}
	a.look.kept = nil
	if k, ok := m.keptRun(w.Ended); ok && m.position().String() == w.Position {
		a.look.kept = []topology.Kept{k}
	}
	a.look.keptFor = w
	m.touch()
}

// replay takes in what a run that has ended left behind (R31).
func (a *agent) replay(p *proc, l *limit, j job) (step.Note, error) {
	if err := a.db().detach(p, l); err != nil {
		return nil, err
	}
	for {
		more := false
		err := a.db().sql(p, l, func(m *mysqld) error {
			c, n, ok := m.copyOf(j.Kept.Run)
			switch {
			case !m.readOnly:
				return errors.New("the server is writable")
			case m.semiSource:
				return errors.New("its commits wait for acknowledgements")
			case !ok:
				return errors.New("the copy does not go on where the server ends")
			}
			upTo := min(len(c.line), n+1+a.w.rng.IntN(5))
			for _, t := range c.line[n:upTo] {
				m.add(t)
				m.visible, m.flushed = len(m.log), len(m.log)
			}
			m.touch()
			more = upTo < len(c.line)
			return nil
		})
		if err != nil || !more {
			return nil, err
		}
		if err := p.sleep(l, time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// bury names hosts no longer in a tombstone.
func (a *agent) bury(p *proc, l *limit, j job) (step.Note, error) {
	rev, err := a.reg.putTombstone(p, l, j.Epoch, j.TombstoneRev, *j.Tombstone)
	if err != nil {
		return nil, err
	}
	return step.Wrote(rev), nil
}
