package store

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

func TestActorKeepsItsNewestEventsAndLeavesOthersAlone(t *testing.T) {
	b := newBed(t)
	start := time.Unix(1000, 0)
	if err := b.AppendEvent(b.ctx(), "5e0c-b", topology.Event{At: start, What: "of another"}); err != nil {
		t.Fatal(err)
	}
	write := func(c *Client, from, to int) {
		for i := from; i < to; i++ {
			if err := c.AppendEvent(b.ctx(), "5e0c-a", topology.Event{At: start.Add(time.Duration(i) * time.Second), What: fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(b.Client, 0, eventsKept+60)
	write(bedOf(t, b.etcd, "test", b.etcd.Endpoint).Client, eventsKept+60, eventsKept+130) // the same actor, restarted
	events, err := b.Events(b.ctx(), time.Time{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(events) != eventsKept+1 || events[0].What != "of another" || events[1].What != "130" || events[eventsKept].What != fmt.Sprint(eventsKept+129) {
		t.Errorf("%d events from %q, %q to %q", len(events), events[0].What, events[1].What, events[len(events)-1].What)
	}
}

func TestTwoEventsOfOneMomentAreBothKept(t *testing.T) {
	b := newBed(t)
	at := time.Unix(1000, 0)
	for i := range 3 {
		if err := b.AppendEvent(b.ctx(), "a", topology.Event{At: at, What: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	events, err := b.Events(b.ctx(), at, 2)
	if err != nil || len(events) != 2 || events[0].What != "1" || events[1].What != "2" {
		t.Errorf("events %v, %v", events, err)
	}
	if events, err := b.Events(b.ctx(), at.Add(time.Hour), 0); err != nil || len(events) != 0 {
		t.Errorf("later: %v, %v", events, err)
	}
}

func TestEventsAreFollowedFromThePastIntoThePresent(t *testing.T) {
	b := newBed(t)
	if err := b.AppendEvent(b.ctx(), "a", topology.Event{What: "one"}); err != nil {
		t.Fatal(err)
	}
	b.scribble(eventKey(5, "b"), "{")
	var mu sync.Mutex
	var got []string
	seen := func(n int) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(got) >= n
		}
	}
	ctx, cancel := context.WithCancel(b.ctx())
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = b.WatchEvents(ctx, time.Time{}, func(ev topology.Event) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, ev.What)
		})
	})
	until(t, "the past", seen(2))
	if err := b.AppendEvent(b.ctx(), "a", topology.Event{What: "two"}); err != nil {
		t.Fatal(err)
	}
	until(t, "the present", seen(3))
	cancel()
	wg.Wait()
	if got[0] != "this event cannot be read" || got[1] != "one" || got[2] != "two" {
		t.Errorf("events %q", got)
	}
}
