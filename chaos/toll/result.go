package toll

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Result is everything that was measured, and on what.
type Result struct {
	Date      time.Time     `json:"date"`
	Version   string        `json:"version"` // of this project
	Kernel    string        `json:"kernel"`
	CPU       string        `json:"cpu"`
	Cores     int           `json:"cores"`
	Pinned    bool          `json:"pinned"` // proxies on one core, all else on another
	Load      string        `json:"loadAverage"`
	Rounds    int           `json:"rounds"`
	Each      time.Duration `json:"eachNanoseconds"`
	Targets   []Target      `json:"targets"`
	Cells     []*Cell       `json:"cells"`
	Uncounted string        `json:"uncounted,omitempty"` // why system calls were not counted
	Goals     []Goal        `json:"goals"`
}

// Target is one way to the servers.
type Target struct {
	Name    string `json:"name"`
	What    string `json:"what"`
	Version string `json:"version"`
	Calls   *Calls `json:"calls,omitempty"`
	Idle    []Idle `json:"idle,omitempty"`
}

// Cell is one load of so many clients at one target, in all rounds.
type Cell struct {
	Target  string   `json:"target"`
	Load    string   `json:"load"`
	Clients int      `json:"clients"`
	Rounds  []Sample `json:"rounds"`
}

// Spread is the middle of some numbers, and the middles of their halves.
type Spread struct{ Low, Median, High float64 }

// String is the median with the quartiles.
func (s Spread) String() string { return fmt.Sprintf("%.2f [%.2f-%.2f]", s.Median, s.Low, s.High) }

// spread is that of some numbers; zero for none.
func spread(all []float64) Spread {
	if len(all) == 0 {
		return Spread{}
	}
	all = slices.Sorted(slices.Values(all))
	at := func(part float64) float64 {
		place := part * float64(len(all)-1)
		low := int(place)
		high := min(low+1, len(all)-1)
		return all[low] + (all[high]-all[low])*(place-float64(low))
	}
	return Spread{at(0.25), at(0.5), at(0.75)}
}

// of takes one number of every sample.
func (c *Cell) of(what func(Sample) float64) []float64 {
	var all []float64
	for _, s := range c.Rounds {
		all = append(all, what(s))
	}
	return all
}

func ratio(s Sample) float64 { return s.Ratio }

// lookAtMachine notes what the numbers depend on.
func lookAtMachine(o Options) Result {
	r := Result{Date: time.Now().UTC(), Version: o.Version, Cores: runtime.NumCPU(), Rounds: o.Rounds, Each: o.Each, CPU: "unknown processor", Load: load()}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		r.Kernel = strings.TrimSpace(string(text))
	}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
				r.CPU = strings.TrimSpace(value)
				break
			}
		}
	}
	return r
}

// load is how busy the machine is.
func load() string {
	text, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// cell finds a cell; an empty one when nothing was measured.
func (r *Result) cell(target, load string, clients int) *Cell {
	for _, c := range r.Cells {
		if c.Target == target && c.Load == load && c.Clients == clients {
			return c
		}
	}
	return &Cell{Target: target, Load: load, Clients: clients}
}

func (r *Result) add(target, load string, clients int, s Sample) {
	c := r.cell(target, load, clients)
	if len(c.Rounds) == 0 {
		r.Cells = append(r.Cells, c)
	}
	c.Rounds = append(c.Rounds, s)
}

// target finds one by name; nil: it was not measured.
func (r *Result) target(name string) *Target {
	for i := range r.Targets {
		if r.Targets[i].Name == name {
			return &r.Targets[i]
		}
	}
	return nil
}

// calls notes system calls. The time in user mode is that of all rounds: the kernel
// only samples it.
func (r *Result) calls(target string, c Calls) {
	var user, queries float64
	for _, s := range r.cell(target, PointSelect.Name, 8).Rounds {
		user += s.User * s.Queries
		queries += s.Queries
	}
	if queries > 0 {
		c.User = user / queries
	}
	if t := r.target(target); t != nil {
		t.Calls = &c
	}
}

func (r *Result) idle(target string, i Idle) {
	if t := r.target(target); t != nil {
		t.Idle = append(t.Idle, i)
	}
}

// ratios are those to haproxy of all cells of a target that which asks for.
func (r *Result) ratios(target string, which func(*Cell) bool) []float64 {
	var all []float64
	for _, c := range r.Cells {
		if c.Target == target && which(c) {
			all = append(all, c.of(ratio)...)
		}
	}
	return all
}

// mixed reports whether a cell is one of the mixed matrix.
func mixed(c *Cell) bool {
	return slices.ContainsFunc(Loads, func(l Load) bool { return l.Mixed && l.Name == c.Load })
}

// settle ends the measurement: it holds it against the goals.
func (r *Result) settle() {
	r.Load += " at the start, " + load() + " at the end"
	r.Goals = r.goals()
}

// Write stores the result below a folder.
func (r *Result) Write(dir string) error {
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("store the result: %w", err)
	}
	for name, text := range map[string]string{"router.json": string(data) + "\n", "router.md": r.Page(), "router.svg": r.SVG()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return fmt.Errorf("store the result: %w", err)
		}
	}
	return nil
}
