package reliability

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/chaos/outcome"
	"github.com/mmm-ha/mmm/chaos/storm"
)

const root = "../.."

func TestPageIsFresh(t *testing.T) {
	want, err := Page(filepath.Join(root, "docs", "reliability"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(root, "RELIABILITY.md"))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("RELIABILITY.md is not what docs/reliability says: make reliability")
	}
}

// testsOfTree are the names of all test functions.
func testsOfTree(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range function.FindAllStringSubmatch(string(text), -1) {
			names[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestEveryPromiseHasTestsThatExist(t *testing.T) {
	exist := testsOfTree(t)
	var classes []string
	for _, c := range storm.Classes() {
		classes = append(classes, c.Name)
	}
	for _, p := range slices.Concat(Guarantees, Situations) {
		if len(p.Tests) == 0 {
			t.Errorf("%s: nothing proves it", p.Name)
		}
		for _, name := range p.Tests {
			if !exist[name] {
				t.Errorf("%s: there is no test %s", p.Name, name)
			}
		}
		for _, class := range p.Faults {
			if !slices.Contains(classes, class) {
				t.Errorf("%s: there is no fault %s", p.Name, class)
			}
		}
	}
}

func TestNumbersAddUp(t *testing.T) {
	dir := t.TempDir()
	ms := func(n int) outcome.Millis { return outcome.Millis(time.Duration(n) * time.Millisecond) }
	for _, r := range []outcome.Result{
		{Commit: "a", Replay: "again 1", Seconds: 1800, Strikes: 2, Faults: map[string]int{"kill": 2}, Failovers: 900, Acked: 1000, Checked: 1200,
			Gaps: map[string]outcome.Worst{"kill": {Faults: 2, Write: ms(1500), VIP: ms(3)}}},
		{Commit: "a", Replay: "again 2", Failovers: 5000, Faults: map[string]int{"kill": 50}, Invalid: []string{"thin"}},
		{Commit: "b", Replay: "again 3", Seconds: 1800, Strikes: 1, Faults: map[string]int{"kill": 1}, Failovers: 334, Acked: 234, Checked: 300,
			Violations: map[string]int{"kept": 1}, Details: []string{"kept: row c/1 is missing"}},
		{Commit: "c", Replay: "again 4", Strikes: 1, Faults: map[string]int{"hang": 1}, Failovers: 100},
	} {
		if err := r.Append(filepath.Join(dir, "chaos.jsonl")); err != nil {
			t.Fatal(err)
		}
	}
	sim := `{"commit":"s","from":1,"to":1000,"simulatedSeconds":31557600,"faults":{"kill":7},"reigns":6,"acknowledged":5,"violations":[]}` + "\n"
	if err := os.WriteFile(filepath.Join(dir, "sim.jsonl"), []byte(sim+sim), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := Page(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| changes of the writer | 1,334 | 100 |", "| hours of clusters under faults | 1.00 | 0.00 |", "| **violations** | **1** | **0** |", "cut short) | 1 | 0 |",
		"by 3.0 % per change", "Versions: a, b, c.", "| 3 | 2 | 1.5 s | 3 ms |", "`again 3`: kept", "row c/1 is missing", "| simulated years | 2.000 |", "| seeds | 2,000 |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q:\n%s", want, text)
		}
	}
}

func TestPageWithoutResultsSaysSo(t *testing.T) {
	text, err := Page(t.TempDir())
	if err != nil || !strings.Contains(text, "No run is recorded yet") || !strings.Contains(text, "No simulated run is recorded yet") {
		t.Errorf("%v: %s", err, text)
	}
}
