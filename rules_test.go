package mmm

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mmm-ha/mmm/chaos/model"
	"github.com/mmm-ha/mmm/topology"
)

var rewrite = flag.Bool("rewrite", false, "write docs/rules.md instead of comparing")

const (
	protocolPage = "docs/protocol.md"
	rulesPage    = "docs/rules.md"
	mutantsDir   = "chaos/mutants"
	lastRule     = 61
)

// notBuilt are the rules that nothing keeps yet, each with the cause.
var notBuilt = map[string]string{
	"R26": "not built: MariaDB waits for exactly one acknowledgement",
}

var (
	citation = regexp.MustCompile(`\bR([1-9][0-9]?)\b`)
	heading  = regexp.MustCompile(`(?m)^\*\*(R[1-9][0-9]?) ([^*]+)\*\*`)
)

// kept is what there is of one rule: where the code cites it, and what would
// notice if it were broken.
type kept struct{ code, tests, stories, cases, mutants []string }

// rules gathers all of it from the tree.
func rules(t *testing.T) map[string]*kept {
	t.Helper()
	out := map[string]*kept{}
	for n := 1; n <= lastRule; n++ {
		out[fmt.Sprintf("R%d", n)] = &kept{}
	}
	note := func(text string, where func(k *kept) *[]string, what string) {
		for _, r := range citation.FindAllString(text, -1) {
			if k := out[r]; k != nil {
				list := where(k)
				if *list = append(*list, what); slices.Contains((*list)[:len(*list)-1], what) {
					*list = (*list)[:len(*list)-1]
				}
			} else {
				t.Errorf("%s cites %s, and there is no such rule", what, r)
			}
		}
	}
	eachFile(t, func(path string, _ *token.FileSet, file *ast.File) {
		switch {
		case strings.HasSuffix(path, "_test.go"):
			citedByTests(file, func(name, text string) { note(text, func(k *kept) *[]string { return &k.tests }, name) })
		case strings.HasPrefix(path, "chaos/model/"), strings.HasPrefix(path, mutantsDir), path == "cmd/mmmlab/model.go":
		default:
			for _, text := range citedByCode(file) {
				note(text, func(k *kept) *[]string { return &k.code }, path)
			}
		}
	})
	for _, r := range topology.Rules { // each holds in a story: TestEveryRuleIsToldInAStory
		note(r.Doc, func(k *kept) *[]string { return &k.stories }, r.Name)
	}
	for _, c := range model.Cases() {
		note(strings.Join(c.Rules, " "), func(k *kept) *[]string { return &k.cases }, c.Name)
	}
	for name, cited := range mutants(t) {
		note(cited, func(k *kept) *[]string { return &k.mutants }, name)
	}
	for _, k := range out {
		for _, list := range []*[]string{&k.code, &k.tests, &k.stories, &k.mutants} {
			slices.Sort(*list)
		}
	}
	return out
}

// citedByTests tells of each test what its comments cite, above it and within.
func citedByTests(file *ast.File, see func(name, text string)) {
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Test") {
			continue
		}
		see(f.Name.Name, f.Doc.Text())
		for _, c := range file.Comments {
			if c.Pos() > f.Pos() && c.End() < f.End() {
				see(f.Name.Name, c.Text())
			}
		}
	}
}

// citedByCode are the comments and the texts of a file.
func citedByCode(file *ast.File) []string {
	var out []string
	for _, c := range file.Comments {
		out = append(out, c.Text())
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
			out = append(out, l.Value)
		}
		return true
	})
	return out
}

// mutants reads the table of planted bugs as text: which rules each breaks.
func mutants(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	paths, err := filepath.Glob(mutantsDir + "/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if l, ok := n.(*ast.CompositeLit); ok {
				name, cited := field(l, "Name"), field(l, "Rules")
				if name != "" && cited != "" {
					out[name] = cited
				}
			}
			return true
		})
	}
	return out
}

// field is the text of a field of a literal: a string, or several.
func field(l *ast.CompositeLit, key string) string {
	var texts []string
	for _, e := range l.Elts {
		kv, ok := e.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		if id, ok := kv.Key.(*ast.Ident); !ok || id.Name != key {
			continue
		}
		ast.Inspect(kv.Value, func(n ast.Node) bool {
			if b, ok := n.(*ast.BasicLit); ok && b.Kind == token.STRING {
				if s, err := strconv.Unquote(b.Value); err == nil {
					texts = append(texts, s)
				}
			}
			return true
		})
	}
	return strings.Join(texts, " ")
}

// titles are the rules as docs/protocol.md calls them.
func titles(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(protocolPage)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, m := range heading.FindAllStringSubmatch(string(text), -1) {
		if _, twice := out[m[1]]; twice {
			t.Errorf("%s tells %s twice", protocolPage, m[1])
		}
		out[m[1]] = strings.TrimSuffix(strings.TrimSpace(m[2]), ".")
	}
	return out
}

// page is docs/rules.md.
func page(all map[string]*kept, titles map[string]string) string {
	var b strings.Builder
	b.WriteString(`# The rules, where the code keeps them, and what notices when they are broken

Made by ` + "`go test . -run Rules -rewrite`" + ` from what code, tests and mutants cite; a test keeps it fresh, and fails when a rule has
neither a test nor a mutant. [protocol.md](protocol.md) explains the rules. "Story of x" is the row x of ` + "`topology.Rules`" + `, which
must hold in a story of ` + "`topology/testdata`" + `. A model case is the protocol without that rule: it must break.

| rule | | code | tests | mutants | model |
|---|---|---|---|---|---|
`)
	for n := 1; n <= lastRule; n++ {
		r := fmt.Sprintf("R%d", n)
		k := all[r]
		tests := slices.Clone(k.tests)
		for _, s := range k.stories {
			tests = append(tests, "story of "+s)
		}
		if why := notBuilt[r]; why != "" && len(tests)+len(k.mutants) == 0 {
			tests = []string{why}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", r, titles[r], list(k.code), list(tests), list(k.mutants), list(k.cases))
	}
	return b.String()
}

func list(items []string) string { return strings.ReplaceAll(strings.Join(items, ", "), "|", "\\|") }

func TestRulesPageIsFresh(t *testing.T) {
	if testing.Short() && !*rewrite {
		t.Skip("every new test that cites a rule changes the page: it is compared by make check and the whole test run")
	}
	want := page(rules(t), titles(t))
	if *rewrite {
		if err := os.WriteFile(rulesPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got, err := os.ReadFile(rulesPage); err != nil || string(got) != want {
		t.Errorf("%s is not what the tree says; run make docs (%v)", rulesPage, err)
	}
}

// TestEveryRuleIsToldKeptAndTested: a rule without a paragraph, or without
// anything that would notice its absence, is a wish.
func TestEveryRuleIsToldKeptAndTested(t *testing.T) {
	all, told := rules(t), titles(t)
	for _, r := range slices.Sorted(maps.Keys(all)) {
		k := all[r]
		if told[r] == "" {
			t.Errorf("%s has no paragraph in %s", r, protocolPage)
		}
		proven := len(k.tests)+len(k.stories)+len(k.mutants) > 0
		switch why, open := notBuilt[r]; {
		case open && proven:
			t.Errorf("%s is listed as %q and has tests: take it off the list", r, why)
		case open:
			t.Logf("%s: %s", r, why)
		case !proven:
			t.Errorf("%s: no test, story or mutant cites it", r)
		case len(k.code) == 0:
			t.Errorf("%s: no code cites it", r)
		}
	}
}
