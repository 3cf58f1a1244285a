package toll

import "fmt"

// Goal is what mmmrouter should reach, and what it does.
type Goal struct {
	What  string  `json:"what"`
	Most  float64 `json:"most"`
	Found float64 `json:"found"`
	Unit  string  `json:"unit,omitempty"`
	Met   bool    `json:"met"`
}

// What a count may be off by: the proxy does a little besides. What it allocates then
// is not the same from one second to the next.
const (
	rounding = 0.02
	besides  = 0.05
)

// goals holds the result against the goals; one that was not measured is left out.
func (r *Result) goals() []Goal {
	var all []Goal
	add := func(what string, found, most, slack float64, unit string) {
		all = append(all, Goal{What: what, Most: most, Found: found, Unit: unit, Met: found <= most+slack})
	}
	ratios := func(what string, most float64, of []float64) {
		if len(of) > 0 {
			add(what, spread(of).Median, most, 0, "")
		}
	}
	ratios("CPU per query, mixed loads, / haproxy", 1.04, r.ratios(MMMRouter, mixed))
	for _, n := range []int{8, 64} {
		of := r.against(MMMRouter, MySQLRouter, func(c *Cell) bool { return mixed(c) && c.Clients == n })
		ratios(fmt.Sprintf("CPU per query, mixed loads, %d clients, / MySQL Router", n), 0.70, of)
	}
	ratios("CPU per query, mixed loads, / ProxySQL", 0.90, r.against(MMMRouter, ProxySQL, mixed))
	ratios("CPU per query beside 1,000 idle sessions, / haproxy", 1.00, r.ratios(MMMRouter, func(c *Cell) bool { return c.Load == PointSelect.Name+besideIdle }))
	ratios("CPU for a result of 10 MB, / haproxy", 1.00, r.ratios(MMMRouter, func(c *Cell) bool { return c.Load == BigResult.Name }))
	ours := r.target(MMMRouter)
	if ours == nil {
		return all
	}
	if c := ours.Calls; c != nil {
		add("reads and writes for a point select, 8 clients", c.Read+c.Write, 4, rounding, "")
		add("all system calls for a point select, 8 clients", c.All, 5, 0, "")
		add("CPU in user mode for a point select, 8 clients", c.User, 3.2, 0, "us")
		add("allocations for a point select, 8 clients", c.Allocations, 0, besides, "")
	}
	for _, i := range ours.Idle {
		if i.Sessions == held {
			add("memory with 1,000 idle sessions", float64(i.RSS)/1e6, 25, 0, "MB")
		}
	}
	return all
}

// against are the ratios of the CPU of two targets in the same cells and rounds.
func (r *Result) against(one, other string, which func(*Cell) bool) []float64 {
	var all []float64
	for _, c := range r.Cells {
		if c.Target != one || !which(c) {
			continue
		}
		theirs := r.cell(other, c.Load, c.Clients)
		for i := range min(len(c.Rounds), len(theirs.Rounds)) {
			all = append(all, c.Rounds[i].CPU/theirs.Rounds[i].CPU)
		}
	}
	return all
}
