package toll

import (
	"fmt"
	"slices"
	"strings"
)

// Text is the result in short, for a terminal.
func (r *Result) Text() string {
	var b strings.Builder
	b.WriteString("CPU of the proxy for a query / haproxy's in the same round: median [quartiles]\n\n")
	fmt.Fprintf(&b, "%-34s", "")
	for _, t := range r.proxies() {
		fmt.Fprintf(&b, "%-20s", t.Name)
	}
	b.WriteString("\n")
	for _, row := range r.rows() {
		fmt.Fprintf(&b, "%-34s", row)
		for _, t := range r.proxies() {
			fmt.Fprintf(&b, "%-20s", spread(r.cell(t.Name, row.load, row.clients).of(ratio)))
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "%-34s", "mixed loads")
	for _, t := range r.proxies() {
		fmt.Fprintf(&b, "%-20s", spread(r.ratios(t.Name, mixed)))
	}
	b.WriteString("\n\n")
	for _, g := range r.Goals {
		fmt.Fprintf(&b, "%-70s %8s  goal <= %-6s %s\n", g.What, g.number(g.Found), g.number(g.Most), g.word())
	}
	return b.String()
}

func (g Goal) number(v float64) string { return strings.TrimSpace(fmt.Sprintf("%.2f %s", v, g.Unit)) }

func (g Goal) word() string {
	if g.Met {
		return "met"
	}
	return "NOT met"
}

// row is a load with a number of clients.
type row struct {
	load    string
	clients int
}

// String is how a row is called.
func (r row) String() string { return fmt.Sprintf("%s, %d", r.load, r.clients) }

// rows are all that were measured, in the order of Loads.
func (r *Result) rows() []row {
	var all []row
	names := []string{}
	for _, l := range Loads {
		names = append(names, l.Name)
	}
	names = append(names, PointSelect.Name+besideIdle)
	for _, name := range names {
		var of []row
		for _, c := range r.Cells {
			if one := (row{c.Load, c.Clients}); c.Load == name && !slices.Contains(of, one) {
				of = append(of, one)
			}
		}
		slices.SortFunc(of, func(a, b row) int { return a.clients - b.clients })
		all = append(all, of...)
	}
	return all
}

// proxies are the targets but the direct way.
func (r *Result) proxies() []Target {
	return slices.DeleteFunc(slices.Clone(r.Targets), func(t Target) bool { return t.Name == Direct })
}

// Page is the result as a page.
func (r *Result) Page() string {
	var b strings.Builder
	r.head(&b)
	r.goalTable(&b)
	b.WriteString("\n![CPU of each proxy beside haproxy's](router.svg)\n")
	r.ratioTable(&b)
	r.speedTable(&b)
	r.callTable(&b)
	r.idleTable(&b)
	b.WriteString(`
## How it is measured

`)
	for _, t := range r.Targets {
		fmt.Fprintf(&b, "- **%s** %s: %s.\n", t.Name, t.Version, t.What)
	}
	b.WriteString("\nThe loads:\n\n")
	for _, l := range Loads {
		mark := ""
		if l.Mixed {
			mark = " (one of the mixed loads)"
		}
		fmt.Fprintf(&b, "- **%s**: %s%s.\n", l.Name, l.What, mark)
	}
	b.WriteString(`
CPU is the time that all threads of the proxy have run, as the kernel counts it in nanoseconds (schedstat), divided by the
statements of that time. How much of it was user mode the kernel only samples, so that is given over all rounds. System calls
are counted by tracepoints, in a run of their own. Servers run with a pool of threads and sync nothing to a disk: what is
measured is the way to them. mmmrouter runs as its defaults have it: session tracking, digests and metrics on.

Queries per second say little here: clients, servers and proxy share the cores, and the proxy is rarely what all wait for. A
proxy that sends reads to a second server gains nothing from it on such a machine.
`)
	return b.String()
}

func (r *Result) head(b *strings.Builder) {
	pinned := "nothing bound to a core"
	if r.Pinned {
		pinned = "servers, clients and etcd bound to one core, each proxy to another"
	}
	fmt.Fprintf(b, `# What the router costs

Made by %s on %s, version %s: %d cores (%s), kernel %s, load %s; %s.
%d rounds, %s a cell; in each round the cells in another order, and in each cell the proxies in another order, right after each
other. A ratio is to haproxy of the same cell in the same round: median [quartiles] over the rounds.

`, "`make bench-router`", r.Date.Format("2006-01-02"), r.Version, r.Cores, r.CPU, r.Kernel, r.Load, pinned, r.Rounds, r.Each)
}

func (r *Result) goalTable(b *strings.Builder) {
	b.WriteString("| goal for mmmrouter | at most | found | |\n|---|---|---|---|\n")
	for _, g := range r.Goals {
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", g.What, g.number(g.Most), g.number(g.Found), g.word())
	}
}

// table writes a table of rows, with one cell a target.
func (r *Result) table(b *strings.Builder, targets []Target, cell func(*Cell) string) {
	b.WriteString("| load, clients |")
	for _, t := range targets {
		b.WriteString(" " + t.Name + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(targets)) + "\n")
	for _, row := range r.rows() {
		fmt.Fprintf(b, "| %s |", row)
		for _, t := range targets {
			b.WriteString(" " + cell(r.cell(t.Name, row.load, row.clients)) + " |")
		}
		b.WriteString("\n")
	}
}

func (r *Result) ratioTable(b *strings.Builder) {
	b.WriteString("\n## CPU of the proxy\n\nMicroseconds for a query (median), and the ratio to haproxy.\n\n")
	r.table(b, r.proxies(), func(c *Cell) string {
		us := spread(c.of(func(s Sample) float64 { return s.CPU }))
		return fmt.Sprintf("%.1f, %s", us.Median, spread(c.of(ratio)))
	})
	b.WriteString("| **mixed loads** |")
	for _, t := range r.proxies() {
		fmt.Fprintf(b, " **%s** |", spread(r.ratios(t.Name, mixed)))
	}
	b.WriteString("\n")
}

func (r *Result) speedTable(b *strings.Builder) {
	b.WriteString("\n## Speed\n\nQueries per second (median), then the time of one cycle of the load: p50 / p99 in microseconds (medians over the rounds).\n\n")
	r.table(b, r.Targets, func(c *Cell) string {
		median := func(what func(Sample) float64) float64 { return spread(c.of(what)).Median }
		return fmt.Sprintf("%.0f, %.0f / %.0f", median(func(s Sample) float64 { return s.PerSecond }),
			median(func(s Sample) float64 { return s.P50 }), median(func(s Sample) float64 { return s.P99 }))
	})
}

func (r *Result) callTable(b *strings.Builder) {
	b.WriteString("\n## One point select, eight clients\n\n")
	if r.Uncounted != "" {
		b.WriteString("Not counted: " + r.Uncounted + ".\n")
		return
	}
	b.WriteString("| | reads | of these in vain | writes | all system calls | CPU in user mode | allocations |\n|---|---|---|---|---|---|---|\n")
	for _, t := range r.proxies() {
		c := t.Calls
		if c == nil {
			continue
		}
		allocations := "not told"
		if c.Allocations >= 0 {
			allocations = fmt.Sprintf("%.3f", c.Allocations)
		}
		fmt.Fprintf(b, "| %s | %.2f | %.3f | %.2f | %.2f | %.1f us | %s |\n", t.Name, c.Read, c.Wasted, c.Write, c.All, c.User, allocations)
	}
}

func (r *Result) idleTable(b *strings.Builder) {
	b.WriteString("\n## Memory of idle sessions\n\nIn RAM (RSS), with clients that have logged in / that have read once, too: mmmrouter then holds two connections for each.\nIn brackets: how much of that are pages of the program and its libraries. There are 10,000 if so many files may be open (three for a session), or as many as may.\n\n|")
	var sizes []int
	for _, t := range r.proxies() {
		for _, i := range t.Idle {
			if !slices.Contains(sizes, i.Sessions) {
				sizes = append(sizes, i.Sessions)
			}
		}
	}
	for _, n := range sizes {
		fmt.Fprintf(b, " | %d sessions", n)
	}
	b.WriteString(" |\n|---|" + strings.Repeat("---|", len(sizes)) + "\n")
	for _, t := range r.proxies() {
		fmt.Fprintf(b, "| %s |", t.Name)
		for _, i := range t.Idle {
			fmt.Fprintf(b, " %.1f / %.1f MB (%.1f) |", float64(i.Bare)/1e6, float64(i.RSS)/1e6, float64(i.Files)/1e6)
		}
		b.WriteString("\n")
	}
}
