package topology

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/topology/gtid"
)

// world is a whole cluster in memory: etcd with its guards, four database hosts
// with their logs, and what each agent remembers. Nothing in it fails by
// itself: networks, servers and clocks are as good as the story says.
type world struct {
	now   time.Time
	began time.Time
	etcd  Cluster // without the reports, which are made from the hosts
	hosts []*host
	rows  map[string]EpochRow // which transactions are epoch rows
	acked map[string]bool     // what a client was told to be safe
	lost  []string            // what was acknowledged and is not there when a writer opens
	asked func(Cluster)       // hears of every reading of etcd that is decided on
	told  func(Verdict)       // hears of every row of Rules that held
	class func(string)        // hears of every row of StateRules that matched
}

// host is a database host: its mysqld first, then its agent.
type host struct {
	name      string
	id        HostID
	address   netip.Addr
	server    uint32
	runs      int // of mysqld, so far
	inc       Incarnation
	why       string   // cause, when mysqld does not answer
	hung      bool     // the process lives and does not answer
	log       []string // transactions received, applied or not
	done      int      // how many of them are applied
	source    string   // name of the host that it replicates from
	reads     bool     // the IO thread was started
	linked    bool     // and is connected
	applies   bool     // the SQL thread runs
	slow      bool     // and does not get on
	broken    string   // replication error
	semi      bool     // acknowledges
	counts    bool     // semi-sync is on as a source
	writable  bool
	byHand    bool // a person made it writable
	stuck     bool
	halfway   bool // a rewind was interrupted
	ddl       bool // what it wrote on its own cannot be undone
	waiting   int  // transactions that nobody acknowledged, the last ones of log
	problems  []string
	version   string
	delay     time.Duration // by which it applies later on purpose; over when the story says so
	disk      Disk
	prestart  bool          // what a stop would throw away is kept
	ended     []Incarnation // runs of which the log was kept, newest first
	endedLogs map[Incarnation][]string

	deaf   bool // its next acknowledgement is lost; a later transaction brings it back (P13)
	off    bool // without power
	away   bool // nobody reaches the host
	late   bool // the agent could not renew in time
	leases int  // granted so far
	lease  LeaseID
	kept   promises // by which it goes on without etcd, and that it made to others
	key    string   // with which it signs
	copy   copying
	frozen *Cluster // what an agent without etcd saw last
	watch  *Cluster // what a watch that stands still has shown
	term   Term
	seen   Seen
	vips   []netip.Addr
	port   Port // no fence unless a story says how it stands
	busy   []Kind
	lag    *Duration // nil: unknown
	checks map[string]Check
	bad    map[string]time.Time // since when a check has failed, counted or not
}

// moved is the state that the port is in after a move: none where there is none.
func (h *host) moved(to Port) Port {
	if h.port == "" {
		return ""
	}
	return to
}

const listenerPort = 3309

func hostNamed(n int, last byte) *host {
	name := fmt.Sprintf("db%d", n)
	h := &host{name: name, id: HostID("id-" + name), address: netip.AddrFrom4([4]byte{192, 0, 2, last}), server: uint32(n), lag: new(Duration)}
	h.seen = Seen{Cut: map[HostID]gtid.Set{}, Failed: map[Kind]Failure{}}
	h.checks, h.bad, h.endedLogs = map[string]Check{}, map[string]time.Time{}, map[Incarnation][]string{}
	h.startServer()
	h.grant()
	return h
}

// newWorld is a cluster of which nothing exists but its file: db1 and db2 may
// be writer, db3 and db4 never.
func newWorld() *world {
	w := &world{now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC), rows: map[string]EpochRow{}, acked: map[string]bool{}, asked: func(Cluster) {}, told: func(Verdict) {}, class: func(string) {}}
	w.began = w.now
	w.etcd = Cluster{Rev: 10, Intents: map[string]Entry[Intent]{}, Memories: map[string]Entry[Memory]{}, Rejoins: map[string]Entry[RejoinOrder]{}, Bids: map[HostID]Entry[Bid]{},
		Claims: map[netip.Addr]Entry[Claim]{}, Pins: map[netip.Addr]Entry[Pin]{}, Tombstones: map[Rev]Entry[Tombstone]{}, Holds: map[string]Entry[RouterHold]{}}
	spec := Spec{Cluster: "shop", ID: "cluster-1", Durability: Lossless,
		Roles:    Roles{Writer: Role{VIPs: []netip.Addr{storyVIP(".113")}}, Reader: Role{VIPs: []netip.Addr{storyVIP(".111"), storyVIP(".112"), storyVIP(".114"), storyVIP(".115")}}},
		Recovery: Recovery{AutoSetOnline: Duration(time.Minute), FlapCount: 3, FlapDuration: Duration(time.Hour)},
		Checks:   Checks{BacklogMax: Duration(time.Minute)}}
	for i, last := range []byte{161, 162, 164, 165} {
		h := hostNamed(i+1, last)
		w.hosts = append(w.hosts, h)
		mode := Master
		if i > 1 {
			mode = Slave
		}
		spec.Hosts = append(spec.Hosts, HostSpec{Name: h.name, Address: h.address, Mode: mode, Priority: i + 1, Weight: 1, Port: 3306, ReplicationPort: listenerPort})
	}
	w.etcd.Spec = Entry[Spec]{Value: spec, Rev: 1}
	return w
}

// healthyWorld is the scenario at rest: db1 is the writer and the others
// acknowledge; each host has one reader VIP.
func healthyWorld() *world {
	w := newWorld()
	w.etcd.Rev = 100
	w.rows["0-1-100"] = EpochRow{Cluster: "cluster-1", Epoch: 100, ID: "id-db1", GTID: position("0-1-100")}
	ackers := map[HostID]Incarnation{}
	vips := w.etcd.Spec.Value.Roles.Reader.VIPs
	for i, h := range w.hosts {
		h.log, h.done, h.vips = []string{"0-1-100"}, 1, []netip.Addr{vips[i]}
		w.etcd.Claims[vips[i]] = Entry[Claim]{Value: Claim{ID: h.id, Name: h.name}, Rev: Rev(50 + i), Lease: h.lease}
		w.etcd.Memories[h.name] = Entry[Memory]{Value: Memory{ID: h.id, Cleared: h.inc, Seen: h.inc, Since: w.began}, Rev: Rev(40 + i)}
		if h.name != "db1" {
			ackers[h.id] = h.inc
			h.source, h.reads, h.linked, h.applies, h.semi = "db1", true, true, true, true
		}
	}
	db1 := w.hosts[0]
	db1.counts, db1.writable, db1.term = true, true, Term{Epoch: 100, Incarnation: db1.inc}
	db1.vips = append(db1.vips, storyVIP(".113"))
	w.etcd.Writer = Entry[Writer]{Value: Writer{ID: db1.id, Name: "db1", Best: position("0-1-99"), Agent: "agent-db1"}, Rev: 100, Lease: db1.lease}
	w.etcd.Phase = Entry[Phase]{Value: Phase{Epoch: 100, Step: Ready, Incarnation: db1.inc, Position: position("0-1-100")}, Rev: 100, Lease: db1.lease}
	w.etcd.Reign = Entry[Reign]{Value: Reign{Epoch: 100, ID: db1.id, Name: "db1", Incarnation: db1.inc, Start: position("0-1-100"), Ackers: ackers, W: 1,
		Voters: []HostID{"id-db1", "id-db2", "id-db3", "id-db4"}}, Rev: 100}
	w.look()
	return w
}

func storyVIP(s string) netip.Addr {
	if strings.HasPrefix(s, ".") {
		s = "192.0.2" + s
	}
	return netip.MustParseAddr(s)
}

func position(s string) gtid.Set {
	set, err := gtid.Parse(s)
	if err != nil {
		panic(err)
	}
	return set
}

func (w *world) host(name string) (*host, error) {
	for _, h := range w.hosts {
		if h.name == name {
			return h, nil
		}
	}
	return nil, fmt.Errorf("there is no host %q", name)
}

// put makes a new revision of a key.
func (w *world) put() Rev {
	w.etcd.Rev++
	return w.etcd.Rev
}

// startServer begins a new run of mysqld: as the settings demand it is
// read-only, replicates nothing and acknowledges nothing.
func (h *host) startServer() {
	h.stopServer("mysqld is not running")
	h.runs++
	h.inc, h.why = Incarnation(fmt.Sprintf("%s#%d", h.name, h.runs)), ""
}

// stopServer ends the run. What nobody acknowledged is truncated from the
// binlog, and what was received but not applied is lost (P6, P1).
func (h *host) stopServer(why string) {
	h.keep()
	if h.done == len(h.log) {
		h.done = h.committed()
	}
	h.log = slices.Clone(h.log[:h.done])
	h.inc, h.why, h.hung, h.waiting = "", why, false, 0
	h.reads, h.linked, h.applies, h.semi, h.counts, h.writable, h.byHand = false, false, false, false, false, false, false
}

// committed is how much of the log a client may see: what waits for an
// acknowledgement is in the binlog, but not yet in the tables.
func (h *host) committed() int { return max(0, h.done-h.waiting) }

// grant gives the agent a new lease; it reaches etcd again.
func (h *host) grant() {
	h.leases++
	h.lease, h.late, h.frozen, h.away, h.off = LeaseID(int(h.server)*1000+h.leases), false, nil, false, false
}

// expire ends a lease in etcd, and with it every key that hangs on it. The agent knows no better.
func (w *world) expire(h *host) {
	last := w.cluster()
	h.frozen = &last
	w.drop(h.lease)
	h.lease, h.late = 0, true
}

func (w *world) drop(lease LeaseID) {
	w.put()
	maps.DeleteFunc(w.etcd.Bids, func(_ HostID, e Entry[Bid]) bool { return e.Lease == lease })
	maps.DeleteFunc(w.etcd.Claims, func(_ netip.Addr, e Entry[Claim]) bool { return e.Lease == lease })
	if w.etcd.Writer.Lease == lease {
		w.vacate()
	}
}

func (w *world) vacate() {
	w.put()
	w.etcd.Writer, w.etcd.Phase = Entry[Writer]{}, Entry[Phase]{}
}

// forget is a restart of the agent: only what is on disk survives.
func (h *host) forget() {
	h.term, h.busy, h.kept.left = Term{}, nil, time.Time{}
	h.seen = Seen{Epoch: h.seen.Epoch, Distrust: h.seen.Distrust, Cut: map[HostID]gtid.Set{}, Failed: map[Kind]Failure{}}
}

func end(log []string) gtid.Set {
	if len(log) == 0 {
		return gtid.Set{}
	}
	return position(log[len(log)-1])
}

// row is the highest epoch row of a log, as far as it is visible.
func (w *world) row(log []string) EpochRow {
	for _, t := range slices.Backward(log) {
		if r, ok := w.rows[t]; ok {
			return r
		}
	}
	return EpochRow{}
}

func (w *world) replication(h *host) Replication {
	if h.source == "" {
		return Replication{Semi: h.semi}
	}
	r := Replication{Configured: true, Source: "gone:0", IO: "No", SQL: h.applies, Semi: h.semi, Attached: h.semi && h.linked, Error: h.broken, Delay: Duration(h.delay)}
	if s, err := w.host(h.source); err == nil {
		r.Source = fmt.Sprintf("%s:%d", s.address, listenerPort)
	}
	switch {
	case h.reads && h.linked:
		r.IO = "Yes"
	case h.reads:
		r.IO = "Connecting"
	}
	return r
}

// probe is what the agent sees of its mysqld.
func (w *world) probe(h *host) Probe {
	if h.inc == "" {
		return Probe{At: w.now, Why: h.why, Disk: h.disk, Clone: h.copy.Clone, NoData: h.copy.noData, Unfinished: h.copy.Unfinished()}
	}
	return Probe{At: w.now, Incarnation: h.inc, Up: !h.hung, Why: h.why, ServerID: h.server, ReadOnly: !h.writable,
		Position: end(h.log[:h.done]), Applied: end(h.log[:h.done]), Received: end(h.log), Replication: w.replication(h),
		SemiSource: h.counts, Waiting: h.waiting, Epoch: w.row(h.log[:h.committed()]), Problems: h.problems,
		State: stateOf(h.log[:h.done]), Joints: w.joints(h.log[:h.committed()]), Unfinished: h.halfway || h.copy.Unfinished(), Kept: h.keptRuns(), Disk: h.disk, Clone: h.copy.Clone}
}

func (w *world) report(h *host) Report {
	p := w.probe(h)
	r := Report{Name: h.name, Address: h.address, Lease: h.lease, Fence: "nft", ServerID: h.server, Incarnation: p.Incarnation,
		MySQL: Health{Up: p.Up, Why: p.Why}, ReadOnly: p.ReadOnly, Replication: p.Replication, Position: p.Position, Received: p.Received,
		EpochRow: w.row(h.log).Epoch, Stuck: h.stuck, Version: h.version, Asked: h.seen.Asked, Disk: p.Disk}
	switch {
	case h.disk.Bad:
		r.Unable = h.disk.Why()
	case len(h.problems) > 0:
		r.Unable = h.problems[0]
	}
	r.Past, r.Space = w.past(h, p), h.copy.space
	if r.Space != (Space{}) {
		r.Peer = 9989
	}
	for _, name := range []string{CheckPing, CheckMySQL, CheckThreads, CheckBacklog} {
		if c, ok := h.checks[name]; ok {
			r.Checks = append(r.Checks, c)
		}
	}
	return r
}

// cluster is one reading of etcd.
func (w *world) cluster() Cluster {
	c := w.etcd
	c.Intents, c.Memories, c.Bids, c.Claims, c.Pins = maps.Clone(c.Intents), maps.Clone(c.Memories), maps.Clone(c.Bids), maps.Clone(c.Claims), maps.Clone(c.Pins)
	c.Rejoins = maps.Clone(c.Rejoins)
	c.Tombstones = maps.Clone(c.Tombstones)
	c.Hosts = map[HostID]Entry[Report]{}
	for _, h := range w.hosts {
		if h.lease != 0 {
			c.Hosts[h.id] = Entry[Report]{Value: w.report(h), Rev: w.etcd.Rev, Lease: h.lease}
		}
	}
	return c
}

// sees is the reading of etcd that the agent has.
func (h *host) sees(c Cluster) Cluster {
	switch {
	case h.frozen != nil:
		return *h.frozen
	case h.watch != nil:
		return *h.watch
	default:
		return c
	}
}

// view is what a host decides upon.
func (w *world) view(h *host, c Cluster) View {
	c = h.sees(c)
	v := View{Now: w.now, Self: h.name, ID: h.id, Agent: "agent-" + h.name, Cluster: c, Probe: w.probe(h), Term: h.term, VIPs: h.vips, Port: h.port, Busy: h.busy, Seen: h.seen}
	v.Lease = Lease{ID: h.lease, TTL: 2 * time.Second, Left: 1500 * time.Millisecond}
	v.Failsafe = w.failsafe(h)
	if h.late {
		v.Lease.Left = v.Failsafe.Left
	}
	return v
}

// views are what all hosts would decide on with one reading of etcd, as values of their own.
func (w *world) views(c Cluster) []View {
	var out []View
	for _, h := range w.hosts {
		v := w.view(h, c)
		v.Cluster = c
		v.Seen.Failed = maps.Clone(v.Seen.Failed)
		out = append(out, rebuilt(v))
	}
	return out
}

// look lets data flow and every agent take in what it sees.
func (w *world) look() {
	for range w.hosts {
		w.flow()
	}
	for _, h := range w.hosts {
		w.check(h)
	}
	c := w.cluster()
	for _, h := range w.hosts {
		w.remember(h, c)
	}
	for _, h := range w.hosts {
		if h.copy.space != (Space{}) {
			v := w.view(h, c)
			h.copy.said = v.RepairOf()
		}
	}
}

// flow carries what sources have to the replicas that are attached.
func (w *world) flow() {
	for _, h := range w.hosts {
		src, err := w.host(h.source)
		h.linked = err == nil && h.reads && h.inc != "" && src.inc != "" && !h.away && !src.away && !slices.Contains(src.seen.Shunned, h.address)
		if !h.linked {
			continue
		}
		theirs := src.log[:src.done]
		if len(h.log) > len(theirs) || !slices.Equal(h.log, theirs[:len(h.log)]) {
			h.reads, h.linked = false, false
			h.broken = "IO thread: error 1236: connecting slave requested to start from GTID " + h.log[len(h.log)-1] + ", which is not in the master's binlog"
			continue
		}
		h.log = slices.Clone(theirs)
		if h.applies && !h.slow && h.broken == "" {
			h.done = len(h.log)
		}
		if h.semi && src.counts && !h.deaf {
			src.waiting = 0
			w.acknowledge(src)
		}
	}
}

// acknowledge notes that clients were told that everything here is safe.
func (w *world) acknowledge(h *host) {
	for _, t := range h.log[:h.done] {
		w.acked[t] = true
	}
}

// badFor is how long a check must fail before it counts.
const badFor = 2 * time.Second

// note takes one sample of a check: a good one counts at once, a bad one when
// it has been bad for a while, or was never good.
func (w *world) note(h *host, name string, ok bool, message string) {
	last := h.checks[name]
	switch first, bad := h.bad[name]; {
	case ok:
		delete(h.bad, name)
	case !bad:
		h.bad[name] = w.now
		ok = last.OK
	default:
		ok = last.OK && w.now.Sub(first) < badFor
	}
	h.checks[name] = Check{Name: name, OK: ok, Message: message}
}

// check makes MMM's checks; between two reigns the last verdict stands.
func (w *world) check(h *host) {
	note := func(name string, ok bool, message string) { w.note(h, name, ok, message) }
	up := h.inc != "" && !h.hung
	note(CheckPing, true, "its agent holds a lease")
	note(CheckMySQL, up, h.why)
	if w.etcd.Phase.Value.Step == Ready {
		ok, why := w.threads(h)
		note(CheckThreads, ok, why)
		switch {
		case w.etcd.Writer.Value.ID == h.id:
			note(CheckBacklog, true, "is the writer")
		case !ok || h.lag == nil:
			note(CheckBacklog, false, "the lag is unknown")
		default:
			limit := w.etcd.Spec.Value.Checks.BacklogMax
			note(CheckBacklog, *h.lag <= limit, fmt.Sprintf("lag %s, limit %s", h.lag, limit))
		}
	}
	good := up && h.checks[CheckThreads].OK && h.checks[CheckBacklog].OK
	switch {
	case !good:
		h.seen.Good = time.Time{}
	case h.seen.Good.IsZero():
		h.seen.Good = w.now
	}
}

func (w *world) threads(h *host) (bool, string) {
	r := w.replication(h)
	switch {
	case w.etcd.Writer.Value.ID == h.id:
		return true, "is the writer"
	case Diverged(h.broken):
		return false, "this host holds transactions that the writer does not have: " + h.broken
	case h.broken != "":
		return false, h.broken
	case h.source != w.etcd.Writer.Value.Name:
		return false, "it does not follow the writer"
	case r.IO != "Yes":
		return false, "the IO thread is not connected (" + r.IO + ")"
	default:
		return r.SQL, "the SQL thread is stopped"
	}
}

// remember keeps what an agent keeps between two views.
func (w *world) remember(h *host, c Cluster) {
	c = h.sees(c)
	s, p := &h.seen, w.probe(h)
	since := func(t *time.Time, holds bool) {
		switch {
		case !holds:
			*t = time.Time{}
		case t.IsZero():
			*t = w.now
		}
	}
	since(&s.Waiting, p.Waiting > 0)
	if p.Up {
		s.Suspect = s.Suspect.Look(c, h.id, p.State, w.now)
	}
	since(&s.Acked, h.term.Epoch > 0 && p.Epoch.Epoch == h.term.Epoch)
	open := c.Switchover.Present() && c.Switchover.Value.Step.Open()
	since(&s.Order, open)
	if !open {
		s.Drained = time.Time{}
	}
	if c.Rev >= s.Top && c.Reign.Rev > s.Reign.Rev {
		s.Reign = c.Reign
	}
	s.Top = max(s.Top, c.Rev)
	if c.Rev >= s.Epoch {
		s.Epoch = max(s.Epoch, c.LastEpoch())
	}
	maps.DeleteFunc(s.Cut, func(id HostID, _ gtid.Set) bool { _, acks := c.Reign.Value.Ackers[id]; return !acks })
}

// errGuard is what etcd answers when a key is not as it was decided upon.
var errGuard = errors.New("etcd refused it: what it was decided on has changed")
