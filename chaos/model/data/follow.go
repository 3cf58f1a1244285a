package data

// counted reports whether the writer counts on host i, as that host sees it:
// then, and only then, it attaches.
func (p *protocol) counted(s *State, i int) bool {
	switch {
	case !s.settled():
		return s.Phase == opening
	case s.S == 0 || !p.InSetFirst:
		return true
	default:
		return in(s.S, i) && (s.H[i].Fresh || !p.FreshAckers) || p.heir(s) == int8(i)
	}
}

// follows is what a host does that is not writer, while there is one.
func (p *protocol) follows(s *State, i int, out *steps) {
	h, me := &s.H[i], int8(i)
	if !s.acts(i) || s.Key == none || s.Key == me || s.Phase == catchingUp {
		return
	}
	if h.IO == s.Key {
		if !p.counted(s, i) && p.Filter {
			t := *s
			t.H[i].IO = none
			out.Add(t, "%h detaches: it is not counted on", me)
		}
		return
	}
	w := &s.H[s.Key]
	t := *s
	g := &t.H[i]
	switch {
	case !h.RO && h.Com != h.App: // a former writer whose sessions wait
		p.demote(&t, i)
		out.Add(t, "%h demotes although somebody waits", me)
	case h.App < h.Len && p.ApplyFirst: // what is not applied would be dropped
	case h.App <= w.App && agree(h, w, h.App) && p.counted(s, i):
		g.cut(g.App)
		g.RO, g.Port, g.IO = true, false, s.Key
		if p.BidsOfEpoch || h.Bid != none {
			t.dropBid(i)
		}
		out.Add(t, "%h follows %h", me, s.Key)
	case h.App <= w.App && agree(h, w, h.App):
	case w.Up && (s.Phase == ready || p.EarlyRejoin):
		n := int8(0)
		for n < min(h.Len, w.App) && h.Log[n] == w.Log[n] {
			n++
		}
		g.cut(n)
		t.dropBid(i)
		g.RO, g.Port, g.Fresh, g.Bound = true, false, false, false
		t.PutFresh = without(t.PutFresh, i)
		out.Add(t, "%h has diverged and is rewound", me)
	}
}

// demote makes a server with waiting sessions harmless: there is no way but to
// end it (R12).
func (p *protocol) demote(s *State, i int) {
	g := &s.H[i]
	if p.KillWaiting {
		g.Up, g.Port = false, false
		return
	}
	s.release(i, g.App) // semi-sync off, so that read_only goes through: whoever waited is told OK
	g.RO, g.Port = true, false
}
