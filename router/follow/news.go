package follow

import (
	"log/slog"
	"time"
)

// What the log says of the cluster: who is written to and read from, and why not. A
// host that comes and goes is said to at most every calm; its last state always is.
const (
	calm = 10 * time.Second
	// asideLeast is how long a host must have been no reader: a cause is often not known
	// at once, and one that becomes the writer is none for a moment.
	asideLeast = time.Second
	// staleLeast is how long nothing may have been fresh before it is said: less is
	// over before anybody could look.
	staleLeast = 500 * time.Millisecond
	// awaited is how long etcd may be silent after the start before it is said.
	awaited = 2 * time.Second
)

// news is what was said, and when.
type news struct {
	log     *slog.Logger
	readers map[string]*told
	none    told // that there is no reader
	stale   time.Time
	fresh   told
	waiting told
}

// told is a state that was said, and since when there is another one.
type told struct {
	is    bool
	at    time.Time
	other time.Time
}

// due reports whether a state must be said now, and notes that it was.
func (t *told) due(is bool, now time.Time) bool { return t.dueAfter(0, is, now) }

// dueAfter is due for a state that must have lasted for some time before it is said.
func (t *told) dueAfter(least time.Duration, is bool, now time.Time) bool {
	known := !t.at.IsZero()
	if known && t.is == is {
		t.other = time.Time{}
		return false
	}
	if t.other.IsZero() {
		t.other = now
	}
	if now.Sub(t.other) < least || known && now.Sub(t.at) < calm {
		return false
	}
	*t = told{is: is, at: now}
	return true
}

func newNews(log *slog.Logger) *news {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &news{log: log, readers: map[string]*told{}}
}

// writer says who is written to from now on.
func (n *news) writer(old, v *View) {
	switch {
	case v.Writer == old.Writer && v.Epoch == old.Epoch && v.Held == old.Held:
	case v.Writer.Name == "":
		n.log.Warn("there is no writer: statements that write wait", "epoch", v.Epoch, "why", v.Why)
	case v.Held:
		n.log.Info("statements that write wait for a planned switchover", "writer", v.Writer.Name, "epoch", v.Epoch, "why", v.Why)
	default:
		n.log.Info("statements that write go to", "writer", v.Writer.Name, "address", v.Writer.Address.String(), "epoch", v.Epoch)
	}
}

// reads says who is read from, and why others are not.
func (n *news) reads(v *View, now time.Time) {
	there := map[string]bool{v.Writer.Name: true}
	for _, r := range v.Readers {
		there[r.Name] = true
		if n.of(r.Name).due(true, now) {
			n.log.Info("a host is read from", "host", r.Name, "address", r.Address.String(), "lag", r.Lag.Round(time.Millisecond))
		}
	}
	for _, x := range v.Excluded {
		there[x.Name] = true
		if n.of(x.Name).dueAfter(asideLeast, false, now) {
			n.log.Warn("a host is not read from", "host", x.Name, "why", x.Why)
		}
	}
	for name := range n.readers {
		if !there[name] || name == v.Writer.Name {
			delete(n.readers, name)
		}
	}
	n.nobody(v, now)
}

// of is what was said of a host.
func (n *news) of(name string) *told {
	t := n.readers[name]
	if t == nil {
		t = &told{}
		n.readers[name] = t
	}
	return t
}

// nobody says that there is no reader at all.
func (n *news) nobody(v *View, now time.Time) {
	none := len(v.Readers) == 0 && v.Writer.Name != ""
	if (none || n.none.is) && n.none.dueAfter(asideLeast, none, now) {
		if none {
			n.log.Warn("there is no reader: reads go where readers.writer says", "hosts", len(v.Excluded))
		} else {
			n.log.Info("there are readers again", "hosts", len(v.Readers))
		}
	}
}

// certain says whether the writer may be written to by what is known (R57).
func (n *news) certain(v *View, fresh bool, silent time.Duration, now time.Time) {
	if fresh || v.Writer.Name == "" {
		n.stale = time.Time{}
	} else if n.stale.IsZero() {
		n.stale = now
	}
	stale := !n.stale.IsZero() && now.Sub(n.stale) >= staleLeast
	if !stale && (!n.fresh.is || !fresh) || !n.fresh.due(stale, now) {
		return
	}
	if stale {
		n.log.Warn("statements that write wait: neither etcd nor the writer's agent has said lately that the writer still reigns; can this machine reach them?",
			"writer", v.Writer.Name, "epoch", v.Epoch, "etcdSilentFor", silent.Round(time.Millisecond))
		return
	}
	n.log.Info("statements that write go on: it is certain again who the writer is", "writer", v.Writer.Name, "epoch", v.Epoch)
}

// nothing says that etcd has not answered since the start.
func (n *news) nothing(since, now time.Time) {
	if now.Sub(since) >= awaited && n.waiting.due(true, now) {
		n.log.Warn("etcd has not answered yet, so no client can be served: is it up, and are etcd.endpoints reachable from here?", "for", now.Sub(since).Round(time.Second))
	}
}
