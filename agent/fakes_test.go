package agent

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/internal/fence"
	"github.com/mmm-ha/mmm/internal/process"
	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
	"github.com/mmm-ha/mmm/vip"
)

// journal is what was done, in order. A verb can be made to fail, to hang or to
// let the test do something in its middle.
type journal struct {
	mu    sync.Mutex
	lines []string
	fails map[string]error
	hooks map[string]func(ctx context.Context) error
}

func newJournal() *journal {
	return &journal{fails: map[string]error{}, hooks: map[string]func(context.Context) error{}}
}

// enter writes a line for the verb and says how it fares.
func (j *journal) enter(ctx context.Context, verb string) error {
	j.mu.Lock()
	j.lines = append(j.lines, verb)
	err, hook := j.fails[verb], j.hooks[verb]
	j.mu.Unlock()
	if hook != nil {
		if err := hook(ctx); err != nil {
			return err
		}
	}
	return err
}

// fail makes a verb return err from now on; nil lets it work again.
func (j *journal) fail(verb string, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.fails[verb] = err
}

// hook is called inside a verb, before it has any effect.
func (j *journal) hook(verb string, f func(ctx context.Context) error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.hooks[verb] = f
}

func (j *journal) did(verb string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for _, line := range j.lines {
		if line == verb {
			n++
		}
	}
	return n
}

// order is the first appearance of each of the verbs.
func (j *journal) order(verbs ...string) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []string
	for _, line := range j.lines {
		if slices.Contains(verbs, line) && !slices.Contains(out, line) {
			out = append(out, line)
		}
	}
	return out
}

// last is the last line of those named.
func (j *journal) last(verbs ...string) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, line := range slices.Backward(j.lines) {
		if slices.Contains(verbs, line) {
			return line
		}
	}
	return ""
}

func (j *journal) clear() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = nil
}

// hang is a hook for a server that does not answer.
func hang(ctx context.Context) error {
	<-ctx.Done()
	return fmt.Errorf("hangs: %w", dbops.ErrTimeout)
}

// fakeDB is a mysqld. Its probe is its whole state.
type fakeDB struct {
	*journal
	mu    sync.Mutex
	probe topology.Probe
}

// with reads or changes the state of the server.
func (d *fakeDB) with(f func(p *topology.Probe)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f(&d.probe)
}

func (d *fakeDB) now() topology.Probe {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.probe
}

// do is a verb with its effect on the state.
func (d *fakeDB) do(ctx context.Context, verb string, effect func(p *topology.Probe)) error {
	if err := d.enter(ctx, verb); err != nil {
		return err
	}
	if err := d.dead(); err != nil {
		return err
	}
	d.with(effect)
	return nil
}

func (d *fakeDB) dead() error {
	if inc := d.now().Incarnation; inc == "" || !alive(inc) {
		return dbops.ErrUnreachable
	}
	return nil
}

func (d *fakeDB) Observe(ctx context.Context) (topology.Probe, error) {
	at := time.Now()
	if err := d.enter(ctx, "observe"); err != nil {
		p := d.now()
		return topology.Probe{At: at, Incarnation: p.Incarnation, PID: p.PID, Why: err.Error()}, err
	}
	if err := d.dead(); err != nil {
		return topology.Probe{At: at, Why: "mysqld does not run"}, err
	}
	p := d.now()
	p.At, p.Up = at, true
	return p, nil
}

func (d *fakeDB) Knock(ctx context.Context) error {
	return d.do(ctx, "knock", func(*topology.Probe) {})
}

func (d *fakeDB) SetReadOnly(ctx context.Context) error {
	if d.now().Waiting > 0 {
		d.journal.mu.Lock()
		d.lines = append(d.lines, "read-only")
		d.journal.mu.Unlock()
		return dbops.ErrLockWait
	}
	return d.do(ctx, "read-only", func(p *topology.Probe) { p.ReadOnly = true })
}

func (d *fakeDB) SetWritable(ctx context.Context, _ topology.Incarnation) error {
	return d.do(ctx, "writable", func(p *topology.Probe) { p.ReadOnly = false })
}

func (d *fakeDB) Rewind(ctx context.Context, r dbops.Rewind) (dbops.Rewound, error) {
	err := d.do(ctx, "rewind", func(p *topology.Probe) { p.Replication = topology.Replication{} })
	return dbops.Rewound{GTIDs: []string{"0-3-9"}, Archive: "/archive", Own: r.OnlyOwn}, err
}

func (d *fakeDB) TakePosition(ctx context.Context, _ string, state gtid.State) error {
	return d.do(ctx, "take-position", func(p *topology.Probe) { p.Position, p.State = state.Position(), state })
}

func (d *fakeDB) StopIO(ctx context.Context) error {
	return d.do(ctx, "stop-io", func(p *topology.Probe) { p.Replication.IO = "No" })
}

func (d *fakeDB) StartSQL(ctx context.Context) error {
	return d.do(ctx, "start-sql", func(p *topology.Probe) { p.Replication.SQL = true })
}

func (d *fakeDB) WaitApplied(ctx context.Context, _ gtid.Set) error {
	return d.do(ctx, "wait-applied", func(p *topology.Probe) { p.Applied = p.Received })
}

func (d *fakeDB) EnsureTables(ctx context.Context) error {
	return d.do(ctx, "ensure-tables", func(*topology.Probe) {})
}

func (d *fakeDB) BecomeSource(ctx context.Context) error {
	return d.do(ctx, "become-source", func(p *topology.Probe) { p.Replication, p.SemiSource = topology.Replication{}, true })
}

func (d *fakeDB) LeaveSource(ctx context.Context) error {
	return d.do(ctx, "leave-source", func(p *topology.Probe) { p.SemiSource = false })
}

func (d *fakeDB) Follow(ctx context.Context, from dbops.Source) error {
	return d.do(ctx, "follow", func(p *topology.Probe) {
		p.Replication = topology.Replication{Configured: true, Source: from.String(), IO: "Yes", SQL: true, Semi: p.Replication.Semi}
	})
}

func (d *fakeDB) SetSemiReplica(ctx context.Context, on bool) error {
	return d.do(ctx, "set-semi", func(p *topology.Probe) { p.Replication.Semi = on })
}

func (d *fakeDB) Reattach(ctx context.Context) error {
	return d.do(ctx, "reattach", func(*topology.Probe) {})
}

func (d *fakeDB) WriteEpochRow(ctx context.Context, _ topology.Incarnation, row topology.EpochRow, _ uint64) (gtid.Set, error) {
	return gtid.Set{}, d.do(ctx, "epoch-row", func(p *topology.Probe) { p.Epoch = row })
}

func (d *fakeDB) WriteNudge(ctx context.Context, _ topology.Incarnation) error {
	return d.do(ctx, "nudge", func(*topology.Probe) {})
}

func (d *fakeDB) DisconnectReplica(ctx context.Context, _ netip.Addr) (int, error) {
	return 1, d.do(ctx, "disconnect", func(*topology.Probe) {})
}

func (d *fakeDB) WaitForNobody(ctx context.Context) error {
	return d.do(ctx, "wait-for-nobody", func(p *topology.Probe) { p.SemiSource, p.Waiting = false, 0 })
}

func (d *fakeDB) WaitAgain(ctx context.Context) (gtid.Set, error) {
	return d.now().Position, d.do(ctx, "wait-again", func(p *topology.Probe) { p.SemiSource = true })
}

func (d *fakeDB) Replay(ctx context.Context, _ string, _ topology.Incarnation) error {
	return d.do(ctx, "replay", func(p *topology.Probe) { p.Kept = nil })
}

func (d *fakeDB) KillIdleClients(ctx context.Context) (int, error) {
	return 0, d.do(ctx, "kill-idle", func(*topology.Probe) {})
}

// fakeGate is a fence on the client port.
type fakeGate struct {
	*journal
	mu   sync.Mutex
	open bool
	ends bool // the opening has a deadline
}

func (g *fakeGate) Kind() string { return "fake" }

func (g *fakeGate) State() fence.State {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case !g.open:
		return fence.Closed
	case g.ends:
		return fence.Timed
	default:
		return fence.Unlimited
	}
}

func (g *fakeGate) Keep(context.Context, fence.Layout) error { return nil }

func (g *fakeGate) OpenForReaders(ctx context.Context) error {
	return g.set(ctx, "gate-readers", true, false)
}

func (g *fakeGate) set(ctx context.Context, verb string, open, ends bool) error {
	if err := g.enter(ctx, verb); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open, g.ends = open, ends
	return nil
}

func (g *fakeGate) isOpen() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}

func (g *fakeGate) Open(ctx context.Context, _ time.Duration) error {
	return g.set(ctx, "gate-open", true, true)
}
func (g *fakeGate) Close(ctx context.Context) error { return g.set(ctx, "gate-close", false, false) }
func (g *fakeGate) Extend(ctx context.Context, _ time.Duration) error {
	return g.enter(ctx, "gate-extend")
}

// fakePorts are the rules of the packet filter.
type fakePorts struct{ *journal }

func (p fakePorts) Reject(ctx context.Context, addrs []netip.Addr, _ uint16) error {
	return p.enter(ctx, fmt.Sprintf("reject %v", addrs))
}

func (p fakePorts) Refuse(ctx context.Context, addrs []netip.Addr, _ uint16) error {
	return p.enter(ctx, fmt.Sprintf("refuse %v", addrs))
}

// fakeVIPs is the real keeper of addresses over a kernel that is none.
type fakeVIPs struct {
	*vip.Manager
	*journal
	kernel *vip.Fake
}

func (v *fakeVIPs) Reconcile(ctx context.Context, want []netip.Addr, left time.Duration) error {
	if err := v.enter(ctx, fmt.Sprintf("vips %v", want)); err != nil {
		return err
	}
	return v.Manager.Reconcile(ctx, want, left)
}

func (v *fakeVIPs) Clear(ctx context.Context) error {
	if err := v.enter(ctx, "vips-gone"); err != nil {
		return err
	}
	return v.Manager.Clear(ctx)
}

func (v *fakeVIPs) Drop(ctx context.Context, addrs ...netip.Addr) error {
	if err := v.enter(ctx, fmt.Sprintf("drop %v", addrs)); err != nil {
		return err
	}
	return v.Manager.Drop(ctx, addrs...)
}

// up are the addresses that the kernel has, whatever the keeper remembers.
func (v *fakeVIPs) up(t *testing.T) []netip.Addr {
	t.Helper()
	list, err := v.kernel.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out []netip.Addr
	for _, e := range list {
		out = append(out, e.Prefix.Addr())
	}
	return out
}

// fakeStore is etcd: a revision that goes up, and what was written last. Guards
// are the real store's affair.
type fakeStore struct {
	*journal
	mu      sync.Mutex
	rev     topology.Rev
	cluster topology.Cluster
	reports []topology.Report
	bid     topology.Bid
	writers []topology.Writer
	target  topology.LeaseID
}

var _ registry = (*fakeStore)(nil)

// write is a transaction that happens unless the journal says otherwise.
func (f *fakeStore) write(ctx context.Context, verb string, effect func()) (topology.Rev, error) {
	if err := f.enter(ctx, verb); err != nil {
		return 0, err
	}
	if ctx.Err() != nil {
		return 0, store.ErrUnknownOutcome
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rev++
	if effect != nil {
		effect()
	}
	return f.rev, nil
}

func (f *fakeStore) Load(ctx context.Context) (topology.Cluster, error) {
	if err := f.enter(ctx, "load"); err != nil {
		return topology.Cluster{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cluster, nil
}

func (f *fakeStore) PutReport(ctx context.Context, _ topology.LeaseID, _ topology.HostID, r topology.Report) (topology.Rev, error) {
	return f.write(ctx, "put-report", func() { f.reports = append(f.reports, r) })
}

func (f *fakeStore) written() []topology.Report {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.reports)
}

func (f *fakeStore) PutBid(ctx context.Context, _ topology.LeaseID, _ topology.HostID, b topology.Bid, _ store.Guards) (topology.Rev, error) {
	return f.write(ctx, "put-bid", func() { f.bid = b })
}

func (f *fakeStore) DeleteBid(ctx context.Context, _ topology.HostID, _ topology.Rev) (topology.Rev, error) {
	return f.write(ctx, "delete-bid", nil)
}

func (f *fakeStore) Campaign(ctx context.Context, r store.CampaignRequest) (topology.Rev, error) {
	return f.write(ctx, "campaign", func() { f.writers = append(f.writers, r.Writer) })
}

func (f *fakeStore) Retake(ctx context.Context, r store.CampaignRequest, _ topology.Reign) (topology.Rev, error) {
	return f.write(ctx, "retake", func() { f.writers = append(f.writers, r.Writer) })
}

func (f *fakeStore) PutPhase(ctx context.Context, _ topology.LeaseID, _ topology.Rev, p topology.Phase) (topology.Rev, error) {
	return f.write(ctx, "put-phase "+string(p.Step), nil)
}

func (f *fakeStore) PutReign(ctx context.Context, _, _ topology.Rev, r topology.Reign) (topology.Rev, error) {
	return f.write(ctx, "put-reign", func() { f.cluster.Reign.Value = r })
}

func (f *fakeStore) AdvanceSwitchover(ctx context.Context, _, _ topology.Rev, s topology.Switchover) (topology.Rev, error) {
	return f.write(ctx, "advance "+string(s.Step), func() { f.cluster.Switchover.Value = s })
}

func (f *fakeStore) HandOver(ctx context.Context, _ topology.Rev, _ topology.Entry[topology.Switchover], w topology.Writer, lease topology.LeaseID) (topology.Rev, error) {
	return f.write(ctx, "hand-over", func() { f.writers, f.target = append(f.writers, w), lease })
}

func (f *fakeStore) DropWriter(ctx context.Context, _ topology.Rev) (topology.Rev, error) {
	return f.write(ctx, "drop-writer", nil)
}

func (f *fakeStore) PutTombstone(ctx context.Context, _, _ topology.Rev, _ topology.Tombstone) (topology.Rev, error) {
	return f.write(ctx, "put-tombstone", nil)
}

func (f *fakeStore) PutMemory(ctx context.Context, _ string, _ topology.Rev, _ topology.Memory) (topology.Rev, error) {
	return f.write(ctx, "put-memory", nil)
}

func (f *fakeStore) EndRejoin(ctx context.Context, _ string, _ topology.Rev) (topology.Rev, error) {
	return f.write(ctx, "end-rejoin", nil)
}

func (f *fakeStore) ClaimVIP(ctx context.Context, _ topology.LeaseID, addr netip.Addr, _ topology.Claim) (topology.Rev, error) {
	return f.write(ctx, "claim "+addr.String(), nil)
}

func (f *fakeStore) ReleaseVIP(ctx context.Context, addr netip.Addr, _ topology.Rev) (topology.Rev, error) {
	return f.write(ctx, "release "+addr.String(), nil)
}

func (f *fakeStore) AppendEvent(ctx context.Context, _ topology.HostID, _ topology.Event) error {
	_, err := f.write(ctx, "event", nil)
	return err
}

// sleeper starts a process that stands for mysqld; the kernel knows it.
func sleeper(t *testing.T) topology.Incarnation {
	t.Helper()
	cmd := exec.Command("sleep", "600")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	inc, err := process.Of(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return inc
}
