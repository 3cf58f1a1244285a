package mutants

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Mutant is one planted bug.
type Mutant struct {
	Name  string   // lower case with dashes, unique
	What  string   // what a person would have done wrong, one English sentence
	Rules []string // of docs/protocol.md that it breaks, "R19", or of the guarantees, "G3"
	File  string   // from the root of the tree
	Old   string   // occurs exactly once in File
	New   string
	Suite Suite // has to go red
}

// Suite is a set of tests, and how long they may take. A suite that does not end
// in time has gone red, too: many bugs of this kind are a wait for ever.
type Suite struct {
	Name  string        // in words, for the table
	Pkg   string        // "./topology"
	Run   string        // regular expression as of go test -run; empty: all tests
	Args  []string      // for the test binary
	Limit time.Duration // of the tests; compiling is not counted
}

// All returns the table, in the order of the documents.
func All() []Mutant {
	return slices.Concat(decisions, losses, promises, outages, elections, records, hands, clones, kernel, gates, servers, tails, returns, routers, routerVIPs)
}

// Find returns the mutants of those names, in the order of the table; no names
// mean all of them.
func Find(names []string) ([]Mutant, error) {
	all := All()
	if len(names) == 0 {
		return all, nil
	}
	var out []Mutant
	for _, m := range all {
		if slices.Contains(names, m.Name) {
			out = append(out, m)
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(out, func(m Mutant) bool { return m.Name == name }) {
			return nil, fmt.Errorf("there is no mutant %q", name)
		}
	}
	return out, nil
}

// errNotOnce says that the table and the tree have grown apart: mend the row.
var errNotOnce = errors.New("the text to replace does not occur exactly once")

// Apply returns the text of the mutant's file with the bug in it. root is the
// directory of go.mod.
func (m Mutant) Apply(root string) (string, error) {
	text, err := os.ReadFile(filepath.Join(root, m.File))
	if err != nil {
		return "", fmt.Errorf("plant %s: %w", m.Name, err)
	}
	if n := strings.Count(string(text), m.Old); n != 1 || m.Old == m.New {
		return "", fmt.Errorf("plant %s: %s: %w but %d times:\n%s", m.Name, m.File, errNotOnce, n, m.Old)
	}
	return strings.Replace(string(text), m.Old, m.New, 1), nil
}

// sum names this very bug and suite, so that a stored result is known to be of
// them: 12 hexadecimal digits.
func (m Mutant) sum() string {
	h := sha256.Sum256([]byte(strings.Join([]string{m.File, m.Old, m.New, m.Suite.Pkg, m.Suite.Run}, "\x00")))
	return hex.EncodeToString(h[:])[:12]
}
