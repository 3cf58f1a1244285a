package mutants

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tiny is a module of one function and one test, to plant bugs into.
func tiny(t *testing.T) Options {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":      "module tiny\n\ngo 1.26\n",
		"add.go":      "package tiny\n\n// Add adds.\nfunc Add(a, b int) int { return a + b }\n\n// Idle is tested by nobody.\nfunc Idle() int { return 1 }\n",
		"add_test.go": "package tiny\n\nimport \"testing\"\n\nfunc TestSums(t *testing.T) {\n\tt.Run(\"small\", func(t *testing.T) {\n\t\tif Add(2, 3) != 5 {\n\t\t\tt.Fatal(\"wrong\")\n\t\t}\n\t})\n}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("GOFLAGS", "-mod=mod")
	return Options{Root: dir, Say: func(line string) { t.Log(line) }}
}

func planted(name, from, to string) Mutant {
	return Mutant{Name: name, What: "A bug.", File: "add.go", Old: from, New: to, Suite: Suite{Name: "tiny", Pkg: ".", Limit: time.Minute}}
}

func TestCaughtAndSurvivingMutantsAreToldApart(t *testing.T) {
	o := tiny(t)
	before, _ := os.ReadFile(filepath.Join(o.Root, "add.go"))
	results, err := Run(t.Context(), o, []Mutant{planted("minus", "a + b", "a - b"), planted("idle", "return 1", "return 2")})
	if err != nil || len(results) != 2 {
		t.Fatalf("%d results, %v", len(results), err)
	}
	if r := results[0]; !r.Caught || r.By != "TestSums/small" {
		t.Errorf("minus: %+v", r)
	}
	if results[1].Caught {
		t.Errorf("idle: %+v", results[1])
	}
	if after, _ := os.ReadFile(filepath.Join(o.Root, "add.go")); string(after) != string(before) {
		t.Error("the tree was changed")
	}
}

func TestWhatProvesNothingIsAnError(t *testing.T) {
	o := tiny(t)
	for want, m := range map[string]Mutant{
		"does not compile":            planted("broken", "a + b", "a + c"),
		"does not occur exactly once": planted("twice", "int", "uint"),
		"is red without any bug":      {Name: "red", File: "add.go", Old: "a + b", New: "a - b", Suite: Suite{Name: "no package", Pkg: "./none", Limit: time.Minute}},
		"there is no such test":       {Name: "none", File: "add.go", Old: "a + b", New: "a - b", Suite: Suite{Name: "no test", Pkg: ".", Run: "Nothing", Limit: time.Minute}},
	} {
		results, err := Run(t.Context(), o, []Mutant{m})
		if err == nil || len(results) != 0 || !(strings.Contains(err.Error(), want) || want == "is red without any bug") {
			t.Errorf("%s: %v, %v", m.Name, results, err)
		}
	}
}

func TestSuiteThatDoesNotEndHasNoticed(t *testing.T) {
	o := tiny(t)
	m := planted("loop", "return a + b", "for { b++ }")
	m.Suite.Limit = 2 * time.Second
	results, err := Run(t.Context(), o, []Mutant{m})
	if err != nil || len(results) != 1 || !results[0].Caught || !strings.HasPrefix(results[0].By, "TestSums") {
		t.Errorf("%+v, %v", results, err)
	}
}

func TestUnknownNameIsRefused(t *testing.T) {
	if _, err := Find([]string{"no-such-mutant"}); err == nil {
		t.Error("no error")
	}
}
