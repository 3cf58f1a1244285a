package outcome

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/chaos/check"
	"github.com/mmm-ha/mmm/chaos/history"
)

// Result is one run.
type Result struct {
	Commit     string           `json:"commit"`
	Seed       uint64           `json:"seed"`
	Replay     string           `json:"replay"`
	Date       string           `json:"date"`
	Profile    string           `json:"profile"`
	Seconds    float64          `json:"seconds"`
	Faults     map[string]int   `json:"faults"`  // by class
	Strikes    int              `json:"strikes"` // one or two faults each
	Failovers  int              `json:"failovers"`
	Acked      int              `json:"acked"`                // writes that were acknowledged, probes included
	Checked    int              `json:"checked"`              // operations whose fate was looked up on every server
	Violations map[string]int   `json:"violations,omitempty"` // by checker
	Details    []string         `json:"details,omitempty"`    // of the violations
	Invalid    []string         `json:"invalid,omitempty"`    // why the run proves nothing
	Gaps       map[string]Worst `json:"gaps"`                 // by class; only of faults that struck alone
}

// Worst is what the faults of one class cost at most.
type Worst struct {
	Faults int    `json:"faults"`
	Write  Millis `json:"writeMs"` // longest time without an acknowledged write
	VIP    Millis `json:"vipMs"`   // longest silence of a VIP
}

// Millis is a duration that is kept as a whole number of milliseconds.
type Millis time.Duration

// MarshalJSON writes whole milliseconds.
func (m Millis) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%d", time.Duration(m).Milliseconds()), nil
}

// UnmarshalJSON reads whole milliseconds.
func (m *Millis) UnmarshalJSON(text []byte) error {
	var n int64
	if err := json.Unmarshal(text, &n); err != nil {
		return err
	}
	*m = Millis(time.Duration(n) * time.Millisecond)
	return nil
}

// String is for eyes: 172 ms, 3.6 s.
func (m Millis) String() string {
	if d := time.Duration(m); d >= time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%d ms", time.Duration(m).Milliseconds())
}

// Of makes the result of a run.
func Of(h *history.History, verdicts []check.Verdict) Result {
	r := Result{
		Commit: h.Run.Commit, Seed: h.Run.Seed, Replay: h.Run.Replay, Date: h.Run.Wall.UTC().Format(time.DateTime), Profile: h.Run.Profile,
		Seconds: h.Run.Ended.Sub(h.Run.Began).Round(100 * time.Millisecond).Seconds(), Failovers: check.Failovers(h),
		Faults: map[string]int{}, Violations: map[string]int{}, Gaps: map[string]Worst{}, Invalid: check.Invalid(h, verdicts),
	}
	inStrike := map[int]int{}
	for _, f := range h.Faults {
		r.Faults[f.Class]++
		inStrike[f.Strike]++
	}
	r.Strikes = len(inStrike)
	for _, o := range h.Ops {
		if o.Outcome == history.OK && (o.Writes() || o.Do == history.Set) {
			r.Acked++
		}
		if o.Writes() {
			r.Checked++
		}
	}
	for _, v := range verdicts {
		if v.Count() > 0 {
			r.Violations[v.Name] = v.Count()
			for _, text := range v.Violations {
				r.Details = append(r.Details, v.Name+": "+text)
			}
		}
	}
	for _, g := range check.Gaps(h) {
		if inStrike[g.Fault.Strike] == 1 {
			w := r.Gaps[g.Fault.Class]
			r.Gaps[g.Fault.Class] = Worst{w.Faults + 1, max(w.Write, Millis(g.Write)), max(w.VIP, Millis(g.VIP))}
		}
	}
	return r
}

// Violated counts the violations.
func (r Result) Violated() int {
	n := 0
	for _, v := range r.Violations {
		n += v
	}
	return n
}

// Word is what the run is, in one word: passed, VIOLATED or INVALID.
func (r Result) Word() string {
	switch {
	case r.Violated() > 0:
		return "VIOLATED"
	case len(r.Invalid) > 0:
		return "INVALID"
	default:
		return "passed"
	}
}

// String is the result for a terminal.
func (r Result) String() string {
	var s strings.Builder
	total := 0
	var classes []string
	for class, n := range r.Faults {
		total += n
		classes = append(classes, class)
	}
	sort.Strings(classes)
	fmt.Fprintf(&s, "%s: seed %d, %.0f s, %d faults in %d strikes, %d changes of the writer, %d writes acknowledged, %d looked up on every server, %d violations\n",
		r.Word(), r.Seed, r.Seconds, total, r.Strikes, r.Failovers, r.Acked, r.Checked, r.Violated())
	for _, class := range classes {
		w := r.Gaps[class]
		if w.Faults == 0 {
			fmt.Fprintf(&s, "  %-14s %2d, only together with others\n", class, r.Faults[class])
			continue
		}
		fmt.Fprintf(&s, "  %-14s %2d, longest gap of writes %s, longest silence of a VIP %s\n", class, r.Faults[class], w.Write, w.VIP)
	}
	for _, text := range r.Details {
		fmt.Fprintln(&s, "  VIOLATED", text)
	}
	for _, text := range r.Invalid {
		fmt.Fprintln(&s, "  INVALID", text)
	}
	fmt.Fprintln(&s, "  again:", r.Replay)
	return s.String()
}

// Append adds the result as a line to a file, which is made when absent.
func (r Result) Append(file string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("keep result: %w", err)
	}
	if err := errors.Join(json.NewEncoder(f).Encode(r), f.Close()); err != nil {
		return fmt.Errorf("keep result: %w", err)
	}
	return nil
}

// Load reads the results of a file.
func Load(file string) ([]Result, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	defer f.Close()
	var all []Result
	for in := json.NewDecoder(bufio.NewReader(f)); ; {
		var r Result
		if err := in.Decode(&r); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("read results of %s: %w", file, err)
		}
		all = append(all, r)
	}
}
