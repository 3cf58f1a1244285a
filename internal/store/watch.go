package store

import (
	"context"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/mmm-ha/mmm/topology"
)

// Watcher keeps the newest snapshot of the cluster, a few milliseconds behind
// etcd. One goroutine calls Run; the other methods may be called by anybody.
type Watcher struct {
	client  *Client
	changes chan topology.Cluster
	fresh   atomic.Pointer[time.Time]
	unsound atomic.Bool // the newest state has an unreadable spec, writer or reign
}

// NewWatcher prepares a watcher; Run makes it work.
func (c *Client) NewWatcher() *Watcher {
	return &Watcher{client: c, changes: make(chan topology.Cluster, 1)}
}

// Changes carries whole snapshots, each as of one revision: all keys of one
// transaction appear together. Only the newest one waits to be read. A snapshot
// belongs to its receiver but shares memory with others: do not write into its
// maps and slices. The channel is never closed.
func (w *Watcher) Changes() <-chan topology.Cluster { return w.changes }

// Fresh is the moment up to which everything that was committed in etcd has
// been sent to Changes, proved by a linearizable read (so that a member cut off
// from its majority cannot pretend). Zero: never yet. It advances about every
// 250 ms; while it stands still, etcd or the way to it is in trouble, or spec,
// writer or reign cannot be read.
func (w *Watcher) Fresh() time.Time {
	if at := w.fresh.Load(); at != nil {
		return *at
	}
	return time.Time{}
}

// Age is the time since Fresh, on the monotonic clock; very large when there
// has been no snapshot yet.
func (w *Watcher) Age() time.Duration { return time.Since(w.Fresh()) }

// Run watches until ctx ends and returns its cause. It survives a compaction, a
// lost leader, members that stop, hang or come back, and etcd's total absence.
// Should etcd itself go back to an older revision (R17), the snapshots do too.
func (w *Watcher) Run(ctx context.Context) error {
	var s *state
	follow := &stream{
		client: w.client,
		from:   w.client.prefix,
		end:    prefixEnd(w.client.prefix),
		apply: func(events []*mvccpb.Event) {
			if s.apply(events) {
				w.publish(s)
			}
		},
		fresh: func(at time.Time) {
			if !w.unsound.Load() {
				w.fresh.Store(&at)
			}
		},
	}
	return w.client.followWell(ctx, follow, func(ctx context.Context) (int64, error) {
		fresh, err := w.client.load(ctx)
		if err != nil {
			return 0, err
		}
		s = fresh
		w.publish(s)
		return s.rev, nil
	})
}

// publish replaces the snapshot that waits to be read. While the state cannot
// be judged nothing is sent and Fresh stands still.
func (w *Watcher) publish(s *state) {
	w.client.warn(s)
	cluster, err := s.snapshot()
	w.unsound.Store(err != nil)
	if err != nil {
		return
	}
	select {
	case <-w.changes:
	default:
	}
	w.changes <- cluster // never blocks: Run is the only sender
}
