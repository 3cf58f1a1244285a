package route

import (
	"strings"
	"testing"

	"github.com/mmm-ha/mmm/router/lexer"
)

func TestRulesStandInTheOrderOfTheirIDs(t *testing.T) {
	for i, r := range Rules {
		if int(r.ID) != i+1 {
			t.Errorf("%s stands at %d", r.Name, i)
		}
		if c := Classify([]byte(r.Example), 0); c.Rule != r.ID {
			t.Errorf("%s: its example %q is judged by %s", r.Name, r.Example, c.Rule.Rule().Name)
		}
	}
}

// reads are statements that any server may answer.
var reads = []string{
	"SELECT 1", "select c from sbtest1 where id=42", "SELECT c FROM sbtest1 WHERE id BETWEEN 1 AND 100 ORDER BY c",
	"SELECT DISTINCT c FROM t WHERE id IN (1,2,3) GROUP BY c HAVING COUNT(*) > 1 LIMIT 10 OFFSET 5",
	"(SELECT a FROM t) UNION ALL (SELECT b FROM u) ORDER BY 1", "SELECT `app_user`.`id` FROM `app_user` WHERE (`app_user`.`name` = 'x' AND NOT (`a`.`b` IS NULL))",
	"WITH a AS (SELECT 1 AS x) SELECT * FROM a JOIN b USING (x)", "SELECT REPLACE(a,'b','c'), INSERT('a',1,1,'b') FROM t",
	"SELECT SUM(a) OVER (PARTITION BY b ORDER BY c ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t",
	"SELECT 'FOR UPDATE', \"INTO OUTFILE\", `lock` FROM t -- FOR UPDATE", "SELECT a FROM t USE INDEX FOR ORDER BY (x) WHERE MATCH (a) AGAINST ('b' IN BOOLEAN MODE)",
	"SELECT t.update, t.delete FROM t", "SELECT CAST(a AS CHAR(10)), CONVERT(b, DECIMAL(10,2)), DATE_ADD(NOW(), INTERVAL 1 DAY) FROM t", "SELECT COUNT(*) FROM (SELECT 1) x",
	"SELECT EXISTS(SELECT 1 FROM t)", "SHOW TABLES", "SHOW FULL COLUMNS FROM t", "SHOW CREATE TABLE t", "SHOW TABLE STATUS LIKE 'a'", "DESCRIBE t", "EXPLAIN SELECT 1",
	"VALUES (1),(2)", "TABLE t", "DO SLEEP(0)", "SELECT SUBSTRING(a FROM 1 FOR 2) FROM t", "SELECT * FROM t FOR SYSTEM_TIME AS OF '2020-01-01'", "/* app */ SELECT 1", "SELECT 1;", "SELECT 1 ; -- x",
	"SELECT COALESCE(MAX(a), 0) FROM t WHERE b LIKE CONCAT('%', 'x', '%') AND c > ALL (SELECT 1)", "SELECT IF(a > 1, 'x', 'y'), CASE WHEN (a) THEN (b) ELSE (c) END FROM t",
	"SELECT JSON_EXTRACT(a, '$.b'), a->>'$.c' FROM t", "START TRANSACTION READ ONLY", "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", "SELECT DATABASE()", "SELECT VERSION()", "SHOW INDEX FROM t", "CHECKSUM TABLE t", "HELP 'a'",
	"SELECT a.b.c FROM a.b", "select * from t where x = ? and y in (?, ?)", "SELECT GROUP_CONCAT(a ORDER BY b SEPARATOR ',') FROM t", "SELECT /*+ MAX_EXECUTION_TIME(1000) */ 1", "SELECT value FROM t WHERE next = 1",
}

// others must not go to a reader.
var others = []string{
	"SELECT * FROM t FOR UPDATE", "SELECT * FROM t\nFOR\tUPDATE;", "SELECT * FROM t FOR /* x */ UPDATE", "SELECT * FROM t FOR UPDATE -- x", "SELECT * FROM (SELECT * FROM t FOR UPDATE) x", "SELECT 1 FROM t FOR UPDATE OF t", "SELECT 1 FROM t FOR SHARE SKIP LOCKED",
	"SELECT * FROM t LOCK IN SHARE MODE", "SELECT f(1)", "SELECT a.f(1)", "SELECT `count`(1)", "SELECT a.count(1)", "SELECT GET_LOCK('a', 1)", "DO RELEASE_LOCK('a')", "SELECT a INTO OUTFILE '/tmp/x' FROM t", "SELECT a INTO @b FROM t", "SELECT @a := 1",
	"SELECT @a", "SELECT a FROM t WHERE b > @`c`", "SELECT NEXTVAL(s)", "SELECT NEXT VALUE FOR s", "SELECT PREVIOUS VALUE FOR s", "SELECT LAST_INSERT_ID()", "SELECT LAST_INSERT_ID() AS id FROM DUAL;", "SELECT @@identity", "SELECT FOUND_ROWS()", "SHOW WARNINGS", "SHOW COUNT(*) WARNINGS", "SELECT SQL_CALC_FOUND_ROWS a FROM t LIMIT 1",
	"SELECT @@read_only", "SELECT @@hostname", "WITH a AS (SELECT 1) UPDATE t SET x=1", "WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a", "EXPLAIN UPDATE t SET a=1", "EXPLAIN ANALYZE SELECT 1", "ANALYZE SELECT 1", "EXPLAIN FOR CONNECTION 5",
	"SELECT 1; DELETE FROM t", "SELECT 1; SELECT 2", "/*!50000 DELETE FROM t */", "SELECT 1 /*!50000 INTO OUTFILE 'x' */", "SELECT /*!99999 a */ 1", "SELECT /*M!100000 1 */ FROM t", "SELECT 'a", "", ";", "SELECT \x00", "FROB", "SHOW PROCESSLIST", "SHOW MASTER STATUS", "SHOW STATUS", "SHOW ENGINE INNODB STATUS", "SHOW VARIABLES LIKE 'read_only'",
	"INSERT INTO t VALUES (1)", "REPLACE INTO t VALUES (1)", "UPDATE t SET a=1", "DELETE FROM t", "TRUNCATE t", "CALL p()", "LOAD DATA LOCAL INFILE 'x' INTO TABLE t", "HANDLER t OPEN", "XA START 'x'", "PREPARE a FROM 'select 1'", "EXECUTE a", "LOCK TABLES t READ", "UNLOCK TABLES", "FLUSH TABLES WITH READ LOCK", "KILL 5", "SET @a=1", "SET sql_mode=''", "USE x", "BEGIN", "START TRANSACTION", "COMMIT", "ROLLBACK", "BEGIN NOT ATOMIC SELECT 1; END",
	"CREATE TEMPORARY TABLE t (a int)", "CREATE OR REPLACE TEMPORARY TABLE t (a int)", "SELECT a FROM t PROCEDURE ANALYSE()", "SELECT * FROM t WHERE id = (SELECT MAX(id) FROM t FOR UPDATE)", "SELECT LOAD_FILE('/etc/passwd')", "SELECT BENCHMARK(1, f())", "SELECT MASTER_GTID_WAIT('0-1-1')",
	"SET STATEMENT max_statement_time=1 FOR UPDATE t SET a=1", "SELECT SETVAL(s, 1)", "SHOW TABLES WHERE f()",
}

func TestReadsGoToReadersAndNothingElseDoes(t *testing.T) {

	for _, q := range reads {
		for _, v := range []string{q, strings.ToLower(q), "  /* a */ " + q, "-- x\n" + q} {
			if c := Classify([]byte(v), 0); Decide(c, idle).Target != Reader {
				t.Errorf("%q: %s, %+v", v, Decide(c, idle).Target, c.Rule.Rule().Name)
			}
		}
	}
	for _, q := range others {
		lower := strings.ReplaceAll(strings.ToLower(q), "/*m!", "/*M!") // the small letter is a comment's
		for _, v := range []string{q, lower, "/* a */" + q, " \n" + q + "\n"} {
			if c := Classify([]byte(v), 0); Decide(c, idle).Target == Reader {
				t.Errorf("%q goes to a reader by %s", v, c.Rule.Rule().Name)
			}
		}
	}
}

func TestPinsAndFlags(t *testing.T) {
	for _, c := range []struct {
		sql  string
		want Class
	}{
		{"SET @a=1", Class{Kind: Set, Rule: RuleSetOpaque, Pins: UserVariables}},
		{"SET sql_mode='', @a=1", Class{Kind: Set, Rule: RuleSetOpaque, Pins: UserVariables}},
		{"SET @@sort_buffer_size=1", Class{Kind: Set, Rule: RuleSetOpaque, Pins: OpaqueSettings}},
		{"SET @@session.sort_buffer_size=1", Class{Kind: Set, Rule: RuleSet}},
		{"SET SESSION timestamp=1", Class{Kind: Set, Rule: RuleSetOpaque, Pins: OpaqueSettings}},
		{"SET `timestamp`=1", Class{Kind: Set, Rule: RuleSetOpaque, Pins: OpaqueSettings}},
		{"SET GLOBAL a=1", Class{Kind: Write, Rule: RuleSetGlobal, Commits: true}},
		{"SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE", Class{Kind: Set, Rule: RuleSet}},
		{"SET TRANSACTION READ ONLY", Class{Kind: Ask, Rule: RuleSetTransaction, Next: true}},
		{"SET NAMES utf8mb4", Class{Kind: Set, Rule: RuleSet, Names: true}},
		{"SET a=(SELECT @b:=1)", Class{Kind: Set, Rule: RuleSet, Pins: UserVariables}},
		{"COMMIT AND CHAIN", Class{Kind: Commit, Rule: RuleEnd, Commits: true, Chain: true}},
		{"COMMIT AND NO CHAIN", Class{Kind: Commit, Rule: RuleEnd, Commits: true}},
		{"ROLLBACK TO SAVEPOINT a", Class{Kind: Ask, Rule: RuleSavepoint}},
		{"KILL QUERY 12", Class{Kind: Kill, Rule: RuleKill, KillQuery: true, KillID: 12}},
		{"KILL HARD CONNECTION 7", Class{Kind: Kill, Rule: RuleKill, KillID: 7}},
		{"KILL USER app", Class{Kind: Kill, Rule: RuleKill}},
		{"SELECT GET_LOCK('a',1)", Class{Kind: Write, Rule: RuleNamedLock, Pins: NamedLocks, Commits: true}},
		{"CALL p()", Class{Kind: Write, Rule: RuleCall, Commits: true, Opaque: true}},
		{"/* mmm:writer */ SELECT 1", Class{Kind: Read, Rule: RuleRead, Hint: ToWriter}},
		{"SELECT /*master*/ 1", Class{Kind: Read, Rule: RuleRead, Hint: ToWriter}},
		{"/* isRead=false */ SELECT 1", Class{Kind: Read, Rule: RuleRead, Hint: ToWriter}},
		{"SET STATEMENT max_statement_time=1 FOR SELECT 1", Class{Kind: Read, Rule: RuleRead, SetStatement: true}},
		{"INSERT INTO t SET a=(@b:=1)", Class{Kind: Write, Rule: RuleWrite, Commits: true, Pins: UserVariables}},
		{"SELECT 1; CREATE TEMPORARY TABLE t (a INT)", Class{Kind: Write, Rule: RuleMulti, Commits: true, Multi: true, Changes: true, Pins: TemporaryTables}},
	} {
		if got := Classify([]byte(c.sql), 0); got != c.want {
			t.Errorf("%s:\n got %+v\nwant %+v", c.sql, got, c.want)
		}
	}
}

func TestDecideInSessions(t *testing.T) {
	read, write := Classify([]byte("SELECT 1"), 0), Classify([]byte("DELETE FROM t"), 0)
	warnings := Classify([]byte("SHOW WARNINGS"), 0)
	confirmed := Classify([]byte("/* mmm:reader */ DELETE FROM t"), 0)
	for _, c := range []struct {
		class   Class
		session Session
		want    Target
	}{
		{read, Session{Autocommit: true}, Reader},
		{read, Session{Autocommit: false}, Writer},
		{read, Session{Autocommit: true, Transaction: OnWriter}, Writer},
		{write, Session{Autocommit: true, Transaction: OnReader}, Reader},
		{warnings, Session{Autocommit: true, Transaction: OnReader}, Reader},
		{warnings, Session{Autocommit: true}, SameAsLast},
		{read, Session{Autocommit: true, Pins: NamedLocks}, Writer},
		{read, Session{Autocommit: true, Strict: true}, Writer},
		{confirmed, Session{Autocommit: true}, Refused},
		{read, Session{Mode: WriterOnly, Autocommit: true}, Writer},
		{write, Session{Mode: ReaderOnly, Autocommit: true}, Refused},
		{read, Session{Mode: ReaderOnly, Autocommit: false}, Reader},
	} {
		if got := Decide(c.class, c.session); got.Target != c.want || got.Why == "" {
			t.Errorf("%s in %+v: %s (%s), want %s", c.class.Rule.Rule().Name, c.session, got.Target, got.Why, c.want)
		}
	}
}

func TestClassifyAllocatesNothing(t *testing.T) {
	for _, q := range append(append([]string{}, reads...), others...) {
		sql := []byte(q)
		if n := testing.AllocsPerRun(10, func() { Classify(sql, 0) }); n > 0 {
			t.Fatalf("%s: %v allocations", q, n)
		}
	}
}

func FuzzClassify(f *testing.F) {
	for _, q := range append(append([]string{}, reads...), others...) {
		f.Add(q, byte(0))
	}
	f.Fuzz(func(t *testing.T, q string, m byte) {
		c := Classify([]byte(q), lexer.Mode(m))
		if int(c.Rule) > len(Rules) || c.Rule == ruleNone {
			t.Fatalf("rule %d", c.Rule)
		}
	})
}

func BenchmarkPointSelect(b *testing.B) {
	sql := []byte("SELECT c FROM sbtest1 WHERE id=5012")
	for b.Loop() {
		Classify(sql, 0)
	}
}

// Who may write on a server that is read-only would do so there.
func TestNoneOfSeveralStatementsWritesThroughAReadersListener(t *testing.T) {
	for q, want := range map[string]Target{
		"SELECT 1; SELECT 2":                         Reader,
		"SELECT 1; SET @a=1; SELECT @a":              Reader,
		"SELECT 1; DELETE FROM t":                    Refused,
		"DELETE FROM t; SELECT 1; SELECT 2":          Refused,
		"SELECT 1; SELECT 2; SELECT f()":             Refused,
		"IF 1 THEN DELETE FROM t; END IF":            Refused,
		"SELECT 1; SELECT a FROM t FOR UPDATE":       Refused,
		"SELECT 1; SELECT a FROM t; SELECT SLEEP(0)": Reader,
	} {
		if got := Decide(Classify([]byte(q), 0), Session{Mode: ReaderOnly, Autocommit: true}).Target; got != want {
			t.Errorf("%s: %s, want %s", q, got, want)
		}
	}
}
