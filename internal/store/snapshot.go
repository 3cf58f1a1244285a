package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/mmm-ha/mmm/topology"
)

// state is what a Watcher knows: the cluster as of a revision. The cluster in
// it is never changed in place once it was handed out: maps are copied before
// the first write of a draft.
type state struct {
	prefix  string
	rev     int64 // everything up to here is in
	cluster topology.Cluster
	broken  map[string]*KeyError // by path below the prefix
}

// draft is a state being changed by the events of one answer.
type draft struct {
	*state
	copied map[any]bool // maps that belong to this draft, by address
}

// setter takes one key into a draft; kv nil: the key is gone. With an error the
// entry keeps its revision and lease and has the zero value, so that guards
// that name it still work and nobody takes the key for absent.
type setter func(d *draft, rest string, kv *mvccpb.KeyValue) error

// single is the setter of a key of which there is one.
func single[T any](field func(*topology.Cluster) *topology.Entry[T]) setter {
	return func(d *draft, _ string, kv *mvccpb.KeyValue) error {
		e, err := entry[T](kv)
		*field(&d.cluster) = e
		return err
	}
}

// many is the setter of a family of keys.
func many[K comparable, T any](parse func(string) (K, error), field func(*topology.Cluster) *map[K]topology.Entry[T]) setter {
	return func(d *draft, rest string, kv *mvccpb.KeyValue) error {
		name, err := parse(rest)
		if err != nil {
			return err
		}
		entries := field(&d.cluster)
		if !d.copied[entries] {
			d.copied[entries] = true
			*entries = maps.Clone(*entries)
		}
		if kv == nil {
			delete(*entries, name)
			return nil
		}
		e, err := entry[T](kv)
		(*entries)[name] = e
		return err
	}
}

// setMode counts an unreadable mode as PASSIVE: nothing moves until a human
// has said again what he wants.
func setMode(d *draft, _ string, kv *mvccpb.KeyValue) error {
	e, err := entry[topology.ModeSetting](kv)
	if err != nil {
		e.Value = topology.ModeSetting{Mode: topology.Passive, Why: "the stored mode cannot be read"}
	}
	d.cluster.Mode = e
	return err
}

// entry decodes one key.
func entry[T any](kv *mvccpb.KeyValue) (topology.Entry[T], error) {
	if kv == nil {
		return topology.Entry[T]{}, nil
	}
	value, err := decode[T](kv.Value)
	return topology.Entry[T]{Value: value, Rev: topology.Rev(kv.ModRevision), Lease: topology.LeaseID(kv.Lease)}, err
}

// newState is the state of an empty prefix.
func newState(prefix string) *state {
	return &state{prefix: prefix, broken: map[string]*KeyError{}, cluster: topology.Cluster{
		Intents:  map[string]topology.Entry[topology.Intent]{},
		Memories: map[string]topology.Entry[topology.Memory]{},
		Hosts:    map[topology.HostID]topology.Entry[topology.Report]{},
		Bids:     map[topology.HostID]topology.Entry[topology.Bid]{},
		Claims:   map[netip.Addr]topology.Entry[topology.Claim]{},
		Pins:     map[netip.Addr]topology.Entry[topology.Pin]{},
		Rejoins:  map[string]topology.Entry[topology.RejoinOrder]{},

		Routers:      map[topology.HostID]topology.Entry[topology.RouterReport]{},
		RouterClaims: map[netip.Addr]topology.Entry[topology.Claim]{},
		Holds:        map[string]topology.Entry[topology.RouterHold]{},

		Tombstones: map[topology.Rev]topology.Entry[topology.Tombstone]{},
	}}
}

// draft begins a change.
func (s *state) draft() *draft { return &draft{state: s, copied: map[any]bool{}} }

// set takes one key in and reports whether snapshots show it at all.
func (d *draft) set(key []byte, kv *mvccpb.KeyValue) bool {
	path := strings.TrimPrefix(string(key), d.prefix)
	k, rest, ok := kindOf(path)
	if !ok || k.set == nil {
		return false // of another kind, or of a newer program: not ours to judge
	}
	delete(d.broken, path)
	if err := k.set(d, rest, kv); err != nil {
		d.broken[path] = &KeyError{Key: string(key), Err: err}
	}
	return true
}

// apply takes the events of one answer in: whole revisions only, in order. It
// reports whether anything that a snapshot shows has changed.
func (s *state) apply(events []*mvccpb.Event) bool {
	d := s.draft()
	changed := false
	for _, ev := range events {
		kv := ev.Kv
		if ev.Type == mvccpb.Event_DELETE {
			kv = nil
		}
		changed = d.set(ev.Kv.Key, kv) || changed
		s.rev = max(s.rev, ev.Kv.ModRevision)
	}
	s.cluster.Rev = topology.Rev(s.rev)
	return changed
}

// snapshot is the cluster as a receiver may keep it, or the error of a key
// without which nothing can be judged.
func (s *state) snapshot() (topology.Cluster, error) {
	var fatal []error
	for path, err := range s.broken {
		if k, _, _ := kindOf(path); k.Required {
			fatal = append(fatal, err)
		}
	}
	if len(fatal) > 0 {
		return topology.Cluster{}, errors.Join(fatal...)
	}
	c := s.cluster
	// The first phase of a reign is put together with the writer, when the epoch
	// is not known yet: it is the revision of that very transaction.
	if c.Phase.Present() && c.Phase.Value.Epoch == 0 && c.Phase.Rev == c.Writer.Rev {
		c.Phase.Value.Epoch = c.Writer.Rev
	}
	// So is a reign that was taken again, which nobody may have touched since.
	if c.Reign.Present() && c.Reign.Value.Epoch == 0 {
		c.Reign.Value.Epoch = c.Reign.Rev
	}
	return c, nil
}

// Load reads the whole cluster at one revision, linearizably. The maps are
// never nil. An unreadable key is logged once and reads as present with the
// zero value (mode: PASSIVE); an unreadable spec, writer or reign is an error
// that names the key (errors.As *KeyError). ErrUnreachable: nobody answered.
func (c *Client) Load(ctx context.Context) (topology.Cluster, error) {
	s, err := c.load(ctx)
	if err != nil {
		return topology.Cluster{}, fmt.Errorf("load the cluster: %w", err)
	}
	c.warn(s)
	cluster, err := s.snapshot()
	if err != nil {
		return topology.Cluster{}, fmt.Errorf("load the cluster: %w", err)
	}
	return cluster, nil
}

// Broken reads the whole cluster and lists the keys that cannot be read, for
// those who check an installation. None: nil.
func (c *Client) Broken(ctx context.Context) ([]*KeyError, error) {
	s, err := c.load(ctx)
	if err != nil {
		return nil, fmt.Errorf("load the cluster: %w", err)
	}
	var out []*KeyError
	for _, path := range slices.Sorted(maps.Keys(s.broken)) {
		out = append(out, s.broken[path])
	}
	return out, nil
}

// load reads all keys but the events in one transaction.
func (c *Client) load(ctx context.Context) (*state, error) {
	req := &pb.TxnRequest{Success: []*pb.RequestOp{
		rangeOp(&pb.RangeRequest{Key: []byte(c.prefix), RangeEnd: []byte(c.prefix + eventsDir)}),
		rangeOp(&pb.RangeRequest{Key: []byte(c.prefix + eventsEnd), RangeEnd: []byte(prefixEnd(c.prefix))}),
	}}
	resp, err := read(ctx, c, func(ctx context.Context, m *member) (*pb.TxnResponse, error) {
		return m.kv.Txn(ctx, req)
	})
	if err != nil {
		return nil, err
	}
	s := newState(c.prefix)
	d := s.draft()
	for _, part := range resp.Responses {
		for _, kv := range part.GetResponseRange().GetKvs() {
			d.set(kv.Key, kv)
		}
	}
	s.rev = resp.Header.Revision
	s.cluster.Rev = topology.Rev(s.rev)
	return s, nil
}

// warn names each unreadable key in the log once per value.
func (c *Client) warn(s *state) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for path := range c.warned {
		if s.broken[path] == nil {
			delete(c.warned, path)
		}
	}
	for path, err := range s.broken {
		text := err.Error()
		if c.warned[path] != text {
			c.warned[path] = text
			c.log.Warn("key cannot be read", "key", err.Key, "err", err.Err)
		}
	}
}

func rangeOp(r *pb.RangeRequest) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: r}}
}

// prefixEnd is the first key after all that begin with the prefix, which ends
// in a slash.
func prefixEnd(prefix string) string {
	return prefix[:len(prefix)-1] + string(rune(prefix[len(prefix)-1]+1))
}
