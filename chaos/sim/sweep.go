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
	From       uint64             `json:"from"` // both ends in
	To         uint64             `json:"to"`
	Seconds    float64            `json:"simulatedSeconds"`
	Dense      float64            `json:"denseSeconds"` // of them, with a fault under way or less than ten seconds past
	Faults     map[string]int     `json:"faults"`       // by class
	Reigns     int                `json:"reigns"`
	Acked      int                `json:"acknowledged"` // writes that clients were told are safe, each looked up in the end
	Tried      int                `json:"tried"`
	Accepted   int                `json:"accepted"` // elections that went on because an operator accepted a loss
	Given      int                `json:"given"`    // acknowledged writes that he was told may be lost
	Stalled    int                `json:"stalled"`  // seeds that ended with nobody provable, named and nothing lost
	Violations []Violation        `json:"violations"`
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
	s := Summary{From: from, Faults: map[string]int{}, Violations: []Violation{}, WorstGap: map[string]float64{}}
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
	slices.SortFunc(s.Violations, func(a, b Violation) int { return int(a.Seed) - int(b.Seed) })
	s.At, s.Wall = time.Now().UTC().Truncate(time.Second), time.Since(began).Seconds()
	return s
}

func (s *Summary) add(o Outcome) {
	s.To = max(s.To, o.Seed)
	s.Seconds += o.Simulated.Seconds()
	s.Dense += o.Dense.Seconds()
	s.Reigns, s.Tried, s.Acked = s.Reigns+o.Reigns, s.Tried+o.Writes, s.Acked+o.Acked
	s.Accepted, s.Given = s.Accepted+o.Accepted, s.Given+o.Given
	for class, n := range o.Struck {
		s.Faults[class] += n
	}
	for class, gap := range o.Gaps {
		s.WorstGap[class] = max(s.WorstGap[class], gap.Seconds())
	}
	if o.Broken != "" {
		s.Violations = append(s.Violations, Violation{o.Seed, o.At.Seconds(), o.Broken})
	}
	if o.Stalled != "" {
		s.Stalled++
	}
}

// Text is the summary for a person.
func (s Summary) Text() string {
	var b strings.Builder
	faults := 0
	for _, n := range s.Faults {
		faults += n
	}
	fmt.Fprintf(&b, "seeds %d to %d: %s simulated (%s of it dense with faults, the rest calm) in %s\n", s.From, s.To, span(s.Seconds), span(s.Dense), span(s.Wall))
	fmt.Fprintf(&b, "%d faults, %d reigns, %d writes acknowledged of %d, %d violations, %d seeds ended with no provable writer\n", faults, s.Reigns, s.Acked, s.Tried, len(s.Violations), s.Stalled)
	fmt.Fprintf(&b, "%d times an operator accepted a loss, of %d acknowledged writes in all\n", s.Accepted, s.Given)
	for _, class := range slices.Sorted(maps.Keys(s.Faults)) {
		fmt.Fprintf(&b, "  %-28s %6d   worst gap alone %6.2f s\n", class, s.Faults[class], s.WorstGap[class])
	}
	for _, v := range s.Violations {
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
