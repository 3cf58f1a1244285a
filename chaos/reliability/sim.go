package reliability

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// simulated is what this page reads of a line of sim.jsonl; package sim writes it.
type simulated struct {
	Commit     string            `json:"commit"`
	From       uint64            `json:"from"`
	To         uint64            `json:"to"`
	Seconds    float64           `json:"simulatedSeconds"`
	Dense      float64           `json:"denseSeconds"`
	Faults     map[string]int    `json:"faults"`
	Reigns     int               `json:"reigns"`
	Acked      int               `json:"acknowledged"`
	Stalled    int               `json:"stalled"`
	Violations []json.RawMessage `json:"violations"`
}

// loadSimulated reads a file that need not exist.
func loadSimulated(file string) ([]simulated, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read simulated runs: %w", err)
	}
	defer f.Close()
	var all []simulated
	for in := json.NewDecoder(bufio.NewReader(f)); ; {
		var s simulated
		if err := in.Decode(&s); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("read simulated runs of %s: %w", file, err)
		}
		all = append(all, s)
	}
}

// simSums are simulated sweeps, added up.
type simSums struct {
	seeds, faults, reigns, acked, stalled, violations int
	seconds, dense                                    float64
	commits                                           []string
}

func addSimulated(sweeps []simulated) simSums {
	var t simSums
	for _, s := range sweeps {
		t.seeds += int(s.To-s.From) + 1
		t.seconds += s.Seconds
		t.dense += s.Dense
		t.reigns += s.Reigns
		t.acked += s.Acked
		t.stalled += s.Stalled
		t.violations += len(s.Violations)
		for _, n := range s.Faults {
			t.faults += n
		}
		if !slices.Contains(t.commits, s.Commit) {
			t.commits = append(t.commits, s.Commit)
		}
	}
	return t
}

// simulatedRuns is the table of simulated clusters.
func simulatedRuns(s *strings.Builder, sweeps []simulated) {
	s.WriteString("## Simulated clusters\n\n")
	if len(sweeps) == 0 {
		s.WriteString("No simulated run is recorded yet.\n\n")
		return
	}
	last := 0
	for i, sweep := range sweeps {
		if len(sweep.Violations) > 0 {
			last = i + 1
		}
	}
	s.WriteString(`The real decisions and the real steps of the agents against models of etcd, MariaDB and the network, in virtual time. It is a
model: what it proves it proves of the decisions, not of the servers. A year with long calm between the faults is easily had; so
the time within ten seconds of a fault is given as well.

`)
	all, since := addSimulated(sweeps), addSimulated(sweeps[last:])
	fmt.Fprintf(s, "| | all recorded sweeps | since the last violation |\n|---|---:|---:|\n")
	row := func(name string, of func(simSums) string) {
		fmt.Fprintf(s, "| %s | %s | %s |\n", name, of(all), of(since))
	}
	const year = 365.25 * 24 * 3600
	row("simulated years", func(t simSums) string { return fmt.Sprintf("%.3f", t.seconds/year) })
	row("of them hours close to a fault", func(t simSums) string { return fmt.Sprintf("%.1f", t.dense/3600) })
	row("seeds", func(t simSums) string { return grouped(t.seeds) })
	row("faults", func(t simSums) string { return grouped(t.faults) })
	row("reigns", func(t simSums) string { return grouped(t.reigns) })
	row("writes acknowledged", func(t simSums) string { return grouped(t.acked) })
	row("seeds that ended waiting for a named host, nothing lost", func(t simSums) string { return grouped(t.stalled) })
	row("**violations**", func(t simSums) string { return "**" + grouped(t.violations) + "**" })
	fmt.Fprintf(s, "\nVersions: %s.\n\n", strings.Join(all.commits, ", "))
}
