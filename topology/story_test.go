package topology

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write what was found into testdata and docs/states.md instead of comparing")

// How many cases a property looks at: one Decide is cheap, a whole story is not.
const (
	manyChecks = "2000"
	fewChecks  = "300"
)

// TestMain lets the properties look at more than rapid's hundred cases, unless
// they were told how many. A failure prints its seed; no files are left behind.
func TestMain(m *testing.M) {
	flag.Parse()
	wanted := map[string]string{"rapid.checks": manyChecks, "rapid.nofailfile": "true"}
	flag.Visit(func(f *flag.Flag) { delete(wanted, f.Name) })
	for name, value := range wanted {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// story is one file of testdata. It is paragraphs: remarks, commands, and below
// "----" what the commands printed.
type story struct {
	path string
	told string // as it is in the file
	now  string // as it is with the rules of today
	err  error
	by   *teller
}

// stories runs every file once, for all tests that want to know.
var stories = sync.OnceValue(func() []story {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		panic(fmt.Sprintf("no stories in testdata: %v", err))
	}
	var out []story
	for _, p := range paths {
		s := story{path: p, by: newTeller()}
		text, err := os.ReadFile(p)
		s.told = string(text)
		if s.err = err; err == nil {
			s.now, s.err = tell(s.by, s.told)
		}
		out = append(out, s)
	}
	return out
})

// tell runs the commands of a story and returns its text with the output of today.
func tell(t *teller, text string) (string, error) {
	var out []string
	for paragraph := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		lines, _, _ := strings.Cut(paragraph, "\n----")
		t.out.Reset()
		for line := range strings.SplitSeq(lines, "\n") {
			if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			if err := t.command(line); err != nil {
				return "", fmt.Errorf("%s: %w\n%s%s", line, err, lines, t.out.String())
			}
		}
		if t.out.Len() > 0 {
			lines += "\n----\n" + strings.TrimRight(t.out.String(), "\n")
		}
		out = append(out, lines)
	}
	return strings.Join(out, "\n\n") + "\n", nil
}

func TestStories(t *testing.T) {
	for _, s := range stories() {
		t.Run(strings.TrimSuffix(filepath.Base(s.path), ".txt"), func(t *testing.T) {
			switch {
			case s.err != nil:
				t.Fatal(s.err)
			case s.told == s.now:
			case *rewrite:
				if err := os.WriteFile(s.path, []byte(s.now), 0o644); err != nil {
					t.Fatal(err)
				}
			default:
				t.Errorf("the rules tell it otherwise (if that is right: go test ./topology -rewrite):\n%s", difference(s.told, s.now))
			}
		})
	}
}

// difference shows the lines around the first one that differs.
func difference(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	cut := func(lines []string) string {
		return strings.Join(lines[max(0, min(i-3, len(lines))):min(i+6, len(lines))], "\n  ")
	}
	return fmt.Sprintf("line %d\nwant\n  %s\ngot\n  %s", i+1, cut(a), cut(b))
}

func TestEveryRuleIsToldInAStory(t *testing.T) {
	rules, class, beside := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, s := range stories() {
		for name := range s.by.rules {
			rules[name] = true
		}
		for name := range s.by.beside {
			beside[name] = true
		}
		for name := range s.by.class {
			class[name] = true
		}
	}
	for _, r := range Rules {
		if !rules[r.Name] {
			t.Errorf("rule %q holds in no story", r.Name)
		}
	}
	for _, r := range RouterRules {
		if !beside[r.Name] {
			t.Errorf("rule %q holds in no story of a router's agent", r.Name)
		}
	}
	for _, r := range StateRules {
		if !class[r.Name] {
			t.Errorf("state row %q matches in no story", r.Name)
		}
	}
}

func TestRulesHaveNamesAndSentences(t *testing.T) {
	check := func(table, name, doc string, seen map[string]bool) {
		if seen[name] || name == "" {
			t.Errorf("%s: the name %q is empty or used twice", table, name)
		}
		seen[name] = true
		if len(doc) < 15 || doc[len(doc)-1] != '.' || (doc[0] >= 'a' && doc[0] <= 'z' && !strings.HasPrefix(doc, "etcd") && !strings.HasPrefix(doc, "mysqld")) {
			t.Errorf("%s: %s is described by %q, which is no sentence", table, name, doc)
		}
	}
	rules, class := map[string]bool{}, map[string]bool{}
	for _, r := range Rules {
		check("Rules", r.Name, r.Doc, rules)
	}
	for _, r := range StateRules {
		check("StateRules", r.Name, r.Doc, class)
	}
}
