package bench

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

// Routed is what many clients saw through the router VIP, and on what.
type Routed struct {
	Date     time.Time   `json:"date"`
	Version  string      `json:"version"`     // of this project
	Load     string      `json:"loadAverage"` // of the machine when it began and when it ended
	Profile  string      `json:"profile"`     // of the cluster file
	TTL      Millis      `json:"ttlMs"`       // of the lease
	Clients  int         `json:"clients"`
	Every    Millis      `json:"insertEveryMs"` // of each client; it reads after each
	Rows     []RoutedRow `json:"rows"`
	Verified string      `json:"verified"` // what the comparison of all servers said
	OK       bool        `json:"ok"`       // that comparison found nothing wrong
}

// RoutedRow is one fault, many times.
type RoutedRow struct {
	Name  string      `json:"name"`
	What  string      `json:"what"`
	Runs  []RoutedRun `json:"runs"`
	P50   Millis      `json:"p50Ms"` // of the longest wait of any client for a write
	P99   Millis      `json:"p99Ms"`
	Max   Millis      `json:"maxMs"`
	Reads int         `json:"reads"`        // that were answered
	Stale int         `json:"staleReads"`   // of them, that did not see the client's own write
	Acked int         `json:"acknowledged"` // writes
	Lost  int         `json:"lost"`         // of them, that a server lacks at the end
	Stays bool        `json:"stays,omitempty"`
	Goal  string      `json:"goal,omitempty"`
	Met   bool        `json:"goalMet"`

	// Of all runs.
	ReadP99    Millis `json:"readP99Ms"` // of the longest wait for a read
	GapP99     Millis `json:"gapP99Ms"`  // of the longest gap between two writes of a client
	Errors     int    `json:"errors"`
	ReadErrors int    `json:"readErrors"`
	UnderWay   int    `json:"underWay"`

	goal     goal
	forgives bool
}

// RoutedRun is one fault and what came of it.
type RoutedRun struct {
	Wait       Millis `json:"waitMs"`     // longest of any client, from its first try to write until it was acknowledged
	ReadWait   Millis `json:"readWaitMs"` // likewise, of a read
	Gap        Millis `json:"gapMs"`      // longest of any client between two acknowledged writes, its own rest included
	Before     Millis `json:"beforeMs"`   // longest wait of any client in the second before the fault: the machine's noise
	Errors     int    `json:"errors"`     // writes that were refused, or never sent
	ReadErrors int    `json:"readErrors"` // reads that were not answered
	// UnderWay are writes whose outcome is unknown: they were on what failed. When the
	// router itself failed, reads that were on it count as well.
	UnderWay int      `json:"underWay"`
	Why      []string `json:"why,omitempty"` // some of what clients were told
	From     string   `json:"from"`
	To       string   `json:"to"`
	At       string   `json:"at"` // wall clock, as in the logs of the agents
}

// settle computes the percentiles from the runs, and whether the goal is met.
func (r *RoutedRow) settle() {
	var waits, reads, gaps []time.Duration
	r.Errors, r.ReadErrors, r.UnderWay = 0, 0, 0
	moved := false
	for _, run := range r.Runs {
		waits, reads, gaps = append(waits, time.Duration(run.Wait)), append(reads, time.Duration(run.ReadWait)), append(gaps, time.Duration(run.Gap))
		r.Errors, r.ReadErrors, r.UnderWay = r.Errors+run.Errors, r.ReadErrors+run.ReadErrors, r.UnderWay+run.UnderWay
		moved = moved || r.Stays && run.From != run.To
	}
	r.P50, r.P99, r.Max = Millis(percentile(waits, 50)), Millis(percentile(waits, 99)), Millis(percentile(waits, 100))
	r.ReadP99, r.GapP99 = Millis(percentile(reads, 99)), Millis(percentile(gaps, 99))
	if r.goal.limit == 0 {
		return
	}
	r.Goal = fmt.Sprintf("p%.0f <= %s, errors 0, lost 0", r.goal.percentile, Millis(r.goal.limit))
	r.Met = len(waits) > 0 && percentile(waits, r.goal.percentile) <= r.goal.limit && r.Lost == 0 && r.Errors+r.ReadErrors+r.Stale == 0 && !moved
	if r.Name == plannedRow { // nothing fails, so nothing may be in doubt
		r.Goal += ", under way 0"
		r.Met = r.Met && r.UnderWay == 0
	}
}

// plannedRow is the row in which nothing breaks.
const plannedRow = "routed-planned"

// merge takes over what was measured now: a row anew, or, when it was measured by the
// same version of the project before, more runs of it.
func (r *Routed) merge(now *Routed) {
	rows := r.Rows
	verified, ok := r.Verified, r.OK
	*r = *now
	r.Rows = nil
	for _, f := range routedFaults {
		old, fresh := rowOf(rows, f.name), rowOf(now.Rows, f.name)
		row := fresh
		switch {
		case fresh == nil:
			row = old
		case old != nil:
			row.Runs = append(old.Runs, fresh.Runs...)
			row.Acked, row.Lost, row.Reads, row.Stale = row.Acked+old.Acked, row.Lost+old.Lost, row.Reads+old.Reads, row.Stale+old.Stale
		}
		if row != nil {
			row.goal, row.forgives = f.goal, f.forgives
			row.settle()
			r.Rows = append(r.Rows, *row)
		}
	}
	if verified != "" {
		r.OK, r.Verified = r.OK && ok, verified+"; "+r.Verified
	}
}

// aim gives rows that were read from a file their goals.
func (r *Routed) aim() {
	for _, f := range routedFaults {
		if row := rowOf(r.Rows, f.name); row != nil {
			row.goal, row.forgives = f.goal, f.forgives
		}
	}
}

func rowOf(rows []RoutedRow, name string) *RoutedRow {
	for i := range rows {
		if rows[i].Name == name {
			return &rows[i]
		}
	}
	return nil
}

// text is the result as a table.
func (r *Routed) text() string {
	var s strings.Builder
	fmt.Fprintf(&s, "Longest time that one of %d clients of the router VIP waits for a write, each inserting every %s and reading after it, single statements\n\n", r.Clients, r.Every)
	table := tabwriter.NewWriter(&s, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\truns\tp50\tp99\tmax\treads p99\tgap p99\terrors\tunder way\tlost\tgoal\t")
	for _, row := range r.Rows {
		reached := ""
		switch {
		case row.Goal != "" && row.Met:
			reached = "met"
		case row.Goal != "":
			reached = "NOT met"
		}
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d of %d\t%s\t%s\n", row.What, len(row.Runs), row.P50, row.P99, row.Max, row.ReadP99, row.GapP99,
			row.Errors+row.ReadErrors, row.UnderWay, row.Lost, row.Acked, row.Goal, reached)
	}
	_ = table.Flush() // a strings.Builder takes everything
	s.WriteString("\n")
	for _, line := range r.conditions() {
		fmt.Fprintln(&s, line)
	}
	return s.String()
}

// conditions are the sentences without which the numbers mean little.
func (r *Routed) conditions() []string {
	reads, stale := 0, 0
	var noise []time.Duration
	for _, row := range r.Rows {
		for _, run := range row.Runs {
			noise = append(noise, time.Duration(run.Before))
		}
		reads, stale = reads+row.Reads, stale+row.Stale
	}
	return []string{
		fmt.Sprintf("Through the router: measured %s, version %s, profile %s, load average %s.", r.Date.Format("2006-01-02 15:04 MST"), r.Version, r.Profile, r.Load),
		"Errors: statements that were refused or never sent, reads without an answer, on all clients in all runs. Under way: single statements that were on what was",
		"killed, of which nobody knows the outcome; with a router, also reads that were on it. A wait lasts from the first try to the acknowledgement; the gap is the time",
		"between two acknowledgements, the client's own rest included. A client waits as long as its kernel does: no time-out of its own.",
		fmt.Sprintf("%d reads looked for the client's own last write; %d did not see it.", reads, stale),
		fmt.Sprintf("In the second before a fault the longest wait of a client was %s (median), %s (p99): what the machine itself adds.", Millis(percentile(noise, 50)), Millis(percentile(noise, 99))),
		"All servers compared: " + r.Verified + ".",
	}
}

// plotted are the rows as the plot draws them.
func (r *Routed) plotted() (rows []Row) {
	for _, one := range r.Rows {
		row := Row{What: fmt.Sprintf("%s (through the router, %d clients)", one.What, r.Clients), P50: one.P50, P99: one.P99, Max: one.Max, Acked: one.Acked, Lost: one.Lost, goal: one.goal}
		if row.goal.limit == 0 {
			row.goal.limit = axisMax // none: it is not drawn, but the row is ours
		}
		for _, run := range one.Runs {
			row.Runs = append(row.Runs, Strike{Gap: run.Wait})
		}
		rows = append(rows, row)
	}
	return rows
}
