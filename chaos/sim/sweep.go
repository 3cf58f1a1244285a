package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Summary is what is kept of a sweep: one line of docs/reliability/sim.jsonl.
type Summary struct {
	Commit     string             `json:"commit"`
	At         time.Time          `json:"at"`
	Seeds      int                `json:"seeds"`
	From       uint64             `json:"from"` // both ends in
	To         uint64             `json:"to"`
	Seconds    float64            `json:"seconds"`      // simulated
	Dense      float64            `json:"denseSeconds"` // of them, with a fault under way or less than ten seconds past
	Faults     int                `json:"faults"`
	ByClass    map[string]int     `json:"faultsByClass"`
	Failovers  int                `json:"failovers"` // reigns but the first of each seed, ordered ones too
	Writes     int                `json:"writes"`    // acknowledged, each looked up in the end
	Tried      int                `json:"writesTried"`
	Violations int                `json:"violations"`
	Broken     []Violation        `json:"broken,omitempty"`
	Stalled    int                `json:"stalled"`  // seeds that ended with nobody provable, named and nothing lost
	WorstGap   map[string]float64 `json:"worstGap"` // seconds without an acknowledgement after a single fault, by class
	Wall       float64            `json:"wallSeconds"`
}

// Violation is a seed that broke a rule.
type Violation struct {
	Seed uint64  `json:"seed"`
	At   float64 `json:"at"` // seconds
	Rule string  `json:"rule"`
}

// Sweep runs the seeds from, from+1, ... n of them, several at a time, and tells
// each outcome to tell, in no order. A context that ends cuts it short.
func Sweep(ctx context.Context, from uint64, n, workers int, o Options, tell func(Outcome)) Summary {
	began := time.Now()
	s := Summary{From: from, ByClass: map[string]int{}, WorstGap: map[string]float64{}}
	var mu sync.Mutex
	var wg sync.WaitGroup
	next := from
	for range max(1, workers) {
		wg.Go(func() {
			for ctx.Err() == nil {
				mu.Lock()
				seed := next
				if seed >= from+uint64(n) {
					mu.Unlock()
					return
				}
				next++
				mu.Unlock()
				out := Run(seed, o)
				mu.Lock()
				s.add(out)
				tell(out)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.SortFunc(s.Broken, func(a, b Violation) int { return int(a.Seed) - int(b.Seed) })
	s.At, s.Wall = time.Now().UTC().Truncate(time.Second), time.Since(began).Seconds()
	return s
}

func (s *Summary) add(o Outcome) {
	s.Seeds++
	s.To = max(s.To, o.Seed)
	s.Seconds += o.Simulated.Seconds()
	s.Dense += o.Dense.Seconds()
	s.Failovers, s.Tried, s.Writes = s.Failovers+max(0, o.Reigns-1), s.Tried+o.Writes, s.Writes+o.Acked
	for class, n := range o.Struck {
		s.ByClass[class] += n
		s.Faults += n
	}
	for class, gap := range o.Gaps {
		s.WorstGap[class] = max(s.WorstGap[class], gap.Seconds())
	}
	if o.Broken != "" {
		s.Violations++
		s.Broken = append(s.Broken, Violation{o.Seed, o.At.Seconds(), o.Broken})
	}
	if o.Stalled != "" {
		s.Stalled++
	}
}

// Text is the summary for a person.
func (s Summary) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seeds %d to %d: %s simulated (%s of it dense with faults, the rest calm) in %s\n", s.From, s.To, span(s.Seconds), span(s.Dense), span(s.Wall))
	fmt.Fprintf(&b, "%d faults, %d failovers, %d writes acknowledged of %d, %d violations, %d seeds ended with no provable writer\n", s.Faults, s.Failovers, s.Writes, s.Tried, s.Violations, s.Stalled)
	for _, class := range slices.Sorted(maps.Keys(s.ByClass)) {
		fmt.Fprintf(&b, "  %-28s %6d   worst gap alone %6.2f s\n", class, s.ByClass[class], s.WorstGap[class])
	}
	for _, v := range s.Broken {
		fmt.Fprintf(&b, "seed %d at %.3f s: %s\n", v.Seed, v.At, v.Rule)
	}
	return b.String()
}

func span(seconds float64) string {
	switch d := time.Duration(seconds * float64(time.Second)); {
	case d > 48*time.Hour:
		return fmt.Sprintf("%.1f days", d.Hours()/24)
	default:
		return d.Round(time.Second).String()
	}
}

// Append adds the summary as one line to a file, which is made if need be.
func (s Summary) Append(file string) error {
	line, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode the summary: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // a page of the documents
		return fmt.Errorf("make directory: %w", err)
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644) //nolint:gosec // a page of the documents
	if err != nil {
		return fmt.Errorf("open results: %w", err)
	}
	_, err = f.Write(append(line, '\n'))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return nil
}

// Shrink leaves out faults one at a time as long as the seed still breaks the
// same kind of rule, and returns the smallest run with its story.
func Shrink(seed uint64, o Options) Outcome {
	rule := func(out Outcome) string { name, _, _ := strings.Cut(out.Broken, ":"); return name }
	skip := maps.Clone(o.Skip)
	if skip == nil {
		skip = map[int]bool{}
	}
	o.Story = false
	best := Run(seed, o)
	want := rule(best)
	for smaller := want != ""; smaller; {
		smaller = false
		for _, n := range slices.Backward(best.planned) {
			try := maps.Clone(skip)
			try[n] = true
			o.Skip = try
			if out := Run(seed, o); rule(out) == want {
				best, skip, smaller = out, try, true
			}
		}
	}
	o.Skip, o.Story = skip, true
	return Run(seed, o)
}
