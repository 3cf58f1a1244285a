package aside

import (
	"fmt"

	"github.com/mmm-ha/mmm/chaos/model/explore"
)

// routers is one router, two reigns, and what it is told of them: by etcd, by the
// writer's agent, and late. A reign is over at its deadline; the next begins then.
type routers struct {
	highest  bool // R56: the highest epoch seen, never an older one
	deadline bool // R57: the writer's word has an end, and it is the writer's own deadline
	ownLimit bool // R58: a router that holds releases by its own clock
}

type routersState struct {
	epoch    int8 // of the reign
	left     int8 // ticks until its deadline
	serving  bool
	word     [2]int8 // a word on its way: epoch and ticks that it is good for; 0: none
	believes int8    // epoch that the router sends to
	good     int8    // ticks for which it believes that
	seen     int8    // highest epoch that it has ever seen
	holds    bool
	held     int8
	order    bool // a switchover is under way
	dead     int8 // epochs whose writer has died, a bit each: what is sent there reaches nobody
	back     bool // it has gone back to an older epoch
	wrong    bool // it has sent to a host whose reign is over
}

const reignTicks = 3

func (m routers) run(limit int) explore.Result {
	return explore.Run(explore.Model[routersState]{
		Init: routersState{epoch: 1, left: reignTicks, serving: true}, Next: m.next,
		Bad: func(s routersState) string {
			switch {
			case s.back:
				return "G5: a router goes back to an older epoch"
			case s.wrong:
				return "G5: a write is sent to a host whose reign is over"
			}
			return ""
		},
		Good: func(s routersState) bool { return !s.holds },
		Show: func(s routersState) string { return fmt.Sprintf("%+v", s) },
	}, limit)
}

func (m routers) next(s routersState, out *explore.Steps[routersState]) {
	add := func(text string, change func(t *routersState)) {
		t := s
		change(&t)
		out.Add(t, text)
	}
	add("a tick", func(t *routersState) {
		t.left = max(0, s.left-1)
		t.serving = s.serving && t.left > 0
		if m.deadline {
			t.good = max(0, s.good-1)
			if t.word[1] = max(0, s.word[1]-1); t.word[1] == 0 {
				t.word[0] = 0
			}
		}
		if s.holds {
			t.held = min(reignTicks, s.held+1)
		}
	})
	if s.serving {
		add("the writer renews, or is promised", func(t *routersState) { t.left = reignTicks })
		if s.word[0] == 0 {
			add("the writer signs what it is and until when", func(t *routersState) { t.word = [2]int8{s.epoch, s.left} })
		}
		if !s.order {
			add("a switchover is asked for: the router holds", func(t *routersState) { t.order, t.holds, t.held = true, true, 0 })
		}
	}
	if !s.serving && s.epoch < 3 {
		add("the next writer opens", func(t *routersState) { t.epoch, t.left, t.serving = s.epoch+1, reignTicks, true })
	}
	if s.word[0] != 0 {
		add("the word reaches the router", func(t *routersState) {
			t.word = [2]int8{}
			if m.highest && s.word[0] < s.seen {
				return
			}
			t.back = s.word[0] < s.seen
			t.believes, t.good = s.word[0], s.word[1]
			t.seen = max(s.seen, s.word[0])
		})
	}
	add("the router sees in etcd which epoch there is", func(t *routersState) { t.seen = s.epoch })
	if s.believes != 0 && s.good > 0 && !s.holds && (s.believes == s.seen || !m.highest) {
		add("the router sends a write", func(t *routersState) { t.wrong = s.dead>>s.believes&1 == 0 && (s.believes != s.epoch || !s.serving) })
	}
	if s.holds && s.order && s.serving {
		add("the order is closed: the router goes on", func(t *routersState) { t.order, t.holds = false, false })
		dies := s
		dies.serving, dies.order, dies.dead = false, false, s.dead|1<<s.epoch
		out.Fault(dies, "the writer dies, and with it who would have closed the order")
	}
	if s.holds && m.ownLimit && s.held == reignTicks {
		add("the router has held for long enough", func(t *routersState) { t.holds = false })
	}
}

func routerCases() []explore.Case {
	return []explore.Case{
		holds("routers: all rules", "words that come late, and a writer that dies in a switchover", routers{true, true, true}.run),
		breaks("routers: without the highest epoch", "R56", "a late word of an old writer is believed", "G5", routers{false, true, true}.run),
		breaks("routers: without the deadline in the writer's word", "R57", "the router believes for longer than the reign lasts", "G5", routers{true, false, true}.run),
		breaks("routers: without a limit of its own", "R58", "the router holds until somebody tells it to go on", "", routers{true, true, false}.run),
	}
}
