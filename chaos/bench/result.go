package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"
)

// Result is everything that was measured, and on what.
type Result struct {
	Date     time.Time `json:"date"`
	Version  string    `json:"version"` // of this project
	Kernel   string    `json:"kernel"`
	CPU      string    `json:"cpu"`
	Cores    int       `json:"cores"`
	Load     string    `json:"loadAverage"` // of the machine when it began and when it ended
	MariaDB  string    `json:"mariadb"`
	Peer     string    `json:"peer,omitempty"`   // version of keepalived
	Profile  string    `json:"profile"`          // of the cluster file
	TTL      Millis    `json:"ttlMs"`            // of the lease
	Every    Millis    `json:"insertEveryMs"`    // of the client
	Timeout  Millis    `json:"attemptTimeoutMs"` // of one insert or ping, connecting included
	Connect  Millis    `json:"connectTimeoutMs"` // of opening a TCP connection
	Storage  string    `json:"storage"`          // of all datadirs
	Rows     []Row     `json:"rows"`
	Inserts  int       `json:"acknowledgedInserts"`
	Unknown  int       `json:"insertsWithoutAnswer"`
	Verified string    `json:"verified"` // what the comparison of all servers said; empty violations
	OK       bool      `json:"ok"`       // that comparison found nothing wrong
	Routed   *Routed   `json:"throughRouter,omitempty"`
}

// Row is one fault, many times.
type Row struct {
	Name  string   `json:"name"`
	What  string   `json:"what"`
	Runs  []Strike `json:"runs"`
	P50   Millis   `json:"p50Ms"`
	P99   Millis   `json:"p99Ms"`
	Max   Millis   `json:"maxMs"`
	Acked int      `json:"acknowledged"`
	Lost  int      `json:"lost"` // acknowledged rows that a server lacks at the end
	// Stays says that the writer should be the same before and after.
	Stays bool   `json:"stays,omitempty"`
	Goal  string `json:"goal,omitempty"`
	Met   bool   `json:"goalMet"`
	// Published is what mysql-mmm 2.2.1 showed when it was measured the same way.
	Published Range `json:"mysqlMMM,omitzero"`

	goal goal
}

// Strike is one fault and what came of it.
type Strike struct {
	Gap Millis `json:"gapMs"`
	// Healing is the longest gap between the end of the first and the time when
	// all hosts were in service again.
	Healing Millis `json:"healingGapMs"`
	Whole   Millis `json:"wholeAgainMs"` // from the repair to all hosts in service
	From    string `json:"from"`
	To      string `json:"to"`
	At      string `json:"at"` // wall clock, as in the logs of the agents
	// Second counts the writes that the struck host acknowledged past the VIP
	// after the next writer had begun: it must be none.
	Second int `json:"secondAcceptor,omitempty"`
}

// Range is from the best to the worst of published measurements.
type Range struct {
	Min Millis `json:"minMs"`
	Max Millis `json:"maxMs"`
}

// Millis is a duration that is written as a number of milliseconds.
type Millis time.Duration

// MarshalJSON writes milliseconds with one digit behind the point.
func (m Millis) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%.1f", float64(m)/float64(time.Millisecond)), nil
}

// String is for eyes: 172 ms, 3.61 s.
func (m Millis) String() string {
	d := time.Duration(m)
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
	case d%time.Second == 0:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < 10*time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	default:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
}

func seconds(m Millis) float64 { return time.Duration(m).Seconds() }

// goal is what a row should reach: a percentile and a limit.
type goal struct {
	percentile float64
	limit      time.Duration
}

// settle computes the percentiles from the runs, and whether the goal is met.
func (r *Row) settle() {
	gaps := make([]time.Duration, len(r.Runs))
	for i, run := range r.Runs {
		gaps[i] = time.Duration(run.Gap)
	}
	r.P50, r.P99, r.Max = Millis(percentile(gaps, 50)), Millis(percentile(gaps, 99)), Millis(percentile(gaps, 100))
	if r.goal.limit == 0 {
		return
	}
	name := fmt.Sprintf("p%.0f", r.goal.percentile)
	if r.goal.percentile == 100 {
		name = "max"
	}
	r.Goal = fmt.Sprintf("%s <= %s, lost 0", name, Millis(r.goal.limit))
	r.Met = len(r.Runs) > 0 && percentile(gaps, r.goal.percentile) <= r.goal.limit && r.Lost == 0
	for _, run := range r.Runs {
		needless := r.Stays && run.To != run.From
		r.Met = r.Met && run.Second == 0 && !needless
	}
	if r.Stays {
		r.Goal += ", same writer"
	}
}

// mmmLost is the published part that is no duration.
const mmmLost = "mysql-mmm 2.2.1, measured the same way, lost one acknowledged write in five kills."

// Text is the result as a table with what must be known to read it.
func (r Result) Text() string {
	if len(r.Rows) == 0 && r.Routed != nil {
		return r.Routed.text()
	}
	var s strings.Builder
	fmt.Fprintf(&s, "Gap seen by a client that inserts every %s through the writer VIP\n\n", r.Every)
	table := tabwriter.NewWriter(&s, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\truns\tp50\tp99\tmax\tlost\tgoal\t\tmysql-mmm 2.2.1")
	for _, row := range r.Rows {
		reached := ""
		switch {
		case row.Goal != "" && row.Met:
			reached = "met"
		case row.Goal != "":
			reached = "NOT met"
		}
		lost := fmt.Sprintf("%d of %d", row.Lost, row.Acked)
		if row.Acked == 0 {
			lost = "-"
		}
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", row.What, len(row.Runs), row.P50, row.P99, row.Max, lost, row.Goal, reached, row.Published)
	}
	_ = table.Flush() // a strings.Builder takes everything
	fmt.Fprintf(&s, "\n%s\n%s\n", mmmLost, r.acceptors())
	fmt.Fprintf(&s, "All servers compared at the end: %s.\n\n", r.Verified)
	for _, line := range r.conditions() {
		fmt.Fprintln(&s, line)
	}
	if r.Routed != nil {
		s.WriteString("\n\n" + r.Routed.text())
	}
	return s.String()
}

// acceptors says what the clients found that went past the VIP.
func (r Result) acceptors() string {
	n, runs := 0, 0
	for _, row := range r.Rows {
		for _, f := range faults {
			if f.name == row.Name && f.direct {
				runs += len(row.Runs)
			}
		}
		for _, run := range row.Runs {
			n += run.Second
		}
	}
	return fmt.Sprintf("In %d runs a second client wrote to the struck host's own address: %d writes were acknowledged there after the next writer's first.", runs, n)
}

// String is the range as a table shows it.
func (r Range) String() string {
	switch r.Min {
	case 0:
		return "-"
	case r.Max:
		return fmt.Sprintf("%g s", seconds(r.Max))
	default:
		return fmt.Sprintf("%g-%g s", seconds(r.Min), seconds(r.Max))
	}
}

// conditions are the sentences without which the numbers mean little.
func (r Result) conditions() []string {
	lines := []string{
		fmt.Sprintf("Measured %s, version %s, profile %s (lease TTL %s), MariaDB %s,", r.Date.Format("2006-01-02 15:04 MST"), r.Version, r.Profile, r.TTL, r.MariaDB),
		fmt.Sprintf("all hosts on one machine: %d cores (%s), kernel %s, load average %s; files %s.", r.Cores, r.CPU, r.Kernel, r.Load, r.Storage),
		fmt.Sprintf("The client waits %s for an insert and %s for a connection, then tries anew; what is left of that wait is part of the gap.", r.Timeout, r.Connect),
		"Percentiles by nearest rank: of 10 runs p99 is the longest.",
	}
	if r.Peer != "" {
		lines = append(lines, fmt.Sprintf("%s moves a bare VIP with advert_int 1; its client pings a TCP echo server behind it every %s.", r.Peer, r.Every))
	}
	return lines
}

// UnmarshalJSON reads what MarshalJSON has written.
func (m *Millis) UnmarshalJSON(text []byte) error {
	var ms float64
	if err := json.Unmarshal(text, &ms); err != nil {
		return fmt.Errorf("read milliseconds: %w", err)
	}
	*m = Millis(ms * float64(time.Millisecond))
	return nil
}

// Read is the result that is stored in a folder. There may be none: an error wraps
// fs.ErrNotExist then.
func Read(folder string) (Result, error) {
	var r Result
	text, err := os.ReadFile(filepath.Join(folder, "failover.json"))
	if err != nil {
		return r, fmt.Errorf("read the last result: %w", err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("read the last result: %w", err)
	}
	for i := range r.Rows {
		for _, f := range faults {
			if f.name == r.Rows[i].Name {
				r.Rows[i].goal = f.goal(time.Duration(r.TTL))
			}
		}
	}
	if r.Routed != nil {
		r.Routed.aim()
	}
	return r, nil
}

// Through puts what was measured through the router into the result; what was measured
// by the same version before it is kept, and added to.
func (r *Result) Through(now *Routed) {
	if r.Routed == nil || r.Routed.Version != now.Version {
		r.Routed = &Routed{}
	}
	r.Routed.merge(now)
}

// Write stores the result as failover.json, failover.txt and failover.svg in a folder.
func (r Result) Write(folder string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	for name, content := range map[string]string{
		"failover.json": string(text) + "\n", "failover.txt": r.Text(), "failover.svg": r.SVG(),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644); err != nil {
			return fmt.Errorf("write result: %w", err)
		}
	}
	return nil
}
