package data

// keepsAckers is what a writer that serves does about S: it cuts off who goes,
// narrows, lets in who may attach, widens, and releases who waits in vain.
func (p *protocol) keepsAckers(s *State, i int, out *steps) {
	if !p.reigning(s, i) || s.Phase != ready {
		return
	}
	p.filters(s, i, out)
	p.narrows(s, i, out)
	p.widens(s, i, out)
	p.nudges(s, i, out)
}

// leaves reports whether a member of S is not there to acknowledge.
func (p *protocol) leaves(s *State, k int) bool {
	x := &s.H[k]
	return in(s.S, k) && (!x.Up || !x.Agent || p.FreshAckers && !x.Fresh)
}

// heir is the member of S that may take the place of them all, when none of
// them is the mysqld that acknowledged any more.
func (p *protocol) heir(s *State) int8 {
	first := int8(none)
	for k := range s.H {
		x := &s.H[k]
		switch {
		case !in(s.S, k) || !x.Up || !x.Agent:
		case x.Fresh:
			return none
		case first == none:
			first = int8(k)
		}
	}
	if !p.Heir {
		return none
	}
	return first
}

// refused is whom the filter should keep out.
func (p *protocol) refused(s *State, i int) uint8 {
	shut := ^s.S & 0b111
	if s.S == 0 && !s.Solo {
		return s.Shut // all but the one that is to be the first member
	}
	if !p.InSetFirst || s.S == 0 { // with nobody to wait for, anybody may read
		shut = 0
	}
	for k := range s.H {
		if p.leaves(s, k) {
			shut = with(shut, k)
		}
	}
	if heir := p.heir(s); heir != none {
		shut = without(shut, int(heir))
	}
	return with(shut, i)
}

// filters sets who may attach. Who is let in again must be cut off anew, should
// he go once more. While a put that counts without somebody may still arrive,
// nobody is let in: first reign is written once more as it is (R16).
func (p *protocol) filters(s *State, i int, out *steps) {
	shut := p.refused(s, i)
	if p.LateProof && s.Put != noPut {
		if s.Shut&^shut != 0 {
			t := *s
			t.Put, t.PutFresh = noPut, 0
			out.Add(t, "%h puts reign again as it is: what was on its way is void", int8(i))
		}
		shut |= s.Shut
	}
	if shut == s.Shut {
		return
	}
	t := *s
	t.Shut = shut
	for k := range t.H {
		if !in(shut, k) || p.CutAnew && !in(s.Shut, k) {
			t.H[k].Cut = none
		}
	}
	out.Add(t, "%h's filter now refuses %s", int8(i), int8(shut))
}

// narrows lets members go: each is cut off, those who stay must hold what the
// writer had at that moment, then S is put (R23). It never becomes empty but by
// policy (R24); the heir may take the place of all.
func (p *protocol) narrows(s *State, i int, out *steps) {
	h, me := &s.H[i], int8(i)
	rest := s.S
	for k := range s.H {
		if p.leaves(s, k) {
			rest = without(rest, k)
		}
	}
	if rest == s.S || s.Put == rest {
		return
	}
	if heir := p.heir(s); rest == 0 && heir != none {
		rest = with(0, int(heir))
	}
	if rest == 0 && !p.Degrade {
		return
	}
	if rest == 0 && !p.EmptyAfter && !s.Solo {
		t := *s
		t.Solo = true
		t.release(i, h.App)
		out.Add(t, "%h turns semi-sync off: nobody is left to acknowledge", me)
	}
	at := h.App // the position of this moment, which only counts for who is cut off
	for k := range s.H {
		if x := &s.H[k]; p.leaves(s, k) && p.CutFirst {
			if x.Cut == none {
				t := *s
				t.H[k].Cut = h.App
				t.Shut = p.refused(s, i)
				if p.LateProof && s.Put != noPut {
					t.Shut |= s.Shut
				}
				out.Add(t, "%h cuts %h off, at position %d", me, int8(k), h.App)
				return
			}
			at = max(0, x.Cut)
			if !p.caughtUp(s, h, rest, at) {
				return
			}
		}
	}
	if !p.CutFirst && !p.caughtUp(s, h, rest, at) {
		return
	}
	if p.FilterFirst && p.refused(s, i)&^s.Shut != 0 {
		return // somebody still attached who is not to be
	}
	p.put(s, i, rest, out, "%h narrows S to %s", me, int8(rest))
}

// caughtUp reports whether one of those who stay holds the first n entries.
func (p *protocol) caughtUp(s *State, w *Host, rest uint8, n int8) bool {
	if rest == 0 || !p.NarrowCaught {
		return true
	}
	for k := range s.H {
		if x := &s.H[k]; in(rest, k) && x.Up && holds(x, w, n) {
			return true
		}
	}
	return false
}

// widens puts hosts into S that could acknowledge (R22).
func (p *protocol) widens(s *State, i int, out *steps) {
	h, me := &s.H[i], int8(i)
	for k := range s.H {
		x := &s.H[k]
		if k == i || in(s.S, k) || !s.acts(k) || s.Put != noPut {
			continue
		}
		first := s.Shut == without(0b111, k) && !s.Solo && x.IO == me && holds(x, h, h.App)
		if s.S == 0 && p.WidenCaught && !first {
			if s.Solo && x.IO == me {
				t := *s
				t.Solo, t.Shut = false, without(0b111, k)
				out.Add(t, "%h refuses all but %h and turns semi-sync on again", me, int8(k))
			}
			continue
		}
		if !p.InSetFirst && x.IO != me {
			continue
		}
		t := *s
		t.S, t.H[k].Fresh, t.Solo = with(s.S, k), true, false
		out.Add(t, "%h widens S by %h", me, int8(k))
	}
}

// nudges makes a host that has everything already acknowledge it (R27): by
// itself an acker never acknowledges what it had when it attached.
func (p *protocol) nudges(s *State, i int, out *steps) {
	h, me := &s.H[i], int8(i)
	if !p.Nudge || h.Com == h.App {
		return
	}
	for k := range s.H {
		if x := &s.H[k]; x.Up && x.IO == me && p.admitted(s, k) && x.AckTo == none && holds(x, h, h.App) {
			t := *s
			t.H[k].AckTo, t.H[k].AckPos = me, h.App
			out.Add(t, "%h nudges: %h acknowledges what it had", me, int8(k))
		}
	}
}

func (s *State) forgetCuts() {
	for k := range s.H {
		s.H[k].Cut = none
	}
}
