package store

import (
	"fmt"
	"slices"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/mmm-ha/mmm/topology"
)

// guard says that a key still has a revision; 0: that it is absent.
type guard struct {
	key string // below the prefix
	rev topology.Rev
}

// Guards is what a bid or a campaign rests on: keys at the revisions at which
// the decision saw them (Entry.Rev; 0 means absent). The zero value is empty;
// every method returns a longer copy.
type Guards struct{ list []guard }

func (g Guards) with(key string, rev topology.Rev) Guards {
	return Guards{append(slices.Clip(g.list), guard{key, rev})}
}

func (g Guards) has(key string) bool {
	return slices.ContainsFunc(g.list, func(x guard) bool { return x.key == key })
}

// Spec guards the cluster file.
func (g Guards) Spec(rev topology.Rev) Guards { return g.with(specKey, rev) }

// Mode guards the mode.
func (g Guards) Mode(rev topology.Rev) Guards { return g.with(modeKey, rev) }

// Intent guards what the operator says of the named host.
func (g Guards) Intent(name string, rev topology.Rev) Guards { return g.with(intentKey(name), rev) }

// Reign guards the last reign: its acker set and its voters.
func (g Guards) Reign(rev topology.Rev) Guards { return g.with(reignKey, rev) }

// Switchover guards an order of the operator.
func (g Guards) Switchover(rev topology.Rev) Guards { return g.with(switchoverKey, rev) }

// Bid guards the bid of a host.
func (g Guards) Bid(id topology.HostID, rev topology.Rev) Guards { return g.with(bidKey(id), rev) }

// change is one transaction to be: if all guards hold, all puts and drops
// happen, else none.
type change struct {
	verb   string // "put phase": begins every error
	guards []guard
	puts   []put
	drops  []string
}

// put is one key to be written. A lease of 0 means none.
type put struct {
	key   string
	value []byte
	lease topology.LeaseID
}

// check refuses what could never be settled: a key of no known kind, or a
// transaction that does not break one of its own guards, so that a late copy
// could take effect after the first.
func (ch change) check() error {
	breaks := false
	for _, g := range ch.guards {
		if _, _, ok := kindOf(g.key); !ok {
			return fmt.Errorf("%s: %q is no key of a cluster", ch.verb, g.key)
		}
		breaks = breaks || ch.touches(g.key)
	}
	for _, p := range ch.puts {
		if _, _, ok := kindOf(p.key); !ok {
			return fmt.Errorf("%s: %q is no key of a cluster", ch.verb, p.key)
		}
	}
	if !breaks {
		return fmt.Errorf("%s: no guard names a key that it changes", ch.verb)
	}
	return nil
}

func (ch change) touches(key string) bool {
	return slices.Contains(ch.drops, key) ||
		slices.ContainsFunc(ch.puts, func(p put) bool { return p.key == key })
}

// request is the transaction as etcd takes it. Its other branch reads the
// guarded keys, so that a refusal can say why.
func (c *Client) request(ch change) *pb.TxnRequest {
	req := &pb.TxnRequest{}
	for _, g := range ch.guards {
		key := []byte(c.prefix + g.key)
		req.Compare = append(req.Compare, &pb.Compare{
			Result: pb.Compare_EQUAL, Target: pb.Compare_MOD, Key: key,
			TargetUnion: &pb.Compare_ModRevision{ModRevision: int64(g.rev)},
		})
		req.Failure = append(req.Failure, &pb.RequestOp{Request: &pb.RequestOp_RequestRange{
			RequestRange: &pb.RangeRequest{Key: key}}})
	}
	for _, p := range ch.puts {
		req.Success = append(req.Success, &pb.RequestOp{Request: &pb.RequestOp_RequestPut{
			RequestPut: &pb.PutRequest{Key: []byte(c.prefix + p.key), Value: p.value, Lease: int64(p.lease)}}})
	}
	for _, key := range ch.drops {
		req.Success = append(req.Success, &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{
			RequestDeleteRange: &pb.DeleteRangeRequest{Key: []byte(c.prefix + key)}}})
	}
	return req
}

// seen is the guarded keys as a refusal showed them; absent ones are nil.
type seen map[string]*mvccpb.KeyValue

func (c *Client) look(ch change, resp *pb.TxnResponse) seen {
	out := seen{}
	for i, g := range ch.guards {
		if kvs := resp.Responses[i].GetResponseRange().GetKvs(); len(kvs) > 0 {
			out[g.key] = kvs[0]
		}
	}
	return out
}

func (s seen) rev(key string) topology.Rev { return topology.Rev(s[key].GetModRevision()) }

// refusal names every guard that failed.
func (ch change) refusal(s seen) error {
	var failed []string
	for _, g := range ch.guards {
		rev := s.rev(g.key)
		switch {
		case rev == g.rev:
		case rev == 0:
			failed = append(failed, fmt.Sprintf("%s is gone (expected revision %d)", g.key, g.rev))
		case g.rev == 0:
			failed = append(failed, fmt.Sprintf("%s exists (revision %d)", g.key, rev))
		default:
			failed = append(failed, fmt.Sprintf("%s is at revision %d, not %d", g.key, rev, g.rev))
		}
	}
	return fmt.Errorf("%s: %w: %s", ch.verb, ErrGuard, strings.Join(failed, ", "))
}
