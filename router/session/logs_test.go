package session

import (
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// journal is what the general logs of servers say of clients' statements.
type journal struct {
	testing.TB
	servers map[string]*sql.DB
}

// newJournal switches the general logs on.
func newJournal(r *rig) *journal {
	j := &journal{r.TB, map[string]*sql.DB{}}
	for name, s := range r.servers {
		s.Exec("SET GLOBAL log_output='TABLE'", "SET GLOBAL general_log=1")
		db := root(r, s)
		db.SetMaxOpenConns(1)
		if _, err := db.Exec("SET sql_log_bin=0"); err != nil { // what is done here is not replicated
			r.Fatal(err)
		}
		j.servers[name] = db
	}
	return j
}

// written is a statement and how often it was run.
type written map[string]int

// take returns what each server was told to run since it was last called.
func (j *journal) take() map[string]written {
	j.Helper()
	all := map[string]written{}
	for name, db := range j.servers {
		all[name] = written{}
		rows, err := db.Query("SELECT CONVERT(LEFT(argument, 2000) USING utf8mb4), LENGTH(argument) FROM mysql.general_log WHERE command_type IN ('Query', 'Execute') AND (user_host LIKE '%[app]%' OR user_host LIKE '%[other]%')")
		if err != nil {
			j.Fatal(err)
		}
		for rows.Next() {
			var text string
			var size int
			if err := rows.Scan(&text, &size); err != nil {
				j.Fatal(err)
			}
			if size > 1000 {
				text = fmt.Sprintf("%.100s... %d bytes", text, size)
			}
			all[name][text]++
		}
		if err := rows.Err(); err != nil {
			j.Fatal(err)
		}
		_ = rows.Close()
		if _, err := db.Exec("TRUNCATE mysql.general_log"); err != nil {
			j.Fatal(err)
		}
	}
	return all
}

// ofTheRouter is what the router asks servers for itself, or says in other words
// than its client: whom to end.
var ofTheRouter = regexp.MustCompile(`^(SET SESSION session_track_system_variables='\*', session_track_schema=(1|IF\(@@global.init_connect=''.*\)),|SET SESSION ` + "`" +
	`|SET NAMES \w+ COLLATE \w+|SELECT MASTER_GTID_WAIT\(|SET last_insert_id=\d+$|SELECT @@collation_connection$|SELECT @@last_gtid$|SELECT CONCAT\('NAMES '|SELECT @@sql_mode$|SET SESSION sql_mode=(DEFAULT|'[A-Z_,]*')$|KILL )`)

// reading is how statements begin that a reader may be asked; a transaction that
// only reads ends there, too.
var reading = regexp.MustCompile(`(?is)^(/\*.*\*/ |# [^\n]*\n|SET STATEMENT [^(]* FOR )?((?:\(\s*)*SELECT|SHOW|VALUES|TABLE|WITH|DESC|DESCRIBE|EXPLAIN|CHECKSUM|HELP|DO|START TRANSACTION (WITH CONSISTENT SNAPSHOT, )?READ ONLY|COMMIT|ROLLBACK)\b`)

// locking is what no reader may be asked, outside of strings: to lock, to keep, or to
// draw something.
var locking = regexp.MustCompile(`(?is)^[^'"]*(\bFOR\s+(UPDATE|SHARE)\b|LOCK\s+IN\s+SHARE|\bINTO\s+@|:=|_LOCK\(|_LOCKS\(|\bNEXT\s+VALUE|\b(NEXTVAL|SETVAL|LAST_INSERT_ID)\()`)

// inReadOnly is what scripts do in a transaction that only reads: in vain, or with
// variables that stay there.
var inReadOnly = []string{"INSERT INTO t (a) VALUES ('no')", "INSERT INTO t (a) VALUES (6)", "CREATE TEMPORARY TABLE fails (a INT)", "SELECT MAX(a) INTO @v FROM t", "SELECT @w := COUNT(*) FROM t",
	"SET @u = 'set', @d = 1.50, @e = 1e3, @n = NULL, @h = X'41FF'", "SELECT @r := @r + 1, a FROM t, (SELECT @r := 0) AS first ORDER BY a"}

// retried is what a reader refuses, because it writes in a way that nobody sees:
// the one case in which a statement is sent to two servers.
var retried = []string{"SELECT * FROM v", "SELECT * FROM writing", "SELECT * FROM nexts"}

// once says what is wrong with where statements went, given where they went when
// there was only the writer. Empty: each went to one server, once, and what writes
// to the writer.
func once(direct, through map[string]written) string {
	var wrong []string
	sum := written{}
	for name, w := range through {
		for text, n := range w {
			if ofTheRouter.MatchString(text) && (name != "db1" || direct["db1"][text] == 0) {
				continue
			}
			if name != "db1" && (!reading.MatchString(text) || locking.MatchString(text)) && !slices.Contains(inReadOnly, text) {
				wrong = append(wrong, fmt.Sprintf("%s was told: %s", name, text))
			}
			if name != "db1" && slices.Contains(retried, text) {
				continue
			}
			sum[text] += n
		}
	}
	for text, n := range sum {
		if n != direct["db1"][text] {
			wrong = append(wrong, fmt.Sprintf("%d times instead of %d: %s", n, direct["db1"][text], text))
		}
	}
	for text, n := range direct["db1"] {
		if sum[text] == 0 && !ofTheRouter.MatchString(text) {
			wrong = append(wrong, fmt.Sprintf("never instead of %d times: %s", n, text))
		}
	}
	slices.Sort(wrong)
	return strings.Join(wrong, "\n")
}

// nothingWrittenOnReaders looks at the binary logs: all that the readers have is the
// writer's.
func nothingWrittenOnReaders(r *rig) {
	r.Helper()
	writer := fmt.Sprint(r.servers["db1"].ServerID)
	for name, s := range r.servers {
		for _, gtid := range strings.Split(s.Query("SELECT @@gtid_binlog_state"), ",") {
			if parts := strings.Split(gtid, "-"); gtid != "" && parts[1] != writer {
				r.Errorf("%s has written: %s", name, gtid)
			}
		}
	}
}

// TestEachStatementGoesToOneServerOnceAndWritesToTheWriter plays the scripts directly and through
// a router, and asks the servers what they were told to run.
func TestEachStatementGoesToOneServerOnceAndWritesToTheWriter(t *testing.T) {
	r := newRig(t, 1)
	r.mayScript()
	j := newJournal(r)
	writer := fmt.Sprintf("127.0.0.1:%d", r.servers["db1"].Port)
	onReader := 0
	for _, s := range scripts(t) {
		logs := map[string]map[string]written{}
		j.take()
		for _, address := range []string{writer, r.address} {
			if _, err := play(address, "s_log", capsOf["new"], s, nil); err != nil {
				t.Fatal(err)
			}
			r.left()
			logs[address] = j.take()
		}
		if wrong := once(logs[writer], logs[r.address]); wrong != "" {
			t.Errorf("%s:\n%s", s.name, wrong)
		}
		onReader += len(logs[r.address]["db2"])
	}
	if onReader < 100 {
		t.Errorf("only %d different statements went to the reader", onReader)
	}
	nothingWrittenOnReaders(r)
}

// mayScript gives the application the rights that scripts need.
func (r *rig) mayScript() {
	r.servers["db1"].Exec("GRANT ALL ON `s\\_%`.* TO app@'%'", "GRANT RELOAD ON *.* TO app@'%'", "CREATE USER other@'%' IDENTIFIED BY 'hidden'",
		"GRANT ALL ON `s\\_%`.* TO other@'%'")
	for _, s := range r.servers {
		s.Exec("SET GLOBAL max_allowed_packet=64<<20", "SET GLOBAL local_infile=1", "SET GLOBAL log_bin_trust_function_creators=1")
	}
}

// left waits until no client is there any more.
func (r *rig) left() {
	r.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		r.mu.Lock()
		n := len(r.sessions)
		r.mu.Unlock()
		if n == 0 {
			return
		}
		if time.Now().After(end) {
			r.Fatalf("%d sessions are left", n)
		}
	}
}
