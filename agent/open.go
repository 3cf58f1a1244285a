package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/election"
	"github.com/mmm-ha/mmm/etcdembed"
	"github.com/mmm-ha/mmm/internal/clone"
	"github.com/mmm-ha/mmm/internal/conffile"
	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/internal/fence"
	"github.com/mmm-ha/mmm/internal/peer"
	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/vip"
)

// How long New waits for an answer of mysqld or of etcd.
const (
	openLimit  = 5 * time.Second
	vipPatient = 2500 * time.Millisecond // an address may outlive its lease by a second
)

// openIdentity takes the lock of R6 and reads who this host is.
func (a *Agent) openIdentity() error {
	for _, dir := range []string{a.opt.State, a.opt.RunDir} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make directory: %w", err)
		}
	}
	lock, err := election.Lock(a.opt.home())
	if err != nil {
		return err
	}
	a.lock = lock
	id, created, err := election.Identity(a.opt.home())
	if err != nil {
		return err
	}
	a.id = id
	if created {
		a.log.Info("made an identity for this host", "id", id)
	}
	highest, err := election.LoadHighest(a.opt.State)
	if err != nil {
		return err
	}
	a.remembered = newRemembered(a.opt.RunDir, a.id, a.token, highest, a.log)
	return a.openFailsafe()
}

// openFailsafe reads what this host promised, and the key with which it signs.
func (a *Agent) openFailsafe() error {
	promises, err := election.LoadPromises(a.opt.State, a.clock)
	if err != nil {
		return err
	}
	key, created, err := election.PrivateKey(a.opt.State)
	if err != nil {
		return err
	}
	if created {
		a.log.Info("made a key for this host", "public", peer.Public(key))
	}
	client := peer.NewClient(peer.ClientOptions{Self: a.id, Key: key, TLS: a.peerCerts})
	a.failsafe, a.copier = newFailsafe(key, promises, client, a.log), client
	if a.beside() {
		return nil // it has no data to copy
	}
	a.clones, err = openCloner(clone.Dirs{Data: a.opt.MySQL.Datadir, State: a.opt.State}, a.log)
	return err
}

// openServer reaches mysqld. A server that is down, hangs or is full is no error:
// the agent reports it, and may have to fence it. One that refuses the account is.
func (a *Agent) openServer(ctx context.Context) error {
	if a.beside() {
		a.openRouter()
		return nil
	}
	pw, err := conffile.Password("mysql.passwordFile", a.opt.MySQL.PasswordFile)
	if err != nil {
		return err
	}
	repl, err := conffile.Password("mysql.replicationPasswordFile", a.opt.MySQL.ReplicationPasswordFile)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	a.server, err = dbops.Dial(ctx, dbops.Options{
		Socket: a.opt.MySQL.Socket, User: a.opt.MySQL.User, Password: pw,
		ReplicationUser: a.opt.MySQL.ReplicationUser, ReplicationPassword: repl, Log: a.log,
	})
	if a.server == nil {
		return err
	}
	a.db = a.server
	a.prober = newProber(a.db, a.opt.MySQL.Datadir, a.log, func(p topology.Probe) { latest(a.in.probes, p) })
	a.prober.state, a.prober.clones = a.opt.State, a.clones
	return nil
}

// checkSettings refuses to manage a server whose file would let it start
// writable, or that cannot replicate by GTID. A server that is down is looked
// at when it is back.
func (a *Agent) checkSettings(ctx context.Context, hosts int) error {
	look, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	p, err := a.db.Observe(look)
	if errors.Is(err, dbops.ErrDenied) {
		return err
	}
	if err != nil {
		a.log.Warn("mysqld does not answer; the host is HARD_OFFLINE until it does", "why", p.Why)
		return nil //nolint:nilerr // said above; the agent runs without mysqld
	}
	found, err := a.server.Problems(ctx, p.PID, hosts)
	if err != nil {
		return fmt.Errorf("read the settings of mysqld: %w", err)
	}
	for _, w := range found.Warn {
		a.log.Warn("a setting of mysqld", "advice", w)
	}
	if len(found.Refuse) > 0 {
		return fmt.Errorf("mysqld is not set up to be managed: %s", strings.Join(found.Refuse, "; "))
	}
	a.inspected = p.Incarnation
	return nil
}

// inspectPeriod is how often the agent looks whether mysqld was restarted with
// other settings.
const inspectPeriod = time.Second

// inspect reads the settings of each new run of mysqld: one that must not be
// managed is unable from then on, with the reason, and can never be writer.
func (a *Agent) inspect(ctx context.Context) error {
	for range ticks(ctx, inspectPeriod) {
		p, _ := a.lastProbe.Load().(topology.Probe)
		if !p.Up || p.Incarnation == a.inspected {
			continue
		}
		hosts, _ := a.hosts.Load().(int)
		found, err := a.server.Problems(ctx, p.PID, hosts)
		if err != nil {
			a.log.Debug("cannot read the settings of mysqld; trying on", "err", err)
			continue
		}
		a.inspected = p.Incarnation
		a.prober.settings(found.Refuse)
	}
	return ctx.Err()
}

// openStore prepares the way to etcd; nothing is sent yet.
func (a *Agent) openStore() error {
	by, err := a.opt.Etcd.Certs()
	if err != nil {
		return err
	}
	a.client, err = store.Open(context.Background(), store.Options{Endpoints: a.opt.Etcd.Endpoints, Cluster: a.opt.Cluster, TLS: by, Log: a.log})
	if err != nil {
		return err
	}
	a.store, a.members = a.client, a.client.Members()
	if a.beside() {
		a.store = a.besideStore()
	}
	a.etcd = etcdembed.Access{Endpoints: a.opt.Etcd.Endpoints, TLS: by}
	a.history = newHistorian(a.id, a.store, a.log)
	return nil
}

// readSpec reads the cluster file and finds this host in it.
func (a *Agent) readSpec(ctx context.Context) (topology.Spec, error) {
	spec, err := a.awaitSpec(ctx)
	if err != nil {
		return topology.Spec{}, err
	}
	me, ok := spec.Host(a.opt.Host)
	if !ok && a.beside() {
		return spec, fmt.Errorf("the cluster file of %q names no router %q: correct `host` in the agent's file, or list it in `routers.hosts` and run `mmmctl apply`", a.opt.Cluster, a.opt.Host)
	}
	if !ok {
		return spec, fmt.Errorf("the cluster file of %q does not name host %q: correct `host` in the agent's file, or add the host with `mmmctl apply`", a.opt.Cluster, a.opt.Host)
	}
	a.ttl, a.clusterID, a.self = spec.Timing.TTL.D(), spec.ID, me.Address
	if a.beside() {
		a.router.aim(me)
		return spec, nil
	}
	return spec, a.checkSettings(ctx, len(spec.Hosts))
}

// waitSaid is how often an agent that waits to be opened says for what.
const waitSaid = 5 * time.Second

// awaitSpec reads the cluster file. What is only a matter of time is waited for:
// etcd that is out of reach, and a cluster that has no file yet. Nothing is opened
// meanwhile, and what an earlier agent left open ends by its lifetimes in the
// kernel, as it does beside no agent at all (R7, R10). Dry, both are errors.
func (a *Agent) awaitSpec(ctx context.Context) (topology.Spec, error) {
	var said time.Time
	away := false
	for {
		call, cancel := context.WithTimeout(ctx, openLimit)
		c, err := a.store.Load(call)
		cancel()
		why := "etcd cannot be reached: nothing is opened on this host before it answers"
		switch {
		case err == nil && c.Spec.Present():
			if away && a.resumed == nil { // the lease of the agent before may have outlived the outage, too
				a.resumed = a.resumeLease(ctx)
			}
			return c.Spec.Value, nil
		case err == nil && a.dry:
			return topology.Spec{}, fmt.Errorf("cluster %q has no cluster file yet: run `mmmctl apply -f cluster.yaml`", a.opt.Cluster)
		case err == nil:
			why = "there is no cluster file: run `mmmctl apply -f cluster.yaml`"
		case a.dry || ctx.Err() != nil || !errors.Is(err, store.ErrUnreachable) && !errors.Is(err, context.DeadlineExceeded):
			return topology.Spec{}, err
		default:
			away = true
		}
		if time.Since(said) >= waitSaid {
			said = time.Now()
			a.log.Warn("waits, and opens nothing", "why", why, "err", err)
		}
		select {
		case <-ctx.Done():
			return topology.Spec{}, ctx.Err()
		case <-time.After(tick):
		}
	}
}

// openKernel prepares addresses and packet filter.
func (a *Agent) openKernel(ctx context.Context, spec topology.Spec) error {
	me, _ := spec.Host(a.opt.Host)
	kernel, err := vip.NewKernel(me.Interface)
	if err != nil {
		return err
	}
	gate, err := a.openGate(ctx, spec)
	if err != nil {
		return err
	}
	a.gate = gate
	a.kernel = vip.New(vip.Options{Kernel: kernel, Fence: gate, Cut: a.beside(), Log: a.log})
	a.vips = a.kernel
	if a.dry {
		return nil
	}
	if a.beside() {
		a.ports = noPorts{}
		return nil
	}
	filter := fence.New(fence.Options{Log: a.log})
	err = filter.Install(ctx)
	if err != nil && !errors.Is(err, fence.ErrUnsupported) && !errors.Is(err, fence.ErrForbidden) {
		return err // what stands in the kernel stays, and nobody would change it any more
	}
	if err != nil {
		a.log.Warn("no rules in the packet filter: an election waits two seconds longer when a host vanishes, and a writer cannot keep out replicas that it does not count on", "err", err)
		a.ports = noPorts{}
		return nil
	}
	a.ports = filter
	return nil
}

// checkAddresses refuses to start beside a stranger who holds one of the VIPs:
// an address on this host that the agent did not put there, or an answer on
// the wire for one that nobody in the cluster has claimed.
func (a *Agent) checkAddresses(ctx context.Context) error {
	c, err := a.store.Load(ctx)
	if err != nil {
		return err
	}
	deadline := time.Now().Add(vipPatient)
	for _, addr := range slices.Concat(c.Spec.Value.Roles.Writer.VIPs, c.Spec.Value.Roles.Reader.VIPs) {
		if _, claimed := c.Claims[addr]; claimed || (c.Writer.Present() && slices.Contains(c.Spec.Value.Roles.Writer.VIPs, addr)) {
			continue
		}
		if err := a.unheld(ctx, addr, deadline); err != nil {
			return err
		}
	}
	return nil
}

// unheld waits a little for an address to fall silent: the last holder's
// lifetime may not have ended yet.
func (a *Agent) unheld(ctx context.Context, addr netip.Addr, deadline time.Time) error {
	for {
		mac, err := a.vips.Probe(ctx, addr, probeWait)
		switch {
		case err != nil:
			return fmt.Errorf("ask for VIP %s on the network: %w", addr, err)
		case mac == nil:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("VIP %s is held by somebody else: a machine with hardware address %s answers for it; take the address off it, or choose another in the cluster file", addr, mac)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(probeWait):
		}
	}
}

// noPorts stands in where the kernel has no packet filter.
type noPorts struct{}

func (noPorts) Reject(context.Context, []netip.Addr, uint16) error { return nil }
func (noPorts) Refuse(context.Context, []netip.Addr, uint16) error { return nil }

// Pidfile is where a running agent writes its process number.
func (c Config) Pidfile() string { return filepath.Join(c.RunDir, "mmmagent.pid") }
