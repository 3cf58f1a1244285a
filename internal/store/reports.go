package store

import (
	"context"
	"net/netip"

	"github.com/mmm-ha/mmm/topology"
)

// PutReport writes what the host says of itself, on its lease. ErrGuard: the
// key hangs on another lease, because another agent wrote it or an earlier
// lease of this host has not expired yet.
func (c *Client) PutReport(ctx context.Context, lease topology.LeaseID, id topology.HostID, r topology.Report) (topology.Rev, error) {
	own, err := record(hostKey(id), lease, r)
	if err != nil {
		return 0, err
	}
	return c.overwrite(ctx, "put report", own)
}

// PutBid writes the bid of a host, on its lease, while there is no writer (R28)
// and the other guards hold. The revision is the one that the campaign guards.
func (c *Client) PutBid(ctx context.Context, lease topology.LeaseID, id topology.HostID, b topology.Bid, g Guards) (topology.Rev, error) {
	own, err := record(bidKey(id), lease, b)
	if err != nil {
		return 0, err
	}
	return c.overwrite(ctx, "put bid", own, append([]guard{{writerKey, 0}}, g.list...)...)
}

// DeleteBid removes the bid of that revision; nil means that it is seen gone,
// so that the IO thread may start again (R29).
func (c *Client) DeleteBid(ctx context.Context, id topology.HostID, rev topology.Rev) (topology.Rev, error) {
	return c.drop(ctx, "delete bid", bidKey(id), rev)
}

// PutMemory writes what the host must not forget; prev is the revision that the
// caller changed, 0 for the first time.
func (c *Client) PutMemory(ctx context.Context, name string, prev topology.Rev, m topology.Memory) (topology.Rev, error) {
	return c.replace(ctx, "put memory", memoryKey(name), prev, m)
}

// ClaimVIP claims a reader VIP for a host, on its lease (R54). ErrGuard:
// somebody has it.
func (c *Client) ClaimVIP(ctx context.Context, lease topology.LeaseID, vip netip.Addr, claim topology.Claim) (topology.Rev, error) {
	return c.claim(ctx, readerKey(vip), lease, claim)
}

func (c *Client) claim(ctx context.Context, key string, lease topology.LeaseID, claim topology.Claim) (topology.Rev, error) {
	p, err := record(key, lease, claim)
	if err != nil {
		return 0, err
	}
	return c.commit(ctx, change{verb: "claim VIP", guards: []guard{{p.key, 0}}, puts: []put{p}})
}

// ReleaseVIP gives the claim of that revision up; nil means that it is seen
// gone. The address and its element must be gone before (R54).
func (c *Client) ReleaseVIP(ctx context.Context, vip netip.Addr, rev topology.Rev) (topology.Rev, error) {
	return c.drop(ctx, "release VIP", readerKey(vip), rev)
}

// replace puts a key without lease at the revision that the caller saw.
func (c *Client) replace(ctx context.Context, verb, key string, prev topology.Rev, value any, guards ...guard) (topology.Rev, error) {
	p, err := record(key, 0, value)
	if err != nil {
		return 0, err
	}
	return c.commit(ctx, change{verb: verb, guards: append([]guard{{key, prev}}, guards...), puts: []put{p}})
}
