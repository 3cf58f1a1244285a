package store

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/mmm-ha/mmm/topology"
)

// Beside is the cluster as an agent beside a router knows it: it reads
// Cluster.AsRouters, registers as a router, and claims the routers' VIPs. What
// else a Client writes is a database host's; the rules of a router ask for none
// of it.
type Beside struct {
	*Client
	Key string // public key of the agent, which its report tells
}

// Load is Client.Load, AsRouters.
func (b Beside) Load(ctx context.Context) (topology.Cluster, error) {
	c, err := b.Client.Load(ctx)
	return c.AsRouters(), err
}

// PutReport registers the router, on its agent's lease; the errors are those of
// Client.PutReport.
func (b Beside) PutReport(ctx context.Context, lease topology.LeaseID, id topology.HostID, r topology.Report) (topology.Rev, error) {
	report := topology.RouterReport{
		Name: r.Name, Peer: r.Peer, Key: b.Key, Lease: r.Lease, Fence: r.Fence, Router: r.MySQL, Version: r.Version, Says: r.Says}
	for _, c := range r.Checks {
		if c.Name == topology.CheckMySQL { // the look at what the agent stands beside
			report.Since = c.Since
		}
	}
	own, err := record(routerKey(id), lease, report)
	if err != nil {
		return 0, err
	}
	return b.overwrite(ctx, "register the router", own)
}

// ClaimVIP claims a router VIP, as Client.ClaimVIP does one of readers.
func (b Beside) ClaimVIP(ctx context.Context, lease topology.LeaseID, vip netip.Addr, claim topology.Claim) (topology.Rev, error) {
	return b.claim(ctx, routerVIPKey(vip), lease, claim)
}

// ReleaseVIP gives the claim of that revision up, as Client.ReleaseVIP does.
func (b Beside) ReleaseVIP(ctx context.Context, vip netip.Addr, rev topology.Rev) (topology.Rev, error) {
	return b.drop(ctx, "release router VIP", routerVIPKey(vip), rev)
}

// PutHold says that this run of an mmmrouter is there and what it holds back, on
// its own lease; the errors are those of PutReport.
func (c *Client) PutHold(ctx context.Context, lease topology.LeaseID, run string, h topology.RouterHold) (topology.Rev, error) {
	own, err := record(holdKey(run), lease, h)
	if err != nil {
		return 0, err
	}
	return c.overwrite(ctx, "say what the router holds", own)
}

// Granted is for how long etcd granted a lease, which may be longer than was asked
// for. ErrLeaseGone: there is no such lease.
func (c *Client) Granted(ctx context.Context, lease topology.LeaseID) (time.Duration, error) {
	ctx, cancel := bound(ctx)
	defer cancel()
	causes := failures{}
	for _, m := range c.order() {
		limited, done := context.WithTimeout(ctx, c.perTry)
		got, err := m.client.TimeToLive(limited, clientv3.LeaseID(lease))
		done()
		switch {
		case err == nil && got.GrantedTTL > 0:
			return time.Duration(got.GrantedTTL) * time.Second, nil
		case err == nil:
			return 0, fmt.Errorf("look at lease %x: %w", int64(lease), ErrLeaseGone)
		}
		causes[m.endpoint] = err
	}
	return 0, fmt.Errorf("look at lease %x: %w", int64(lease), unreachable(ctx, causes))
}
