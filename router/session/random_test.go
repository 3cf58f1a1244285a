package session

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/mmm-ha/mmm/router/wire"
)

var (
	seedFlag     = flag.Uint64("seed", 1, "of the first random session")
	sessionsFlag = flag.Int("sessions", 25, "how many random sessions are played")
)

// author writes random sessions.
type author struct {
	*rand.Rand
	lines    []line
	prepared []string // names, with how many parameters: "p1/2"
}

// randomSession is the session of a seed: always the same one.
func randomSession(seed uint64) script {
	a := &author{Rand: rand.New(rand.NewPCG(seed, 42))}
	a.say("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, a INT, b VARCHAR(20)) ENGINE=InnoDB")
	a.say("CREATE TABLE u (id INT PRIMARY KEY, c VARCHAR(20)) ENGINE=InnoDB")
	a.say("CREATE FUNCTION writes(x INT) RETURNS INT BEGIN INSERT INTO t (a) VALUES (x); RETURN x; END")
	a.say("CREATE FUNCTION plain(x INT) RETURNS INT DETERMINISTIC RETURN x + 1")
	a.say("CREATE PROCEDURE sets() BEGIN SET @p = 7; SELECT COUNT(*) FROM t; CREATE TEMPORARY TABLE IF NOT EXISTS made (id INT); END")
	a.say("INSERT INTO t (a, b) VALUES (1, 'one'), (2, 'two'), (3, 'three')")
	for range 8 + a.IntN(30) {
		a.statement()
	}
	return script{name: fmt.Sprint("seed ", seed), lines: a.lines}
}

func (a *author) say(format string, args ...any) {
	a.lines = append(a.lines, line{text: fmt.Sprintf(format, args...)})
}

func (a *author) one(of ...string) string { return of[a.IntN(len(of))] }

// statement adds a statement or two.
func (a *author) statement() {
	switch n := a.IntN(100); {
	case n < 28:
		a.say("%s", a.dressed(a.read()))
		a.afterwards()
	case n < 46:
		a.say("%s", a.dressed(a.write()))
		a.afterwards()
	case n < 60:
		a.say("%s", a.dressed(a.transaction()))
	case n < 76:
		a.say("%s", a.dressed(a.setting()))
	case n < 90:
		a.prepares()
	default:
		if text := a.rare(); text == ":reset_connection" || text[:2] == ":u" {
			a.prepared = nil
			a.say("%s", text)
			a.say("USE $db")
		} else {
			a.say("%s", text)
		}
	}
}

// afterwards asks for what the statement before left behind.
func (a *author) afterwards() {
	// A statement without tables leaves the warnings of the one before, which another server has.
	text := a.lines[len(a.lines)-1].text
	if a.IntN(4) == 0 && (strings.Contains(text, "FROM") || strings.Contains(text, "INTO") || strings.Contains(text, "UPDATE")) {
		a.say("%s", a.dressed(a.one("SHOW WARNINGS", "SELECT LAST_INSERT_ID()", "SELECT ROW_COUNT()", "SELECT @@warning_count", "SHOW COUNT(*) WARNINGS", "SHOW ERRORS", "SELECT LAST_INSERT_ID() AS id, @v")))
	}
}

func (a *author) table() string { return a.one("t", "t", "u", "made", "x", "`t`", "nothing") }

func (a *author) read() string {
	switch a.IntN(16) {
	case 0:
		return "SELECT SQL_CALC_FOUND_ROWS id FROM t ORDER BY id LIMIT 1"
	case 1:
		return "SELECT @v, @w, @p"
	case 2:
		return "SELECT " + a.one("@@sql_mode", "@@autocommit", "@@tx_isolation", "@@group_concat_max_len", "@@collation_connection", "@@SESSION.sql_select_limit")
	case 3:
		return "SELECT " + a.one("writes", "plain", "PLAIN", "$db.writes") + "(" + fmt.Sprint(a.IntN(9)) + ")"
	case 4:
		return "SELECT id FROM t WHERE id = 1 " + a.one("FOR UPDATE", "LOCK IN SHARE MODE", "\\nFOR\\tUPDATE", "for update of t")
	case 5:
		return "SELECT @v := COALESCE(@v, 0) + 1"
	case 6:
		return "SELECT MAX(id) INTO @w FROM t"
	case 7:
		return "SELECT GROUP_CONCAT(b ORDER BY id), COLLATION('x'), 1/3 FROM t"
	case 8:
		return a.one("SHOW TABLES", "SHOW COLUMNS FROM "+a.table(), "EXPLAIN SELECT 1", "SHOW CREATE TABLE t", "SELECT DATABASE()", "SHOW VARIABLES LIKE 'sql_mode'", "SHOW SESSION VARIABLES LIKE 'autocommit'")
	case 9:
		return "WITH c AS (SELECT * FROM t) SELECT COUNT(*) FROM c"
	case 10:
		return a.one(`SELECT "a"`, `SELECT 'a\'`, `SELECT '\\', "b" FROM t LIMIT 1`, `SELECT 'it''s', 'FOR UPDATE'`, `SELECT COUNT (*) FROM t`, `SELECT CAST('x' AS SIGNED), 1/0`)
	case 11:
		return "SELECT " + a.one("1 +", "nothing FROM t", "1 FROM nowhere", "'open", "1 /*!99999 + 1 */", "1 /*! + 1 */")
	default:
		return "SELECT * FROM " + a.table() + a.one("", " ORDER BY id", " ORDER BY id DESC LIMIT 1", " WHERE id > 1 ORDER BY id")
	}
}

func (a *author) write() string {
	n := a.IntN(50)
	switch a.IntN(10) {
	case 0:
		return fmt.Sprintf("UPDATE t SET a = a + 1, b = '%d' WHERE id < %d", n, n)
	case 1:
		return fmt.Sprintf("DELETE FROM t WHERE id = %d", n)
	case 2:
		return fmt.Sprintf("REPLACE INTO u VALUES (%d, 'r')", n)
	case 3:
		return fmt.Sprintf("INSERT INTO t (a) VALUES (%d) RETURNING id, a", n)
	case 4:
		return fmt.Sprintf("INSERT IGNORE INTO u VALUES (%d, 'a text that is longer than twenty')", n)
	case 5:
		return fmt.Sprintf("INSERT INTO %s VALUES (%d)", a.one("made", "x"), n)
	case 6:
		return a.one("INSERT INTO t (a) SELECT a FROM t WHERE id < 3", "INSERT INTO t (a, b) VALUES (@v, LAST_INSERT_ID())", "INSERT INTO u (id) VALUES (@w := 1)")
	default:
		return fmt.Sprintf("INSERT INTO t (a, b) VALUES (%d, 'b%d')", n, n)
	}
}

func (a *author) transaction() string {
	return a.one("BEGIN", "BEGIN", "START TRANSACTION", "START TRANSACTION READ ONLY", "START TRANSACTION READ WRITE", "COMMIT", "COMMIT", "COMMIT", "ROLLBACK", "ROLLBACK",
		"SAVEPOINT s", "ROLLBACK TO s", "RELEASE SAVEPOINT s", "COMMIT AND CHAIN", "ROLLBACK AND CHAIN", "SET autocommit=0", "SET autocommit=1", "SET @@autocommit=1",
		"START TRANSACTION WITH CONSISTENT SNAPSHOT", "COMMIT AND NO CHAIN")
}

func (a *author) setting() string {
	return a.one("SET @v=1", "SET @v=@v+1, @w='text'", "SET sql_mode=''", "SET sql_mode='ANSI_QUOTES'", "SET SESSION sql_mode='NO_BACKSLASH_ESCAPES'", "SET sql_mode=DEFAULT",
		"SET @@sql_mode='ANSI'", "SET @@session.sql_mode='IGNORE_SPACE'", "SET NAMES latin1", "SET NAMES utf8mb4", "SET NAMES utf8mb4 COLLATE utf8mb4_bin", "SET CHARACTER SET latin1",
		"SET collation_connection=utf8mb4_bin", "SET character_set_results=NULL", "SET group_concat_max_len=4", "SET group_concat_max_len=DEFAULT, sql_select_limit=2",
		"SET sql_select_limit=DEFAULT", "SET div_precision_increment=7", "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET tx_isolation='READ-COMMITTED'",
		"SET TRANSACTION READ ONLY", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET STATEMENT group_concat_max_len=2 FOR SELECT GROUP_CONCAT(b) FROM t",
		"SET time_zone='+03:00'", "SET nonsense=1", "SET sql_mode='ANSI_QUOTES', nonsense=1", "USE $db", "USE nowhere", "USE information_schema", "USE $db", "SET insert_id=500", "SET last_insert_id=9")
}

// prepares prepares, executes or closes a statement.
func (a *author) prepares() {
	if len(a.prepared) == 0 || a.IntN(3) == 0 {
		name := fmt.Sprint("p", len(a.lines))
		text, n := a.read(), 0
		switch a.IntN(5) {
		case 0:
			text, n = "SELECT * FROM t WHERE id > ? ORDER BY id", 1
		case 1:
			text, n = "INSERT INTO t (a, b) VALUES (?, ?)", 2
		case 2:
			text, n = "UPDATE t SET b = ? WHERE id = ?", 2
		case 3:
			text = a.one("BEGIN", "COMMIT", "SHOW TABLES", "SET @v=5", "CALL sets()")
		}
		a.say(":prepare %s %s", name, strings.NewReplacer(`\n`, " ", `\t`, " ").Replace(text))
		a.prepared = append(a.prepared, fmt.Sprint(name, "/", n))
	}
	p := a.prepared[a.IntN(len(a.prepared))]
	name, n, _ := strings.Cut(p, "/")
	args := map[string]string{"0": "", "1": " 1", "2": a.one(" 5 6", " 1 NULL", " NULL 2")}[n]
	switch {
	case a.IntN(12) == 0:
		a.say(":close %s", name)
		a.prepared = slices.DeleteFunc(a.prepared, func(o string) bool { return o == p })
	case n != "0" && a.IntN(8) == 0:
		a.say(":long %s 0 7", name)
		a.say(":execute %s%s", name, strings.Replace(args, args[1:], "-"+strings.Repeat(" 1", strings.Count(args, " ")-1), 1))
	case a.IntN(8) == 0:
		a.say(":reset %s", name)
	case strings.HasPrefix(n, "1") && a.IntN(3) == 0:
		a.say(":cursor %s%s", name, args)
		a.say(":fetch %s 1", name)
	default:
		a.say(":execute %s%s", name, args)
	}
}

// rare is what sessions seldom do.
func (a *author) rare() string {
	return a.one("CALL sets()", "CREATE TEMPORARY TABLE x (id INT)", "DROP TEMPORARY TABLE IF EXISTS x", ":reset_connection", ":init_db $db", ":init_db nowhere", ":ping",
		"SELECT GET_LOCK('$db', 1)", "SELECT RELEASE_ALL_LOCKS()", "LOCK TABLES t WRITE", "UNLOCK TABLES", "HANDLER t OPEN", "HANDLER t READ FIRST", "HANDLER t CLOSE",
		"SELECT 1; SELECT 2", "INSERT INTO t (a) VALUES (70); SELECT COUNT(*) FROM t", "SET @v=3; BEGIN", "XA START 'x'", "XA END 'x'", "XA ROLLBACK 'x'",
		"ALTER TABLE u ADD COLUMN IF NOT EXISTS d INT", "TRUNCATE u", "PREPARE s FROM 'SELECT COUNT(*) FROM t'", "EXECUTE s", "DEALLOCATE PREPARE s",
		"EXECUTE IMMEDIATE 'SET @w=5'", "DO 1", "FLUSH TABLES t", "ANALYZE TABLE u", ":field_list t", ":user app secret $db", ":statistics", "CREATE OR REPLACE VIEW v AS SELECT writes(1) AS x", "SELECT x FROM v")
}

// dressed writes a statement as people and programs do.
func (a *author) dressed(q string) string {
	switch a.IntN(12) {
	case 0:
		return "/* from an application */ " + q
	case 1:
		return strings.ToLower(q[:4]) + q[4:]
	case 2:
		return q + ";"
	case 3:
		return q + " -- the end"
	case 4:
		return "\\n  " + q
	}
	return q
}

// TestRandomSessionsSeeWhatTheyWouldSeeDirectly plays random sessions directly and
// through a router. A session that is answered otherwise is made as short as it can
// be, and printed with its seed. Run more of them with -args -seed and -sessions.
func TestRandomSessionsSeeWhatTheyWouldSeeDirectly(t *testing.T) {
	r := newRig(t, 1)
	r.mayScript()
	session := sessionVariables(r)
	writer := fmt.Sprintf("127.0.0.1:%d", r.servers["db1"].Port)
	for seed := *seedFlag; seed < *seedFlag+uint64(*sessionsFlag); seed++ {
		caps := []wire.Capability{capsOf["new"], capsOf["old"], capsOf["track"]}[seed%3]
		wrong := func(s script) string {
			direct, err := play(writer, "s_random", caps, s, session)
			if err != nil {
				t.Fatal(err)
			}
			through, err := play(r.address, "s_random", caps, s, session)
			if err != nil {
				t.Fatal(err)
			}
			return differ(direct, through)
		}
		s := randomSession(seed)
		if where := wrong(s); where != "" {
			s, where = shortest(s, where, wrong)
			t.Errorf("seed %d: %s\nall of it:\n%s", seed, where, s)
		}
	}
	nothingWrittenOnReaders(r)
}

// shortest leaves lines out as long as something is still wrong.
func shortest(s script, where string, wrong func(script) string) (script, string) {
	for size := len(s.lines) / 2; size > 0; size /= 2 {
		for i := 0; i+size <= len(s.lines); {
			less := script{name: s.name, lines: slices.Delete(slices.Clone(s.lines), i, i+size)}
			if w := wrong(less); w != "" {
				s, where = less, w
			} else {
				i += size
			}
		}
	}
	return s, where
}

// String is the text of a script.
func (s script) String() string {
	var b strings.Builder
	for _, l := range s.lines {
		fmt.Fprintln(&b, l.text)
	}
	return b.String()
}
