package data

// reigns is the way from the won key to the open door, and its end.
func (p *protocol) reigns(s *State, i int, out *steps) {
	h, me := &s.H[i], int8(i)
	if s.Key == me && h.Agent && (!h.Up || p.Incarnation && !h.Bound) {
		t := *s
		t.H[i].Port, t.H[i].Bound = false, false
		t.endReign()
		out.Add(t, "%h deletes the key: its mysqld is gone, or is another one", me)
	}
	if !p.reigning(s, i) {
		return
	}
	switch {
	case s.Phase == catchingUp && (h.App == h.Len || !p.ApplyAll) && h.Len < longest:
		t := *s
		g := &t.H[i]
		g.cut(g.App) // RESET SLAVE ALL; nothing is left to lose when all is applied
		t.dropBid(i)
		g.IO, g.AckTo, g.AckPos = none, none, 0
		g.Com = g.App
		g.push(epochRow + s.Epoch)
		g.App = g.Len
		t.Phase = opening
		t.Solo = false
		out.Add(t, "%h has applied everything and writes its epoch row", me)
	case s.Phase == opening && !s.settled():
		p.firstAckers(s, i, out)
	case s.Phase == opening:
		t := *s
		t.open(i)
		t.Phase = ready
		t.Shut = ^s.S & 0b111
		if s.Order != noOrder {
			t.Order = done
		}
		out.Add(t, "%h opens", me)
	case s.Phase == ready && (h.RO || !h.Port) && s.Order != drained && s.Order != targetReady && (s.Order != asked || !h.RO):
		t := *s
		t.open(i)
		out.Add(t, "%h resumes its reign", me)
	}
}

// firstAckers puts the reign: the hosts that have the epoch row are its S.
func (p *protocol) firstAckers(s *State, i int, out *steps) {
	h, me := &s.H[i], int8(i)
	var have uint8
	for k := range s.H {
		if x := &s.H[k]; k != i && x.Up && holds(x, h, h.App) {
			have = with(have, k)
		}
	}
	if !p.NotItself {
		have = with(have, i)
	}
	if have != 0 || p.Degrade {
		p.put(s, i, have, out, "%h puts reign with S = %s", me, int8(have))
	}
}

func (s *State) open(i int) {
	g := &s.H[i]
	g.RO, g.Port, g.IO = false, true, none
	s.opened(i)
}

// endReign is the writer key gone, by whatever cause.
func (s *State) endReign() {
	s.Key, s.Phase = none, catchingUp
	s.forgetCuts()
	s.Shut, s.Solo = 0, false
	s.Put, s.PutFresh = noPut, 0 // guarded by the epoch
}

// newReign is the record of an acker set as it stands in etcd.
func (s *State) newReign(w int, set uint8) {
	s.S, s.Last, s.Reign = set, int8(w), s.Epoch
	s.H[w].Fresh = true
	for k := range s.H {
		if in(set, k) && k != w {
			s.H[k].Fresh = true
		}
	}
	s.Solo = set == 0
}

// put writes reign with another acker set, at once or, in a world where writes
// arrive late, some time. Whatever is put makes what was on its way fail its guard.
func (p *protocol) put(s *State, i int, set uint8, out *steps, text string, args ...int8) {
	if p.Late {
		t := *s
		t.Put, t.PutFresh = set, set
		out.Add(t, text+": sent", args...)
		return
	}
	t := *s
	t.takePut(i, set, set)
	out.Add(t, text, args...)
}

// takePut is a put of reign that etcd has taken: fresh are the members whose
// mysqld is still the one that it names.
func (s *State) takePut(i int, set, fresh uint8) {
	s.Put, s.PutFresh = noPut, 0
	if !s.settled() {
		s.newReign(i, set)
	}
	for k := range s.H {
		if in(set, k) {
			s.H[k].Fresh = in(fresh, k)
		} else {
			s.H[k].Cut = none
		}
	}
	s.S = set
	if set == 0 { // seen in etcd: semi-sync off (R24)
		s.Solo = true
		s.release(i, s.H[i].App)
	}
}

// putArrives is etcd taking what was on its way.
func (p *protocol) putArrives(s *State, out *steps) {
	if s.Put == noPut || s.Key == none {
		return
	}
	t := *s
	t.takePut(int(s.Key), s.Put, s.PutFresh)
	if s.Phase == ready {
		t.Shut |= ^t.S & 0b111
	}
	out.Add(t, "etcd: reign with S = %s arrives", int8(s.Put))
}
