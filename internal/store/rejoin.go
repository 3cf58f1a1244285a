package store

import (
	"context"

	"github.com/mmm-ha/mmm/topology"
)

// AskRejoin orders a host brought back. prev is the revision of an order that
// stands and is replaced; 0: there is none.
func (c *Client) AskRejoin(ctx context.Context, name string, prev topology.Rev, o topology.RejoinOrder) (topology.Rev, error) {
	return c.replace(ctx, "order a rejoin", rejoinKey(name), prev, o)
}

// EndRejoin removes the order of that revision; nil means that it is seen gone.
func (c *Client) EndRejoin(ctx context.Context, name string, rev topology.Rev) (topology.Rev, error) {
	return c.drop(ctx, "end a rejoin", rejoinKey(name), rev)
}
