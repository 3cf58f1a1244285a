package toll

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// made is a result with two cells of two rounds.
func made() *Result {
	r := &Result{
		Date: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), Version: "1", Rounds: 2, Each: time.Second,
		Targets: []Target{{Name: Direct}, {Name: Haproxy}, {Name: MySQLRouter}, {Name: MMMRouter}},
	}
	for round, cpu := range [][3]float64{{20, 30, 19}, {40, 60, 44}} {
		for i, name := range []string{Haproxy, MySQLRouter, MMMRouter} {
			r.add(name, PointSelect.Name, 8, Sample{Round: round + 1, Queries: 10, CPU: cpu[i], User: cpu[i] / 10, Ratio: cpu[i] / cpu[0], PerSecond: 100})
		}
	}
	r.calls(MMMRouter, Calls{Read: 2, Write: 2, All: 4.7, Allocations: 0.001})
	r.idle(MMMRouter, Idle{Sessions: 1000, RSS: 26e6, Files: 9e6, Bare: 20e6})
	r.settle()
	return r
}

func TestSpreadIsTheMedianAndTheQuartiles(t *testing.T) {
	for _, c := range []struct {
		of   []float64
		want Spread
	}{
		{nil, Spread{}},
		{[]float64{3}, Spread{3, 3, 3}},
		{[]float64{5, 1, 4, 2, 3}, Spread{2, 3, 4}},
		{[]float64{1, 2}, Spread{1.25, 1.5, 1.75}},
	} {
		if got := spread(c.of); got != c.want {
			t.Errorf("of %v: %v, want %v", c.of, got, c.want)
		}
	}
}

func TestGoalsCompareWithinARoundAndNotAcross(t *testing.T) {
	want := map[string]struct {
		found float64
		met   bool
	}{
		"CPU per query, mixed loads, / haproxy":                  {(19.0/20 + 44.0/40) / 2, true},
		"CPU per query, mixed loads, 8 clients, / MySQL Router":  {(19.0/30 + 44.0/60) / 2, true},
		"reads and writes for a point select, 8 clients":         {4, true},
		"all system calls for a point select, 8 clients":         {4.7, true},
		"CPU in user mode for a point select, 8 clients":         {(1.9 + 4.4) / 2, true},
		"allocations for a point select, 8 clients":              {0.001, true},
		"memory with 1,000 idle sessions":                        {26, false},
		"CPU per query beside 1,000 idle sessions, / haproxy":    {0, false},
		"CPU for a result of 10 MB, / haproxy":                   {0, false},
		"CPU per query, mixed loads, / ProxySQL":                 {0, false},
		"CPU per query, mixed loads, 64 clients, / MySQL Router": {0, false},
	}
	for _, g := range made().Goals {
		w, known := want[g.What]
		if !known || w.found == 0 {
			t.Errorf("%s: found %v, though it was not measured", g.What, g.Found)
			continue
		}
		if d := g.Found - w.found; d > 1e-9 || d < -1e-9 || g.Met != (w.found <= g.Most+rounding) {
			t.Errorf("%s: found %v, met %v; want %v", g.What, g.Found, g.Met, w.found)
		}
		delete(want, g.What)
	}
	for what, w := range want {
		if w.found != 0 {
			t.Errorf("nothing is said of %s", what)
		}
	}
}

func TestAResultIsStoredWholeAsNumbersPageAndPlot(t *testing.T) {
	dir := t.TempDir()
	r := made()
	if err := r.Write(dir); err != nil {
		t.Fatal(err)
	}
	stored, err := os.ReadFile(filepath.Join(dir, "router.json"))
	if err != nil {
		t.Fatal(err)
	}
	var again Result
	if err := json.Unmarshal(stored, &again); err != nil || len(again.Cells) != 3 || len(again.Goals) != len(r.Goals) {
		t.Errorf("%v: %d cells, %d goals", err, len(again.Cells), len(again.Goals))
	}
	page, plot := r.Page(), r.SVG()
	for _, want := range []string{"point-select, 8", "NOT met", "20.0 / 26.0 MB (9.0)", "router.svg"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not on the page:\n%s", want, page)
		}
	}
	if n := strings.Count(plot, "r='2'"); n != 4 { // a dot for each round of each proxy but haproxy
		t.Errorf("%d dots in the plot", n)
	}
}

func TestCPUOfAProcessGrowsWithItsWork(t *testing.T) {
	before, _, err := cpu(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); time.Since(began) < 20*time.Millisecond; {
		_ = strings.Repeat("a", 1000)
	}
	after, _, err := cpu(os.Getpid())
	if err != nil || after <= before {
		t.Errorf("%v, then %v: %v", before, after, err)
	}
	if _, _, err := cpu(1 << 30); err == nil {
		t.Error("a process that is not there has used CPU")
	}
}
