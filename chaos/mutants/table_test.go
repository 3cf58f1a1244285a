package mutants

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

const (
	root   = "../.."
	module = "github.com/mmm-ha/mmm/"
)

func TestNamesAreUniqueAndSentencesAreSentences(t *testing.T) {
	name, rule := regexp.MustCompile(`^[a-z][a-z0-9-]+$`), regexp.MustCompile(`^(R([1-9]|[1-5][0-9]|6[01])|G[1-7])$`)
	seen := map[string]bool{}
	for _, m := range All() {
		if !name.MatchString(m.Name) || seen[m.Name] {
			t.Errorf("name %q is used twice or is no name", m.Name)
		}
		seen[m.Name] = true
		if len(m.What) < 30 || !strings.HasSuffix(strings.TrimSuffix(m.What, ")"), ".") && !strings.HasSuffix(m.What, ").") || strings.Contains(m.What, "\n") {
			t.Errorf("%s: %q is no sentence", m.Name, m.What)
		}
		for _, r := range m.Rules {
			if !rule.MatchString(r) {
				t.Errorf("%s: there is no rule %q", m.Name, r)
			}
		}
		if len(m.Rules) == 0 || m.Suite.Name == "" || m.Suite.Limit <= 0 {
			t.Errorf("%s: no rule, or no suite with a limit", m.Name)
		}
	}
}

// exported is what go list knows of a package.
type exported struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
}

// TestEveryMutantStillFitsTheTree: each text to replace is there exactly once,
// and with the bug in it the package still compiles.
func TestEveryMutantStillFitsTheTree(t *testing.T) {
	list := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles", "./...")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := map[string]exported{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p exported
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p
	}
	fset := token.NewFileSet()
	imports := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(all[path].Export)
	})
	for _, m := range All() {
		text, err := m.Apply(root)
		if err != nil {
			t.Error(err)
			continue
		}
		p := all[module+path.Dir(m.File)]
		if err := check(fset, imports, p, path.Base(m.File), text); err != nil {
			t.Errorf("%s: with the bug in it %s does not compile: %v", m.Name, m.File, err)
		}
	}
}

// check compiles a package with another text in one of its files.
func check(fset *token.FileSet, imports types.Importer, p exported, file, text string) error {
	var files []*ast.File
	for _, name := range p.GoFiles {
		var src any
		if name == file {
			src = text
		}
		f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), src, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	if len(files) == 0 {
		return fmt.Errorf("package %q has no files", p.ImportPath)
	}
	conf := types.Config{Importer: imports, Sizes: types.SizesFor("gc", runtime.GOARCH)}
	_, err := conf.Check(p.ImportPath, fset, files, nil)
	return err
}

// TestResultsAreOfThisTable: every mutant was tried as it stands in the table
// and was caught, and the page shows it.
func TestResultsAreOfThisTable(t *testing.T) {
	results, err := Load(root)
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]Result{}
	for _, r := range results {
		byName[r.Name] = r
	}
	for _, m := range All() {
		r, tried := byName[m.Name]
		switch {
		case !tried || r.Sum != m.sum():
			t.Errorf("%s was not tried since it was written; run: %s", m.Name, Replay(m))
		case !r.Caught:
			t.Errorf("%s survives: write the test that notices it", m.Name)
		}
	}
	page, err := os.ReadFile(filepath.Join(root, PageFile))
	if err != nil || string(page) != Page(results) {
		t.Errorf("%s is not fresh (%v); run: make mutants", PageFile, err)
	}
}
