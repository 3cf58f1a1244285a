package route

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write docs/routing.md instead of comparing")

const routingPage = "../../docs/routing.md"

// page is docs/routing.md, made from the tables and from what Decide says.
func page() string {
	var b strings.Builder
	b.WriteString(`# Where a statement goes

This page is made from the tables in ` + "`router/route`" + ` by ` + "`go test ./router/route -rewrite`" + `; a test keeps it fresh.
` + "`mmmrouter route explain 'SQL'`" + ` says it of one statement, ` + "`mmmrouter trace`" + ` of all that run.

## By its words

The router looks at the words of a statement: what stands in comments and strings is none, and what stands in ` + "`/*! … */`" + ` is.
What it does not know goes to the writer. The strictest row that fits counts. A comment of both kinds of which servers of some
version run the body and others do not makes a statement the writer's, unless it holds modifiers of SELECT only.

| rule | goes to | because | for example |
|---|---|---|---|
`)
	for _, r := range Rules {
		fmt.Fprintf(&b, "| %s | %s | %s | `%s` |\n", r.Name, target(r.Target), r.Doc, strings.ReplaceAll(r.Example, "|", "\\|"))
	}
	b.WriteString(`
## By its session

The same read goes elsewhere when its session is in something. Here: ` + "`SELECT a FROM t`" + `.

| the session | goes to | because |
|---|---|---|
`)
	read := Classify([]byte("SELECT a FROM t"), 0)
	for _, s := range situations {
		d := Decide(read, s.session)
		fmt.Fprintf(&b, "| %s | %s | %s |\n", s.name, target(d.Target), d.Why)
	}
	b.WriteString(`
These rows come before the table above, in this order; the first that holds decides.

| rule | goes to | because |
|---|---|---|
`)
	for _, r := range SessionRules {
		why := r.Why
		if strings.HasSuffix(why, " and") || strings.HasSuffix(why, " but") {
			why += " …"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", r.Name, target(r.Target), why)
	}
	b.WriteString(`
## What ties a session to the writer

These exist on one connection only and cannot be made anew on another: until they are gone, every statement of the session
goes to its connection to the writer. ` + "`mmmrouter sessions`" + ` shows who is tied by what.

`)
	for i, name := range pinNames {
		fmt.Fprintf(&b, "- %s%s\n", name, takenBy(Pin(1)<<i))
	}
	b.WriteString(`
## Hints

A comment that is nothing but a hint, before the statement or after its first word. A hint for the writer is obeyed. One for a
reader changes nothing: a statement that only reads goes to a reader anyway, and any other is refused with the reason.

| comment | asks for |
|---|---|
`)
	for _, h := range hints {
		asks := "the writer"
		if h.hint == ToReader {
			asks = "a reader"
		}
		fmt.Fprintf(&b, "| `/* %s */` | %s |\n", h.text, asks)
	}
	b.WriteString(`
## Functions

A read that calls none but these functions stays a read. A function that is not in these lists, or that is called with the name of a schema, may be anybody's: the statement goes to
the writer.

`)
	for _, row := range pureFunctions {
		fmt.Fprintf(&b, "**%s:** %s.\n\n", serverNames[row.where], strings.Join(strings.Fields(row.names), " "))
	}
	b.WriteString(`Others that servers bring along, and why they are no plain reads:

| function | rule | because |
|---|---|---|
`)
	for _, row := range judged {
		names := strings.Fields(row.names)
		fmt.Fprintf(&b, "| %s | %s | %s |\n", strings.Join(names, ", "), Classify([]byte("SELECT "+names[0]+"()"), 0).Rule.Rule().Name, row.why)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func target(t Target) string {
	if t == SameAsLast {
		return "the same as the last"
	}
	return t.String()
}

var situations = []struct {
	name    string
	session Session
}{
	{"has just begun", Session{Autocommit: true}},
	{"is in a transaction", Session{Autocommit: true, Transaction: OnWriter}},
	{"is in START TRANSACTION READ ONLY", Session{Autocommit: true, Transaction: OnReader}},
	{"has autocommit = 0", Session{}},
	{"has transaction_isolation = SERIALIZABLE, or SET TRANSACTION was its last word", Session{Autocommit: true, Strict: true}},
	{"is tied to the writer", Session{Autocommit: true, Pins: TemporaryTables}},
	{"came by a listener of mode writer", Session{Autocommit: true, Mode: WriterOnly}},
	{"came by a listener of mode reader", Session{Autocommit: true, Mode: ReaderOnly}},
}

// takenBy shows an example that ties by a pin, if the table has one.
func takenBy(p Pin) string {
	for _, r := range Rules {
		if Classify([]byte(r.Example), 0).Pins&p != 0 {
			return ", such as by `" + r.Example + "`"
		}
	}
	return ""
}

var serverNames = map[server]string{mariadb | mysql: "MariaDB and MySQL", mariadb: "MariaDB", mysql: "MySQL",
	newerMariadb: "MariaDB from 11.8 on", newerMysql: "MySQL from 9.0 on"}

func TestRoutingPageIsFresh(t *testing.T) {
	want := page()
	got, err := os.ReadFile(routingPage)
	if err == nil && string(got) == want {
		return
	}
	if !*rewrite {
		t.Fatalf("%s is not what the tables say; run go test ./router/route -rewrite", routingPage)
	}
	if err := os.WriteFile(routingPage, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}
