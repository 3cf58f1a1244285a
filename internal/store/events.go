package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/mmm-ha/mmm/topology"
)

const (
	eventsKept = 200 // per actor; what is older is in the actor's own log
	trimAtOnce = 50  // deletions in one transaction; etcd allows 128 operations
	eventTries = 10  // two events of one actor in one nanosecond, again and again
)

// eventLog is the actor's own events in etcd, oldest first, so that appending
// one needs no listing.
type eventLog struct {
	mu     sync.Mutex
	listed bool
	own    []guard
}

// AppendEvent writes down what was decided. actor is the uuid of the host, or
// another constant name without a slash for one that is no host: by it the
// actor finds its own events, of which it keeps the newest 200. The time of the
// event is its key; ev.At zero means now.
func (c *Client) AppendEvent(ctx context.Context, actor topology.HostID, ev topology.Event) error {
	const verb = "append event"
	if ev.At.IsZero() {
		ev.At = time.Now()
	}
	log := c.eventLog(string(actor))
	log.mu.Lock()
	defer log.mu.Unlock()
	for try := 1; ; try++ {
		p, err := record(eventKey(ev.At.UnixNano(), string(actor)), 0, ev)
		if err != nil {
			return err
		}
		rev, err := c.commit(ctx, change{verb: verb, guards: []guard{{p.key, 0}}, puts: []put{p}})
		if errors.Is(err, ErrGuard) && try < eventTries {
			ev.At = ev.At.Add(time.Nanosecond)
			continue
		}
		if err != nil {
			return err
		}
		log.own = append(log.own, guard{p.key, rev})
		if err := c.trim(ctx, log, string(actor)); err != nil {
			// The event stands, which is what was asked; the next one trims again.
			log.listed = false
			c.log.Debug("events not trimmed", "err", err)
		}
		return nil
	}
}

func (c *Client) eventLog(actor string) *eventLog {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.events[actor] == nil {
		c.events[actor] = &eventLog{}
	}
	return c.events[actor]
}

// trim deletes the actor's oldest events beyond the limit. It lists them once
// per process, and again when the list proved wrong.
func (c *Client) trim(ctx context.Context, log *eventLog, actor string) error {
	if !log.listed {
		own, err := c.listOwn(ctx, actor)
		if err != nil {
			return fmt.Errorf("trim events: %w", err)
		}
		log.own, log.listed = own, true
	}
	for len(log.own) > eventsKept {
		old := log.own[:min(len(log.own)-eventsKept, trimAtOnce)]
		ch := change{verb: "trim events", guards: old}
		for _, g := range old {
			ch.drops = append(ch.drops, g.key)
		}
		if _, err := c.commit(ctx, ch); err != nil {
			return err
		}
		log.own = slices.Clone(log.own[len(old):])
	}
	return nil
}

func (c *Client) listOwn(ctx context.Context, actor string) ([]guard, error) {
	resp, err := c.rangeEvents(ctx, &pb.RangeRequest{Key: []byte(c.prefix + eventsDir), KeysOnly: true})
	if err != nil {
		return nil, err
	}
	var own []guard
	for _, kv := range resp.Kvs {
		key := strings.TrimPrefix(string(kv.Key), c.prefix)
		if _, who, ok := splitEvent(key); ok && who == actor {
			own = append(own, guard{key, topology.Rev(kv.ModRevision)})
		}
	}
	return own, nil
}

// Events lists the events from since on, oldest first; of more than limit the
// newest (0: no limit). One that cannot be read says so in What.
func (c *Client) Events(ctx context.Context, since time.Time, limit int) ([]topology.Event, error) {
	events, _, err := c.listEvents(ctx, since, limit)
	return events, err
}

func (c *Client) listEvents(ctx context.Context, since time.Time, limit int) ([]topology.Event, int64, error) {
	resp, err := c.rangeEvents(ctx, &pb.RangeRequest{
		Key:        []byte(c.prefix + eventKey(nanos(since), "")),
		Limit:      int64(limit),
		SortTarget: pb.RangeRequest_KEY,
		SortOrder:  pb.RangeRequest_DESCEND,
	})
	if err != nil {
		return nil, 0, fmt.Errorf("list events: %w", err)
	}
	events := make([]topology.Event, 0, len(resp.Kvs))
	for _, kv := range slices.Backward(resp.Kvs) {
		events = append(events, c.event(kv))
	}
	return events, resp.Header.Revision, nil
}

// WatchEvents hands every event from since on to each, oldest first, and then
// each new one as it is written, until ctx ends. Events that were trimmed while
// no member could be reached are left out.
func (c *Client) WatchEvents(ctx context.Context, since time.Time, each func(topology.Event)) error {
	last := since
	hand := func(ev topology.Event) {
		last = ev.At.Add(time.Nanosecond)
		each(ev)
	}
	follow := &stream{
		client: c,
		from:   c.prefix + eventsDir,
		end:    c.prefix + eventsEnd,
		apply: func(changes []*mvccpb.Event) {
			for _, ch := range changes {
				if ch.Type == mvccpb.Event_PUT {
					hand(c.event(ch.Kv))
				}
			}
		},
		fresh: func(time.Time) {},
	}
	return c.followWell(ctx, follow, func(ctx context.Context) (int64, error) {
		events, rev, err := c.listEvents(ctx, last, 0)
		for _, ev := range events {
			hand(ev)
		}
		return rev, err
	})
}

// rangeEvents reads keys from r.Key to the end of the events.
func (c *Client) rangeEvents(ctx context.Context, r *pb.RangeRequest) (*pb.RangeResponse, error) {
	r.RangeEnd = []byte(c.prefix + eventsEnd)
	return read(ctx, c, func(ctx context.Context, m *member) (*pb.RangeResponse, error) {
		return m.kv.Range(ctx, r)
	})
}

// event decodes one event; the history goes on whatever one of them holds.
func (c *Client) event(kv *mvccpb.KeyValue) topology.Event {
	ev, err := decode[topology.Event](kv.Value)
	if err == nil {
		return ev
	}
	ns, who, _ := splitEvent(strings.TrimPrefix(string(kv.Key), c.prefix))
	return topology.Event{At: time.Unix(0, ns), Host: who, What: "this event cannot be read", Why: err.Error()}
}

// splitEvent takes the time and the actor out of events/<unix-ns>-<actor>.
func splitEvent(key string) (ns int64, who string, ok bool) {
	stamp, who, ok := strings.Cut(strings.TrimPrefix(key, eventsDir), "-")
	ns, err := strconv.ParseInt(stamp, 10, 64)
	return ns, who, ok && err == nil
}

// nanos is the time of an event key; the zero time is before all of them.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}
