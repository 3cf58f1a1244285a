package storm

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// planned is one fault of a plan.
type planned struct {
	class class
	on    place
	hold  time.Duration
	// pick chooses among several hosts that a place may mean.
	pick int
}

// plannedStrike is one or two faults that overlap.
type plannedStrike struct {
	faults []planned
	// offset is the time from the first fault to the second.
	offset time.Duration
	// reverse lifts the first fault first.
	reverse bool
	// calm is the time from a whole cluster to the strike.
	calm time.Duration
}

// planner draws strikes from a seed.
type planner struct {
	random  *rand.Rand
	classes []class
	singles bool
	due     []class // of the present round: each class comes once before one comes twice
}

// newPlanner reads the names of the classes; none: all.
func newPlanner(seed uint64, names []string, singles, routers bool) (*planner, error) {
	classes := classesFor(routers)
	p := &planner{random: rand.New(rand.NewPCG(seed, 0x6d6d6d)), singles: singles}
	for _, c := range classes {
		if len(names) == 0 || slices.Contains(names, c.Name) {
			p.classes = append(p.classes, c)
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(classes, func(c class) bool { return c.Name == name }) {
			return nil, fmt.Errorf("unknown fault %q; the faults are %s", name, strings.Join(allNames(classes), ", "))
		}
	}
	return p, nil
}

func allNames(classes []class) []string {
	var out []string
	for _, c := range classes {
		out = append(out, c.Name)
	}
	return out
}

// next is the next strike.
func (p *planner) next() plannedStrike {
	s := plannedStrike{faults: []planned{p.draw(p.nextClass())}, calm: time.Duration(p.random.Int64N(int64(second)))}
	// Every number is drawn whether it is used or not: leaving out pairs or a
	// class must not change what is drawn later more than it has to.
	pair, other := p.random.IntN(4) == 0, p.draw(p.classes[p.random.IntN(len(p.classes))])
	s.offset = time.Duration(p.random.Int64N(int64(2 * second)))
	s.reverse = p.random.IntN(2) == 0
	first := s.faults[0].class
	if pair && !p.singles && !first.alone && !other.class.alone && first.family != other.class.family {
		s.faults = append(s.faults, other)
	}
	return s
}

// nextClass draws without putting back, so that no class is left out for long.
func (p *planner) nextClass() class {
	if len(p.due) == 0 {
		p.due = slices.Clone(p.classes)
		p.random.Shuffle(len(p.due), func(i, j int) { p.due[i], p.due[j] = p.due[j], p.due[i] })
	}
	c := p.due[0]
	p.due = p.due[1:]
	return c
}

func (p *planner) draw(c class) planned {
	on := c.on[p.random.IntN(len(c.on))]
	hold := c.hold[0] + time.Duration(p.random.Float64()*float64(c.hold[1]-c.hold[0]))
	return planned{class: c, on: on, hold: hold, pick: p.random.IntN(1 << 16)}
}

// String is one line for people.
func (s plannedStrike) String() string {
	var parts []string
	for _, f := range s.faults {
		parts = append(parts, fmt.Sprintf("%s on %s for %.1fs", f.class.Name, f.on, f.hold.Seconds()))
	}
	return strings.Join(parts, fmt.Sprintf(", %.1fs later ", s.offset.Seconds()))
}

// Plan is what a seed means, as text: the first n strikes.
func Plan(seed uint64, names []string, singles, routers bool, n int) ([]string, error) {
	p, err := newPlanner(seed, names, singles, routers)
	if err != nil {
		return nil, err
	}
	var out []string
	for range n {
		out = append(out, p.next().String())
	}
	return out, nil
}
