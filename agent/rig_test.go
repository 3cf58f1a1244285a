package agent

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/election"
	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
	"github.com/mmm-ha/mmm/vip"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bound is how long a test waits for what must come; nothing is asserted about
// how long it really takes.
const bound = 10 * time.Second

// What the tests are about: host db1 with its VIPs, in epoch 7.
const (
	self       = "db1"
	selfID     = topology.HostID("id-1")
	epoch      = topology.Rev(7)
	leaseID    = topology.LeaseID(0x11)
	otherLease = topology.LeaseID(0x22)
)

// goneRun is a mysqld of an earlier boot: dead for certain. oddRun is one that
// cannot be found, so it counts as alive and cannot be killed.
const (
	goneRun = topology.Incarnation("00000000-0000-0000-0000-000000000000/1234/5")
	oddRun  = topology.Incarnation("odd")
)

var (
	writerVIP = netip.MustParseAddr("192.0.2.10")
	readerVIP = netip.MustParseAddr("192.0.2.11")
	db1       = netip.MustParseAddr("192.0.2.1")
	db2       = netip.MustParseAddr("192.0.2.2")
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// rig is an agent whose hands are fakes that write one journal.
type rig struct {
	*Agent
	*journal
	t     *testing.T
	db    *fakeDB
	gate  *fakeGate
	vips  *fakeVIPs
	etcd  *fakeStore
	lines *lineLog
}

func newRig(t *testing.T) *rig {
	t.Helper()
	j, lines := newJournal(), &lineLog{}
	log := slog.New(slog.NewTextHandler(lines, &slog.HandlerOptions{Level: slog.LevelDebug}))
	born := time.Now()
	kernel := vip.NewFake("eth0")
	r := &rig{
		journal: j, t: t, lines: lines,
		db:   &fakeDB{journal: j, probe: topology.Probe{Up: true, Incarnation: oddRun, ReadOnly: true}},
		gate: &fakeGate{journal: j},
		vips: &fakeVIPs{journal: j, kernel: kernel, Manager: vip.New(vip.Options{Kernel: kernel, Log: log, Clock: kernel.Clock})},
		etcd: &fakeStore{journal: j, rev: 100},
	}
	highest, err := election.LoadHighest(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	a := &Agent{
		opt: Config{Host: self, Cluster: "t", RunDir: t.TempDir()}, log: log, id: selfID, token: "me",
		clock: election.Clock{Boot: func() time.Duration { return time.Since(born) }},
		in:    newInbox(), reports: make(chan topology.Report, 1), wants: make(chan step.Want, 1), guards: make(chan guarded, 1),
		releasing: make(chan chan error, 1), door: newDoor(), beat: func() {}, ttl: defaultTTL,
		db: r.db, store: r.etcd, vips: r.vips, ports: fakePorts{j}, gate: r.gate,
	}
	a.lastProbe.Store(topology.Probe{})
	a.rejected.Store(netip.Addr{})
	a.foreign.log = log
	a.remembered = newRemembered(a.opt.RunDir, a.id, a.token, highest, log)
	a.failsafe = newRigFailsafe(t, a.clock)
	a.history = newHistorian(selfID, r.etcd, log)
	a.prober = newProber(r.db, t.TempDir(), log, func(topology.Probe) {})
	a.life = t.Context()
	r.Agent = a
	return r
}

// run puts a living process under the fake mysqld.
func (r *rig) run() topology.Incarnation {
	r.t.Helper()
	inc := sleeper(r.t)
	r.db.with(func(p *topology.Probe) { p.Incarnation = inc })
	return inc
}

// job is an action of the reign, decided a moment ago.
func (r *rig) job(act topology.Action) (job, *fakeLease, *election.Term) {
	lease := &fakeLease{id: leaseID}
	lease.left.Store(int64(time.Minute))
	act.Epoch = epoch
	p := r.db.now()
	p.At = time.Now()
	term := election.NewTerm(r.t.Context(), epoch, p.Incarnation)
	r.t.Cleanup(func() { term.End("the test is over") })
	return job{Action: act, session: lease, probe: p, term: term, cluster: cluster()}, lease, term
}

// openJob is the opening of the reign, with both VIPs.
func (r *rig) openJob() (job, *fakeLease, *election.Term) {
	return r.job(topology.Action{Kind: topology.OpenDoor, Phase: &topology.Phase{Epoch: epoch, Step: topology.Ready},
		VIPs: []netip.Addr{writerVIP, readerVIP}})
}

// serving is a writer that is open, with its VIPs up.
func (r *rig) serving() {
	r.t.Helper()
	j, _, _ := r.openJob()
	if _, err := r.openDoor(r.t.Context(), j); err != nil {
		r.t.Fatal(err)
	}
	r.journal.clear()
}

// mustBeClosed looks at what a client would find.
func (r *rig) mustBeClosed() {
	r.t.Helper()
	if r.gate.isOpen() {
		r.t.Error("the port is open")
	}
	if up := r.vips.up(r.t); len(up) > 0 {
		r.t.Errorf("addresses are up: %v", up)
	}
	if p := r.db.now(); !p.ReadOnly && p.Incarnation != "" && alive(p.Incarnation) {
		r.t.Error("mysqld is alive and writable")
	}
}

// fakeLease is a lease that the test lets run out.
type fakeLease struct {
	id   topology.LeaseID
	left atomic.Int64
}

func (l *fakeLease) ID() topology.LeaseID { return l.id }
func (l *fakeLease) Left() time.Duration  { return time.Duration(l.left.Load()) }
func (l *fakeLease) runOut()              { l.left.Store(0) }

// cluster is what etcd says while db1 reigns.
func cluster() topology.Cluster {
	spec := topology.Spec{ID: "c-1", Cluster: "t", Hosts: []topology.HostSpec{
		{Name: self, Address: db1, Mode: topology.Master, Port: 3306, ReplicationPort: 3307, Interface: "eth0", Weight: 1},
		{Name: "db2", Address: db2, Mode: topology.Master, Port: 3306, ReplicationPort: 3307, Interface: "eth0", Weight: 1},
	}}
	spec.Roles.Writer.VIPs = []netip.Addr{writerVIP}
	spec.Roles.Reader.VIPs = []netip.Addr{readerVIP}
	return topology.Cluster{
		Rev:  50,
		Spec: topology.Entry[topology.Spec]{Value: spec, Rev: 1},
		Writer: topology.Entry[topology.Writer]{Rev: epoch, Lease: leaseID,
			Value: topology.Writer{ID: selfID, Name: self, Agent: "me/1"}},
		Phase: topology.Entry[topology.Phase]{Rev: 9, Lease: leaseID,
			Value: topology.Phase{Epoch: epoch, Step: topology.Ready, Incarnation: oddRun}},
		Reign: topology.Entry[topology.Reign]{Rev: 8, Value: topology.Reign{Epoch: epoch, ID: selfID, Name: self,
			Incarnation: oddRun, W: 1, Ackers: map[topology.HostID]topology.Incarnation{"id-2": "run-2"}}},
		Hosts: map[topology.HostID]topology.Entry[topology.Report]{},
		Bids:  map[topology.HostID]topology.Entry[topology.Bid]{},
	}
}

func pos(t *testing.T, text string) gtid.Set {
	t.Helper()
	set, err := gtid.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// soon is the next value of a channel.
func soon[T any](t *testing.T, what string, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(bound):
		t.Fatalf("after %s there is no sign of %s", bound, what)
	}
	return v
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(bound); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after %s still not so: %s", bound, what)
		}
	}
}

// lineLog collects log lines.
type lineLog struct {
	mu    sync.Mutex
	lines []string
}

func (l *lineLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(p))
	return len(p), nil
}

func (l *lineLog) with(words ...string) (out []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
lines:
	for _, line := range l.lines {
		for _, w := range words {
			if !strings.Contains(line, w) {
				continue lines
			}
		}
		out = append(out, line)
	}
	return out
}

// bounded is a context for one call.
func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	t.Cleanup(cancel)
	return ctx
}
