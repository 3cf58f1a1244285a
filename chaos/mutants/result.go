package mutants

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Where results are kept and shown, from the root of the tree.
const (
	ResultFile = "docs/reliability/mutants.json"
	PageFile   = "docs/mutants.md"
)

// Result is what came of one mutant.
type Result struct {
	Name    string  `json:"name"`
	Sum     string  `json:"sum"` // of the bug and the suite that were tried
	Suite   string  `json:"suite"`
	Caught  bool    `json:"caught"`
	By      string  `json:"by"`      // the test that noticed
	Seconds float64 `json:"seconds"` // compiling included
}

// Load reads the stored results of root; none is an empty list.
func Load(root string) ([]Result, error) {
	text, err := os.ReadFile(filepath.Join(root, ResultFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("load results: %w", err)
	}
	var out []Result
	if err := json.Unmarshal(text, &out); err != nil {
		return nil, fmt.Errorf("load results from %s: %w", ResultFile, err)
	}
	return out, nil
}

// Stale returns those of the list that were not tried as they stand now, or that
// nobody noticed.
func Stale(root string, list []Mutant) ([]Mutant, error) {
	results, err := Load(root)
	if err != nil {
		return nil, err
	}
	settled := map[string]bool{}
	for _, r := range results {
		settled[r.Name+r.Sum] = r.Caught
	}
	return slices.DeleteFunc(slices.Clone(list), func(m Mutant) bool { return settled[m.Name+m.sum()] }), nil
}

// Store adds results to those of earlier runs, a newer one of the same mutant in
// place of the older, leaves out what is no longer in the table, and writes the
// page.
func Store(root string, add []Result) error {
	old, err := Load(root)
	if err != nil {
		return err
	}
	byName := map[string]Result{}
	for _, r := range append(old, add...) {
		r.Seconds = math.Round(r.Seconds*10) / 10
		byName[r.Name] = r
	}
	var kept []Result
	for _, m := range All() {
		if r, ok := byName[m.Name]; ok {
			kept = append(kept, r)
		}
	}
	text, err := json.MarshalIndent(kept, "", " ")
	if err != nil {
		return fmt.Errorf("store results: %w", err)
	}
	err = os.MkdirAll(filepath.Join(root, filepath.Dir(ResultFile)), 0o755)
	if err == nil {
		err = os.WriteFile(filepath.Join(root, ResultFile), append(text, '\n'), 0o644)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(root, PageFile), []byte(Page(kept)), 0o644)
	}
	if err != nil {
		return fmt.Errorf("store results: %w", err)
	}
	return nil
}

// Page is docs/mutants.md: the table with its results.
func Page(results []Result) string {
	byName := map[string]Result{}
	for _, r := range results {
		byName[r.Name] = r
	}
	caught := 0
	var rows strings.Builder
	for _, m := range All() {
		r, tried := byName[m.Name]
		by := "not tried"
		switch {
		case tried && r.Caught:
			caught++
			by = fmt.Sprintf("`%s` (%s)", r.By, m.Suite.Name)
		case tried:
			by = "**nobody**"
		}
		fmt.Fprintf(&rows, "| %s | %s | %s | %s | %.1f |\n", m.Name, strings.Join(m.Rules, ", "), cell(m.What), cell(by), r.Seconds)
	}
	return fmt.Sprintf(`# Planted bugs

A test that never fails proves nothing. So each mistake below is planted into a copy of the code, and the tests have to notice
it. The table is %[2]s, the results are %[3]s, and this page is made from both
by %[4]s; a test keeps it fresh. %[4]s runs all of them and fails if one survives;
%[5]s tries one and shows what it changes. R19 and the like are the rules of the
protocol that the bug breaks; G1 to G7 are the guarantees. The seconds include compiling.

%[6]d bugs, %[7]d caught.

| bug | breaks | what was done wrong | caught by | s |
|---|---|---|---|---|
%[1]s`, rows.String(), "`chaos/mutants`", "`"+ResultFile+"`", "`make mutants`", "`go run ./cmd/mmmlab mutants --only NAME -v`", len(All()), caught)
}

// cell keeps a text inside its column.
func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }
