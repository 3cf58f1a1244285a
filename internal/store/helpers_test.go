package store

import (
	"context"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/mmm-ha/mmm/internal/store/storetest"
	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

// patience bounds every wait of these tests; nothing is asserted about how long
// anything really takes.
const patience = 20 * time.Second

// bed is a client of a cluster of its own, and etcd as a stranger sees it.
type bed struct {
	*Client
	t    *testing.T
	raw  *clientv3.Client
	etcd *storetest.Etcd
}

// newBed opens the cluster "test" of a fresh etcd, through the given endpoints
// or straight.
func newBed(t *testing.T, endpoints ...string) *bed {
	t.Helper()
	e := storetest.Start(t)
	if len(endpoints) == 0 {
		endpoints = []string{e.Endpoint}
	}
	return bedOf(t, e, "test", endpoints...)
}

func bedOf(t *testing.T, e *storetest.Etcd, cluster string, endpoints ...string) *bed {
	t.Helper()
	c, err := Open(t.Context(), Options{Endpoints: endpoints, Cluster: cluster, Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return &bed{Client: c, t: t, raw: e.Client(), etcd: e}
}

// ctx ends with the test's patience.
func (b *bed) ctx() context.Context {
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	b.t.Cleanup(cancel)
	return ctx
}

func (b *bed) lease() topology.LeaseID {
	b.t.Helper()
	l, err := b.raw.Grant(b.ctx(), 60)
	if err != nil {
		b.t.Fatal(err)
	}
	return topology.LeaseID(l.ID)
}

func (b *bed) load() topology.Cluster {
	b.t.Helper()
	c, err := b.Load(b.ctx())
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

// scribble writes any text under a key, as no program of ours would.
func (b *bed) scribble(key, text string) {
	b.t.Helper()
	if _, err := b.raw.Put(b.ctx(), b.prefix+key, text); err != nil {
		b.t.Fatal(err)
	}
}

// must takes the revision of a write that has to succeed.
func (b *bed) must(rev topology.Rev, err error) topology.Rev {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	if rev <= 0 {
		b.t.Fatalf("revision %d", rev)
	}
	return rev
}

// reign lets a host win an empty cluster and returns its lease and epoch.
func (b *bed) reign(name string) (topology.LeaseID, topology.Rev) {
	b.t.Helper()
	lease := b.lease()
	now := b.load()
	epoch := b.must(b.Campaign(b.ctx(), campaign(lease, name, now)))
	return lease, epoch
}

// campaign is the request of a host that guards everything as it is now.
func campaign(lease topology.LeaseID, name string, now topology.Cluster) CampaignRequest {
	g := Guards{}.Spec(now.Spec.Rev).Mode(now.Mode.Rev).Reign(now.Reign.Rev).Intent(name, now.Intents[name].Rev)
	for id, bid := range now.Bids {
		g = g.Bid(id, bid.Rev)
	}
	return CampaignRequest{
		Lease:       lease,
		Writer:      topology.Writer{ID: topology.HostID("id-" + name), Name: name, Agent: "agent-" + name},
		Incarnation: "boot-1-1",
		Guards:      g,
	}
}

func position(t *testing.T, text string) gtid.Set {
	t.Helper()
	s, err := gtid.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func vip(last byte) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, last}) }

// until waits for a fact.
func until(t *testing.T, fact string, true func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if true() {
			return
		}
	}
	t.Fatalf("not within %s: %s", patience, fact)
}
