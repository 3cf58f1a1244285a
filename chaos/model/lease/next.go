package lease

import "github.com/mmm-ha/mmm/chaos/model/explore"

// protocol is one choice of rules in one world.
type protocol struct {
	Rules
	Env
}

type steps = explore.Steps[State]

func model(r Rules, e Env) explore.Model[State] {
	p := &protocol{r, e}
	return explore.Model[State]{Init: p.start(), Next: p.next, Bad: Bad, Show: Show}
}

// collector is Steps that mirrors states when the world has twins.
type collector struct {
	*steps
	twins bool
}

func (c collector) add(t State, text string, args ...int8) {
	if c.twins {
		t = mirrored(t)
	}
	c.Add(t, text, args...)
}

func (p *protocol) next(s State, out *steps) {
	o := collector{out, p.Twins}
	p.ticks(&s, o)
	p.etcd(&s, o)
	for i := range s.H {
		if s.H[i].Alive {
			p.renews(&s, i, o)
			p.runs(&s, i, o)
			p.closes(&s, i, o)
			p.promises(&s, i, o)
		}
		p.fails(&s, i, o)
	}
	if p.Added && s.Spec == 0b011 {
		t := s
		t.Spec = 0b111
		o.add(t, "the operator adds C to the cluster file")
	}
}

// ticks is time: everywhere, and perhaps not on one host's own timer.
func (p *protocol) ticks(s *State, o collector) {
	for slow := -1; slow < hosts; slow++ {
		if slow >= 0 && (s.H[slow].Port == 0 || s.H[slow].Port == forever || s.H[slow].Slow >= slip) {
			continue
		}
		t := *s
		for i := range t.H {
			p.tick(&t.H[i], i == slow)
		}
		if s.Key != none {
			t.Lease = max(0, t.Lease-1)
		}
		if t.Round = older(t.Round); t.Round == none {
			t.By, t.Got = 0, 0
		}
		if slow < 0 {
			o.add(t, "a tick")
		} else {
			o.add(t, "a tick, but not for the timer of %h", int8(slow))
		}
	}
}

func (p *protocol) tick(h *Host, slow bool) {
	if h.Port > 0 && h.Port != forever && (p.KernelEnds || h.Alive) {
		if slow {
			h.Slow++
		} else {
			h.Port--
		}
	}
	h.Promise, h.Wait = max(0, h.Promise-1), max(0, h.Wait-1)
	h.Ask, h.Reply, h.Grant = older(h.Ask), older(h.Reply), older(h.Grant)
	if h.Left > 0 && p.ReadLast { // it is seen, once written, that so much of it has passed
		h.Left--
	}
}

// etcd is what arrives there, and what ends there.
func (p *protocol) etcd(s *State, o collector) {
	if s.Key != none && s.Lease == 0 {
		t := *s
		t.Key = none
		o.add(t, "etcd: the lease of %h ends, the key is deleted", s.Key)
	}
	for i := range s.H {
		h, me := &s.H[i], int8(i)
		if h.Ask != none {
			t := *s
			t.H[i].Ask = none
			if s.Key == me && s.Lease > 0 {
				t.Lease, t.H[i].Reply = ttl, h.Ask
			}
			o.add(t, "etcd: the keepalive of %h arrives", me)
		}
		if h.Campaign {
			t := *s
			t.H[i].Campaign = false
			won := int8(0)
			if s.Key == none {
				t.Key, t.Lease, won = me, ttl, 1
			}
			o.add(t, "etcd: the campaign of %h arrives, won: %v", me, won)
		}
	}
}
