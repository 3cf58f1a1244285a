package agent

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/election"
	"github.com/mmm-ha/mmm/etcdembed"
	"github.com/mmm-ha/mmm/internal/certs"
	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/vip"
)

// Agent is the daemon of one host, as a value. Make it with New, then Run it once.
type Agent struct {
	opt   Config
	log   *slog.Logger
	clock election.Clock

	id        topology.HostID
	token     string // of this process; stands in the writer key
	dry       bool   // looks and changes nothing
	clusterID string // made at the first apply; epochs count within it (R17)
	ttl       time.Duration
	self      netip.Addr // address of this host
	lock      *election.DatadirLock
	resumed   *election.Session // lease of the agent before, when it still lived
	kept      election.Runtime  // what that agent wrote down
	members   []*clientv3.Client
	etcd      etcdembed.Access
	peerCerts *certs.Certs // nil: agents talk in the clear

	db     database
	store  registry
	vips   addresses
	ports  ports
	gate   gate
	client *store.Client // what store is made of; nil in tests
	server *dbops.Server
	kernel *vip.Manager

	in         inbox
	reports    chan topology.Report
	guards     chan guarded
	prober     *prober
	router     *greeter // beside a router: how its mmmrouter is asked; else nil
	history    *historian
	remembered *remembered
	foreign    foreign
	failsafe   *failsafe
	clones     *cloner
	copier     copier
	view       atomic.Pointer[topology.View] // of the last turn, for who gives a copy

	life      context.Context // of the process: terms are its children
	door      door
	unsure    topology.Incarnation // a mysqld that may yet become writable: see unlock; for who has the door
	actions   sync.WaitGroup
	reigning  atomic.Bool
	reignOf   atomic.Int64 // its epoch; 0: this process does not reign
	campaigns atomic.Int64
	lastProbe atomic.Value         // topology.Probe
	address   atomic.Value         // string: of this host
	down      atomic.Value         // []string: addresses of hosts that are HARD_OFFLINE, while this process reigns
	layout    atomic.Value         // fence.Layout: what the gate guards
	hosts     atomic.Value         // int: database hosts of the cluster file
	inspected topology.Incarnation // whose settings were read; touched by New and inspect only
	rejected  atomic.Value         // netip.Addr: the deposed writer in our port rules
	told      told
	wants     chan step.Want
	asked     step.Want // touched by the loop only
	beat      func()    // feeds the watchdog of systemd
	releasing chan chan error
}

// defaultTTL is asked for until the cluster file has been read.
const defaultTTL = 2 * time.Second

// New opens everything that the agent needs and checks what can be checked
// before anything is changed. Its error is one sentence with the cause and the fix.
func New(ctx context.Context, cfg Config, log *slog.Logger) (*Agent, error) {
	return open(ctx, cfg, log, false)
}

// open is New; dry, it only looks.
func open(ctx context.Context, cfg Config, log *slog.Logger, dry bool) (_ *Agent, err error) {
	a := &Agent{
		dry: dry,
		opt: cfg, log: log, token: uuid.NewString(), in: newInbox(), reports: make(chan topology.Report, 1), wants: make(chan step.Want, 1),
		guards: make(chan guarded, 1), releasing: make(chan chan error, 1), door: newDoor(), beat: func() {}, ttl: defaultTTL,
	}
	a.lastProbe.Store(topology.Probe{})
	a.rejected.Store(netip.Addr{})
	a.foreign.log = log
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	if a.peerCerts, err = cfg.Peer.certs(); err != nil {
		return nil, err
	}
	if !dry {
		if err := a.openIdentity(); err != nil {
			return nil, err
		}
	}
	if err := a.openStore(); err != nil { //nolint:contextcheck // nothing is sent yet
		return nil, err
	}
	if !dry {
		a.resumed = a.resumeLease(ctx) // first of all: every check below costs some of what is left of it
	}
	if err := a.openServer(ctx); err != nil {
		return nil, err
	}
	spec, err := a.readSpec(ctx)
	if err != nil {
		return nil, err
	}
	if err := a.openKernel(ctx, spec); err != nil {
		return nil, err
	}
	return a, a.checkAddresses(ctx)
}

// Run is the agent's life. It returns when ctx ends, leaving everything to the
// lifetimes in the kernel and in etcd, so that a restarted agent goes on where
// this one stopped; or when something breaks that cannot be mended.
func (a *Agent) Run(ctx context.Context, ready func()) error {
	defer func() { _ = a.close() }()
	group, ctx := errgroup.WithContext(ctx)
	a.life = ctx
	s := a.newState(a.remembered.highest.Epoch(a.clusterID))
	s.Seen.Distrust = a.remembered.highest.Distrusted(a.clusterID)
	s.TakeProbe(a.prober.look(ctx), time.Now())
	a.lastProbe.Store(s.Probe)
	if err := a.takeUp(ctx, s); err != nil {
		return err
	}
	group.Go(func() error { return a.kernel.Run(ctx) })
	group.Go(func() error { return a.prober.run(ctx) })
	group.Go(func() error { return a.leases(ctx, a.resumed) })
	group.Go(func() error { return a.lifetimes(ctx) })
	group.Go(func() error { return a.keepGate(ctx) })
	group.Go(func() error { return a.heartbeat(ctx) })
	group.Go(func() error { return a.history.run(ctx) })
	group.Go(func() error { return a.remembered.run(ctx) })
	group.Go(func() error { return a.askOthers(ctx) })
	group.Go(func() error { return a.answerOthers(ctx, a.self) })
	if a.beside() && a.opt.Router.Admin != "" {
		group.Go(func() error { return a.router.says.run(ctx) })
	}
	if !a.beside() {
		group.Go(func() error { return a.prober.fresh.knocks(ctx) })
		group.Go(func() error { return a.prober.disk.run(ctx) })
		group.Go(func() error { return a.leader(ctx) })
		group.Go(func() error { return a.inspect(ctx) })
		group.Go(func() error { return a.keep(ctx) })
		group.Go(func() error { return a.clones.survey(ctx) })
	}
	watcher := a.client.NewWatcher()
	a.in.clusters = watcher.Changes()
	group.Go(func() error { return watcher.Run(ctx) })
	group.Go(func() error { return a.loop(ctx, s) })
	ready()
	err := group.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// Notify makes the decision loop feed a watchdog: a wedged loop is then killed
// from outside, and the kernel lifetimes end what it held.
func (a *Agent) Notify(beat func()) { a.beat = beat }

func (a *Agent) watchdog() { a.beat() }

// publish tells the goroutines beside the loop what they must know of it.
func (a *Agent) publish(v topology.View) {
	a.reigning.Store(v.Term.Epoch > 0 && !v.Term.Ending)
	a.reignOf.Store(0)
	if a.reigning.Load() {
		a.reignOf.Store(int64(v.Term.Epoch))
		a.down.Store(hardOffline(v.Cluster, v.Now))
	}
	a.failsafe.publish(v)
	a.view.Store(&topology.View{Now: v.Now, Self: v.Self, ID: v.ID, Cluster: v.Cluster, Probe: v.Probe, Term: v.Term})
	a.lastProbe.Store(v.Probe)
	if me, ok := v.Cluster.Spec.Value.Host(v.Self); ok {
		a.address.Store(me.Address.String())
		if a.beside() {
			a.router.aim(me)
		}
	}
	a.hosts.Store(len(v.Cluster.Spec.Value.Hosts))
	a.layout.Store(a.layoutOf(v.Cluster.Spec.Value))
	a.ask(v)
	a.prober.tune(v.Cluster.Spec.Value.Timing)
	a.remembered.saw(v.Cluster.Spec.Value.ID, v.Seen.Epoch)
}

// close gives back what New opened. The lease and the addresses stay.
func (a *Agent) close() error {
	var errs []error
	if a.failsafe != nil {
		a.failsafe.client.Close()
	}
	if a.client != nil {
		errs = append(errs, a.client.Close())
	}
	if a.server != nil {
		a.server.Close()
	}
	if a.lock != nil {
		errs = append(errs, a.lock.Release())
	}
	return errors.Join(errs...)
}
