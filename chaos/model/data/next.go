package data

import "github.com/mmm-ha/mmm/chaos/model/explore"

// protocol is one choice of rules in one world.
type protocol struct {
	Rules
	Env
}

// model is what the explorer is given.
func model(r Rules, e Env) explore.Model[State] {
	p := protocol{r, e}
	return explore.Model[State]{Init: Start(), Next: p.next, Bad: Bad, Good: Good, Show: Show}
}

type steps = explore.Steps[State]

// next lists what may happen.
func (p *protocol) next(s State, out *steps) {
	for i := range s.H {
		p.mysqld(&s, i, out)
		p.bids(&s, i, out)
		p.campaigns(&s, i, out)
		p.reigns(&s, i, out)
		p.keepsAckers(&s, i, out)
		p.follows(&s, i, out)
		p.worldTurns(&s, i, out)
	}
	p.putArrives(&s, out)
	p.switchover(&s, out)
}

// acts reports whether the agent of host i can do anything to its mysqld.
func (s *State) acts(i int) bool { return s.H[i].Agent && s.H[i].Up }

// reigning reports whether host i is writer, with the incarnation that won.
func (p *protocol) reigning(s *State, i int) bool {
	return s.Key == int8(i) && s.acts(i) && (s.H[i].Bound || !p.Incarnation)
}

// settled reports whether the writer's reign has its acker set.
func (s *State) settled() bool { return s.Reign == s.Epoch }
