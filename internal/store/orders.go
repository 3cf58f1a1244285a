package store

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/mmm-ha/mmm/topology"
)

// The writes of the operator's tool. Each names the revision that the operator
// was shown (Entry.Rev; 0: the key was absent), so that two operators cannot
// undo each other's work unseen.

// PutSpec stores the cluster file.
func (c *Client) PutSpec(ctx context.Context, prev topology.Rev, s topology.Spec) (topology.Rev, error) {
	return c.replace(ctx, "put spec", specKey, prev, s)
}

// SetMode sets how much the cluster does by itself.
func (c *Client) SetMode(ctx context.Context, prev topology.Rev, m topology.ModeSetting) (topology.Rev, error) {
	return c.replace(ctx, "set mode", modeKey, prev, m)
}

// SetIntent says whether the named host shall be online.
func (c *Client) SetIntent(ctx context.Context, name string, prev topology.Rev, i topology.Intent) (topology.Rev, error) {
	return c.replace(ctx, "set intent", intentKey(name), prev, i)
}

// AskSwitchover places an order. current is the order that etcd holds now, the
// zero Entry for none: one that is done or aborted is replaced, an open one is
// never (R41, ErrGuard). A planned switchover must name the epoch that it ends,
// and is refused when that reign is over.
func (c *Client) AskSwitchover(ctx context.Context, current topology.Entry[topology.Switchover], s topology.Switchover) (topology.Rev, error) {
	const verb = "ask for a switchover"
	if current.Present() && current.Value.Step.Open() {
		return 0, fmt.Errorf("%s: %w: the order to %s is still at step %q", verb, ErrGuard, current.Value.Target, current.Value.Step)
	}
	var guards []guard
	if s.Kind == topology.OrderSwitchover {
		if err := reigning(verb, s.Epoch); err != nil {
			return 0, err
		}
		guards = append(guards, guard{writerKey, s.Epoch})
	}
	if s.Kind == topology.OrderFailover { // a loss is accepted only while nobody reigns
		guards = append(guards, guard{writerKey, 0})
	}
	return c.replace(ctx, verb, switchoverKey, current.Rev, s, guards...)
}

// Pin keeps a VIP at a host.
func (c *Client) Pin(ctx context.Context, vip netip.Addr, prev topology.Rev, p topology.Pin) (topology.Rev, error) {
	return c.replace(ctx, "pin VIP", pinKey(vip), prev, p)
}

// Unpin removes the pin of that revision.
func (c *Client) Unpin(ctx context.Context, vip netip.Addr, rev topology.Rev) error {
	_, err := c.drop(ctx, "unpin VIP", pinKey(vip), rev)
	return err
}
