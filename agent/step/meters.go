package step

import (
	"fmt"
	"slices"
	"time"

	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

// lagMarks bounds how many positions of the writer are remembered: at one a
// second, ten minutes. A replica further behind lags by at least that.
const lagMarks = 600

// lagMeter knows how old the data of this host is: the age, by this host's own
// clock, of the oldest position that it has not applied. While somebody reigns
// these are the positions of the writer; between two reigns, what the hosts that
// live have received, for nothing is written then and nobody has more.
type lagMeter struct {
	epoch topology.Rev // of the reign that the marks are of; 0: between two reigns
	marks []mark       // oldest first
}

// mark is a position to be applied and when this host learned of it.
type mark struct {
	pos  gtid.Set
	seen time.Time
}

// see notes how far the data go now.
func (m *lagMeter) see(c topology.Cluster, now time.Time) {
	epoch, end := settled(c), dataEnd(c)
	if epoch == 0 || epoch != m.epoch { // what the writer that was alone had may be lost
		m.marks = slices.DeleteFunc(m.marks, func(k mark) bool { return !end.Contains(k.pos) })
	}
	m.epoch = epoch
	if n := len(m.marks); end.Empty() || n > 0 && m.marks[n-1].pos.Equal(end) {
		return
	}
	m.marks = append(m.marks, mark{end, now})
	if len(m.marks) > lagMarks {
		m.marks = m.marks[1:]
	}
}

// settled is the epoch of a reign whose writer takes writes; 0 between two reigns.
func settled(c topology.Cluster) topology.Rev {
	if c.Phase.Value.Step != topology.Ready {
		return 0
	}
	return c.Epoch()
}

// dataEnd is where the data end that a reader is to have.
func dataEnd(c topology.Cluster) gtid.Set {
	if settled(c) != 0 {
		return c.Hosts[c.Writer.Value.ID].Value.Position
	}
	var end gtid.Set
	for _, h := range c.Hosts {
		if h.Value.MySQL.Up {
			end = end.Union(h.Value.Received)
		}
	}
	return end
}

// of is the lag of a replica that has applied a position; nil when it cannot be
// known, which is never zero. Between two reigns nobody replicates.
func (m *lagMeter) of(p topology.Probe, now time.Time) *topology.Duration {
	r := p.Replication
	follows := r.Configured && r.IO == "Yes" && r.SQL
	if !p.Up || len(m.marks) == 0 || m.epoch != 0 && !follows {
		return nil
	}
	for len(m.marks) > 1 && p.Applied.Contains(m.marks[0].pos) {
		m.marks = m.marks[1:]
	}
	lag := topology.Duration(0)
	if !p.Applied.Contains(m.marks[0].pos) {
		lag = topology.Duration(now.Sub(m.marks[0].seen).Round(time.Millisecond))
	}
	return &lag
}

// samplePeriod is how often MMM's checks are made; the counts of the cluster
// file are counts of these.
const samplePeriod = time.Second

// checkMeter makes MMM's four checks of this host, with their hysteresis: one
// good sample clears, several bad ones in a row are needed to fail.
type checkMeter struct {
	next   time.Time
	checks []topology.Check
	bad    map[string]int
	good   time.Time // since when threads and backlog have been good; zero: they are not
	run    topology.Incarnation
	lag    *topology.Duration
}

// sample makes the checks when it is time, and at once when a first one is due.
func (m *checkMeter) sample(s *State, now time.Time) {
	m.lag = s.lag.of(s.Probe, now)
	if m.run != s.Probe.Incarnation { // a short restart passes between two samples
		m.run, m.good = s.Probe.Incarnation, time.Time{}
	}
	if s.Cluster.Rev == 0 {
		return
	}
	if m.bad == nil {
		m.bad = map[string]int{}
	}
	m.note(topology.CheckPing, true, 1, "its agent holds a lease", now)
	m.note(topology.CheckMySQL, s.Probe.Up, 1, orElse(s.Probe.Why, "answers"), now) // the probe counts for itself
	if now.Before(m.next) {
		return
	}
	m.next = now.Add(samplePeriod)
	limits := s.Cluster.Spec.Value.Checks
	writer := s.Cluster.Writer
	if settled(s.Cluster) == 0 && len(m.checks) == 4 {
		return // between two reigns replication rests; the last verdict stands
	}
	if s.Term.Epoch != 0 || writer.Value.Name == s.Self && writer.Present() {
		m.note(topology.CheckThreads, true, 1, "is the writer", now)
		m.note(topology.CheckBacklog, true, 1, "is the writer", now)
	} else {
		ok, why := threads(s.Cluster, s.Probe)
		m.note(topology.CheckThreads, ok, limits.ThreadsFor, why, now)
		ok, why = backlog(m.lag, limits.BacklogMax.D())
		m.note(topology.CheckBacklog, ok, limits.BacklogFor, why, now)
	}
	m.noteGood(now)
}

// threads is MMM's rep_threads, but "Connecting" is not running, and following
// the wrong host is not replicating.
func threads(c topology.Cluster, p topology.Probe) (bool, string) {
	r := p.Replication
	w, _ := c.Spec.Value.Host(c.Writer.Value.Name)
	want := fmt.Sprintf("%s:%d", w.Address, w.ReplicationPort)
	switch {
	case !p.Up:
		return false, "mysqld is down"
	case topology.Diverged(r.Error):
		return false, "this host holds transactions that the writer does not have; it must be rewound or cloned anew: " + r.Error
	case r.Error != "":
		return false, r.Error
	case !r.Configured:
		return false, "replication is not set up"
	case r.Source != want:
		return false, "replicates from " + r.Source + ", the writer is at " + want
	case r.IO != "Yes":
		return false, "the IO thread is not connected (" + r.IO + ")"
	case !r.SQL:
		return false, "the SQL thread is stopped"
	default:
		return true, "both threads run"
	}
}

// backlog is MMM's rep_backlog; unknown is not zero.
func backlog(lag *topology.Duration, limit time.Duration) (bool, string) {
	switch {
	case lag == nil:
		return false, "the lag is unknown"
	case limit > 0 && lag.D() > limit:
		return false, fmt.Sprintf("lag %s > limit %s", lag.D().Round(100*time.Millisecond), limit)
	default:
		return true, fmt.Sprintf("lag %s", lag.D().Round(100*time.Millisecond))
	}
}

// note counts one sample of a check.
func (m *checkMeter) note(name string, ok bool, times int, message string, now time.Time) {
	i := m.index(name, now)
	c := &m.checks[i]
	if ok {
		m.bad[name] = 0
	} else {
		m.bad[name]++
	}
	verdict := ok || (c.OK && m.bad[name] < times)
	if verdict != c.OK {
		c.OK, c.Since = verdict, now
	}
	c.Message = message
}

// index finds a check, or makes it failed: what was never good is not good.
func (m *checkMeter) index(name string, now time.Time) int {
	for i, c := range m.checks {
		if c.Name == name {
			return i
		}
	}
	m.checks = append(m.checks, topology.Check{Name: name, Since: now})
	return len(m.checks) - 1
}

// noteGood remembers since when replication has been good.
func (m *checkMeter) noteGood(now time.Time) {
	for _, c := range m.checks {
		if !c.OK {
			m.good = time.Time{}
			return
		}
	}
	if m.good.IsZero() {
		m.good = now
	}
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
