package ctl

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

// noon is the time of all tests.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// shop is a well cluster of four hosts: db1 writes (epoch 7), db2 and db3
// acknowledge, db3 and db4 are mode slave, and each replica has a reader VIP.
func shop() topology.Cluster {
	c := topology.Cluster{
		Rev:        100,
		Spec:       entry(shopSpec(), 2),
		Intents:    map[string]topology.Entry[topology.Intent]{},
		Memories:   map[string]topology.Entry[topology.Memory]{},
		Hosts:      map[topology.HostID]topology.Entry[topology.Report]{},
		Writer:     entry(topology.Writer{ID: "id-db1", Name: "db1"}, 7),
		Phase:      entry(topology.Phase{Epoch: 7, Step: topology.Ready, Incarnation: "inc-db1"}, 9),
		Bids:       map[topology.HostID]topology.Entry[topology.Bid]{},
		Claims:     map[netip.Addr]topology.Entry[topology.Claim]{},
		Pins:       map[netip.Addr]topology.Entry[topology.Pin]{},
		Rejoins:    map[string]topology.Entry[topology.RejoinOrder]{},
		Switchover: topology.Entry[topology.Switchover]{},
	}
	c.Reign = entry(topology.Reign{
		Epoch: 7, ID: "id-db1", Name: "db1", Incarnation: "inc-db1", W: 1,
		Ackers: map[topology.HostID]topology.Incarnation{"id-db2": "inc-db2", "id-db3": "inc-db3"},
		Voters: []topology.HostID{"id-db1", "id-db2", "id-db3"},
	}, 8)
	for i, h := range c.Spec.Value.Hosts {
		c.Memories[h.Name] = entry(topology.Memory{ID: idOf(h.Name), Cleared: incOf(h.Name), Since: noon.Add(-time.Hour)}, 3)
		c.Hosts[idOf(h.Name)] = entry(report(h, i+1), 50)
	}
	for i, name := range []string{"db2", "db3", "db4"} {
		c.Claims[c.Spec.Value.Roles.Reader.VIPs[i]] = entry(topology.Claim{ID: idOf(name), Name: name}, 20)
	}
	return c
}

func shopSpec() topology.Spec {
	host := func(n int, mode topology.HostMode, priority int) topology.HostSpec {
		return topology.HostSpec{
			Name: fmt.Sprintf("db%d", n), Address: addr(160 + n), Mode: mode, Priority: priority, Weight: 1,
			Port: 3306, ReplicationPort: 3309, Interface: "eth0",
		}
	}
	return topology.Spec{
		APIVersion: "mmm/v1", Cluster: "shop", ID: "shop-id",
		Hosts: []topology.HostSpec{host(2, topology.Master, 2), host(1, topology.Master, 1), host(3, topology.Slave, 100), host(4, topology.Slave, 100)},
		Roles: topology.Roles{
			Writer: topology.Role{Mode: "exclusive", VIPs: []netip.Addr{addr(113)}},
			Reader: topology.Role{Mode: "balanced", VIPs: []netip.Addr{addr(110), addr(111), addr(112)}},
		},
		Timing:     topology.Timing{Profile: "lan", TTL: topology.Duration(2 * time.Second), Probe: topology.Duration(50 * time.Millisecond), ProbeLimit: topology.Duration(500 * time.Millisecond), Misses: 2},
		Durability: topology.Lossless,
		Recovery:   topology.Recovery{AutoSetOnline: topology.Duration(time.Minute), FlapCount: 3, FlapDuration: topology.Duration(time.Hour)},
		Checks:     topology.Checks{BacklogMax: topology.Duration(10 * time.Second), BacklogFor: 3, ThreadsFor: 2},
		MySQL:      topology.MySQLSpec{ReplicationUser: "repl"},
	}
}

func report(h topology.HostSpec, server int) topology.Report {
	lag := topology.Duration(0)
	r := topology.Report{
		Name: h.Name, Address: h.Address, Lease: topology.LeaseID(server), Fence: "nftables", Version: "10.11.11-MariaDB",
		ServerID: uint32(server), Incarnation: incOf(h.Name), MySQL: topology.Health{Up: true}, ReadOnly: h.Name != "db1",
		Position: pos("0-1-48213"), Received: pos("0-1-48213"), EpochRow: 7, Lag: &lag,
	}
	if h.Name != "db1" {
		r.Replication = topology.Replication{Configured: true, Source: "192.0.2.161:3309", IO: "Yes", SQL: true, Semi: true, Attached: h.Name != "db4"}
	}
	for _, name := range checkNames {
		r.Checks = append(r.Checks, topology.Check{Name: name, OK: true, Since: noon.Add(-time.Hour)})
	}
	return r
}

func entry[T any](v T, rev topology.Rev) topology.Entry[T] {
	return topology.Entry[T]{Value: v, Rev: rev}
}

func addr(n int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}) }

func idOf(name string) topology.HostID { return topology.HostID("id-" + name) }

func incOf(name string) topology.Incarnation { return topology.Incarnation("inc-" + name) }

func pos(s string) gtid.Set {
	set, err := gtid.Parse(s)
	if err != nil {
		panic(err)
	}
	return set
}

// change alters the report of a host.
func change(c *topology.Cluster, name string, f func(r *topology.Report)) {
	e := c.Hosts[idOf(name)]
	e.Value.Checks = append([]topology.Check(nil), e.Value.Checks...)
	f(&e.Value)
	c.Hosts[idOf(name)] = e
}

// fail makes a check of a host bad.
func fail(c *topology.Cluster, name, check, message string) {
	change(c, name, func(r *topology.Report) {
		for i := range r.Checks {
			if r.Checks[i].Name == check {
				r.Checks[i].OK, r.Checks[i].Message, r.Checks[i].Since = false, message, noon.Add(-41*time.Second)
			}
		}
	})
}

// lost takes the lease of a host away, and all that hung on it.
func lost(c *topology.Cluster, name string) {
	delete(c.Hosts, idOf(name))
	delete(c.Bids, idOf(name))
	for vip, claim := range c.Claims {
		if claim.Value.Name == name {
			delete(c.Claims, vip)
		}
	}
	if c.Writer.Value.Name == name {
		c.Writer, c.Phase = topology.Entry[topology.Writer]{}, topology.Entry[topology.Phase]{}
	}
}

// mode sets the mode of a cluster.
func mode(c *topology.Cluster, m topology.Mode) {
	c.Mode = entry(topology.ModeSetting{Mode: m, Who: "alice@ops1", Why: "network work", Since: noon.Add(-10 * time.Minute)}, 30)
}

// fake is a Store in memory. After an order or a wish was taken, each Load
// first plays one step of what the agents would do.
type fake struct {
	recovered store.Recovery
	cluster   topology.Cluster
	events    []topology.Event
	agents    []func(c *topology.Cluster)
	asked     bool
	err       error // of every call
	putErr    error // of every write
	loads     int
}

func (f *fake) Load(context.Context) (topology.Cluster, error) {
	f.loads++
	if f.err != nil {
		return topology.Cluster{}, f.err
	}
	if f.asked && len(f.agents) > 0 {
		f.agents[0](&f.cluster)
		f.agents = f.agents[1:]
	}
	out := f.cluster
	out.Hosts, out.Claims, out.Pins, out.Intents = maps.Clone(out.Hosts), maps.Clone(out.Claims), maps.Clone(out.Pins), maps.Clone(out.Intents)
	out.Rejoins = maps.Clone(out.Rejoins)
	return out, nil
}

func (f *fake) Events(_ context.Context, since time.Time, limit int) ([]topology.Event, error) {
	var out []topology.Event
	for _, e := range f.events {
		if !e.At.Before(since) {
			out = append(out, e)
		}
	}
	if limit > 0 && len(out) > limit {
		out = out[len(out)-limit:]
	}
	return out, f.err
}

func (f *fake) WatchEvents(ctx context.Context, since time.Time, each func(topology.Event)) error {
	each(topology.Event{At: since.Add(time.Second), Host: "db2", What: "a new event"})
	<-ctx.Done()
	return ctx.Err()
}

// guard refuses a write whose caller saw another revision.
func (f *fake) guard(now, prev topology.Rev) (topology.Rev, error) {
	switch {
	case f.err != nil:
		return 0, f.err
	case f.putErr != nil:
		return 0, f.putErr
	case now != prev:
		return 0, fmt.Errorf("put: %w: it is at revision %d, not %d", store.ErrGuard, now, prev)
	}
	f.cluster.Rev++
	f.asked = true
	return f.cluster.Rev, nil
}

func (f *fake) PutSpec(_ context.Context, prev topology.Rev, s topology.Spec) (topology.Rev, error) {
	rev, err := f.guard(f.cluster.Spec.Rev, prev)
	if err == nil {
		f.cluster.Spec = entry(s, rev)
	}
	return rev, err
}

func (f *fake) SetMode(_ context.Context, prev topology.Rev, m topology.ModeSetting) (topology.Rev, error) {
	rev, err := f.guard(f.cluster.Mode.Rev, prev)
	if err == nil {
		f.cluster.Mode = entry(m, rev)
	}
	return rev, err
}

func (f *fake) AskRejoin(_ context.Context, name string, prev topology.Rev, o topology.RejoinOrder) (topology.Rev, error) {
	rev, err := f.guard(f.cluster.Rejoins[name].Rev, prev)
	if err == nil {
		f.cluster.Rejoins[name] = entry(o, rev)
	}
	return rev, err
}

func (f *fake) EndRejoin(_ context.Context, name string, rev topology.Rev) (topology.Rev, error) {
	next, err := f.guard(f.cluster.Rejoins[name].Rev, rev)
	if err == nil {
		delete(f.cluster.Rejoins, name)
	}
	return next, err
}

func (f *fake) SetIntent(_ context.Context, name string, prev topology.Rev, i topology.Intent) (topology.Rev, error) {
	rev, err := f.guard(f.cluster.Intents[name].Rev, prev)
	if err == nil {
		f.cluster.Intents[name] = entry(i, rev)
	}
	return rev, err
}

func (f *fake) AskSwitchover(_ context.Context, current topology.Entry[topology.Switchover], s topology.Switchover) (topology.Rev, error) {
	rev, err := f.guard(f.cluster.Switchover.Rev, current.Rev)
	if err == nil {
		f.cluster.Switchover = entry(s, rev)
	}
	return rev, err
}

func (f *fake) Pin(_ context.Context, vip netip.Addr, prev topology.Rev, p topology.Pin) (topology.Rev, error) {
	rev, err := f.guard(f.cluster.Pins[vip].Rev, prev)
	if err == nil {
		f.cluster.Pins[vip] = entry(p, rev)
	}
	return rev, err
}

func (f *fake) Unpin(_ context.Context, vip netip.Addr, rev topology.Rev) error {
	_, err := f.guard(f.cluster.Pins[vip].Rev, rev)
	if err == nil {
		delete(f.cluster.Pins, vip)
	}
	return err
}

func (f *fake) Recover(_ context.Context, now topology.Cluster, r store.Recovery) (topology.Rev, error) {
	if f.err != nil {
		return 0, f.err
	}
	f.recovered = r
	for id, e := range f.cluster.Hosts {
		e.Value.Halt = nil
		f.cluster.Hosts[id] = e
	}
	return max(now.Rev, r.Recovered.Floor) + 1, nil
}

func (f *fake) AppendEvent(_ context.Context, _ topology.HostID, ev topology.Event) error {
	f.events = append(f.events, ev)
	return f.err
}

// step is the agents moving the order on.
func step(s topology.SwitchStep, outcome string) func(c *topology.Cluster) {
	return func(c *topology.Cluster) { c.Switchover.Value.Step, c.Switchover.Value.Outcome = s, outcome }
}

// reign is the agents making a host the open writer, and the order done.
func reign(name string, epoch topology.Rev) func(c *topology.Cluster) {
	return func(c *topology.Cluster) {
		c.Writer = entry(topology.Writer{ID: idOf(name), Name: name, Previous: c.Writer.Rev}, epoch)
		c.Phase = entry(topology.Phase{Epoch: epoch, Step: topology.Ready, Incarnation: incOf(name)}, epoch+1)
		step(topology.Done, name+" is the writer")(c)
	}
}

// bench is a Ctl over a fake, with what it printed.
type bench struct {
	*Ctl
	store    *fake
	out, err *bytes.Buffer
}

// newBench makes a Ctl whose clock goes on by 10 ms with each look.
func newBench(t *testing.T, cl topology.Cluster) *bench {
	t.Helper()
	b := &bench{store: &fake{cluster: cl}, out: &bytes.Buffer{}, err: &bytes.Buffer{}}
	now := noon
	b.Ctl = &Ctl{
		Store: b.store, Out: b.out, Err: b.err, Cluster: "shop", Who: "bob@ops2", Pause: time.Microsecond,
		Now:   func() time.Time { now = now.Add(10 * time.Millisecond); return now },
		NewID: func() string { return "new-id" },
	}
	return b
}
