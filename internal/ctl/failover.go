package ctl

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// failover is the JSON document of `mmmctl failover`, also when it refuses.
type failover struct {
	document
	OK      bool           `json:"ok"`
	Message string         `json:"message"`
	Target  string         `json:"target"`
	Loss    *topology.Loss `json:"loss"` // what the rest of the cluster cannot prove to have; null: nothing is missing
}

// Failover makes a host writer when no bids prove that it holds everything that
// was acknowledged. Without accept it refuses, and says who is missing and what
// would be lost. With it, once a person has seen that and said yes, the loss is
// written down, the election goes on, and the missing hosts are held when they
// come back. While a writer reigns, or when nothing is missing, it refuses.
func (c *Ctl) Failover(ctx context.Context, to string, accept bool) error {
	doc := failover{document: kind("Failover"), Target: to}
	text, err := c.failover(ctx, &doc, accept)
	if doc.OK, doc.Message = err == nil, text; err != nil {
		doc.Message = Describe(err)
	}
	if err != nil && (doc.Loss == nil || c.Format == Table || c.Format == "") {
		return err
	}
	if printed := c.emit(doc, func(w *strings.Builder) { w.WriteString(text + "\n") }); printed != nil && err == nil {
		return printed
	}
	return err
}

func (c *Ctl) failover(ctx context.Context, doc *failover, accept bool) (string, error) {
	cl, err := c.load(ctx)
	if err != nil {
		return "", err
	}
	if _, err := host(cl, doc.Target); err != nil {
		return "", err
	}
	if err := lossless(cl); err != nil {
		return "", err
	}
	if err := noOpenOrder(cl, c.now()); err != nil {
		return "", err
	}
	loss := topology.LossOf(cl)
	doc.Loss = &loss
	if why := topology.CannotLead(cl, doc.Target); why != "" {
		return "", refused("%s", why)
	}
	if !accept {
		return "", refused("no writer can be proven to hold every acknowledged write\n%s\nwhen one of them comes back the election may go on by itself; `mmmctl failover --to %s --accept-loss` goes on without them",
			lossLines(loss), doc.Target)
	}
	c.note("%s", lossLines(loss))
	c.note("A missing host that still runs, cut off or frozen, must be shut down first: nothing here can stop it.")
	question := fmt.Sprintf("Give that up for good and make %s the writer?", doc.Target)
	if err := c.confirm(question, doc.Target); err != nil {
		return "", err
	}
	return c.carryOutFailover(ctx, cl, doc.Target, loss)
}

func (c *Ctl) carryOutFailover(ctx context.Context, cl topology.Cluster, to string, loss topology.Loss) (string, error) {
	c.record(ctx, cl, "accepted, to make %s the writer, to lose %s", to, loss.Range())
	after, took, err := c.order(ctx, cl, topology.Switchover{Kind: topology.OrderFailover, Target: to, Epoch: cl.LastEpoch(), Loss: &loss})
	if err != nil {
		return "", err
	}
	if c.NoWait {
		return fmt.Sprintf("ordered: %s is elected; `mmmctl status` shows how far it is", to), nil
	}
	held := "nothing was given up"
	if t, ok := after.Tombstones[cl.LastEpoch()]; ok {
		held = "given up: " + t.Value.Loss.Range() + ". Whoever was not heard is held in AWAITING_RECOVERY when it comes back"
	}
	return fmt.Sprintf("writer is %s (epoch %d), elected in %.2fs; %s", to, after.Epoch(), took.Seconds(), held), nil
}

// lossless refuses where nothing needs to be given up.
func lossless(cl topology.Cluster) error {
	proof := topology.Prove(cl)
	switch {
	case cl.ModeNow() == topology.Passive:
		return refused("the mode is PASSIVE%s: nothing moves; `mmmctl mode active` ends that", signed(cl.Mode.Value.Who, cl.Mode.Value.Why))
	case cl.Writer.Present():
		return refused("%s holds the writer's place (epoch %d): nothing needs to be given up; `mmmctl switchover` moves it", cl.Writer.Value.Name, cl.Epoch())
	case !cl.Reign.Present():
		return refused("there is no writer and never was one; `mmmctl init --writer HOST` names the first")
	case proof.Forked:
		return refused("%s", proof.Why)
	case proof.OK:
		return refused("nothing is missing: %s; %s", proof.Why, electionText(cl))
	case len(topology.LossOf(cl).Missing) == 0:
		return refused("nobody is missing; in mode %s `mmmctl switchover` orders an election that loses nothing", cl.ModeNow())
	default:
		return nil
	}
}

// lossLines says who is missing and what would be lost.
func lossLines(l topology.Loss) string {
	lines := []string{"missing:"}
	width := 0
	for _, m := range l.Missing {
		width = max(width, len(m.Name))
	}
	for _, m := range l.Missing {
		lines = append(lines, fmt.Sprintf("  %-*s  %s", width, m.Name, m.Why))
	}
	return strings.Join(append(lines, "safe: everything up to "+orNothing(l.Kept.String()), "may be lost: "+l.Range()), "\n")
}

// tombstones says what was given up and who is still held for it.
func tombstones(cl topology.Cluster, now time.Time) []string {
	var out []string
	for _, e := range cl.Tombstones {
		t := e.Value
		var names []string
		for _, m := range t.Loss.Missing {
			if slices.Contains(t.Hosts, m.ID) {
				names = append(names, m.Name)
			}
		}
		out = append(out, fmt.Sprintf("the end of epoch %d was given up %s ago%s to make %s the writer: %s; not back since: %s",
			t.Epoch, ago(now.Sub(t.At)), signed(t.Who, t.Why), t.To, t.Loss.Range(), strings.Join(names, ", ")))
	}
	slices.Sort(out)
	return out
}

// allBid reports whether every host that could bid has: nothing more is to be
// expected of those that are there.
func allBid(cl topology.Cluster) bool {
	for id, e := range cl.Hosts {
		if _, bid := cl.Bids[id]; !bid && e.Value.MySQL.Up {
			return false
		}
	}
	return true
}
