package agent

import (
	"context"
	"log/slog"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// historyDepth bounds the events that wait to be written. When etcd is away for
// long the oldest are dropped; the log has them all.
const historyDepth = 200

// historian writes events into etcd, after the fact and off every critical path.
type historian struct {
	id    topology.HostID
	store registry
	log   *slog.Logger
	queue chan topology.Event
}

func newHistorian(id topology.HostID, store registry, log *slog.Logger) *historian {
	return &historian{id: id, store: store, log: log, queue: make(chan topology.Event, historyDepth)}
}

// add takes an event; it never blocks.
func (h *historian) add(e topology.Event) {
	h.log.Info("event", "what", e.What, "why", e.Why, "epoch", e.Epoch)
	for {
		select {
		case h.queue <- e:
			return
		default:
			select {
			case <-h.queue:
			default:
			}
		}
	}
}

// run writes until ctx ends.
func (h *historian) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e := <-h.queue:
			h.write(ctx, e)
		}
	}
}

// write tries until it is written or ctx ends: an event is worth waiting for.
func (h *historian) write(ctx context.Context, e topology.Event) {
	for ctx.Err() == nil {
		call, cancel := context.WithTimeout(ctx, limitEtcd)
		err := h.store.AppendEvent(call, h.id, e)
		cancel()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(tick):
		}
	}
}
