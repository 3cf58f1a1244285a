package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"

	"github.com/mmm-ha/mmm/topology"
)

// verdict is what etcd said of a transaction.
type verdict struct {
	rev     topology.Rev // of the transaction; 0: it was refused
	seen    seen         // the guarded keys, when it was refused
	doubted bool         // an earlier copy may have been taken before this answer
}

// commit carries out a change that the caller pinned to revisions and returns
// the revision of the transaction.
func (c *Client) commit(ctx context.Context, ch change) (topology.Rev, error) {
	v, err := c.send(ctx, ch)
	switch {
	case err != nil:
		return 0, err
	case v.rev > 0:
		return v.rev, nil
	case v.doubted:
		// No copy can take effect any more, but the trace of the earlier one, if
		// there was any, has been written over.
		return 0, fmt.Errorf("%s: %w: it was sent, and then the keys changed (%w)", ch.verb, ErrUnknownOutcome, ch.refusal(v.seen))
	default:
		return 0, ch.refusal(v.seen)
	}
}

// overwrite puts a key whatever revision it has now, provided that it is absent
// or hangs on the same lease. It guesses the revision and learns the right one
// from the refusal, so that each transaction still names ONE revision and a
// late copy can never bring an older value back.
func (c *Client) overwrite(ctx context.Context, verb string, own put, guards ...guard) (topology.Rev, error) {
	const tries = 5 // one guess, and a few races with late copies of our own
	ctx, cancel := bound(ctx)
	defer cancel()
	guess := c.guess(own)
	for try := 1; ; try++ {
		ch := change{verb: verb, guards: append([]guard{{own.key, guess}}, guards...), puts: []put{own}}
		v, err := c.send(ctx, ch)
		if err != nil {
			return 0, err
		}
		if v.rev > 0 {
			c.learn(own, v.rev)
			return v.rev, nil
		}
		now := v.seen[own.key]
		if now != nil && topology.LeaseID(now.Lease) != own.lease {
			return 0, fmt.Errorf("%s: %w: %s hangs on another lease (%x, not %x)", verb, ErrGuard, own.key, now.Lease, int64(own.lease))
		}
		if v.seen.rev(own.key) == guess || try == tries {
			return 0, ch.refusal(v.seen)
		}
		guess = v.seen.rev(own.key)
	}
}

// drop deletes keys, the first of them at a revision that the caller saw. A key
// that is gone already is what the caller wanted. It returns the revision of
// the deletion, 0 when that is not known.
func (c *Client) drop(ctx context.Context, verb, key string, rev topology.Rev, more ...string) (topology.Rev, error) {
	if rev <= 0 {
		return 0, fmt.Errorf("%s: %w: no revision of %s given", verb, ErrGuard, key)
	}
	ch := change{verb: verb, guards: []guard{{key, rev}}, drops: append([]string{key}, more...)}
	v, err := c.send(ctx, ch)
	switch {
	case err != nil:
		return 0, err
	case v.rev > 0, v.doubted, v.seen[key] == nil:
		c.learn(put{key: key}, 0)
		return v.rev, nil
	default:
		return 0, ch.refusal(v.seen)
	}
}

// send gives a transaction to one member after the other until one of them
// answers. THE COPIES MUST BE IDENTICAL: see the package comment for why at
// most one of them takes effect.
func (c *Client) send(ctx context.Context, ch change) (verdict, error) {
	if err := ch.check(); err != nil {
		return verdict{}, err
	}
	ctx, cancel := bound(ctx)
	defer cancel()
	req := c.request(ch)
	causes := failures{}
	doubted := false
	for {
		for _, m := range c.order() {
			resp, sent, err := c.try(ctx, m, req)
			switch {
			case err == nil && resp.Succeeded:
				return verdict{rev: topology.Rev(resp.Header.Revision)}, nil
			case err == nil:
				return ch.settle(verdict{seen: c.look(ch, resp), doubted: doubted}), nil
			case definite(err) && doubted:
				return verdict{}, fmt.Errorf("%s: %w: sent once, then %w", ch.verb, ErrUnknownOutcome, denied(m, err))
			case definite(err):
				return verdict{}, fmt.Errorf("%s: %w", ch.verb, denied(m, err))
			}
			doubted = doubted || sent
			causes[m.endpoint] = err
			if ctx.Err() != nil {
				break
			}
		}
		if pause(ctx) {
			continue
		}
		if doubted {
			return verdict{}, fmt.Errorf("%s: %w: %s", ch.verb, ErrUnknownOutcome, causes) //nolint:errorlint // told, and not to be found in the chain: what was unreachable is no verdict
		}
		return verdict{}, fmt.Errorf("%s: %w", ch.verb, unreachable(ctx, causes))
	}
}

// settle turns a refusal into a success when the keys hold exactly what an
// earlier copy of the same transaction has put there (R16).
func (ch change) settle(v verdict) verdict {
	if !v.doubted {
		return v
	}
	for _, g := range ch.guards {
		for _, p := range ch.puts {
			now := v.seen[g.key]
			if p.key == g.key && now != nil && v.seen.rev(g.key) != g.rev &&
				topology.LeaseID(now.Lease) == p.lease && bytes.Equal(now.Value, p.value) {
				return verdict{rev: v.seen.rev(g.key)}
			}
		}
	}
	return v
}

// try asks one member once. The second result reports whether the request may
// have left this host.
func (c *Client) try(ctx context.Context, m *member, req *pb.TxnRequest) (*pb.TxnResponse, bool, error) {
	var to peer.Peer // filled in when a connection was chosen for the request
	resp, err := attempt(ctx, c, m, func(ctx context.Context, m *member) (*pb.TxnResponse, error) {
		return m.kv.Txn(ctx, req, grpc.Peer(&to))
	})
	return resp, to.Addr != nil, err
}

// denied is the error of a transaction that etcd itself turned down.
func denied(m *member, err error) error {
	if errors.Is(rpctypes.Error(err), rpctypes.ErrLeaseNotFound) {
		return ErrLeaseGone
	}
	return fmt.Errorf("etcd %s turned it down: %s", m.endpoint, plain(err))
}

// guess is the revision at which this process last put a key on that lease;
// 0: absent. Another lease is another owner, even of the same process.
func (c *Client) guess(own put) topology.Rev {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.known[own.key]; k.lease == own.lease {
		return k.rev
	}
	return 0
}

func (c *Client) learn(own put, rev topology.Rev) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known[own.key] = placed{rev, own.lease}
}

// placed is where this process last put a key.
type placed struct {
	rev   topology.Rev
	lease topology.LeaseID
}

// record encodes a value for a put.
func record(key string, lease topology.LeaseID, value any) (put, error) {
	text, err := encode(value)
	return put{key: key, value: text, lease: lease}, err
}
