package storetest

import (
	"net"
	"net/url"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// startLimit is how long a member may take until it leads itself.
const startLimit = 30 * time.Second

// Etcd is one member that is a whole cluster.
type Etcd struct {
	// Endpoint is host:port for clients; it stays the same over a restart.
	Endpoint string

	t      testing.TB
	conf   *embed.Config
	server *embed.Etcd
}

// Start runs an etcd until the test ends.
func Start(t testing.TB) *Etcd {
	t.Helper()
	clients, peers := freeAddress(t), freeAddress(t)
	conf := embed.NewConfig()
	conf.Name = "t"
	conf.Dir = t.TempDir()
	conf.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	conf.UnsafeNoFsync = true // a test needs no data after a power cut
	conf.TickMs, conf.ElectionMs = 50, 500
	conf.ListenClientUrls, conf.AdvertiseClientUrls = urls(clients), urls(clients)
	conf.ListenPeerUrls, conf.AdvertisePeerUrls = urls(peers), urls(peers)
	conf.InitialCluster = conf.InitialClusterFromName(conf.Name)
	e := &Etcd{Endpoint: clients, t: t, conf: conf}
	e.run()
	t.Cleanup(e.Stop)
	return e
}

// Stop ends the member; its data stays for Restart.
func (e *Etcd) Stop() {
	if e.server != nil {
		e.server.Close()
		e.server = nil
	}
}

// Restart starts the member again with its data, at the same address.
func (e *Etcd) Restart() {
	e.t.Helper()
	e.Stop()
	e.run()
}

// Client is a plain client of the member, closed with the test.
func (e *Etcd) Client() *clientv3.Client {
	e.t.Helper()
	c, err := clientv3.New(clientv3.Config{
		Endpoints: []string{e.Endpoint},
		Logger:    zap.NewNop(),
	})
	if err != nil {
		e.t.Fatalf("make etcd client: %v", err)
	}
	e.t.Cleanup(func() { _ = c.Close() })
	return c
}

func (e *Etcd) run() {
	e.t.Helper()
	server, err := embed.StartEtcd(e.conf)
	if err != nil {
		e.t.Fatalf("start etcd: %v", err)
	}
	e.server = server
	select {
	case <-server.Server.ReadyNotify():
	case err := <-server.Err():
		e.t.Fatalf("run etcd: %v", err)
	case <-time.After(startLimit):
		e.t.Fatalf("etcd does not lead itself after %s", startLimit)
	}
}

// freeAddress finds a loopback port that nobody uses at the moment.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("find a free port: %v", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func urls(address string) []url.URL { return []url.URL{{Scheme: "http", Host: address}} }
