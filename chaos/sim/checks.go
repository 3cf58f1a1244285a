package sim

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// checks see what must never be. The first thing found ends the run.
type checks struct {
	w        *world
	broken   string       // the rule that was broken, and how
	epoch    topology.Rev // highest of an acknowledged write
	epochAt  *host
	highest  topology.Rev // of the writer key
	opened   topology.Rev // highest epoch for which a host opened
	restored bool         // etcd went back: who saw nothing newer may win there, and must not open
	since    moment       // when it did
	reigns   int
	accepted int // elections that an operator let go on without proof
	given    int // acknowledged writes that he was told may be lost
}

// violated notes the first rule that was broken.
func (c *checks) violated(rule, format string, args ...any) {
	if c.broken == "" {
		c.broken = rule + ": " + fmt.Sprintf(format, args...)
		c.w.story("VIOLATED  %s", c.broken)
	}
}

// acknowledged: writes are acknowledged by one host at a time, in the order of
// the epochs.
func (c *checks) acknowledged(h *host, t *trx) {
	switch {
	case t.epoch < c.epoch && c.inherited(t):
		return // it was replicated before the next reign began; only the answer was late
	case t.epoch < c.epoch:
		c.violated("one writer", "%s acknowledged %s of epoch %d after %s had acknowledged in epoch %d", h.name, t.name(), t.epoch, c.epochAt.name, c.epoch)
	case t.epoch == c.epoch && c.epochAt != nil && c.epochAt != h:
		c.violated("one writer", "%s and %s both acknowledged in epoch %d", h.name, c.epochAt.name, t.epoch)
	}
	c.epoch, c.epochAt = t.epoch, h
}

// inherited reports whether the present writer has a transaction of an earlier reign.
func (c *checks) inherited(t *trx) bool {
	return c.epochAt != nil && slices.Contains(c.epochAt.db.log, t)
}

// writable: who opens holds everything that was acknowledged, and nobody else is open.
func (c *checks) writable(m *mysqld) {
	c.admits(m.h)
	if c.restored && c.w.now-c.since > onItsWay && c.knows(m.h) {
		c.violated("an old etcd is not believed", "%s opens, which has seen more than etcd shows", m.h.name)
	}
	if c.restored {
		return // who saw nothing newer may resume a reign of the copy; nobody acknowledges for it
	}
	epoch := m.h.agent.state.Term.Epoch
	if epoch < c.opened {
		c.violated("epochs grow", "%s opens for epoch %d after %d", m.h.name, epoch, c.opened)
	}
	c.opened = epoch
	if missing := c.missing(m); missing != "" {
		c.violated("no acknowledged write lost", "%s opens and lacks %s", m.h.name, missing)
	}
}

// onItsWay is how long a step may take that was decided before etcd went back.
const onItsWay = 200 * time.Millisecond

// knows reports whether a host has seen more than etcd, which was restored, shows (R17).
func (c *checks) knows(h *host) bool {
	now, seen := c.w.etcd.cluster, h.agent.state.Seen
	return seen.Distrust.Present() || now.Rev < max(seen.Top, seen.Epoch) || now.Writer.Present() && now.Writer.Rev < max(h.disk.highest, seen.Epoch)
}

// missing names the first acknowledged write that a server does not have.
func (c *checks) missing(m *mysqld) string {
	has := make(map[*trx]bool, len(m.log))
	for _, t := range m.log {
		has[t] = true
	}
	n, first := 0, ""
	for _, t := range c.w.clients.acked {
		if !has[t] && !t.given {
			if n++; n == 1 {
				first = fmt.Sprintf("%s of epoch %d, acknowledged by %s at %.3f", t.name(), t.epoch, t.ackAt.name, t.acked.Seconds())
			}
		}
	}
	if n > 1 {
		first += fmt.Sprintf(" and %d more", n-1)
	}
	return first
}

// gaveUp takes an operator's word: what he was told may be lost is not missed.
func (c *checks) gaveUp(t topology.Entry[topology.Tombstone]) {
	if !t.Present() || t.Rev != c.w.etcd.cluster.Rev {
		return
	}
	for _, x := range c.w.clients.acked {
		if !x.given && !t.Value.Loss.Kept.Contains(x.set) {
			x.given = true
			c.given++
		}
	}
}

// admits: no two hosts are open to writes.
func (c *checks) admits(h *host) {
	open := func(o *host) bool { return o.admits() && o.db.inc != "" && !o.db.readOnly && !o.db.byHand }
	for _, o := range c.w.hosts {
		if o != h && open(o) && open(h) && !c.excused(o) && !c.excused(h) {
			c.violated("one open door", "%s opens while %s is open", h.name, o.name)
		}
	}
}

// excused: what the clock of a paused virtual machine does not see, its fences do
// not either; it may be open, and still nobody acknowledges for it.
func (c *checks) excused(h *host) bool { return h.paused || c.w.now < h.excused }

// stirs is what a host that promised a reign to keep still must not begin.
var stirs = []topology.Kind{topology.PlaceBid, topology.Fetch, topology.Campaign, topology.Adopt, topology.Retake, topology.BecomeSource,
	topology.OpenDoor, topology.Follow, topology.Reattach, topology.SetSemi, topology.StopForOrder}

// keeps: what was promised is kept, whatever etcd shows by then (R49, R54).
func (c *checks) keeps(h *host, act topology.Action) {
	p, now := h.promises, h.now()
	switch {
	case p.reign > now && slices.Contains(stirs, act.Kind):
		c.violated("promises are kept", "%s promised %s to keep still for %s, and begins %s", h.name, p.to, p.reign-now, act)
	case p.claim > now && act.Kind == topology.ClaimVIP && !slices.Contains(h.held(), act.VIPs[0]):
		c.violated("promises are kept", "%s promised %s to claim nothing for %s, and begins %s", h.name, p.to, p.claim-now, act)
	}
}

// believed: an operator has looked at an etcd that went back, and everybody heard him.
func (c *checks) believed() {
	for _, h := range c.w.hosts {
		if halt := c.w.etcd.cluster.Hosts[h.id].Value.Halt; halt != nil {
			c.violated("etcd is believed again", "%s does not: %s", h.name, halt.Why)
		}
	}
}

// answers: a virtual address is answered by one host.
func (c *checks) answers(h *host, vip netip.Addr) {
	for _, o := range c.w.hosts {
		if o != h && o.answers(vip) && !c.excused(o) && !c.excused(h) {
			c.violated("one host answers", "%s answers for %s, and so does %s", h.name, vip, o.name)
		}
	}
}

// writerKey: epochs grow, and only what the mode allows is elected (R35).
func (c *checks) writerKey(wr topology.Entry[topology.Writer]) {
	if !wr.Present() {
		return
	}
	cl := &c.w.etcd.cluster
	by := c.w.hostOf(wr.Value.ID) // nil: a host that has lost its datadir since
	if wr.Rev <= c.highest && (!c.restored || by != nil && by.agent.state.Seen.Distrust.Present()) {
		c.violated("epochs grow", "epoch %d after %d", wr.Rev, c.highest)
	}
	c.highest = max(c.highest, wr.Rev)
	c.reigns++
	c.w.story("etcd: %s is the writer, epoch %d", wr.Value.Name, wr.Rev)
	if ordered := cl.Switchover.Present() && cl.Switchover.Value.Step.Open(); cl.ModeNow() != topology.Active && !ordered && wr.Value.ID != cl.Reign.Value.ID {
		c.violated("the mode is honoured", "%s was elected in mode %s", wr.Value.Name, cl.ModeNow())
	}
}

// atRest: after everything was mended the cluster is whole, and equal where it
// says that it is.
func (c *checks) atRest() {
	w := c.w
	if why := w.settled(); why != "" {
		c.violated("the cluster comes to rest", "%s", why)
		return
	}
	wr := w.writer().db
	if missing := c.missing(wr); missing != "" {
		c.violated("no acknowledged write lost", "the writer %s lacks %s", wr.h.name, missing)
	}
	for _, h := range w.hosts {
		if h.db != wr && !topology.Diverged(h.db.replication().Error) {
			c.equal(wr, h.db)
		}
	}
	if w.now-w.clients.last > 5*time.Second {
		c.violated("the cluster comes to rest", "nobody was told that a write is safe since %.3f", w.clients.last.Seconds())
	}
}

// equal: a replica that replicates without an error has the writer's very
// transactions.
func (c *checks) equal(wr, m *mysqld) {
	if len(m.log) > len(wr.log) {
		c.violated("no fork behind green", "%s has %d transactions, the writer %d", m.h.name, len(m.log), len(wr.log))
		return
	}
	for i, t := range m.log {
		if wr.log[i] != t {
			c.violated("no fork behind green", "%s has another %s than the writer (%s there)", m.h.name, t.name(), wr.log[i].name())
			return
		}
	}
	if len(wr.log)-len(m.log) > 200 {
		c.violated("the cluster comes to rest", "%s is %d transactions behind", m.h.name, len(wr.log)-len(m.log))
	}
}
