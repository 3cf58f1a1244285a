package sim

import (
	"fmt"
	"time"
)

// How replication finds out and tries again.
const (
	reconnect  = time.Second     // between two tries of an IO thread
	netTimeout = 4 * time.Second // silence after which it takes its source for gone
)

// link is one connection of an IO thread to its source's dump thread.
type link struct {
	from, to *mysqld
	life     int  // of the source's process
	semi     bool // made with acknowledging on
	sent     int  // how many of the source's transactions are on their way or there
	flight   bool
	quiet    bool // a silence is being waited out
	passes   *trx // an empty source took the replica as it was: up to here it is sent nothing
}

// startIO lets the IO thread connect, from the end of what was received on.
func (m *mysqld) startIO() {
	m.io, m.ioErr = true, ""
	m.touch()
	m.connect()
}

func (m *mysqld) stopIO() {
	m.io = false
	m.unlink()
	m.touch()
}

func (m *mysqld) unlink() {
	if m.link != nil {
		m.link = nil
		m.touch()
	}
}

// lost ends the connection; the IO thread tries again.
func (m *mysqld) lost(string) {
	if m.link == nil {
		return
	}
	m.unlink()
	m.again()
}

func (m *mysqld) again() {
	m.w().after(reconnect, m.proc, func() {
		if m.io && m.link == nil {
			m.connect()
		}
	})
}

// connect is one try of the IO thread.
func (m *mysqld) connect() {
	w, src := m.w(), m.source
	w.after(2*w.wire(m.h), m.proc, func() {
		if !m.io || m.link != nil || m.source != src || m.proc.stands() {
			return
		}
		if !w.reaches(m.h, src) || !w.reaches(src, m.h) || !src.db.up() || src.db.proc.stands() || src.refuses[m.h] || m.h.rejects == src {
			m.again()
			return
		}
		n, why := src.db.dumpFrom(m)
		if why != "" {
			m.io, m.ioErr = false, why
			m.touch()
			w.story("%s: the IO thread stops: %s", m.h.name, why)
			return
		}
		m.link = &link{from: src.db, to: m, life: src.db.proc.life, semi: m.semi, sent: n}
		if len(src.db.log) == 0 {
			m.link.passes = m.end()
		}
		m.touch()
		m.link.send()
	})
}

// end is the last transaction that was received, or nil.
func (m *mysqld) end() *trx {
	last := m.log
	if len(m.relay) > 0 {
		last = m.relay
	}
	if len(last) == 0 {
		return nil
	}
	return last[len(last)-1]
}

// dumpFrom finds where to begin for a replica, as a MariaDB source in strict mode
// does: by the GTID, which is only a name. One that knows nothing of the domain
// denies nothing.
func (m *mysqld) dumpFrom(r *mysqld) (int, string) {
	t := r.end()
	if t == nil || len(m.log) == 0 {
		return 0, ""
	}
	for i := len(m.log) - 1; i >= 0; i-- {
		o := m.log[i]
		if o.server == t.server && o.seq == t.seq {
			return i + 1, ""
		}
		if o.seq < t.seq && i < len(m.log)-1 {
			return 0, fmt.Sprintf("1236: the binlog on the master is missing the GTID %s requested by the slave (even though both a prior and a subsequent sequence number does exist)", t.name())
		}
	}
	return 0, fmt.Sprintf("1236: connecting slave requested to start from GTID %s, which is not in the master's binlog", t.name())
}

// send brings what the source has to the replica, one batch under way at a time.
func (l *link) send() {
	if l.flight || l.sent >= len(l.from.log) {
		return
	}
	w := l.from.w()
	l.flight = true
	n := len(l.from.log)
	batch := l.from.log[l.sent:n:n]
	w.after(w.wire(l.from.h), nil, func() {
		l.flight = false
		if !l.alive() {
			return
		}
		if !w.reaches(l.from.h, l.to.h) || l.from.proc.stands() {
			l.silence()
			return
		}
		w.after(0, l.to.proc, func() { l.arrive(batch, n) })
	})
}

// alive reports whether the connection still stands at both ends.
func (l *link) alive() bool { return l.to.link == l && l.from.proc.life == l.life }

// silence waits until the replica gives a dead connection up, or the way is free.
func (l *link) silence() {
	if l.quiet {
		return
	}
	l.quiet = true
	w := l.from.w()
	began := w.now
	var look func()
	look = func() {
		switch {
		case !l.alive():
		case w.reaches(l.from.h, l.to.h) && !l.from.proc.stands():
			l.quiet = false
			l.send()
		case w.now-began > netTimeout:
			l.to.lost("silence")
		default:
			w.after(200*time.Millisecond, nil, look)
		}
	}
	w.after(200*time.Millisecond, nil, look)
}

// unseen is what of a batch comes after what the replica had when it attached.
func (l *link) unseen(batch []*trx) []*trx {
	if l.passes == nil {
		return batch
	}
	for i, t := range batch {
		if t.server == l.passes.server && t.seq == l.passes.seq {
			l.passes = nil
			return batch[i+1:]
		}
	}
	return nil
}

// arrive writes a batch to the relay log and acknowledges it. MariaDB passes over
// events with its own server id, unless the connection acknowledges.
func (l *link) arrive(batch []*trx, upTo int) {
	m := l.to
	if !l.alive() || m.hung || upTo > len(l.from.log) {
		if l.alive() && m.hung {
			l.sent = max(l.sent, upTo) // it lies in the socket and is not sent again
			m.queue = append(m.queue, func() { l.arrive(batch, upTo) })
		}
		return
	}
	for _, t := range l.unseen(batch) {
		if t.server != m.id || l.semi {
			m.relay = append(m.relay, t)
		}
	}
	l.sent = max(l.sent, upTo)
	m.h.agent.moved()
	w := m.w()
	if l.semi && l.from.semiSource {
		life := l.from.proc.life
		w.after(w.wire(m.h), l.from.proc, func() {
			if w.reaches(m.h, l.from.h) && l.from.proc.life == life && l.from.semiSource {
				l.from.release(upTo)
			}
		})
	}
	m.apply()
	l.send()
}

// apply lets the SQL thread work.
func (m *mysqld) apply() {
	if m.applying || !m.sql || len(m.relay) == 0 || m.sqlErr != "" {
		return
	}
	m.applying = true
	d := m.slow
	if d == 0 {
		d = 300 * time.Microsecond
	}
	m.w().after(d, m.proc, func() {
		m.applying = false
		if !m.sql || m.hung {
			if m.hung {
				m.queue = append(m.queue, m.apply)
			}
			return
		}
		n := len(m.relay)
		if m.slow > 0 {
			n = min(n, 1)
		}
		for _, t := range m.relay[:n] {
			if t.seq <= m.lastSeq() {
				m.sql, m.sqlErr = false, fmt.Sprintf("1950: an attempt was made to binlog GTID %s which would create an out-of-order sequence number", t.name())
				m.touch()
				m.w().story("%s: the SQL thread stops: %s", m.h.name, m.sqlErr)
				return
			}
			m.relay = m.relay[1:]
			m.add(t)
			m.visible, m.flushed = len(m.log), len(m.log)
			if t.row != nil {
				m.touch()
			}
			m.feed()
		}
		m.apply()
	})
}

// feed sends what was applied to those that replicate from this server.
func (m *mysqld) feed() {
	for _, o := range m.w().hosts {
		if o.db.link != nil && o.db.link.from == m {
			o.db.link.send()
		}
	}
}

// startSQL lets the SQL thread run; with the IO thread stopped too, MariaDB
// deletes the relay log first.
func (m *mysqld) startSQL() {
	if !m.sql && !m.io && len(m.relay) > 0 {
		m.w().story("%s: the relay log with %d transactions is deleted", m.h.name, len(m.relay))
		m.relay = nil
	}
	m.sql, m.sqlErr = true, ""
	m.touch()
	m.apply()
}

// cut is what an admission list does to an attached replica.
func (h *host) refuse(list map[*host]bool) {
	h.refuses = list
	for _, o := range h.w.hosts {
		if list[o] && o.db.link != nil && o.db.link.from == h.db {
			o.db.lost("refused")
		}
	}
}
