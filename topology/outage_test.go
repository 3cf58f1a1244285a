package topology

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// promises are what a host goes on by without etcd, and what it promised.
type promises struct {
	left, run, claim time.Time
	to               string
}

// How long a promise binds who made it, and how long who has all of them may go on.
const (
	promiseTTL = 2 * time.Second
	promiseUse = promiseTTL - 250*time.Millisecond
)

// failsafe is how a host stands without etcd.
func (w *world) failsafe(h *host) Failsafe {
	left := func(t time.Time) time.Duration { return max(0, t.Sub(w.now)) }
	return Failsafe{Etcd: h.lease != 0 && h.frozen == nil && !h.late, Key: h.key, To: h.kept.to,
		Left: left(h.kept.left), Run: left(h.kept.run), Claim: left(h.kept.claim)}
}

// overdue reports whether nothing lets the host serve any longer.
func (w *world) overdue(h *host) bool { return h.late && !h.kept.left.After(w.now) }

// outage: no agent reaches etcd any more; what each saw last, it sees for ever.
func outage(t *teller, _ []string) error {
	t.w.look()
	for _, h := range t.w.hosts {
		if h.lease != 0 && h.frozen == nil {
			last := t.w.cluster()
			h.frozen, h.late = &last, true
		}
	}
	return nil
}

// etcdBack [without-leases]: all agents reach etcd again. It either kept their
// leases or has ended them, and with them every key that hung on them.
func etcdBack(t *teller, args []string) error {
	for _, h := range t.w.hosts {
		if h.lease == 0 || h.off || h.away {
			continue
		}
		if len(args) > 0 {
			t.w.drop(h.lease)
			h.grant()
		}
		h.frozen, h.late = nil, false
	}
	t.w.look()
	return nil
}

// ask HOST: it asks all that must promise. Each answer is printed.
func ask(t *teller, args []string) error {
	h, err := t.w.host(args[0])
	if err != nil {
		return err
	}
	t.w.look()
	mine := t.w.view(h, t.w.cluster())
	if h.off || h.away || mine.Failsafe.Etcd || t.w.overdue(h) && h.kept.left.IsZero() && mine.Lease.ID == 0 {
		return errors.New("it has no reason to ask, or no way to")
	}
	from := Promisers(mine)
	all := len(from) > 0
	var begun []*host
	for _, id := range from {
		i := slices.IndexFunc(t.w.hosts, func(o *host) bool { return o.id == id })
		if i < 0 || t.w.hosts[i].off || t.w.hosts[i].away {
			t.printf("%s does not answer", strings.TrimPrefix(string(id), "id-"))
			all = false
			continue
		}
		o := t.w.hosts[i]
		v := t.w.view(o, t.w.cluster())
		if why, may := MayPromise(v, Ask{Cluster: mine.Cluster.Spec.Value.ID, From: h.id, Epoch: mine.Term.Epoch}); !may {
			t.printf("%s refuses: %s", o.name, why)
			all = false
			continue
		}
		begun = append(begun, o)
		o.kept.claim, o.kept.to = t.w.now.Add(promiseTTL), h.name
		if mine.Term.Epoch > 0 {
			o.kept.run = o.kept.claim
		}
	}
	switch {
	case all:
		h.kept.left = t.w.now.Add(promiseUse)
		t.printf("all %d promise: %s goes on", len(begun), h.name)
	default:
		t.printf("%d of %d promise: %s must let go in time", len(begun), len(from), h.name)
	}
	return nil
}

// retake puts writer, phase and reign again in one transaction.
func (w *world) retake(h *host, a Action) error {
	if w.etcd.Writer.Present() || w.etcd.Reign.Rev != a.Guards.Reign || w.etcd.Spec.Rev != a.Guards.Spec || w.etcd.Mode.Rev != a.Guards.Mode {
		return errGuard
	}
	rev := w.put()
	w.etcd.Writer = Entry[Writer]{Value: Writer{ID: h.id, Name: h.name, Best: a.Position, Previous: a.Epoch, Agent: "agent-" + h.name}, Rev: rev, Lease: h.lease}
	w.etcd.Phase = Entry[Phase]{Value: Phase{Epoch: rev, Step: Ready, Incarnation: h.inc}, Rev: rev, Lease: h.lease}
	r := *a.Reign
	r.Epoch = rev
	w.etcd.Reign = Entry[Reign]{Value: r, Rev: rev}
	h.term, h.seen.Rev = Term{Epoch: rev, Incarnation: h.inc}, rev
	if n := w.acceptors(); len(n) > 1 {
		return fmt.Errorf("two hosts are open: %v", n)
	}
	return nil
}

// acceptors are the hosts whose clients could write now.
func (w *world) acceptors() []string {
	var out []string
	for _, h := range w.hosts {
		if h.writable && h.inc != "" && !h.off && !w.overdue(h) && h.term.Epoch > 0 {
			out = append(out, h.name)
		}
	}
	return out
}
