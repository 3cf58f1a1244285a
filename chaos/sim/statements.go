package sim

import (
	"errors"
	"fmt"
	"time"

	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

var (
	errUnapplied = errors.New("received and not applied")
	errOtherRun  = errors.New("mysqld was restarted meanwhile")
	errStopped   = errors.New("the SQL thread is stopped")
)

// database is the agent's way to its mysqld: the verbs of internal/dbops.
type database struct{ h *host }

// sql sends one statement. It is carried out when it arrives, also when nobody
// waits for it any more, and by a hung server when that goes on.
func (d database) sql(p *proc, l *limit, do func(m *mysqld) error) error {
	h, w := d.h, d.h.w
	var got error
	err := p.await(l, func(wake func()) {
		m, life := h.db, h.db.proc.life
		w.after(w.between(50*time.Microsecond, 400*time.Microsecond), nil, func() {
			back := func() { w.after(w.between(50*time.Microsecond, 300*time.Microsecond), h.agent.proc, wake) }
			run := func() { got = do(m); back() }
			switch {
			case m.inc == "" || m.proc.life != life:
				got = errUnreachable
				back()
			case m.hung || m.proc.stands():
				m.queue = append(m.queue, run)
			default:
				run()
			}
		})
	})
	if err != nil {
		return err
	}
	return got
}

func (d database) observe(p *proc, l *limit) (topology.Probe, error) {
	var out topology.Probe
	at := p.now()
	err := d.sql(p, l, func(m *mysqld) error {
		out = m.probe(wall(at))
		return nil
	})
	if err != nil {
		out = topology.Probe{At: wall(at), Incarnation: d.h.db.inc, Why: err.Error()}
	}
	return out, err
}

// setReadOnly waits behind whoever waits for an acknowledgement.
func (d database) setReadOnly(p *proc, l *limit) error {
	for {
		done := false
		err := d.sql(p, l, func(m *mysqld) error {
			if m.waiting() == 0 {
				done = true
				if !m.readOnly {
					m.readOnly, m.byHand = true, false
					m.touch()
				}
			}
			return nil
		})
		if err != nil || done {
			return err
		}
		if err := p.sleep(l, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

func (d database) setWritable(p *proc, l *limit, inc topology.Incarnation) error {
	return d.sql(p, l, func(m *mysqld) error {
		if m.inc != inc {
			return errOtherRun
		}
		m.readOnly, m.byHand = false, false
		m.touch()
		m.w().checks.writable(m)
		return nil
	})
}

func (d database) stopIO(p *proc, l *limit) error {
	return d.sql(p, l, func(m *mysqld) error {
		if m.io {
			m.stopIO()
		}
		return nil
	})
}

func (d database) startSQL(p *proc, l *limit) error {
	return d.sql(p, l, func(m *mysqld) error {
		switch {
		case !m.configured:
			return errors.New("this server replicates nothing")
		case m.sql:
			return nil
		case !m.io && len(m.relay) > 0:
			return errUnapplied
		}
		m.startSQL()
		return nil
	})
}

func (d database) waitApplied(p *proc, l *limit, want gtid.Set) error {
	for {
		done := false
		err := d.sql(p, l, func(m *mysqld) error {
			done = m.position().Contains(want)
			if !done && (!m.configured || !m.sql) {
				return fmt.Errorf("%w at %s %s", errStopped, m.position(), m.sqlErr)
			}
			return nil
		})
		if err != nil || done {
			return err
		}
		if err := p.sleep(l, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// detach stops replication without losing anything.
func (d database) detach(p *proc, l *limit) error {
	err := d.sql(p, l, func(m *mysqld) error {
		if m.configured && len(m.relay) > 0 {
			return errUnapplied
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := d.stopIO(p, l); err != nil {
		return err
	}
	var rest gtid.Set
	if err := d.sql(p, l, func(m *mysqld) error { rest = m.received(); return nil }); err != nil {
		return err
	}
	if err := d.waitApplied(p, l, rest); err != nil {
		return err
	}
	return d.sql(p, l, func(m *mysqld) error {
		m.stopIO()
		m.sql = false
		return nil
	})
}

func (d database) ensureTables(p *proc, l *limit) error {
	return d.sql(p, l, func(m *mysqld) error {
		if len(m.log) > 0 {
			return nil
		}
		m.write(&trx{})
		return nil
	})
}

func (d database) becomeSource(p *proc, l *limit) error {
	if err := d.detach(p, l); err != nil {
		return err
	}
	return d.sql(p, l, func(m *mysqld) error {
		m.configured, m.source, m.semi, m.semiSource = false, nil, false, true
		m.ioErr, m.sqlErr = "", ""
		m.touch()
		return nil
	})
}

func (d database) leaveSource(p *proc, l *limit) error {
	return d.sql(p, l, func(m *mysqld) error {
		switch {
		case !m.semiSource:
			return nil
		case !m.readOnly:
			return errors.New("the server is writable")
		case m.waiting() > 0:
			return errors.New("sessions wait for an acknowledgement")
		}
		m.semiSource = false
		m.touch()
		return nil
	})
}

// follow points the server at a source, or starts what is stopped of a channel
// that points there already.
func (d database) follow(p *proc, l *limit, src *host) error {
	same := false
	err := d.sql(p, l, func(m *mysqld) error {
		if !m.configured || m.source != src {
			if !m.readOnly {
				return errors.New("the server is writable")
			}
			return nil
		}
		same = true
		if !m.io && !m.sql && len(m.relay) > 0 {
			return errUnapplied
		}
		if !m.io || !m.sql {
			if !m.sql {
				m.startSQL()
			}
			if !m.io {
				m.startIO()
			}
		}
		return nil
	})
	if err != nil || same {
		return err
	}
	if err := d.detach(p, l); err != nil {
		return err
	}
	return d.sql(p, l, func(m *mysqld) error {
		m.configured, m.source, m.relay = true, src, nil
		m.startIO()
		m.startSQL()
		m.w().story("%s: replicates from %s, from %s on", m.h.name, src.name, m.position())
		return nil
	})
}

func (d database) setSemi(p *proc, l *limit, on bool) error {
	return d.sql(p, l, func(m *mysqld) error {
		m.semi = on
		m.touch()
		if !m.io || m.link != nil && m.link.semi == on {
			return nil
		}
		if !m.sql && len(m.relay) > 0 {
			return errUnapplied
		}
		m.stopIO()
		m.startIO()
		return nil
	})
}

// reattach connects once by file and position, so that the source takes the last
// transaction for acknowledged.
func (d database) reattach(p *proc, l *limit) error {
	if err := d.detach(p, l); err != nil {
		return err
	}
	var upTo, life int
	var src *mysqld
	err := d.sql(p, l, func(m *mysqld) error {
		if src = nil; m.source != nil {
			src = m.source.db
			life = src.proc.life
			upTo, _ = src.dumpFrom(m)
		}
		m.startSQL()
		m.startIO()
		return nil
	})
	if err != nil || src == nil {
		return err
	}
	if err := p.sleep(l, 100*time.Millisecond); err != nil {
		return err
	}
	return d.sql(p, l, func(m *mysqld) error {
		if m.link != nil && m.link.semi && m.link.from == src && src.proc.life == life && src.semiSource {
			src.release(upTo)
		}
		return nil
	})
}

// writeRow writes the first transaction of a reign and waits until it is seen.
func (d database) writeRow(p *proc, l *limit, inc topology.Incarnation, r topology.EpochRow, jump uint64) error {
	id := gtid.Set{}
	err := d.sql(p, l, func(m *mysqld) error {
		if m.inc != inc {
			return errOtherRun
		}
		if m.configured {
			return errors.New("this server is a replica")
		}
		id = setOf(m.id, jump)
		if m.position().Contains(id) {
			return nil
		}
		if jump <= m.lastSeq() {
			return errors.New("1950: out of order")
		}
		r.GTID, r.Base = id, m.position()
		m.write(&trx{row: &r, epoch: r.Epoch, seq: jump})
		m.touch()
		return nil
	})
	if err != nil {
		return err
	}
	for {
		seen := false
		err := d.sql(p, l, func(m *mysqld) error {
			seen = m.epochSeen() >= r.Epoch
			return nil
		})
		if err != nil || seen {
			return err
		}
		if err := p.sleep(l, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

func (d database) writeNudge(p *proc, l *limit, inc topology.Incarnation) error {
	err := d.sql(p, l, func(m *mysqld) error {
		if m.inc != inc {
			return errOtherRun
		}
		if m.nudging {
			return errors.New("the last nudge still hangs")
		}
		m.write(&trx{})
		m.nudging = m.waiting() > 0
		return nil
	})
	for err == nil {
		out := false
		if err = d.sql(p, l, func(m *mysqld) error { out = !m.nudging; return nil }); err != nil || out {
			return err
		}
		err = p.sleep(l, 20*time.Millisecond)
	}
	return err
}
