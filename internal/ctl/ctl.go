package ctl

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/topology"
)

// Store is what the commands need of etcd. Every write names the revision that
// was read, so that two operators cannot undo each other's work unseen.
type Store interface {
	Reader
	Orders
}

// Reader is the reading half of Store. All reads are linearizable.
type Reader interface {
	Load(ctx context.Context) (topology.Cluster, error)
	Events(ctx context.Context, since time.Time, limit int) ([]topology.Event, error)
	WatchEvents(ctx context.Context, since time.Time, each func(topology.Event)) error
}

// Orders is the writing half of Store.
type Orders interface {
	PutSpec(ctx context.Context, prev topology.Rev, s topology.Spec) (topology.Rev, error)
	SetMode(ctx context.Context, prev topology.Rev, m topology.ModeSetting) (topology.Rev, error)
	SetIntent(ctx context.Context, name string, prev topology.Rev, i topology.Intent) (topology.Rev, error)
	AskSwitchover(ctx context.Context, current topology.Entry[topology.Switchover], s topology.Switchover) (topology.Rev, error)
	Pin(ctx context.Context, vip netip.Addr, prev topology.Rev, p topology.Pin) (topology.Rev, error)
	Unpin(ctx context.Context, vip netip.Addr, rev topology.Rev) error
	AskRejoin(ctx context.Context, name string, prev topology.Rev, o topology.RejoinOrder) (topology.Rev, error)
	EndRejoin(ctx context.Context, name string, rev topology.Rev) (topology.Rev, error)
	Recover(ctx context.Context, now topology.Cluster, r store.Recovery) (topology.Rev, error)
	AppendEvent(ctx context.Context, actor topology.HostID, ev topology.Event) error
}

// Limits of one command.
const (
	callLimit = 3 * time.Second        // of one call to the store: nobody waits longer for an etcd that is gone
	pollPause = 100 * time.Millisecond // between two looks while waiting for the agents
	// undoGrace is what the agents may need to undo an order after its deadline.
	undoGrace = 5 * time.Second
)

// actor is the name under which mmmctl keeps its events.
const actor = topology.HostID("mmmctl")

// Ctl carries out the commands of one invocation. All fields but Store, Out and
// Err have a useful zero value. It is used by one goroutine.
type Ctl struct {
	Store   Store
	Out     io.Writer                                 // data
	Err     io.Writer                                 // progress and remarks
	Cluster string                                    // name, for messages
	Now     func() time.Time                          // nil: time.Now
	Who     string                                    // who asks, as user@host
	Reason  string                                    // why, as the operator says
	Format  Format                                    // of the data; empty: for people
	Yes     bool                                      // the operator has confirmed beforehand
	NoWait  bool                                      // return when the order stands, not when it is done
	Timeout time.Duration                             // of waiting for the agents; 0: 30 s
	Pause   time.Duration                             // between two looks; 0: 100 ms
	Confirm func(question, word string) (bool, error) // asks a person to type the word; nil: nobody is there
	Members func(ctx context.Context) (Quorum, error) // counts etcd's members; nil: nobody counts
	NewID   func() string                             // makes a cluster's id; nil: a random one
}

// Quorum is how many members etcd has, and how many of them answer.
type Quorum struct {
	Healthy int `json:"healthy"`
	Total   int `json:"total"`
}

// Spare is how many more members can be lost while a majority stays.
func (q Quorum) Spare() int { return q.Healthy - (q.Total/2 + 1) }

// answer is what a command says when it reached its end, in both voices.
type answer struct {
	text string
	mmm  string // empty: "OK: " and text
}

func (a answer) sentence() string {
	if a.mmm != "" {
		return a.mmm
	}
	return "OK: " + a.text
}

// say prints the end of a command that changes something.
func (c *Ctl) say(a answer, err error) error {
	if err != nil {
		return err
	}
	return c.emit(result{document: kind("Result"), OK: true, Message: a.text}, func(w *strings.Builder) {
		w.WriteString(a.text + "\n")
	})
}

func (c *Ctl) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

func (c *Ctl) timeout() time.Duration {
	if c.Timeout <= 0 {
		return 30 * time.Second
	}
	return c.Timeout
}

// note tells the operator something that is not data. When standard error is
// gone there is nobody to tell it to.
func (c *Ctl) note(format string, args ...any) {
	_, _ = fmt.Fprintf(c.Err, format+"\n", args...)
}

// load reads the cluster. A cluster without a cluster file is not found.
func (c *Ctl) load(ctx context.Context) (topology.Cluster, error) {
	cl, err := c.read(ctx)
	if err == nil && !cl.Spec.Present() {
		return cl, notFound("there is no cluster %q in this etcd; `mmmctl apply -f cluster.yaml` makes one, --cluster or MMM_CLUSTER names another", c.Cluster)
	}
	return cl, err
}

func (c *Ctl) read(ctx context.Context) (topology.Cluster, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	return c.Store.Load(ctx)
}

// host finds a host of the cluster file.
func host(cl topology.Cluster, name string) (topology.HostSpec, error) {
	h, ok := cl.Spec.Value.Host(name)
	if !ok {
		return h, notFound("there is no host %q; the cluster has %s", name, strings.Join(hostNames(cl), ", ")).inMMM("ERROR: Unknown host name '%s'!", name)
	}
	return h, nil
}

// hostNames are the names of the cluster file, sorted.
func hostNames(cl topology.Cluster) []string {
	var out []string
	for _, h := range cl.Spec.Value.Hosts {
		out = append(out, h.Name)
	}
	slices.Sort(out)
	return out
}

// confirm asks before something that clients will notice. Nobody to ask is a
// usage error: a script must say --yes.
func (c *Ctl) confirm(question, word string) error {
	if c.Yes {
		return nil
	}
	if c.Confirm == nil {
		return usage("%s Nobody can be asked, because standard input is no terminal: add --yes to go on", question)
	}
	ok, err := c.Confirm(question, word)
	if err != nil {
		return fmt.Errorf("ask for confirmation: %w", err)
	}
	if !ok {
		return refused("not confirmed; nothing was changed")
	}
	return nil
}

// record writes down what the operator did. The deed is done by then, so a
// history that cannot be written is a remark and no error.
func (c *Ctl) record(ctx context.Context, cl topology.Cluster, format string, args ...any) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	what := fmt.Sprintf(format, args...)
	if c.Who != "" {
		what = c.Who + " " + what
	}
	err := c.Store.AppendEvent(ctx, actor, topology.Event{At: c.now(), Host: string(actor), Epoch: cl.Epoch(), What: what, Why: c.Reason})
	if err != nil {
		c.note("the history does not have this: %v", err)
	}
}

// pause waits until it is time to look again; false when ctx ended.
func (c *Ctl) pause(ctx context.Context) bool {
	d := c.Pause
	if d <= 0 {
		d = pollPause
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
