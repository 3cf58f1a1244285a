package toll

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/topology"
)

// clusterName is the cluster's in etcd.
const clusterName = "toll"

// outlives is longer than any measurement: the leases of hosts without agents.
const outlives = 24 * 60 * 60

// registry is an etcd that says who the writer and the reader are.
type registry struct {
	endpoint string
	server   *embed.Etcd
}

// announce starts an etcd and writes into it what the agents of two hosts would.
func announce(ctx context.Context, dir string, writer, reader netip.AddrPort) (*registry, error) {
	r, err := startEtcd(ctx, filepath.Join(dir, "etcd"))
	if err != nil {
		return nil, err
	}
	if err := r.publish(ctx, writer, reader); err != nil {
		r.close()
		return nil, fmt.Errorf("write the cluster into etcd: %w", err)
	}
	return r, nil
}

func (r *registry) close() { r.server.Close() }

func startEtcd(ctx context.Context, dir string) (*registry, error) {
	clients, err := freeAddress()
	if err != nil {
		return nil, err
	}
	peers, err := freeAddress()
	if err != nil {
		return nil, err
	}
	conf := embed.NewConfig()
	conf.Name, conf.Dir, conf.UnsafeNoFsync = "t", dir, true
	conf.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	conf.ListenClientUrls = []url.URL{{Scheme: "http", Host: clients.String()}}
	conf.ListenPeerUrls = []url.URL{{Scheme: "http", Host: peers.String()}}
	conf.AdvertiseClientUrls, conf.AdvertisePeerUrls = conf.ListenClientUrls, conf.ListenPeerUrls
	conf.InitialCluster = conf.InitialClusterFromName(conf.Name)
	server, err := embed.StartEtcd(conf)
	if err != nil {
		return nil, fmt.Errorf("start etcd: %w", err)
	}
	select {
	case <-server.Server.ReadyNotify():
		return &registry{endpoint: clients.String(), server: server}, nil
	case err = <-server.Err():
	case <-ctx.Done():
		err = ctx.Err()
	case <-time.After(starts):
		err = errors.New("it does not lead itself")
	}
	server.Close()
	return nil, fmt.Errorf("start etcd: %w", err)
}

// publish makes db1 the writer of a reign that is ready, and db2 a reader that is
// well and not behind.
func (r *registry) publish(ctx context.Context, writer, reader netip.AddrPort) error {
	c, err := store.Open(ctx, store.Options{Endpoints: []string{r.endpoint}, Cluster: clusterName})
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	granted, err := c.Members()[0].Grant(ctx, outlives)
	if err != nil {
		return err
	}
	lease := topology.LeaseID(granted.ID)
	host := func(name string, a netip.AddrPort) topology.HostSpec {
		return topology.HostSpec{Name: name, Address: a.Addr(), Port: a.Port(), ReplicationPort: a.Port(), Mode: topology.Master, Weight: 1, Interface: "lo"}
	}
	spec := topology.Spec{
		APIVersion: "mmm/v1", Cluster: clusterName, ID: clusterName, Hosts: []topology.HostSpec{host("db1", writer), host("db2", reader)},
		Timing: topology.Timing{Profile: "lan", TTL: topology.Duration(10 * time.Second)},
	}
	rev, err := c.PutSpec(ctx, 0, spec)
	if err != nil {
		return err
	}
	const db1, db2 = topology.HostID("db1"), topology.HostID("db2")
	well := []topology.Check{{Name: topology.CheckThreads, OK: true}, {Name: topology.CheckBacklog, OK: true}}
	_, err1 := c.PutReport(ctx, lease, db1, topology.Report{Name: "db1", MySQL: topology.Health{Up: true}, Incarnation: "1", Lease: lease})
	_, err2 := c.PutReport(ctx, lease, db2, topology.Report{
		Name: "db2", MySQL: topology.Health{Up: true}, Incarnation: "2", Lease: lease, Lag: new(topology.Duration), Checks: well,
	})
	_, err3 := c.PutMemory(ctx, "db2", 0, topology.Memory{ID: db2, Cleared: "2"})
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	epoch, err := c.Campaign(ctx, store.CampaignRequest{
		Lease: lease, Writer: topology.Writer{ID: db1, Name: "db1", Agent: "toll"}, Incarnation: "1",
		Guards: store.Guards{}.Reign(0).Spec(rev).Mode(0).Intent("db1", 0),
	})
	if err != nil {
		return err
	}
	_, err = c.PutPhase(ctx, lease, epoch, topology.Phase{Epoch: epoch, Step: topology.Ready, Incarnation: "1"})
	return err
}
