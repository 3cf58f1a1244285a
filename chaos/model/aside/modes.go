package aside

import (
	"fmt"

	"github.com/mmm-ha/mmm/chaos/model/explore"
)

// modes is an election while an operator changes the mode, and a writer that
// loses its acker in a mode in which nothing is elected.
type modes struct {
	obeys   bool // R35: in MANUAL only the last writer campaigns, and whom an order names
	guarded bool // R34: the campaign names the mode's revision, and the order's
	narrows bool // R35: the acker set is kept up in every mode
	allBid  bool // R35: under an order everybody bids, for a bid is evidence too
}

type modesState struct {
	key      int8 // A: the last writer, B: another
	manual   bool
	ordered  bool // the operator named B
	camp     int8
	seen     bool // the campaign's guards still hold
	acker    bool // the only acker lives
	narrowed bool // and has been let go
	flips    int8
	dead     bool // A's mysqld
	against  bool
}

const (
	nobody = -1
	lastA  = 0
	otherB = 1
)

func (m modes) run(limit int) explore.Result {
	return explore.Run(explore.Model[modesState]{
		Init: modesState{camp: nobody, acker: true}, Next: m.next,
		Bad: func(s modesState) string {
			if s.against {
				return "mode: a host was elected against the operator's mode"
			}
			return ""
		},
		Good: func(s modesState) bool { return s.key != nobody && (s.acker || s.narrowed) },
		Show: func(s modesState) string { return fmt.Sprintf("%+v", s) },
	}, limit)
}

func (m modes) next(s modesState, out *explore.Steps[modesState]) {
	add := func(text string, args []int8, change func(t *modesState)) {
		t := s
		change(&t)
		out.Add(t, text, args...)
	}
	if s.flips < 3 {
		add("the operator changes the mode", nil, func(t *modesState) { t.manual, t.flips, t.seen = !s.manual, s.flips+1, false })
	}
	if s.manual && s.key == nobody && !s.ordered {
		add("the operator orders B", nil, func(t *modesState) { t.ordered, t.seen = true, false })
	}
	if s.key == nobody && s.camp == nobody {
		for _, who := range []int8{lastA, otherB} {
			may := !s.manual || who == lastA || s.ordered
			// Under an order A, the only host that can prove, must bid as well.
			proven := !s.dead && (!s.manual || who == lastA || m.allBid)
			if (may || !m.obeys) && proven && (who != lastA || !s.dead) {
				add("%h sends its campaign", []int8{who}, func(t *modesState) { t.camp, t.seen = who, true })
			}
		}
	}
	if s.camp != nobody {
		add("etcd: the campaign of %h arrives", []int8{s.camp}, func(t *modesState) {
			t.camp = nobody
			if s.key != nobody || m.guarded && !s.seen {
				return
			}
			t.key, t.ordered, t.narrowed = s.camp, false, s.narrowed
			t.against = s.manual && s.camp != lastA && !s.ordered
		})
	}
	if s.key != nobody && !s.acker && !s.narrowed && (m.narrows || !s.manual || s.flips < 3) {
		if m.narrows || !s.manual {
			add("the writer lets its acker go", nil, func(t *modesState) { t.narrowed = true })
		}
	}
	if s.key != nobody && s.flips < 3 {
		t := s
		t.key = nobody
		t.flips++
		out.Fault(t, "the writer's reign ends")
	}
	if s.acker {
		t := s
		t.acker = false
		out.Fault(t, "an acker dies")
	}
}

func modeCases() []explore.Case {
	all := modes{true, true, true, true}
	but := func(off func(*modes)) func(int) explore.Result {
		m := all
		off(&m)
		return m.run
	}
	return []explore.Case{
		holds("modes: all rules", "the mode changes while a campaign is on its way", all.run),
		breaks("modes: without obeying MANUAL", "R35", "any host campaigns in MANUAL", "mode", but(func(m *modes) { m.obeys = false })),
		breaks("modes: without the mode in the campaign's guard", "R34", "MANUAL is said between the decision and the campaign", "mode", but(func(m *modes) { m.guarded = false })),
		breaks("modes: without narrowing in MANUAL", "R35", "a lost acker stays in the set until the mode changes", "", but(func(m *modes) { m.narrows = false })),
	}
}
