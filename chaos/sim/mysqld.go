package sim

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

// trx is one transaction. Its GTID is a name that a truncated binlog may give
// again; what it is, is the pointer.
type trx struct {
	server uint32
	seq    uint64
	set    gtid.Set
	row    *topology.EpochRow // of an epoch row
	epoch  topology.Rev       // of the reign whose epoch row came before it
	client bool
	acked  moment // when a client was told that it is safe; 0: never
	ackAt  *host
	born   moment // when it was first written
	given  bool   // an operator was told that it may be lost
}

func (t *trx) name() string { return fmt.Sprintf("0-%d-%d", t.server, t.seq) }

// mysqld is the database of one host: its disk, and the process when one runs.
type mysqld struct {
	h     *host
	proc  *actor
	id    uint32
	runs  int
	inc   topology.Incarnation // empty: no process
	hung  bool
	queue []func() // statements that a hung server will still carry out

	// On disk.
	log        []*trx // the binlog; what is not visible waits for an acknowledgement
	visible    int    // how many a reader sees
	flushed    int    // how many a crash of the process can no longer take back
	relay      []*trx // received and not applied
	configured bool
	source     *host
	rows       []int      // where in log the epoch rows are
	state      gtid.State // of log
	fork       int        // where a rewind that was begun will cut log; -1: none
	marked     topology.Incarnation
	copies     []copied // of the log files of earlier runs, newest last

	// In memory.
	readOnly   bool
	semiSource bool
	semi       bool // acknowledges, from the next connection on
	io         bool // the IO thread was started
	link       *link
	sql        bool
	applying   bool
	slow       time.Duration // that one transaction takes to apply
	ioErr      string
	sqlErr     string
	nudging    bool
	byHand     bool // somebody took read_only off
	noticed    bool // a wait was long enough to be seen
	version    int  // grows with every fact but positions
}

// noticeAfter is how long a wait lasts before looks are made for it: the ordinary
// wait for an acknowledgement is over before the next look.
const noticeAfter = 40 * time.Millisecond

func (m *mysqld) up() bool { return m.inc != "" && !m.hung }

// touch notes that a fact has changed.
func (m *mysqld) touch() {
	m.version++
	m.h.agent.lookAgain()
}

// positions is another number when the binlog or the relay log has moved.
func (m *mysqld) positions() int { return len(m.log) + len(m.relay)<<1 }

// start begins a run: read-only, replicating and acknowledging nothing. What
// nobody acknowledged was cut off the binlog by then.
func (m *mysqld) start() {
	m.runs++
	m.proc.die()
	m.inc = topology.Incarnation(fmt.Sprintf("%s#%d", m.h.name, m.runs))
	m.readOnly = true
	m.touch()
	m.h.w.story("%s: mysqld runs as %s, read-only, at %s", m.h.name, m.inc, m.position())
}

// die ends the process; truncate and reset model what init-rpl-role=SLAVE and the
// next start do to the logs.
func (m *mysqld) die(why string) {
	if m.inc == "" {
		return
	}
	w := m.h.w
	w.story("%s: mysqld %s dies: %s (waiting %d)", m.h.name, m.inc, why, m.waiting())
	m.unlink()
	for _, o := range w.hosts {
		if o.db.link != nil && o.db.link.from == m {
			o.db.lost("the source is gone")
		}
	}
	m.keepTails()
	m.proc.die()
	m.inc, m.hung, m.queue = "", false, nil
	keep := m.visible
	if m.semiSource && m.flushed < keep {
		keep -= w.rng.IntN(keep - m.flushed + 1) // a commit whose record was not written yet is rolled back with the tail
	}
	if keep < len(m.log) {
		w.story("%s: the binlog is cut after %s: %d transactions", m.h.name, end(m.log[:keep]), len(m.log)-keep)
	}
	m.cut(keep)
	m.relay = nil // deleted at the first START SLAVE
	m.readOnly, m.semiSource, m.semi, m.io, m.sql, m.applying, m.nudging, m.byHand, m.noticed = true, false, false, false, false, false, false, false, false
	m.ioErr, m.sqlErr = "", ""
	m.touch()
}

// cut throws away what is behind n transactions.
func (m *mysqld) cut(n int) { m.replace(m.log[:n:n]) }

// replace gives the server another binlog, all of it visible and on disk.
func (m *mysqld) replace(log []*trx) {
	m.log, m.visible, m.flushed, m.rows, m.state = nil, len(log), len(log), nil, gtid.State{}
	seen := map[uint32]int{}
	for i, t := range log {
		seen[t.server] = i
		if t.row != nil {
			m.rows = append(m.rows, i)
		}
	}
	order := slices.Sorted(maps.Values(seen))
	for _, i := range order {
		m.state = m.state.With(log[i].set)
	}
	m.log = log
	m.h.agent.moved()
}

// add appends one transaction.
func (m *mysqld) add(t *trx) {
	if t.row != nil {
		m.rows = append(m.rows, len(m.log))
	}
	m.log = append(m.log, t)
	m.state = m.state.With(t.set)
	m.h.agent.moved()
}

func end(log []*trx) gtid.Set {
	if len(log) == 0 {
		return gtid.Set{}
	}
	return log[len(log)-1].set
}

func (m *mysqld) position() gtid.Set { return end(m.log) }

func (m *mysqld) received() gtid.Set {
	if len(m.relay) > 0 {
		return end(m.relay).Union(m.position()) // a number decides, whoever gave it
	}
	return m.position()
}

func (m *mysqld) lastSeq() uint64 {
	if len(m.log) == 0 {
		return 0
	}
	return m.log[len(m.log)-1].seq
}

func (m *mysqld) waiting() int { return len(m.log) - m.visible }

// epochSeen is the epoch of the newest row that a reader sees.
func (m *mysqld) epochSeen() topology.Rev {
	for i := len(m.rows) - 1; i >= 0; i-- {
		if m.rows[i] < m.visible {
			return m.log[m.rows[i]].row.Epoch
		}
	}
	return 0
}

// write appends a transaction of this server.
func (m *mysqld) write(t *trx) *trx {
	t.server, t.born = m.id, m.w().now
	if t.seq == 0 {
		t.seq = m.lastSeq() + 1
	}
	t.set = setOf(t.server, t.seq)
	if n := len(m.log); t.epoch == 0 && n > 0 {
		t.epoch = m.log[n-1].epoch
	}
	m.flushed = m.visible // its prepare flushes every commit before it
	m.add(t)
	if !m.semiSource {
		m.visible, m.flushed = len(m.log), len(m.log)
	} else if n := len(m.log); m.waiting() == 1 {
		m.w().after(noticeAfter, m.proc, func() {
			if m.visible < n && !m.noticed {
				m.noticed = true
				m.touch()
			}
		})
	}
	m.w().mix(t.seq)
	for _, o := range m.w().hosts {
		if o.db.link != nil && o.db.link.from == m {
			o.db.link.send()
		}
	}
	return t
}

func (m *mysqld) w() *world { return m.h.w }

func setOf(server uint32, seq uint64) gtid.Set {
	text := append(strconv.AppendUint([]byte("0-"), uint64(server), 10), '-')
	s, err := gtid.Parse(string(strconv.AppendUint(text, seq, 10)))
	if err != nil {
		panic(err)
	}
	return s
}

// release shows what an acker has received up to n.
func (m *mysqld) release(n int) {
	n = min(n, len(m.log))
	if n <= m.visible {
		return
	}
	if m.noticed && n == len(m.log) {
		m.noticed = false
		m.touch()
	}
	shown := m.log[m.visible:n]
	m.visible = n
	m.nudging = m.nudging && m.visible < len(m.log)
	m.w().clients.released(m.h, shown)
}

// probe is what a look at this server finds now.
func (m *mysqld) probe(at time.Time) topology.Probe {
	p := topology.Probe{At: at, Incarnation: m.inc, Up: true, ServerID: m.id, ReadOnly: m.readOnly, Position: m.position(), Applied: m.position(),
		Received: m.received(), SemiSource: m.semiSource, Waiting: m.waiting(), Replication: m.replication()}
	p.State, p.Unfinished = m.state, m.fork >= 0
	for i := len(m.rows) - 1; i >= 0 && len(p.Joints) < 16; i-- {
		if m.rows[i] >= m.visible {
			continue
		}
		r := m.log[m.rows[i]].row
		if len(p.Joints) == 0 {
			p.Epoch = *r
		}
		p.Joints = append(p.Joints, gtid.Joint{Before: r.Base, After: r.GTID})
	}
	return p
}

func (m *mysqld) replication() topology.Replication {
	if !m.configured {
		return topology.Replication{Semi: m.semi}
	}
	r := topology.Replication{Configured: true, Source: m.source.listener(), IO: "No", SQL: m.sql, Semi: m.semi}
	switch {
	case m.io && m.link != nil:
		r.IO, r.Attached = "Yes", m.link.semi
	case m.io:
		r.IO = "Connecting"
	}
	switch {
	case m.ioErr != "":
		r.Error = "IO thread: error " + m.ioErr
	case m.sqlErr != "":
		r.Error = "SQL thread: error " + m.sqlErr
	}
	return r
}
