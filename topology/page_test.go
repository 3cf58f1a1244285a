package topology

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

const statesPage = "../docs/states.md"

// page is docs/states.md, made from the two tables.
func page() string {
	var b strings.Builder
	b.WriteString(`# States and rules

This page is made from the tables in ` + "`topology`" + ` by ` + "`go test ./topology -rewrite`" + `; a test keeps it fresh.

## Host states

Every agent and ` + "`mmmctl`" + ` compute the state of a host from the same facts in etcd; nobody stores it. The first row that
matches is the state, and the state always comes with its reason. Only ONLINE hosts are given reader VIPs.

| state | row | when |
|---|---|---|
`)
	for _, r := range StateRules {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", r.State, r.Name, cell(r.Doc))
	}
	b.WriteString(`
## Rules

What an agent does is decided by one table, walked from top to bottom each time something changes. Every row that holds adds
its actions; a row marked "last" ends the walk. The name of the row and its reason stand in the log and in the
events. Numbers such as R11 name the rules of the protocol that a row keeps.

| | rule | what it does | last |
|---|---|---|---|
`)
	n := 0
	for _, r := range Rules {
		n++
		last := ""
		if r.Last {
			last = "last"
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %s |\n", n, r.Name, cell(r.Doc), last)
	}
	return b.String()
}

// cell keeps a text inside its column.
func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }

func TestStatesPageIsFresh(t *testing.T) {
	want := page()
	got, err := os.ReadFile(statesPage)
	if err == nil && string(got) == want {
		return
	}
	if !*rewrite {
		t.Fatalf("%s is not what the tables say; run go test ./topology -rewrite\n%s", statesPage, difference(string(got), want))
	}
	if err := os.WriteFile(statesPage, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}
