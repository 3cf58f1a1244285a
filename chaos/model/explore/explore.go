package explore

import (
	"hash/maphash"
	"math"
)

// Model is what Run explores. S must be comparable and small; it is copied.
type Model[S comparable] struct {
	Init S
	Next func(s S, out *Steps[S])
	Bad  func(S) string // the guarantee that s breaks, "" while all hold
	Good func(S) bool   // nil: do not look for stalls
	Show func(S) string // one line for traces; nil: none
}

// Steps collects what may happen in a state. Run hands it to Model.Next.
type Steps[S comparable] struct{ list []step[S] }

type step[S comparable] struct {
	to    S
	label label
	fault bool
}

// Add tells of a step of the protocol, or of a client, a disk or a network that
// does what it should in the end. See Text for what the text may contain.
func (o *Steps[S]) Add(to S, text string, args ...int8) { o.add(to, false, text, args) }

// Fault tells of a step that nobody may count on, and whose effect must never
// leave the cluster without a way back.
func (o *Steps[S]) Fault(to S, text string, args ...int8) { o.add(to, true, text, args) }

func (o *Steps[S]) add(to S, fault bool, text string, args []int8) {
	l := label{text: text}
	copy(l.args[:], args)
	o.list = append(o.list, step[S]{to, l, fault})
}

// Verdict is what a run found, in one word.
type Verdict string

// The verdicts.
const (
	Holds  Verdict = "holds"   // every reachable state was seen, none is bad, none is a stall
	Broken Verdict = "BROKEN"  // a guarantee is broken
	Stalls Verdict = "STALLS"  // nothing is broken, but there is no way back from some state
	CutOff Verdict = "cut off" // there are more states than the limit; nothing bad among those seen
)

// Result is what Run found.
type Result struct {
	Verdict              Verdict
	Why                  string // of Broken: which guarantee
	States, Edges, Depth int
	Stalls               int      // states without a way back
	Trace                []string // of Broken and Stalls: a shortest way there
}

const none = math.MaxUint32

// Run explores m until a guarantee breaks or no state is left, or more than
// limit states were met.
func Run[S comparable](m Model[S], limit int) Result {
	w := walk[S]{model: m, seed: maphash.MakeSeed(), limit: min(limit, none-1)}
	w.meet(m.Init, none)
	return w.run()
}

// walk is one run.
type walk[S comparable] struct {
	model  Model[S]
	seed   maphash.Seed
	limit  int
	known  table
	parent column[uint32]
	good   column[bool]
	wait   []S // of this level, in order
	next   []S // of the next level
	steps  Steps[S]
	// Edges that are no faults, for the way back: those of state i are
	// edges[first[i]:first[i+1]].
	first, edges column[uint32]
	result       Result
}

// meet gives the number of a state, and remembers it when it is new; none when
// there is no room for it.
func (w *walk[S]) meet(s S, from uint32) uint32 {
	h := maphash.Comparable(w.seed, s)
	if i, ok := w.known.find(h); ok {
		return i
	}
	if w.known.len() >= w.limit {
		w.result.Verdict = CutOff
		return none
	}
	i := w.known.add(h)
	w.parent.push(from)
	w.next = append(w.next, s)
	return i
}

func (w *walk[S]) run() Result {
	r := &w.result
	for i := uint32(0); len(w.next) > 0; r.Depth++ {
		w.wait, w.next = w.next, w.wait[:0]
		for _, s := range w.wait {
			if why := w.model.Bad(s); why != "" {
				r.Verdict, r.Why, r.States, r.Trace = Broken, why, w.known.len(), w.trace(i)
				return *r
			}
			w.expand(s, i)
			i++
		}
	}
	r.States = w.known.len()
	r.Depth--
	if r.Verdict == CutOff {
		return *r
	}
	r.Verdict = Holds
	if w.model.Good != nil {
		w.findStalls()
	}
	return *r
}

func (w *walk[S]) expand(s S, i uint32) {
	w.steps.list = w.steps.list[:0]
	w.model.Next(s, &w.steps)
	stalls := w.model.Good != nil
	if stalls {
		w.good.push(w.model.Good(s))
		w.first.push(uint32(w.edges.len()))
	}
	for k := range w.steps.list {
		st := &w.steps.list[k]
		w.result.Edges++
		j := w.meet(st.to, i)
		if stalls && !st.fault && j != i && j != none {
			w.edges.push(j)
		}
	}
}

// findStalls marks what can reach a good state, backwards.
func (w *walk[S]) findStalls() {
	n := w.known.len()
	w.first.push(uint32(w.edges.len()))
	start := make([]uint32, n+2) // predecessors of j will be back[start[j]:start[j+1]]
	w.edges.each(func(_ int, j uint32) { start[j+2]++ })
	for k := 2; k < len(start); k++ {
		start[k] += start[k-1]
	}
	back := make([]uint32, w.edges.len())
	for i := range uint32(n) {
		for e := w.first.at(int(i)); e < w.first.at(int(i)+1); e++ {
			j := w.edges.at(int(e))
			back[start[j+1]] = i
			start[j+1]++
		}
	}
	safe := make([]bool, n)
	var queue []uint32
	w.good.each(func(i int, good bool) {
		if good {
			safe[i] = true
			queue = append(queue, uint32(i))
		}
	})
	for len(queue) > 0 {
		j := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, i := range back[start[j]:start[j+1]] {
			if !safe[i] {
				safe[i] = true
				queue = append(queue, i)
			}
		}
	}
	for i, ok := range safe {
		if ok {
			continue
		}
		if w.result.Stalls == 0 {
			w.result.Verdict, w.result.Trace = Stalls, w.trace(uint32(i))
		}
		w.result.Stalls++
	}
}
