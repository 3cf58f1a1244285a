// Package mmm holds only tests about the tree as a whole.
package mmm

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/mmm-ha/mmm/"

// mayImport says which packages of ours a package may import; imports go down
// only. A package that is not named may import none.
var mayImport = map[string][]string{
	"topology":             {"topology/gtid"},
	"internal/certs":       {},
	"internal/store":       {"topology", "topology/gtid", "internal/certs"},
	"internal/daemon":      {},
	"internal/process":     {"topology"},
	"internal/peer":        {"topology", "internal/certs"},
	"internal/binlog":      {"topology/gtid"},
	"internal/clone":       {"topology", "topology/gtid"},
	"internal/dbops":       {"topology", "topology/gtid", "internal/process", "internal/binlog"},
	"election":             {"topology"},
	"etcdembed":            {"internal/conffile", "internal/slogzap", "internal/certs"},
	"internal/clusterfile": {"topology"},
	"internal/conffile":    {"internal/certs"},
	"internal/ctl":         {"topology", "topology/gtid", "internal/clusterfile", "internal/store", "internal/version", "internal/certs", "etcdembed"},
	"agent/step":           {"topology", "topology/gtid"},
	"agent": {"agent/step", "topology", "topology/gtid", "election", "vip", "etcdembed", "internal/conffile", "internal/store", "internal/dbops",
		"internal/fence", "internal/process", "internal/disk", "internal/peer", "internal/clone", "internal/certs"},

	"router": {"internal/certs", "internal/conffile", "internal/version", "router/proxyproto", "router/tally"},

	"router/route":   {"router/lexer"},
	"router/follow":  {"election", "internal/certs", "internal/peer", "internal/store", "topology", "topology/gtid"},
	"router/backend": {"router/wire", "router/auth"},
	"router/session": {"router", "router/tally", "topology/gtid", "router/auth", "router/backend", "router/follow", "router/lexer", "router/pick", "router/proxyproto", "router/route", "router/wire"},

	"chaos/lab":   {"internal/dbops", "topology", "internal/certs", "internal/certs/certstest"},
	"chaos/load":  {},
	"chaos/demo":  {"chaos/lab", "chaos/load"},
	"chaos/bench": {"chaos/lab", "chaos/load"},
	"chaos/price": {"chaos/lab"},
	"chaos/toll":  {"chaos/lab", "internal/store", "topology", "router/auth", "router/wire"},
	"chaos/check": {"chaos/history"},
	"chaos/sim":   {"agent/step", "election", "topology", "topology/gtid"},

	"chaos/outcome": {"chaos/history", "chaos/check"},
	"chaos/storm":   {"chaos/history", "chaos/lab", "chaos/load", "internal/store", "topology"},

	"chaos/model":       {"chaos/model/explore", "chaos/model/lease", "chaos/model/data", "chaos/model/aside"},
	"chaos/model/lease": {"chaos/model/explore"},
	"chaos/model/aside": {"chaos/model/explore"},
	"chaos/model/data":  {"chaos/model/explore"},

	"chaos/reliability": {"chaos/outcome", "chaos/storm"},
}

// Test harnesses and commands may import what they like of the layers below.
func unrestricted(pkg string) bool {
	return strings.HasPrefix(pkg, "cmd/") || strings.HasSuffix(pkg, "test")
}

type listed struct {
	ImportPath string
	Imports    []string
	Doc        string
	Name       string
}

func packages(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Doc,Name", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p listed
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		if p.Name != "" && p.ImportPath != strings.TrimSuffix(module, "/") {
			all = append(all, p)
		}
	}
	return all
}

func TestImportsGoDownOnly(t *testing.T) {
	for _, p := range packages(t) {
		pkg := strings.TrimPrefix(p.ImportPath, module)
		for _, imp := range p.Imports {
			ours, isOurs := strings.CutPrefix(imp, module)
			if isOurs && !unrestricted(pkg) && !slices.Contains(mayImport[pkg], ours) {
				t.Errorf("%s imports %s; it may import only %v", pkg, ours, mayImport[pkg])
			}
			if pkg == "topology" || pkg == "topology/gtid" || pkg == "agent/step" {
				pureOnly(t, pkg, imp)
			}
		}
	}
}

// pureOnly keeps clocks, input and output out of the mind.
func pureOnly(t *testing.T, pkg, imp string) {
	t.Helper()
	first, _, _ := strings.Cut(imp, "/")
	if strings.Contains(first, ".") && !strings.HasPrefix(imp, module) {
		t.Errorf("%s imports %s; it uses the standard library only", pkg, imp)
	}
	for _, banned := range []string{"os", "net/http", "log", "log/slog", "math/rand", "math/rand/v2", "context", "sync"} {
		if imp == banned {
			t.Errorf("%s imports %s; it is pure", pkg, imp)
		}
	}
}

func TestEveryPackageSaysWhatItOwns(t *testing.T) {
	for _, p := range packages(t) {
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

// The limits are there to be felt before a file or a function becomes a maze.
const (
	maxFile     = 600
	maxFunction = 70
)

func TestFilesAndFunctionsStaySmall(t *testing.T) {
	eachFile(t, func(path string, fset *token.FileSet, file *ast.File) {
		if n := fset.File(file.Pos()).LineCount(); n > maxFile {
			t.Errorf("%s has %d lines; %d is the limit", path, n, maxFile)
		}
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := fset.Position(f.End()).Line - fset.Position(f.Pos()).Line + 1; n > maxFunction {
				t.Errorf("%s: %s has %d lines; %d is the limit", path, f.Name.Name, n, maxFunction)
			}
		}
	})
}

func TestNoGrabBags(t *testing.T) {
	for _, p := range packages(t) {
		switch base := filepath.Base(p.ImportPath); base {
		case "util", "utils", "common", "helpers", "types", "misc":
			t.Errorf("%s: a package is named after what it is for", p.ImportPath)
		}
	}
}

// TestClocksAreReadOutside keeps time.Now out of what must be a function.
func TestClocksAreReadOutside(t *testing.T) {
	eachFile(t, func(path string, fset *token.FileSet, file *ast.File) {
		if !strings.HasPrefix(path, "topology/") && !strings.HasPrefix(path, "agent/step/") || strings.HasSuffix(path, "_test.go") {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if id, ok := sel.X.(*ast.Ident); ok && id.Name == "time" && slices.Contains([]string{"Now", "Since", "Until", "Sleep", "After"}, sel.Sel.Name) {
				t.Errorf("%s: time.%s: a decision sees no clock but View.Now", fset.Position(n.Pos()), sel.Sel.Name)
			}
			return true
		})
	})
}

func eachFile(t *testing.T, see func(path string, fset *token.FileSet, file *ast.File)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (path == ".git" || path == "bin" || filepath.Base(path) == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go"):
			return nil
		}
		fset := token.NewFileSet()
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(fset, path, src, parser.ParseComments)
		if err != nil {
			return fmt.Errorf("parse: %w", err)
		}
		see(path, fset, file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
