package route

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/mmm-ha/mmm/router/lexer"
)

// example is a statement and where it belongs.
type example struct {
	want Target
	sql  string
}

// corpus reads testdata/corpus.txt.
func corpus(t testing.TB) []example {
	t.Helper()
	text, err := os.ReadFile("testdata/corpus.txt")
	if err != nil {
		t.Fatal(err)
	}
	targets := map[string]Target{"R": Reader, "W": Writer, "L": SameAsLast}
	var all []example
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		want, known := targets[line[:1]]
		if !known || line[1] != ' ' {
			t.Fatalf("testdata/corpus.txt: %q", line)
		}
		all = append(all, example{want, line[2:]})
	}
	return all
}

var idle = Session{Autocommit: true}

func goesTo(sql string) Decision { return Decide(Classify([]byte(sql), 0), idle) }

func TestTheCorpusGoesWhereItBelongs(t *testing.T) {
	all := corpus(t)
	if len(all) < 300 {
		t.Fatalf("only %d statements", len(all))
	}
	for _, e := range all {
		if d := goesTo(e.sql); d.Target != e.want {
			t.Errorf("%s\n  goes to the %s by %s (%s), want %s", e.sql, d.Target, d.Rule, d.Why, e.want)
		}
	}
}

// TestFormMakesNoDifference writes each statement in other ways that mean the same.
func TestFormMakesNoDifference(t *testing.T) {
	for _, e := range corpus(t) {
		if strings.Contains(e.sql, "/*!") {
			continue
		}
		for name, form := range forms(e.sql) {
			if d := goesTo(form); d.Target != e.want {
				t.Errorf("%s: %q goes to the %s by %s, want %s", name, form, d.Target, d.Rule, e.want)
			}
		}
	}
}

// forms are other ways to write a statement.
func forms(sql string) map[string]string {
	f := map[string]string{
		"capitals": strings.ToUpper(sql), "small letters": strings.ToLower(sql), "a line before": "\n\t" + sql,
		"a comment before": "/* it's FOR UPDATE */ " + sql, "a line comment before": "-- it's\n" + sql, "a hash before": "# \"\n" + sql,
		"comments between": between(sql, "/* ' */"), "lines between": between(sql, "\r\n"), "line comments between": between(sql, "-- `\n"),
	}
	if !strings.ContainsAny(sql, "#") && !strings.Contains(sql, "-- ") {
		f["an end"] = sql + " ;"
		f["a comment behind"] = sql + " /* INTO OUTFILE 'x' */"
		f["an end and a comment"] = sql + ";-- FOR UPDATE"
	}
	return f
}

// between puts filler between all tokens that have space between them.
func between(sql, filler string) string {
	var s lexer.Scanner
	var b strings.Builder
	s.Reset([]byte(sql), 0)
	for last := (lexer.Token{}); ; {
		tok := s.Next()
		if tok.Kind <= lexer.Bad {
			return b.String()
		}
		if b.Len() > 0 && !last.Meets(tok) {
			b.WriteString(" " + filler + " ")
		}
		b.Write(tok.Text)
		last = tok
	}
}

// wrong lists complaints about routers: each was sent to a replica by one of them,
// or to the wrong server.
var wrong = []struct {
	name string
	sql  string
	want Target
}{
	{"a line before FOR UPDATE", "SELECT * FROM t WHERE id=1\nFOR UPDATE", Writer},
	{"FOR UPDATE and the end", "SELECT * FROM t FOR UPDATE;", Writer},
	{"FOR UPDATE and a comment", "SELECT * FROM t FOR UPDATE /* x */", Writer},
	{"FOR UPDATE in two lines", "SELECT * FROM t FOR\n\tUPDATE", Writer},
	{"FOR UPDATE OF", "SELECT * FROM t, u FOR UPDATE OF t", Writer},
	{"FOR UPDATE within", "SELECT * FROM (SELECT * FROM t FOR UPDATE) x", Writer},
	{"FOR UPDATE in a string is none", "SELECT 'FOR UPDATE'", Reader},
	{"FOR UPDATE in a comment is none", "SELECT 1 /* FOR UPDATE */", Reader},
	{"LOCK IN SHARE MODE not at the end", "(SELECT * FROM t LOCK IN SHARE MODE) UNION SELECT 1", Writer},
	{"LOCK behind a number with a dot", "SELECT * FROM t WHERE a=1.LOCK IN SHARE MODE", Writer},
	{"LOCK behind a number with an exponent", "SELECT * FROM t WHERE a=1e5LOCK IN SHARE MODE", Writer},
	{"FOR and UPDATE with a space of latin1", "SELECT * FROM t FOR\xa0UPDATE", Writer},
	{"a table expression that deletes", "WITH a AS (DELETE FROM t RETURNING id) SELECT * FROM a", Writer},
	{"a table expression before an update", "WITH a AS (SELECT id FROM t) UPDATE t JOIN a USING (id) SET t.x=1", Writer},
	{"a table expression before an insert", "WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a", Writer},
	{"an insert with a table expression within", "INSERT INTO t WITH a AS (SELECT 1) SELECT * FROM a", Writer},
	{"a table expression that inserts, in two lines", "WITH a AS (\n INSERT INTO t VALUES (1) RETURNING id\n) SELECT * FROM a", Writer},
	{"a recursive table expression that locks", "WITH RECURSIVE a AS (SELECT 1 AS n UNION ALL SELECT n+1 FROM a) SELECT * FROM t, a FOR UPDATE", Writer},
	{"a table expression that only reads", "WITH RECURSIVE a AS (SELECT 1 AS n UNION ALL SELECT n+1 FROM a WHERE n<5) SELECT * FROM a", Reader},
	{"a table expression before a delete", "WITH a AS (SELECT 1) DELETE FROM t", Writer},
	{"INTO a variable, in the middle", "SELECT a INTO @x FROM t", Writer},
	{"LAST_INSERT_ID with an alias", "SELECT LAST_INSERT_ID() AS id", Writer},
	{"LAST_INSERT_ID and the end", "SELECT LAST_INSERT_ID();", Writer},
	{"LAST_INSERT_ID from DUAL", "SELECT LAST_INSERT_ID() FROM DUAL", Writer},
	{"LAST_INSERT_ID of an expression", "SELECT LAST_INSERT_ID(7)", Writer},
	{"@@identity", "SELECT @@identity", Writer},
	{"@@x before a write", "SELECT @@session.sql_mode", Writer},
	{"a variable of the server", "SELECT @@read_only", Writer},
	{"a function of the schema", "SELECT shop.total(1)", Writer},
	{"a function in backticks", "SELECT `total`(1)", Writer},
	{"a member that looks like a number and a function", "SELECT t.5abs(1)", Writer},
	{"a function with the name of a builtin one", "SELECT count (1)", Writer},
	{"a function that another server has", "SELECT BIN_TO_UUID(a) FROM t", Writer},
	{"GET_LOCK in a condition", "SELECT 1 FROM t WHERE GET_LOCK('a', 1) = 1", Writer},
	{"two statements", "SELECT 1; UPDATE t SET a=1", Writer},
	{"a statement in an executable comment", "SELECT 1 /*!50000 FOR UPDATE */", Writer},
	{"two statements in an executable comment", "SELECT 1 /*! ; DELETE FROM t */", Writer},
	{"a quote in an executable comment", "SELECT 1 /*!99999 ' */ FOR UPDATE -- '", Writer},
	{"a hint with a name that ends its comment", "SELECT /*+ QB_NAME(`*/ 1 FOR UPDATE -- `) */ 2", Writer},
	{"a sequence as Oracle writes it", "SELECT s.nextval FROM dual", Writer},
	{"SQL_CALC_FOUND_ROWS", "SELECT SQL_CALC_FOUND_ROWS * FROM t LIMIT 1", Writer},
	{"an optimiser hint is no executable comment", "SELECT /*+ MAX_EXECUTION_TIME(1) */ 1", Reader},
	{"the columns of a table expression are no call", "WITH a (x, y) AS (SELECT 1, 2) SELECT * FROM a", Reader},
	{"the columns of a derived table are no call", "SELECT * FROM (SELECT 1) AS d (x)", Reader},
	{"a call that looks like columns", "WITH a AS (SELECT 1) SELECT f(x) AS y FROM a", Writer},
	{"NUL", "SELECT 1 \x00 FOR UPDATE", Writer},
	{"a comment in a comment", "SELECT 1 /*! /* */ FOR UPDATE */", Writer},
	{"EXPLAIN that runs", "EXPLAIN ANALYZE SELECT 1", Writer},
	{"SET of a user variable", "SET @a = 1", Writer},
}

func TestComplaintsAboutRouters(t *testing.T) {
	for _, c := range wrong {
		if d := goesTo(c.sql); d.Target != c.want {
			t.Errorf("%s: %q goes to the %s by %s", c.name, c.sql, d.Target, d.Rule)
		}
	}
}

// TestComplaintsAboutSessions plays scenes: what one statement did decides about
// the next.
func TestComplaintsAboutSessions(t *testing.T) {
	for _, c := range []struct {
		name    string
		before  string
		session Session
		sql     string
		want    Target
	}{
		{"autocommit=0", "", Session{}, "SELECT 1", Writer},
		{"a temporary table", "CREATE TEMPORARY TABLE t (a INT)", idle, "SELECT * FROM t", Writer},
		{"a temporary table made of a select", "CREATE TEMPORARY TABLE t SELECT 1", idle, "SELECT * FROM t", Writer},
		{"a user variable", "SET @a = 1", idle, "SELECT @a", Writer},
		{"a user variable behind SET NAMES", "SET NAMES utf8, @a = 1", idle, "SELECT @a", Writer},
		{"a user variable within a SET", "SET sql_mode = @a := ''", idle, "SELECT @a", Writer},
		{"a user variable of an INSERT", "INSERT INTO t VALUES (@a := 1)", idle, "SELECT @a", Writer},
		{"a lock taken by an UPDATE", "UPDATE t SET a = GET_LOCK('x', 1)", idle, "SELECT 1", Writer},
		{"LOCK TABLES", "LOCK TABLES t READ", idle, "SELECT * FROM t", Writer},
		{"a timestamp set", "SET TIMESTAMP = 1", idle, "SELECT NOW()", Writer},
		{"a variable that is not reported", "SET @@sql_mode = ''", idle, "SELECT 1", Writer},
		{"in a transaction", "", Session{Autocommit: true, Transaction: OnWriter}, "SELECT 1", Writer},
		{"SHOW WARNINGS after a read", "SELECT 1/0", idle, "SHOW WARNINGS", SameAsLast},
		{"a plain setting ties nothing", "SET sql_mode = ''", idle, "SELECT 1", Reader},
		{"autocommit=1 ties nothing", "SET @@autocommit = 1", idle, "SELECT 1", Reader},
		{"a lock in a transaction on a reader", "", Session{Autocommit: true, Transaction: OnReader}, "SELECT GET_LOCK('a', 1)", Refused},
		{"BEGIN in a transaction on a reader", "", Session{Autocommit: true, Transaction: OnReader}, "BEGIN", Writer},
		{"a KILL among others", "", idle, "SELECT 1; KILL 5", Refused},
		{"a reader's hint on a write", "", idle, "/* mmm:reader */ UPDATE t SET a=1", Refused},
		{"a reader's hint on a write in a transaction", "", Session{Autocommit: true, Transaction: OnWriter}, "/* mmm:reader */ UPDATE t SET a=1", Refused},
		{"a reader's hint on FOR UPDATE", "", idle, "/* mmm:reader */ SELECT * FROM t FOR UPDATE", Refused},
		{"a writer's hint behind another comment", "", idle, "/* app */ /* mmm:writer */ SELECT 1", Writer},
		{"a writer's hint behind the first word", "", idle, "SELECT /*master*/ 1", Writer},
		{"a comment that tells of a hint", "", idle, "/* see mmm:writer */ SELECT 1", Reader},
	} {
		s := c.session
		if c.before != "" {
			s.Pins |= Classify([]byte(c.before), 0).Pins
		}
		if d := Decide(Classify([]byte(c.sql), 0), s); d.Target != c.want {
			t.Errorf("%s: %q goes to the %s by %s, want %s", c.name, c.sql, d.Target, d.Rule, c.want)
		}
	}
	if d := Decide(Classify([]byte("BEGIN"), 0), Session{Autocommit: true, Transaction: OnReader}); !d.Leave {
		t.Error("BEGIN does not leave the transaction on the reader")
	}
}

func TestEverySessionRuleDecides(t *testing.T) {
	decided := map[string]bool{}
	for _, e := range append(corpus(t), example{sql: "SELECT 1; KILL 5"}, example{sql: "/* mmm:reader */ UPDATE t SET a=1"}, example{sql: "/* mmm:writer */ SELECT 1"}) {
		for s := range 32 {
			for mode := Split; mode <= ReaderOnly; mode++ {
				d := Decide(Classify([]byte(e.sql), 0), Session{Mode: mode, Transaction: Transaction(s % 4 % 3), Autocommit: s&4 == 0, Strict: s&8 != 0, Pins: Pin(s >> 4)})
				decided[d.Rule] = true
				if d.Why == "" || d.Target == 0 {
					t.Fatalf("%s: %+v", e.sql, d)
				}
			}
		}
	}
	for _, r := range SessionRules {
		if !decided[r.Name] {
			t.Errorf("%s never decides", r.Name)
		}
	}
}

// poisons make a read something else, in any expression.
var poisons = []string{"f(1)", "shop.f(1)", "`abs`(1)", "GET_LOCK('a',0)", "@x:=1", "NEXTVAL(s)", "(SELECT 1 FROM t FOR UPDATE)", "LAST_INSERT_ID()",
	"@@server_id", "(SELECT a FROM t LOCK IN SHARE MODE)", "NEXT VALUE FOR s", "count (1)", "t.abs(1)", "/*!99999 1 */ 1", "UUID_SHORT()", "1.LOCK",
	"(SELECT 1 FROM performance_schema.threads)", "s.nextval", "IS_FREE_LOCK('a')", "(SELECT 1 INTO @a)"}

// innocents look like poisons.
var innocents = []string{"abs(1)", "'f(1)'", "\"FOR UPDATE\"", "t.`f`", "1 /* f(1) */", "COUNT(*)", "t.`f`", "-1e5", "(SELECT 1)", "CASE WHEN (1) THEN (2) END",
	"IF(1,2,3)", "x IN (1,2)", "CAST(1 AS DECIMAL(5,2))", "'it''s @x:=1'", "'\\' GET_LOCK(1) -- '", "t.lock", "t.update", "EXISTS (SELECT 1)", "1 -- FOR UPDATE\n", "1 # f(1)\n"}

// story is a random statement, and whether it only reads.
func story(r *rand.Rand) (sql string, read bool) {
	read = true
	var expression func(depth int) string
	var query func(depth int) string
	expression = func(depth int) string {
		switch n := r.IntN(12); {
		case n == 0 && r.IntN(4) == 0:
			read = false
			return poisons[r.IntN(len(poisons))]
		case n < 3 && depth > 0:
			return "(" + query(depth-1) + ")"
		case n < 5 && depth > 0:
			return "CONCAT(" + expression(depth-1) + ", " + expression(depth-1) + ")"
		case n < 6 && depth > 0:
			return "(" + expression(depth-1) + ") + " + expression(depth-1)
		}
		return innocents[r.IntN(len(innocents))]
	}
	query = func(depth int) string {
		q := "SELECT " + expression(depth) + " AS a FROM t"
		if r.IntN(2) == 0 {
			q += " WHERE " + expression(depth)
		}
		switch r.IntN(8) {
		case 0:
			q = "WITH c (`x`) AS (" + q + ") SELECT x AS a FROM c"
		case 1:
			q = "(" + q + ") UNION ALL " + "(SELECT " + expression(0) + ")"
		case 2:
			q += " GROUP BY " + expression(0) + " ORDER BY 1"
		case 3:
			q = "SELECT * FROM (" + q + ") AS d WHERE a IN (SELECT z FROM u)"
		}
		return q
	}
	return query(3), read
}

func TestRandomStatementsOfKnownTruth(t *testing.T) {
	for seed := range uint64(20000) {
		check(t, seed)
	}
}

func check(t *testing.T, seed uint64) {
	t.Helper()
	sql, read := story(rand.New(rand.NewPCG(seed, 7)))
	if d := goesTo(sql); (d.Target == Reader) != read {
		t.Fatalf("seed %d: %q goes to the %s by %s; it reads: %v", seed, sql, d.Target, d.Rule, read)
	}
}

func FuzzRandomStatementsOfKnownTruth(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { check(t, seed) })
}

// FuzzDecideKnowsWhy asks about any text in any session.
func FuzzDecideKnowsWhy(f *testing.F) {
	f.Add("SELECT 1", byte(0), byte(0))
	f.Fuzz(func(t *testing.T, sql string, mode, in byte) {
		s := Session{Mode: Mode(in & 1), Transaction: Transaction(in >> 1 % 3), Autocommit: in&8 == 0, Strict: in&16 != 0, Pins: Pin(in >> 5)}
		if d := Decide(Classify([]byte(sql), lexer.Mode(mode)), s); d.Target == 0 || d.Why == "" || d.Rule == "" {
			t.Fatalf("%+v", d)
		}
	})
}

func TestDecisionsAllocateNothing(t *testing.T) {
	for _, e := range corpus(t) {
		sql := []byte(e.sql)
		for _, s := range []Session{idle, {Mode: ReaderOnly}, {Transaction: OnReader}, {Transaction: OnWriter}, {Pins: XA}} {
			if n := testing.AllocsPerRun(3, func() { Decide(Classify(sql, 0), s) }); n > 0 {
				t.Fatalf("%s: %v allocations", sql, n)
			}
		}
	}
}

func BenchmarkClassify(b *testing.B) {
	long := "SELECT " + strings.Repeat("`users`.`email` AS t0_r1, ", 36) + "1 FROM `users` WHERE `users`.`id` = 1"
	for name, sql := range map[string]string{
		"point": "SELECT c FROM sbtest1 WHERE id=5012", "range": "SELECT c FROM sbtest1 WHERE id BETWEEN 5000 AND 5099 ORDER BY c",
		"kilobyte": long, "insert": "INSERT INTO sbtest1 (id, k, c, pad) VALUES (5012, 1, '" + strings.Repeat("x", 120) + "', 'b')",
		"megabyte": "INSERT INTO t VALUES ('" + strings.Repeat("x", 1<<20) + "')",
	} {
		text := []byte(sql)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Decide(Classify(text, 0), idle)
			}
		})
	}
}
