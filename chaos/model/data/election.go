package data

// bids is what a host does while there is no writer: freeze, and say how far it is.
func (p *protocol) bids(s *State, i int, out *steps) {
	h, me := &s.H[i], int8(i)
	if s.acts(i) && s.Key == none && h.Bid == none {
		t := *s
		g := &t.H[i]
		if !h.RO && h.Com != h.App {
			p.demote(&t, i)
			out.Add(t, "%h demotes although somebody waits", me)
			return
		}
		if p.StopIO {
			g.IO = none
		}
		if !p.OnlyIO {
			g.cut(g.App)
		}
		g.RO, g.Port, g.Bound = true, false, true
		t.touch(i)
		g.Bid, g.BidFor = g.Len, s.lastReign()
		out.Add(t, "%h stops its IO thread and bids %d", me, g.Bid)
	}
	if h.Bid != none && h.Agent && (!h.Up || !h.Bound) {
		t := *s
		t.dropBid(i)
		out.Add(t, "the bid of %h is withdrawn: another mysqld", me)
	}
	if p.BidsOfEpoch && h.Agent && h.Bid != none && s.Key == none && h.BidFor != s.lastReign() {
		t := *s
		t.dropBid(i)
		out.Add(t, "%h withdraws a bid of an older election", me)
	}
}

// touch makes every campaign fail that counted the bid of host i as it was.
func (s *State) touch(i int) {
	for k := range s.H {
		if h := &s.H[k]; h.Camp && in(h.Seen, i) {
			h.Seen = stale
		}
	}
}

func (s *State) dropBid(i int) {
	s.touch(i)
	s.H[i].Bid, s.H[i].BidFor = none, 0
}

// valid reports whether a bid was placed after the last reign by the mysqld
// that still runs, under a lease that still lives.
func (p *protocol) valid(s *State, i int) bool {
	h := &s.H[i]
	return h.Bid != none && h.Agent && (!p.BidsOfEpoch || h.BidFor == s.lastReign())
}

// proof is the bids among which no acknowledged transaction can be missing
// (R30); none: nothing is proven.
func (p *protocol) proof(s *State) uint8 {
	var ackers, all uint8
	count, size := 0, 0
	for i := range s.H {
		if in(s.S, i) {
			size++
		}
		if !p.valid(s, i) {
			continue
		}
		all = with(all, i)
		if in(s.S, i) && (s.H[i].Fresh || !p.FreshAckers) {
			ackers = with(ackers, i)
			count++
		}
	}
	need := max(1, size) // |S| - W + 1 with W = 1
	if !p.AllOfS {
		need = 1
	}
	if size == 0 && !p.EmptyProves { // the formula's trap: nobody is enough
		return all
	}
	w := &s.H[s.Last]
	last := p.LastWriter && in(all, int(s.Last)) && (w.Fresh || p.KeepTail)
	switch covered := count >= need; {
	case last && covered:
		// The longer of the two; when they fork, then in what nobody acknowledged.
		if both := with(ackers, int(s.Last)); p.best(s, both) != none {
			return both
		}
		return ackers
	case last:
		return with(0, int(s.Last))
	case covered:
		return ackers
	}
	return 0
}

// best is the longest of the bids, none when they fork or there are none. Who
// lacks the first transaction of the last reign has acknowledged nothing in it:
// he was heard, but does not say what is best.
func (p *protocol) best(s *State, of uint8) int8 {
	if p.RowDecides {
		of = s.withRow(of)
	}
	b := int8(none)
	for i := range s.H {
		if in(of, i) && (b == none || s.H[i].Bid > s.H[b].Bid) {
			b = int8(i)
		}
	}
	for i := range s.H {
		if h := &s.H[i]; in(of, i) && !agree(h, &s.H[b], min(h.Bid, s.H[b].Bid)) {
			return none
		}
	}
	return b
}

// campaigns is how a candidate asks for the key, and what becomes of it.
func (p *protocol) campaigns(s *State, i int, out *steps) {
	h, me := &s.H[i], int8(i)
	if s.acts(i) && s.Key == none && in(candidates, i) && p.valid(s, i) && !h.Camp && (h.Bound || !p.BidsOfEpoch) {
		of := p.proof(s)
		if of != 0 && !p.BestOfProof {
			of = p.allBids(s)
		}
		if b := p.best(s, of); b != none {
			src := &s.H[b]
			switch {
			case holds(h, src, src.Bid) || !p.HoldBest:
				t := *s
				g := &t.H[i]
				g.Camp, g.For, g.Seen = true, s.lastReign(), p.allBids(s)
				out.Add(t, "%h sends its campaign", me)
			case !in(candidates, int(b)) && src.Up && h.App == h.Len:
				t := *s
				g := &t.H[i]
				t.touch(i)
				g.cut(0)
				g.Log, g.Len, g.App, g.Com = src.Log, src.Len, src.Len, src.Len
				g.cut(src.Bid)
				g.Bid = g.Len
				out.Add(t, "%h fetches the difference from %h and bids %d", me, b, g.Bid)
			}
		}
	}
	if h.Camp {
		t := *s
		t.H[i].Camp, t.H[i].For, t.H[i].Seen = false, 0, 0
		won := s.Key == none && (!p.GuardCampaign || h.For == s.lastReign() && h.Seen != stale)
		if won {
			t.Key, t.Phase, t.Epoch = me, catchingUp, s.Epoch+1
			t.forgetCuts()
			if !p.ReignAtOpen {
				t.newReign(i, p.livingBut(s, i))
			}
			out.Add(t, "etcd: the campaign of %h wins", me)
			return
		}
		out.Add(t, "etcd: the campaign of %h is refused", me)
	}
}

func (p *protocol) allBids(s *State) (m uint8) {
	for i := range s.H {
		if s.H[i].Bid != none {
			m = with(m, i)
		}
	}
	return m
}

func (p *protocol) livingBut(s *State, i int) (m uint8) {
	for k := range s.H {
		if k != i && s.H[k].Agent {
			m = with(m, k)
		}
	}
	return m
}

// withRow is those of a set that have the first transaction of the last reign,
// and its writer; the first reign of the model began before its time.
func (s *State) withRow(of uint8) (m uint8) {
	for i := range s.H {
		h := &s.H[i]
		has := s.Reign == 1 || int8(i) == s.Last
		for k := range h.Len {
			has = has || h.Log[k] == epochRow+s.Reign
		}
		if in(of, i) && has {
			m = with(m, i)
		}
	}
	return m
}
