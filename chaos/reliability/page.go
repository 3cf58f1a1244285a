package reliability

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mmm-ha/mmm/chaos/outcome"
	"github.com/mmm-ha/mmm/chaos/storm"
)

// Page makes the text of RELIABILITY.md from the files of a folder.
func Page(folder string) (string, error) {
	runs, err := outcome.Load(filepath.Join(folder, "chaos.jsonl"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	sweeps, err := loadSimulated(filepath.Join(folder, "sim.jsonl"))
	if err != nil {
		return "", err
	}
	var s strings.Builder
	s.WriteString(head)
	realRuns(&s, runs)
	simulatedRuns(&s, sweeps)
	worstGaps(&s, runs)
	s.WriteString("## What is promised, and what proves it\n\n")
	promises(&s, "guarantee", Guarantees, runs)
	promises(&s, "what goes wrong", Situations, runs)
	s.WriteString("## What is not promised\n\n")
	for _, line := range NotPromised {
		fmt.Fprintf(&s, "- %s\n", line)
	}
	found(&s, runs)
	return s.String(), nil
}

const head = `# Reliability

<!-- Made by "make reliability" from docs/reliability/*.jsonl. No number here was typed by hand; do not edit. -->

What is promised, what proves it, and what was seen when real and simulated clusters were struck by faults. The picture of
a single run is a page of its own: "bin/mmmlab chaos --seed 7 --minutes 3" makes one and says where it is.

`

// sums are all runs that prove something, added up.
type sums struct {
	runs, invalid, violated            int
	strikes, failovers, acked, checked int
	violations                         int
	seconds                            float64
	faults                             map[string]int
	commits                            []string
}

func add(runs []outcome.Result) sums {
	t := sums{faults: map[string]int{}}
	for _, r := range runs {
		if r.Word() == "INVALID" {
			t.invalid++
			continue
		}
		t.runs++
		if r.Word() == "VIOLATED" {
			t.violated++
		}
		t.strikes += r.Strikes
		t.failovers += r.Failovers
		t.acked += r.Acked
		t.checked += r.Checked
		t.violations += r.Violated()
		t.seconds += r.Seconds
		for class, n := range r.Faults {
			t.faults[class] += n
		}
		if !slices.Contains(t.commits, r.Commit) {
			t.commits = append(t.commits, r.Commit)
		}
	}
	return t
}

func (t sums) faultCount() int {
	n := 0
	for _, c := range t.faults {
		n += c
	}
	return n
}

// sinceLastViolation are the runs after the last one that violated something.
func sinceLastViolation(runs []outcome.Result) []outcome.Result {
	last := 0
	for i, r := range runs {
		if r.Violated() > 0 {
			last = i + 1
		}
	}
	return runs[last:]
}

// realRuns is the table of chaos on real servers.
func realRuns(s *strings.Builder, runs []outcome.Result) {
	s.WriteString("## Real servers\n\n")
	if len(runs) == 0 {
		s.WriteString("No run is recorded yet.\n\n")
		return
	}
	s.WriteString(`Four MariaDB servers and three etcd members on hosts of their own (network namespaces of one machine), real faults one or two at
a time from a seed, each seen to bite and seen to end. Everything is written down on one clock and checked: all binlogs, all
tables, direct writes to every server every 20 ms, ARP, the kernel's own messages about addresses, etcd.
`)
	all, since := add(runs), add(sinceLastViolation(runs))
	fmt.Fprintf(s, "\n| | all recorded runs | since the last violation |\n|---|---:|---:|\n")
	row := func(name string, of func(sums) string) {
		fmt.Fprintf(s, "| %s | %s | %s |\n", name, of(all), of(since))
	}
	number := func(of func(sums) int) func(sums) string { return func(t sums) string { return grouped(of(t)) } }
	row("runs that prove something", number(func(t sums) int { return t.runs }))
	row("runs that prove nothing (a fault did not bite, thin traffic, cut short)", number(func(t sums) int { return t.invalid }))
	row("hours of clusters under faults", func(t sums) string { return fmt.Sprintf("%.2f", t.seconds/3600) })
	row("faults", number(sums.faultCount))
	row("strikes (one fault or two that overlap)", number(func(t sums) int { return t.strikes }))
	row("changes of the writer", number(func(t sums) int { return t.failovers }))
	row("writes acknowledged", number(func(t sums) int { return t.acked }))
	row("writes whose fate was looked up on every server", number(func(t sums) int { return t.checked }))
	row("**violations**", func(t sums) string { return "**" + grouped(t.violations) + "**" })
	if since.failovers > 0 {
		fmt.Fprintf(s, "\nBy the rule of three, %s changes of the writer without a violation bound the rate of violations by %.1f %% per change,\nwith 95 %% confidence, for faults of these kinds on a machine like this.\n", grouped(since.failovers), 300/float64(since.failovers))
	}
	fmt.Fprintf(s, "\nVersions: %s.\n\n", strings.Join(all.commits, ", "))
}

// worstGaps is what each class of faults cost at most.
func worstGaps(s *strings.Builder, runs []outcome.Result) {
	s.WriteString("## The worst gap of each fault\n\n")
	worst, counts := map[string]outcome.Worst{}, map[string]int{}
	for _, r := range runs {
		if r.Word() == "INVALID" {
			continue
		}
		for class, n := range r.Faults {
			counts[class] += n
		}
		for class, w := range r.Gaps {
			old := worst[class]
			worst[class] = outcome.Worst{Faults: old.Faults + w.Faults, Write: max(old.Write, w.Write), VIP: max(old.VIP, w.VIP)}
		}
	}
	s.WriteString(`The longest time without an acknowledged write, and the longest silence of any VIP, of faults that struck alone; runs that
violated something are not left out. Where the fault hit a replica the writer went on; the worst is nearly always that of a
fault on the writer. A lease is one second (profile fast). Two cores carry all hosts and clients.

| fault | what it is | struck | alone | longest gap of writes | longest silence of a VIP |
|---|---|---:|---:|---:|---:|
`)
	for _, c := range storm.Classes() {
		w := worst[c.Name]
		if counts[c.Name] == 0 {
			fmt.Fprintf(s, "| %s | %s | 0 | | | |\n", c.Name, c.Says)
			continue
		}
		gap, vip := "", ""
		if w.Faults > 0 {
			gap, vip = w.Write.String(), w.VIP.String()
		}
		fmt.Fprintf(s, "| %s | %s | %d | %d | %s | %s |\n", c.Name, c.Says, counts[c.Name], w.Faults, gap, vip)
	}
	s.WriteString("\n")
}

// promises is one table of promises.
func promises(s *strings.Builder, first string, list []Promise, runs []outcome.Result) {
	t := add(runs)
	fmt.Fprintf(s, "| %s | promise | tests, among others | real faults of these kinds |\n|---|---|---|---:|\n", first)
	for _, p := range list {
		n := 0
		for _, class := range p.Faults {
			n += t.faults[class]
		}
		count := grouped(n)
		if len(p.Faults) == 0 {
			count = ""
		}
		fmt.Fprintf(s, "| %s | %s | `%s` | %s |\n", p.Name, p.Says, strings.Join(p.Tests, "` `"), count)
	}
	s.WriteString("\n")
}

// found lists the runs that violated something: each was a bug to be mended.
func found(s *strings.Builder, runs []outcome.Result) {
	s.WriteString("\n## What chaos found\n\n")
	any := false
	for _, r := range runs {
		if r.Violated() == 0 {
			continue
		}
		any = true
		fmt.Fprintf(s, "- %s, version %s, `%s`: %s\n", r.Date, r.Commit, r.Replay, strings.Join(slices.Sorted(maps.Keys(r.Violations)), ", "))
		for _, d := range r.Details[:min(len(r.Details), 2)] {
			fmt.Fprintf(s, "  - %s\n", clip(d))
		}
	}
	if !any {
		s.WriteString("No recorded run violated anything.\n")
	}
}

// clip keeps a sentence on a line of its own.
func clip(text string) string {
	const most = 300
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > most {
		text = text[:most] + "..."
	}
	return text
}

// grouped writes a number with a comma every three digits.
func grouped(n int) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
