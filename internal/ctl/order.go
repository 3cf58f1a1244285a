package ctl

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/topology"
)

// order places an order and waits until the agents have carried it out. The
// result is the cluster after it and how long it took.
func (c *Ctl) order(ctx context.Context, cl topology.Cluster, o topology.Switchover) (topology.Cluster, time.Duration, error) {
	begun := c.now()
	o.Step, o.Who, o.Why, o.Asked, o.Deadline = topology.Asked, c.Who, c.Reason, begun, begun.Add(c.timeout())
	call, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	if _, err := c.Store.AskSwitchover(call, cl.Switchover, o); err != nil {
		return cl, 0, err
	}
	c.record(ctx, cl, "ordered: %s to %s", o.Kind, o.Target)
	if c.NoWait {
		return cl, 0, nil
	}
	after, err := c.awaitOrder(ctx, o)
	return after, c.now().Sub(begun), err
}

// awaitOrder follows an order to its end, and shows each step.
func (c *Ctl) awaitOrder(ctx context.Context, o topology.Switchover) (topology.Cluster, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout()+undoGrace)
	defer cancel()
	var last topology.Cluster
	told := ""
	for {
		cl, err := c.read(ctx)
		switch {
		case err == nil:
			last = cl
			if now := progress(cl, o); now != told {
				c.note("  +%.2fs %s", c.now().Sub(o.Asked).Seconds(), now)
				told = now
			}
			if over, err := ended(cl, o); over {
				return cl, err
			}
		case errors.Is(err, store.ErrUnreachable):
			// etcd may be electing a leader; the order stands, so look again.
		case ctx.Err() == nil:
			return last, err
		}
		if !c.pause(ctx) {
			return last, timedOut(last, o, c.now().Sub(o.Asked))
		}
	}
}

// progress says how far an order is, in words.
func progress(cl topology.Cluster, o topology.Switchover) string {
	words := map[topology.SwitchStep]string{
		topology.Asked:       "asked: waiting for the agents",
		topology.Drained:     "drained: the old writer takes no more writes",
		topology.TargetReady: fmt.Sprintf("target-ready: %s has everything", o.Target),
		topology.Handed:      fmt.Sprintf("handed: %s holds the writer's key", o.Target),
		topology.Done:        "done",
		topology.Aborted:     "aborted",
	}
	s := cl.Switchover.Value
	text := words[s.Step]
	if s.Kind != topology.OrderSwitchover && cl.Reign.Present() && s.Step.Open() && !cl.Writer.Present() {
		text += "; " + topology.Prove(cl).Why
	}
	if p := cl.Phase.Value; s.Step.Open() && cl.Phase.Present() && p.Step != topology.Ready {
		text += fmt.Sprintf("; %s is %s", cl.Writer.Value.Name, p.Step)
		if p.Waiting != "" {
			text += " and waits for " + p.Waiting
		}
	}
	return text
}

// ended reports whether the order is over, with the error when it failed.
func ended(cl topology.Cluster, o topology.Switchover) (bool, error) {
	s := cl.Switchover.Value
	switch {
	case !cl.Switchover.Present() || !s.Asked.Equal(o.Asked) || s.Target != o.Target:
		return true, &Error{Exit: ExitTimeout, Text: fmt.Sprintf("the order to %s was replaced by another one before its end was seen; look with `mmmctl status`", o.Target)}
	case s.Step == topology.Done:
		return true, nil
	case s.Step == topology.Aborted:
		return true, &Error{Exit: ExitRefused, Text: s.Outcome}
	default:
		return false, nil
	}
}

// timedOut says what is still going on.
func timedOut(cl topology.Cluster, o topology.Switchover, after time.Duration) error {
	writer := "there is no writer"
	if cl.Writer.Present() {
		writer = fmt.Sprintf("the writer is %s (epoch %d)", cl.Writer.Value.Name, cl.Epoch())
		if cl.Phase.Value.Step != topology.Ready {
			writer += ", not open yet"
		}
	}
	step := cl.Switchover.Value.Step
	if step == "" {
		step = "unknown"
	}
	return &Error{Exit: ExitTimeout, Text: fmt.Sprintf("the order to %s has no end after %.1fs: it is at step %s and %s; it may still be carried out, see `mmmctl status`", o.Target, after.Seconds(), step, writer)}
}

// noOpenOrder refuses a second order while one runs.
func noOpenOrder(cl topology.Cluster, now time.Time) error {
	o := cl.Switchover.Value
	if !cl.Switchover.Present() || !o.Step.Open() {
		return nil
	}
	return refused("an order to %s is under way since %s%s: step %s; wait for its end", o.Target, ago(now.Sub(o.Asked)), signed(o.Who, o.Why), o.Step)
}
