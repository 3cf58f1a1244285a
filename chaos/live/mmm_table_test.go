package live

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write docs/mmm-failures.md instead of comparing it")

const failuresPage = "../../docs/mmm-failures.md"

// failure is one of the ways in which mysql-mmm fails its users.
type failure struct {
	number int
	mmm    string // what MMM does
	here   string // what happens here, printed by the tests
}

// failures are F1 to F20. The tests of F7 are those whose names begin with TestF07.
var failures = []failure{
	{1, "Loses acknowledged writes: it compares no positions, and the old master's rows collide with the new ones when it returns.",
		"The candidate that holds every acknowledged write wins, and a killed writer takes back what its restart cut off."},
	{2, "Points replicas at the new master before that has applied its relay log: rows come twice or never.",
		"The winner applies everything it received before it becomes a source, and replicas attach by GTID after that."},
	{3, "Waits for every replica, one after the other, before the new master gets its VIP.",
		"A replica that is slow to apply holds up no failover."},
	{4, "One hung agent freezes the monitor, and with it the whole cluster.",
		"An agent that hangs holds up no election and no command."},
	{5, "Takes the loss of ping for the loss of the host, tells the old master nothing, and makes a second one.",
		"Loss of ping, or of the way to one observer, moves nothing; a host that is cut off closes itself."},
	{6, "A host that vanishes and returns keeps its VIP and stays writable, beside the new master.",
		"A writer that nothing reaches closes itself before the next one opens."},
	{7, "Tries a demotion once; when that does not work the old master stays writable for ever.",
		"A mysqld that does not close in time is killed, and a server that is writable and should not be is closed again each time."},
	{8, "Without its monitor there is no failover; with two monitors agents obey both.",
		"Any one host may be gone, its agent and its etcd member with it; what an earlier writer still writes is refused by its epoch."},
	{9, "Goes on when the catch-up failed, and opens with a relay log that is not applied.",
		"A host whose SQL thread is stopped applies what it has, or is no candidate and says why."},
	{10, "Does not see that an agent died; when the mysqld beside it dies too, the VIP leads nowhere.",
		"VIPs end with the lease of their agent, whatever became of mysqld."},
	{11, "Finds a server healthy that takes no connections, cannot commit, or whose disk is full or read-only.",
		"A full server is known for what it is and stays manageable; a writer that takes no new connection is replaced, one that is flooded with them is not. A writer whose disk is full, stalled or read-only is replaced, unless nobody is better off."},
	{12, "Takes a replica that cannot reach its master, or whose lag is unknown, for one that has none.",
		"Unknown lag is not zero: a replica that receives nothing serves no readers."},
	{13, "Promotes a broken or lagging replica the moment the master dies.",
		"A replica that cannot apply what it received is not elected; the cluster stops and says why."},
	{14, "A preferred master takes its role back at once, lagging or not.",
		"A host that comes back is a reader; the writer stays where it is."},
	{15, "Announces a VIP once; when that is lost clients stay on the old host for half a minute.",
		"Announcements are repeated for ten seconds."},
	{16, "Leaves connections and transactions open on the old master.",
		"A transaction that was open when the writer moved fails at its commit, and is nowhere."},
	{17, "Guesses the state of the cluster from what the servers look like when the monitor starts.",
		"Who reigns stands in etcd; servers that look like a writer are closed."},
	{18, "Its control ports take orders from anybody.",
		"No port of a host takes orders: they go through etcd, which has to be guarded."},
	{19, "Checks hosts one after the other, so that each that times out slows the rest.",
		"Every host looks at itself; one that hangs slows nobody."},
	{20, "Looks for its VIPs with a pattern in the text that ip prints.",
		"Addresses are compared whole, and what others put on an interface is left alone."},
}

var mmmTest = regexp.MustCompile(`^TestF([0-9]{2})[A-Z]`)

// failureOf is what a test is about, if its name says so.
func failureOf(test string) (failure, bool) {
	m := mmmTest.FindStringSubmatch(test)
	for _, f := range failures {
		if m != nil && m[1] == fmt.Sprintf("%02d", f.number) {
			return f, true
		}
	}
	return failure{}, false
}

// mmmTests are the tests of this package by the failure that they are about.
func mmmTests(t *testing.T) map[int][]string {
	t.Helper()
	out := map[int][]string{}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || !strings.HasPrefix(fn.Name.Name, "TestF") {
				continue
			}
			if f, ok := failureOf(fn.Name.Name); ok {
				out[f.number] = append(out[f.number], fn.Name.Name)
			}
		}
	}
	for _, names := range out {
		sort.Strings(names)
	}
	return out
}

// TestPageOfMMMsFailuresIsFresh needs no servers.
func TestPageOfMMMsFailuresIsFresh(t *testing.T) {
	tests := mmmTests(t)
	var b strings.Builder
	b.WriteString(`# What mysql-mmm fails at

mysql-mmm was read and run: these are its failures, each with what happens here instead, and the tests that show it on real
servers (` + "`go test ./chaos/live -run TestF07 -v`" + `, as root). The page is made by ` + "`go test ./chaos/live -run Fresh -rewrite`" + `;
a test keeps it fresh.

| | mysql-mmm | here | tests |
|---|---|---|---|
`)
	for _, f := range failures {
		names := tests[f.number]
		if len(names) == 0 {
			t.Errorf("F%d has no test", f.number)
		}
		fmt.Fprintf(&b, "| F%d | %s | %s | %s |\n", f.number, f.mmm, f.here, "`"+strings.Join(names, "` `")+"`")
	}
	if len(failures) != 20 || !slices.IsSortedFunc(failures, func(a, b failure) int { return a.number - b.number }) {
		t.Error("they are F1 to F20, in order")
	}
	got, err := os.ReadFile(failuresPage)
	switch {
	case err == nil && string(got) == b.String():
	case *rewrite:
		if err := os.WriteFile(failuresPage, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("docs/mmm-failures.md is not fresh (%v): go test ./chaos/live -run Fresh -rewrite", err)
	}
}
