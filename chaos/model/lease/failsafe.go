package lease

// promises is failsafe: a writer that cannot reach etcd asks all who could be
// elected, and every one that answers will not run for as long as a lease lasts.
func (p *protocol) promises(s *State, i int, o collector) {
	if !p.Outage {
		return
	}
	h, me := &s.H[i], int8(i)
	if h.Writer && s.Key == none && h.Port > 0 && h.Port != forever { // etcd is back, and nobody was elected
		t := *s
		t.Key, t.Lease = me, ttl
		o.add(t, "%h takes its key back", me)
	}
	if h.Writer && h.Writable && h.Port > 0 && s.Round == none {
		t := *s
		t.Round, t.By, t.Got = 0, me, 0
		for k := range t.H {
			t.H[k].Grant = none
		}
		o.add(t, "%h asks for promises", me)
	}
	listed := s.Listed>>i&1 == 1
	if s.Round != none && s.By != me && h.Grant == none && s.Got>>i&1 == 0 && !h.Writer && listed && s.Key != me &&
		(!p.Binds || !h.Campaign) {
		t := *s
		t.H[i].Promise, t.H[i].Grant = ttl, s.Round
		o.add(t, "%h promises not to run", me)
	}
	if h.Grant != none && s.Round != none {
		p.promised(s, i, o)
	}
}

// promised is a promise that reaches the one who asked.
func (p *protocol) promised(s *State, i int, o collector) {
	t := *s
	t.H[i].Grant = none
	t.Got |= 1 << i
	w := int(s.By)
	need := s.Listed &^ (1 << w)
	if done := t.Got&need == need || !p.All; done && s.H[w].Alive && s.H[w].Writer {
		if left := ttl - p.margin() - s.Round; left > s.H[w].Port && s.H[w].Port > 0 {
			t.H[w].Port, t.H[w].Slow = left, 0
		}
		t.Round, t.By, t.Got = none, 0, 0
	}
	o.add(t, "the promise of %h reaches %h", int8(i), s.By)
}
