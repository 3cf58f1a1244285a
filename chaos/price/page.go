package price

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// PageFile is the page, from the root of the tree.
const PageFile = "docs/benchmarks/durability.md"

// Result is one run.
type Result struct {
	When    time.Time
	Machine string
	Places  []Place
}

// Place is a pair whose files lie in one place. Rows are as Choices, their cells
// as Clients.
type Place struct {
	Storage string
	Rows    [][]Cell
}

// lookAtMachine notes what the numbers depend on.
func lookAtMachine() Result {
	r := Result{When: time.Now().UTC()}
	cpu := "unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
				cpu = strings.TrimSpace(value)
				break
			}
		}
	}
	load, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(load), " ")
	r.Machine = fmt.Sprintf("%d cores (%s), load %s at the start", runtime.NumCPU(), cpu, first)
	return r
}

// storageOf says in words where a directory lies.
func storageOf(dir string) (string, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return "", fmt.Errorf("look at %s: %w", dir, err)
	}
	if fs.Type == unix.TMPFS_MAGIC {
		return "in memory (tmpfs), where an fsync costs nothing", nil
	}
	return fmt.Sprintf("on this machine's disk, where an fsync takes %s (median of %d)", ms(fsync(dir)), fsyncs), nil
}

// Write stores the page below root.
func (r Result) Write(root string) error {
	path := filepath.Join(root, PageFile)
	if err := os.WriteFile(path, []byte(r.Page()), 0o644); err != nil {
		return fmt.Errorf("store the page: %w", err)
	}
	return nil
}

// Page is the result as a page.
func (r Result) Page() string {
	var b strings.Builder
	fmt.Fprintf(&b, `# The price of durability

Made by %s on %s: %s. One source and one
replica on this machine, both on both cores, no network in between; each client inserts one row of a hundred bytes after
the other. The replica applies with lazy flushes throughout: nobody waits for that. All rows of a table are of one run,
three rounds over all of them, of which the best counts, for what else the machine does only ever slows: what may be taken elsewhere are the ratios, in brackets, to the first row, which is what this project
demands. The machine had other work to do, so single cells may be off by a third.
`, "`mmmlab bench-durability`", r.When.Format("2006-01-02"), r.Machine)
	for _, p := range r.Places {
		fmt.Fprintf(&b, "\n## Files %s\n\n| settings |", p.Storage)
		for _, n := range Clients {
			fmt.Fprintf(&b, " %d: commits/s | p50 | p99 |", n)
		}
		b.WriteString("\n|---|" + strings.Repeat("---|---|---|", len(Clients)) + "\n")
		for i, row := range p.Rows {
			fmt.Fprintf(&b, "| %s |", Choices[i].Name)
			for j, c := range row {
				ratio := c.PerSecond() / p.Rows[0][j].PerSecond()
				fmt.Fprintf(&b, " %.0f (%.2f) | %s | %s |", c.PerSecond(), ratio, ms(c.P50), ms(c.P99))
			}
			b.WriteString("\n")
		}
	}
	return b.String() + r.meaning()
}

// meaning is the sentence of what it means, from the numbers of the first place.
func (r Result) meaning() string {
	if len(r.Places) == 0 || len(r.Places[0].Rows) != len(Choices) {
		return ""
	}
	rows := r.Places[0].Rows
	gain := func(choice, clients int) float64 {
		return rows[choice][clients].PerSecond() / rows[all][clients].PerSecond()
	}
	last := len(Clients) - 1
	return fmt.Sprintf(`
## What it means

Files %s: one client alone would commit %.1f times as often without any of it, %d clients %.1f
times. With %d clients, flushing lazily on the source gives %.2f times the writes, a replica that does not sync its notes %.2f,
one that does not sync its relay log either %.2f, nobody to wait for %.2f. The relay log is the dear one, because MariaDB syncs it
event by event: what several clients commit together is acknowledged one after the other. Where an fsync is cheap (a disk with a
protected write cache) little of this is left, as in memory.

What is bought: a power cut of any one host, or its loss, takes no write that a client was told is safe. Without the first a
source that returns lacks its own end; without the relay log a replica that lost power proves what it no longer has; without an
acknowledgement a write is in one place only.
`, r.Places[0].Storage, gain(none, 0), Clients[last], gain(none, last), Clients[last], gain(lazily, last), gain(noNotes, last), gain(noRelay, last), gain(alone, last))
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000) }
