package sim

import (
	"net/netip"
	"time"
)

// clients write through the writer VIP, and now and then straight to a host, as
// one with a stale neighbour entry does, and remember what they were told.
type clients struct {
	w       *world
	all     []*client
	pending map[*trx]*client
	think   time.Duration // between two writes of one client
	acked   []*trx
	last    moment // of the last acknowledgement
	writes  int
}

type client struct {
	arp  *host
	turn int // of the request that it waits for
}

const (
	clientPatience = 2 * time.Second
	busyThink      = 120 * time.Millisecond
	idleThink      = 4 * time.Second // where nothing happens for minutes
)

func (k *clients) begin() {
	k.pending, k.think = map[*trx]*client{}, busyThink
	for range 3 {
		c := &client{}
		k.all = append(k.all, c)
		k.w.after(k.w.between(2*time.Second, 3*time.Second), nil, func() { k.attempt(c) })
	}
}

// announced is heard by most clients.
func (k *clients) announced(h *host, vip netip.Addr) {
	if vip != writerVIP || h.cutTo.clients > 0 {
		return
	}
	for _, c := range k.all {
		if k.w.chance(0.9) {
			c.arp = h
		}
	}
}

// target is the host that a write of this client goes to.
func (k *clients) target(c *client) *host {
	if k.w.chance(0.1) {
		return k.w.hosts[k.w.rng.IntN(len(k.w.hosts))]
	}
	if c.arp == nil || !c.arp.answers(writerVIP) {
		c.arp = nil
		for _, h := range k.w.hosts {
			if h.answers(writerVIP) && h.cutTo.clients == 0 && h.cutFrom.clients == 0 {
				c.arp = h
			}
		}
	}
	return c.arp
}

func (k *clients) again(c *client, after time.Duration) {
	turn := c.turn
	k.w.after(after, nil, func() {
		if c.turn == turn {
			k.attempt(c)
		}
	})
}

// attempt is one write.
func (k *clients) attempt(c *client) {
	w := k.w
	c.turn++
	h := k.target(c)
	if h == nil || h.cutFrom.clients > 0 || !h.admits() {
		k.again(c, w.between(30*time.Millisecond, 150*time.Millisecond))
		return
	}
	k.again(c, clientPatience)
	turn := c.turn
	w.after(w.wire(h), h.db.proc, func() {
		m := h.db
		switch {
		case !h.admits():
		case m.inc == "", m.readOnly:
			w.after(w.wire(h), nil, func() {
				if c.turn == turn && h.cutTo.clients == 0 {
					c.turn++
					k.again(c, w.between(30*time.Millisecond, 150*time.Millisecond))
				}
			})
		case m.hung:
			m.queue = append(m.queue, func() {
				if !m.readOnly {
					m.write(&trx{client: true})
				}
			})
		case m.byHand: // an operator's own fault: nobody is told that this is safe
			m.write(&trx{})
		default:
			k.writes++
			t := &trx{client: true}
			k.pending[t] = c
			m.write(t)
			if m.waiting() == 0 {
				k.released(h, []*trx{t})
			}
		}
	})
}

// released hears that transactions are visible: their clients are told, if the
// host's port lets the answer out.
func (k *clients) released(h *host, list []*trx) {
	w := k.w
	for _, t := range list {
		if !t.client {
			continue
		}
		c := k.pending[t]
		delete(k.pending, t)
		if !h.admits() || h.cutTo.clients > 0 || h.db.proc.stands() {
			continue
		}
		w.checks.acknowledged(h, t)
		t.acked, t.ackAt = w.now, h
		k.acked, k.last = append(k.acked, t), w.now
		if c != nil {
			c.turn++
			k.again(c, w.between(k.think/2, k.think*3/2))
		}
	}
}
