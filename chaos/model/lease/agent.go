package lease

// renews is the keepalive of the one who holds the key, and what its reply buys.
func (p *protocol) renews(s *State, i int, o collector) {
	h, me := &s.H[i], int8(i)
	if h.Ask == none && h.Reply == none && s.Lease > 0 && s.Key == me {
		t := *s
		t.H[i].Ask = 0
		o.add(t, "%h sends a keepalive", me)
	}
	if h.Reply != none && h.Left == none {
		left := ttl - p.margin() - h.Reply
		if !p.FromSent {
			left = ttl - p.margin()
		}
		t := *s
		g := &t.H[i]
		g.Reply = none
		if p.Pauses && h.Writer && left > 0 {
			g.Left = left
			o.add(t, "%h gets the reply and computes %d ticks", me, left)
			return
		}
		if h.Writer && left > h.Port { // a reply never shortens (R3)
			g.Port, g.Slow = left, 0
		}
		o.add(t, "%h gets the reply and writes its lifetime", me)
	}
	if h.Left != none {
		t := *s
		g := &t.H[i]
		g.Left = none
		if h.Left > h.Port {
			g.Port, g.Slow = h.Left, 0
		}
		o.add(t, "%h writes a lifetime of %d ticks", me, h.Left)
	}
}

// runs is the way to the open door, and the campaign before it.
func (p *protocol) runs(s *State, i int, o collector) {
	h, me := &s.H[i], int8(i)
	may := s.Key == none && !h.Writer && !h.Writable && h.Promise == 0 && h.Wait == 0 && s.Spec>>i&1 == 1
	if p.OnlyListed && s.Listed>>i&1 == 0 {
		may = false
	}
	if may && !h.Campaign {
		t := *s
		t.H[i].Campaign = true
		o.add(t, "%h sends its campaign", me)
	}
	fresh := s.Key == me && h.Ask == none && h.Reply == none && s.Lease > 0
	if fresh && !h.Writer && (!p.Binds || h.Promise == 0) {
		t := *s
		g := &t.H[i]
		t.Lease, g.Writer, g.Campaign = ttl, true, false
		if p.TimedFirst {
			g.Port, g.Slow = ttl-p.margin(), 0
			o.add(t, "%h has won: a timed lifetime is written and read back", me)
		} else {
			g.Writable = true
			o.add(t, "%h has won: read_only goes off", me)
		}
	}
	if h.Writer && h.Writable == (h.Port == forever) {
		t := *s
		g := &t.H[i]
		switch {
		case p.TimedFirst && h.Port > 0:
			g.Writable = true
			o.add(t, "%h: read_only goes off", me)
		case !p.TimedFirst && h.Port == forever && s.Key == me && s.Lease > 0:
			t.Lease, g.Port, g.Slow = ttl, ttl-p.margin(), 0
			o.add(t, "%h: a timed lifetime is written", me)
		}
	}
}

// closes is self-demotion and giving up, and the way back to a replica's door.
func (p *protocol) closes(s *State, i int, o collector) {
	h, me := &s.H[i], int8(i)
	t := *s
	g := &t.H[i]
	g.Writer, g.Writable, g.Port, g.Left = false, false, 0, none
	switch {
	case h.Writer && h.Port == 0:
		o.add(t, "%h demotes itself: its deadline has passed", me)
	case h.Writer && s.Key != me && (s.Key != none || !p.Outage):
		o.add(t, "%h demotes itself: the key is not its own", me)
	case !h.Writer && h.Writable:
		o.add(t, "%h closes a server that was left writable", me)
	case !h.Writer && h.Port != forever && h.Port == 0:
		u := *s
		u.H[i].Port = forever
		o.add(u, "%h is a replica: its port has no limit", me)
	}
	if h.Writer && s.Key == none && !p.NotPutBack {
		u := *s
		u.Key, u.Lease = me, ttl
		o.add(u, "%h has a new lease and puts the key back", me)
	}
	if h.Writer && s.Key != none && s.Key != me && !p.NotPutBack {
		u := *s
		u.Key, u.Lease, u.H[i].Port = me, ttl, ttl-p.margin()
		o.add(u, "%h has a new lease and puts the key back, over that of %h", me, s.Key)
	}
	if p.Sick && h.Writer && s.Key == me {
		u := *s
		u.Key, u.Lease = none, 0
		if p.CloseFirst {
			u.H[i] = *g
			o.add(u, "%h closes and deletes the key", me)
		} else {
			o.add(u, "%h deletes the key before it closes", me)
		}
	}
}

// fails is agents that die, and what a new one does.
func (p *protocol) fails(s *State, i int, o collector) {
	h, me := &s.H[i], int8(i)
	t := *s
	g := &t.H[i]
	if h.Alive {
		if s.Faults < p.Faults {
			g.Alive, g.Writer, g.Ask, g.Reply, g.Left = false, false, none, none, none
			t.Faults++
			if p.Twins {
				t = mirrored(t)
			}
			o.Fault(t, "the agent of %h dies", me)
		}
		return
	}
	g.Alive = true
	if !p.Kept {
		g.Promise = 0
	} else if g.Promise > 0 {
		g.Wait = ttl
	}
	if h.Port == forever {
		g.Port = 0 // nothing without a limit outlives an agent
	}
	resume := func() { g.Writer, g.Writable, g.Port, g.Slow = true, true, ttl-p.margin(), 0 }
	switch {
	case !p.AskFirst && h.Writable:
		resume()
		o.add(t, "the agent of %h is back and resumes without asking etcd", me)
	case s.Key == me && s.Lease > 0 && h.Writable:
		t.Lease = ttl
		resume()
		o.add(t, "the agent of %h is back, renews and resumes", me)
	case !p.ReadBefore:
		g.Port = forever
		o.add(t, "the agent of %h is back: no writer, so its port has no limit", me)
	default:
		o.add(t, "the agent of %h is back", me)
	}
}
