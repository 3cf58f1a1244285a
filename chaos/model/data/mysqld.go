package data

// mysqld is what servers do by themselves: commit, replicate, acknowledge.
func (p *protocol) mysqld(s *State, i int, out *steps) {
	h, me := &s.H[i], int8(i)
	if h.Up && !h.RO && h.Port && s.Tx < p.Tx && h.Len < longest && h.App == h.Len {
		t := *s
		t.Tx++
		g := &t.H[i]
		g.push(uint8(t.Tx))
		g.App = g.Len
		if s.Solo && s.Key == me { // nobody is waited for
			t.release(i, g.App)
		}
		out.Add(t, "a client writes t%d on %h", t.Tx, me)
	}
	if h.Up && h.IO != none {
		w := &s.H[h.IO]
		if w.Up && w.IO == none && h.Len < w.App && agree(h, w, h.Len) && p.admitted(s, i) {
			t := *s
			g := &t.H[i]
			g.push(w.Log[h.Len])
			g.AckTo, g.AckPos = h.IO, g.Len // who is attached acknowledges
			out.Add(t, "%h receives from %h", me, h.IO)
		}
	}
	if h.Up && h.App < h.Len {
		t := *s
		t.H[i].App, t.H[i].Com = h.Len, h.Len
		out.Add(t, "%h applies its relay log", me)
	}
	if h.AckTo != none {
		w := int(h.AckTo)
		t := *s
		t.H[i].AckTo, t.H[i].AckPos = none, 0
		if x := &s.H[w]; x.Up && h.AckPos > x.Com && h.AckPos <= x.App && agree(h, x, h.AckPos) {
			t.release(w, h.AckPos)
		}
		out.Add(t, "%h's acknowledgement reaches %h", me, h.AckTo)
		u := *s
		u.H[i].AckTo, u.H[i].AckPos = none, 0
		out.Add(u, "%h's acknowledgement is lost with its connection", me)
	}
}

// admitted reports whether the filter of its source lets host i attach (R21).
// While a reign opens everybody may (R37); an agentless former writer lets in
// whom it let in before.
func (p *protocol) admitted(s *State, i int) bool {
	if s.H[i].IO != s.Key || !s.settled() || !p.Filter {
		return true
	}
	return !in(s.Shut, i)
}

// restarts is what the start of a mysqld after a crash does to its logs.
func (p *protocol) restarts(s *State, i int, out *steps) {
	h, me := &s.H[i], int8(i)
	t := *s
	g := &t.H[i]
	g.Up, g.RO, g.IO, g.Fresh, g.Bound = true, true, none, false, false
	g.AckTo, g.AckPos = none, 0
	t.PutFresh = without(t.PutFresh, i)
	g.cut(g.App) // the first START SLAVE drops what was not applied
	g.Com = g.App
	switch {
	case h.RO:
		out.Add(t, "mysqld of %h restarts", me)
	case p.KeepTail:
		out.Add(t, "mysqld of %h restarts, its tail is kept", me)
	default:
		g.cut(h.Com) // init_rpl_role=SLAVE
		out.Add(t, "mysqld of %h restarts, what waited is cut off", me)
		if h.Com > 0 && h.Log[h.Com-1] < epochRow {
			u := t
			u.H[i].cut(h.Com - 1)
			out.Add(u, "mysqld of %h restarts, one that was committed is cut off too", me)
		}
	}
}

// worldTurns is leases, the kernel, faults, and what comes back.
func (p *protocol) worldTurns(s *State, i int, out *steps) {
	h, me := &s.H[i], int8(i)
	if !h.Agent && s.Key == me && (!h.Port || p.NoFence1) {
		t := *s
		t.endReign()
		out.Add(t, "etcd: the lease of %h ends", me)
	}
	if !h.Agent && h.Port {
		t := *s
		t.H[i].Port = false
		out.Add(t, "kernel: the port of %h closes", me)
	}
	if !h.Agent && !p.NoReturn {
		t := *s
		t.H[i].Agent = true
		if s.Key == me {
			t.forgetCuts() // a new process remembers none of them; the filter is the kernel's and stays
		} else {
			t.H[i].Port = false
		}
		out.Add(t, "the agent of %h is back", me)
	}
	if !h.Up && !p.NoReturn {
		p.restarts(s, i, out)
	}
	if s.Faults < p.Faults {
		p.faults(s, i, out)
	}
}

func (p *protocol) faults(s *State, i int, out *steps) {
	h, me := &s.H[i], int8(i)
	may := func(kind uint8) bool { return p.Kinds == 0 || p.Kinds&kind != 0 }
	t := *s
	t.Faults++
	if h.Up && may(Mysqld) {
		u := t
		u.H[i].Up = false
		out.Fault(u, "mysqld of %h dies", me)
	}
	if h.Agent && may(Hang) {
		u := t
		u.H[i].Agent = false
		u.dropBid(i)
		out.Fault(u, "the agent of %h hangs or loses etcd", me)
	}
	if h.Agent && h.Up && may(Power) {
		u := t
		g := &u.H[i]
		g.Agent, g.Up, g.Port = false, false, false
		u.dropBid(i)
		out.Fault(u, "%h loses power", me)
	}
}
