package route

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	driver "github.com/go-sql-driver/mysql"
	"github.com/mmm-ha/mmm/internal/dbops/dbopstest"
	"github.com/mmm-ha/mmm/router/lexer"
)

// reader is a real server that is read-only, a client without privileges, and
// somebody who watches.
type reader struct {
	*testing.T
	server *dbopstest.Server
	client *sql.Conn
	ctx    context.Context
	tables string
	ran    int
	failed int
}

func newReader(t *testing.T) *reader {
	t.Helper()
	r := &reader{T: t, server: dbopstest.Start(t), ctx: t.Context()}
	r.server.Exec("CREATE DATABASE app", "CREATE USER app@'127.0.0.1' IDENTIFIED BY 'app'", "GRANT ALL ON app.* TO app@'127.0.0.1'")
	schema, err := os.ReadFile("testdata/schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	r.server.Exec(append([]string{"USE app"}, strings.Split(strings.TrimSpace(string(schema)), "\n")...)...)
	r.server.Exec("SET GLOBAL read_only=1")
	r.tables = r.server.Query("SELECT GROUP_CONCAT('app.`', table_name, '`') FROM information_schema.tables WHERE table_schema='app' AND table_type='BASE TABLE'")
	db, err := sql.Open("mysql", fmt.Sprintf("app:app@tcp(127.0.0.1:%d)/app", r.server.Port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if r.client, err = db.Conn(r.ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.client.Close() })
	if err := r.query("SELECT LAST_INSERT_ID(77)"); err != nil {
		t.Fatal(err)
	}
	return r
}

// query runs a statement of the client and reads its whole answer.
func (r *reader) query(text string) error {
	rows, err := r.client.QueryContext(r.ctx, text)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
	}
	return rows.Err()
}

// state is everything that a read must leave as it is: data, binlog, locks, and
// what the session has. It is asked in the client's transaction, so that row locks
// are still there.
func (r *reader) state() string {
	r.Helper()
	var session string
	if err := r.client.QueryRowContext(r.ctx, "SELECT CONCAT_WS(',', @@last_insert_id, @@insert_id, @@sql_mode, @@autocommit, @@in_transaction, IFNULL(@x, '-'), IFNULL(@a, '-'), IFNULL(@left_behind, '-'))").Scan(&session); err != nil {
		r.Fatal(err)
	}
	return strings.Join([]string{session,
		r.server.Query("SELECT @@gtid_binlog_pos"),
		"row locks: " + r.rowLocks(),
		"named locks: " + r.server.Query("SELECT CONCAT_WS(',', IS_USED_LOCK('a'), IS_USED_LOCK('x'), IS_USED_LOCK('left behind'), IS_USED_LOCK('4082567838'), IS_USED_LOCK('magento.cron'), IS_USED_LOCK('prisma_migrate'))"),
	}, "\n")
}

// rowLocks tells whether somebody else could lock all rows that there are.
// INNODB_TRX would say it too, a tenth of a second late.
func (r *reader) rowLocks() string {
	rows, err := r.server.Root().Query("SELECT COUNT(*) FROM app.t, app.users, app.posts, app.sbtest1, app.auth_user, app.lineitem, app.u FOR UPDATE NOWAIT")
	if err == nil {
		for rows.Next() {
		}
		err = errors.Join(rows.Err(), rows.Close())
	}
	var said *driver.MySQLError
	if errors.As(err, &said) && said.Number == 1205 {
		return "taken"
	} else if err != nil {
		r.Fatal(err)
	}
	return "none"
}

// data is what the tables hold.
func (r *reader) data() string {
	var out strings.Builder
	rows, err := r.server.Root().Query("CHECKSUM TABLE " + r.tables)
	if err != nil {
		r.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var table string
		var sum sql.NullString
		if err := rows.Scan(&table, &sum); err != nil {
			r.Fatal(err)
		}
		fmt.Fprintln(&out, table, sum.String)
	}
	return out.String() + r.server.Query("SELECT next_not_cached_value FROM app.user_seq") + r.server.Query("SELECT next_not_cached_value FROM app.s")
}

// reads runs what Classify calls a read, in a transaction, and sees that it leaves
// everything as it was. It reports whether it was one.
func (r *reader) reads(text string) {
	r.Helper()
	if c := Classify([]byte(text), 0); c.Kind != Read {
		return
	}
	text = filled(text)
	if err := r.query("BEGIN"); err != nil {
		r.Fatal(err)
	}
	before := r.state()
	err := r.query(text)
	var said *driver.MySQLError
	if errors.As(err, &said) {
		if said.Number == 1290 || said.Number == 1792 || said.Number == 1836 {
			r.Errorf("%q: a reader refuses it: %v", text, err)
		}
		r.failed++
	} else if err != nil {
		r.Fatalf("%q: %v", text, err)
	}
	r.ran++
	if after := r.state(); after != before {
		r.Errorf("%q left something behind:\n%s\nbefore it was\n%s", text, after, before)
	}
	if err := r.query("ROLLBACK"); err != nil {
		r.Fatal(err)
	}
}

// filled is a statement with values for its question marks.
func filled(text string) string {
	var s lexer.Scanner
	s.Reset([]byte(text), 0)
	out := []byte(text)
	for tok := s.Next(); tok.Kind > lexer.Bad; tok = s.Next() {
		if tok.Is('?') {
			out[tok.At] = '1'
		}
	}
	return string(out)
}

// TestNoReadChangesAnythingOnARealServer is the proof of the table: whatever is
// called a read, in whatever form, changes nothing on a server that is read-only,
// takes no lock, leaves nothing in the session, and is not refused.
func TestNoReadChangesAnythingOnARealServer(t *testing.T) {
	r := newReader(t)
	before := r.data()
	for _, e := range corpus(t) {
		r.reads(e.sql)
	}
	plain, broken := r.ran, r.failed
	for _, c := range wrong {
		r.reads(c.sql)
	}
	for i, e := range corpus(t) {
		all := forms(e.sql)
		names := make([]string, 0, len(all))
		for name := range all {
			names = append(names, name)
		}
		slices.Sort(names)
		r.reads(all[names[i%len(names)]])
	}
	for seed := range uint64(600) {
		text, _ := story(rand.New(rand.NewPCG(seed, 7)))
		r.reads(text)
	}
	for _, bad := range poisons {
		for _, wrap := range []string{"SELECT %s", "(SELECT %s)", "SELECT 1 UNION SELECT %s", "WITH c AS (SELECT %s AS a) SELECT * FROM c", "SELECT /*! STRAIGHT_JOIN */ %s", "SELECT (SELECT %s)", "DO %s", "SELECT 1 FROM t WHERE a = %s", "EXPLAIN SELECT %s", "VALUES (%s)"} {
			r.reads(fmt.Sprintf(wrap, bad))
		}
	}
	if after := r.data(); after != before {
		t.Errorf("data changed:\n%s\nbefore:\n%s", after, before)
	}
	t.Logf("%d reads, %d of them with an error; of the corpus as it is %d, %d of them with an error", r.ran, r.failed, plain, broken)
	if broken > plain/20 || r.failed > r.ran/3 {
		t.Error("too many errors for a proof")
	}
}

// TestTheWatcherSeesWhatReadsMustNotDo runs what is no read past Classify: a proof
// that finds nothing must be able to.
func TestTheWatcherSeesWhatReadsMustNotDo(t *testing.T) {
	r := newReader(t)
	for _, text := range []string{"SELECT GET_LOCK('a', 0)", "SELECT @x := 5", "SELECT LAST_INSERT_ID(5)", "SELECT * FROM t LOCK IN SHARE MODE",
		"SELECT * FROM t WHERE a=1.LOCK IN SHARE MODE", "SELECT * FROM t WHERE a=1e5LOCK IN SHARE MODE", "SELECT a INTO @a FROM t LIMIT 1", "SET sql_mode=''"} {
		if err := r.query("BEGIN"); err != nil {
			t.Fatal(err)
		}
		before := r.state()
		if err := r.query(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if r.state() == before {
			t.Errorf("%q is not seen", text)
		}
		if err := r.query("ROLLBACK"); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range []string{"SELECT f(1)", "SELECT * FROM t FOR UPDATE", "SELECT NEXTVAL(s)", "INSERT INTO t VALUES ()"} {
		if err := r.query(text); err == nil {
			t.Errorf("%q is not refused", text)
		}
	}
}

// TestTheListOfFunctionsIsTrue asks the server which of the functions it has.
func TestTheListOfFunctionsIsTrue(t *testing.T) {
	r := newReader(t)
	for name, f := range functions {
		if f.where&mariadb == 0 || f.effect != pure || name == "JSON_TABLE" { // which stands for a table
			continue
		}
		var said *driver.MySQLError
		for _, arguments := range []string{"()", "(1)", "(1,2)"} {
			if err := r.query("SELECT " + name + arguments); !errors.As(err, &said) || said.Number != 1305 && said.Number != 1630 {
				said = nil
				break
			}
		}
		if said != nil {
			t.Errorf("%s is not the server's: %v", name, said)
		}
	}
}
