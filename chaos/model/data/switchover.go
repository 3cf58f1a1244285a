package data

// switchover is the operator's order A -> B, step by step (R41-R45).
func (p *protocol) switchover(s *State, out *steps) {
	const a, b = 0, 1
	if s.Hand {
		p.handArrives(s, out)
	}
	if !p.Switchover || !p.reigning(s, a) || s.Phase != ready {
		return
	}
	h, x := &s.H[a], &s.H[b]
	t := *s
	switch s.Order {
	case noOrder:
		if s.Epoch == 1 {
			t.Order = asked
			out.Add(t, "the operator orders a switchover to B")
		}
	case asked:
		if h.Com == h.App && !h.RO {
			t.H[a].RO, t.Order, t.Stop = true, drained, h.App
			out.Add(t, "A is read-only, at position %d", h.App)
		}
	case drained:
		fit := x.Up && x.Agent && x.App == x.Len && x.App >= s.Stop && h.App == s.Stop
		if fit && in(s.S, b) && (x.Fresh || !p.FreshAckers) {
			t.H[b].Bound, t.Order = true, targetReady
			out.Add(t, "B has applied it")
		}
	case targetReady:
		if !s.Hand {
			t.Hand = true
			out.Add(t, "A sends the hand-over")
		}
	}
	if s.Order == drained || s.Order == targetReady {
		t := *s
		t.Order = aborted
		if p.AbortInEtcd {
			out.Add(t, "A aborts the switchover in etcd")
		} else {
			out.Add(t, "A has waited long enough, sees its key, and undoes the switchover")
		}
	}
}

func (p *protocol) handArrives(s *State, out *steps) {
	const a, b = 0, 1
	t := *s
	t.Hand = false
	if s.Key != a || s.Epoch != 1 || p.AbortInEtcd && s.Order != targetReady {
		out.Add(t, "etcd: the hand-over is refused")
		return
	}
	t.endReign()
	t.Key, t.Phase, t.Epoch = b, catchingUp, s.Epoch+1
	t.H[a].Bound, t.H[a].Port = false, false
	t.H[b].IO = none
	out.Add(t, "etcd: the hand-over is done")
}
