package session

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/mmm-ha/mmm/router/follow"
)

func code(err error) uint16 {
	var e *mysql.MySQLError
	if errors.As(err, &e) {
		return e.Number
	}
	return 0
}

func TestPreparedStatementsWorkOnBothSides(t *testing.T) {
	r := newRig(t, 1)
	db := r.client("")
	read, err := db.Prepare("SELECT a, @@server_id IS NULL FROM t WHERE id=?")
	if err == nil {
		_ = read.Close()
	}
	read, err = db.Prepare("SELECT a FROM t WHERE id=?")
	if err != nil {
		t.Fatal(err)
	}
	write, err := db.Prepare("INSERT INTO t (a) VALUES (?)")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		result, err := write.Exec(fmt.Sprint("v", i))
		if err != nil {
			t.Fatal(err)
		}
		id, _ := result.LastInsertId()
		var a string
		if err := read.QueryRow(id).Scan(&a); err != nil || a != fmt.Sprint("v", i) {
			t.Fatalf("row %d: %q, %v", id, a, err)
		}
	}
	if n := r.count("db2", "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME='COM_STMT_EXECUTE'"); n < 30 {
		t.Errorf("the reader executed %d", n)
	}
	if err := read.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := write.Exec(strings.Repeat("x", 100)); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Prepare("SELECT FROM"); code(err) != 1064 {
		t.Errorf("a wrong text: %v", err)
	}
}

// count runs a statement at a server itself.
func (r *rig) count(host, q string) int {
	r.Helper()
	var n int
	if err := root(r.TB, r.servers[host]).QueryRow(q).Scan(&n); err != nil {
		r.Fatal(err)
	}
	return n
}

func TestSettingsFollowTheSession(t *testing.T) {
	r := newRig(t, 1)
	db := r.client("")
	const mode = "SELECT VARIABLE_VALUE FROM information_schema.SESSION_VARIABLES WHERE VARIABLE_NAME="
	r.text(db, which) // a reader is there already
	r.exec(db, "SET sql_mode='ANSI_QUOTES', time_zone='+03:00', max_statement_time=7.5, @@session.sort_buffer_size=400000")
	for name, want := range map[string]string{"sql_mode": "ANSI_QUOTES", "time_zone": "+03:00", "max_statement_time": "7.500000", "sort_buffer_size": "400000"} {
		if got := r.text(db, mode+"'"+name+"'"); got != want {
			t.Errorf("%s is %q at the reader, want %q", name, got, want)
		}
	}
	r.exec(db, "CREATE DATABASE IF NOT EXISTS app")
	r.exec(db, "USE information_schema")
	if got := r.text(db, "SELECT DATABASE()"); got != "information_schema" {
		t.Errorf("schema %q", got)
	}
	r.exec(db, "SET @@sort_buffer_size=500000")
	if got, want := r.text(db, which), fmt.Sprint(r.servers["db1"].ServerID); got != want {
		t.Errorf("after a setting that is not reported, %s answers", got)
	}
}

func TestWhatASessionHasPinsIt(t *testing.T) {
	r := newRig(t, 1)
	for _, q := range []string{"SET @a=1", "CREATE TEMPORARY TABLE x (a INT)", "SELECT GET_LOCK('a', 1)", "PREPARE s FROM 'SELECT 1'"} {
		db := r.client("")
		r.exec(db, q)
		if got, want := r.text(db, which), fmt.Sprint(r.servers["db1"].ServerID); got != want {
			t.Errorf("after %s a read goes to %s", q, got)
		}
	}
}

func TestLastInsertIDFoundRowsAndWarnings(t *testing.T) {
	r := newRig(t, 1)
	db := r.client("")
	r.exec(db, "INSERT INTO t (a) VALUES ('x')")
	r.text(db, which) // something else in between, at the reader
	if got := r.text(db, "SELECT LAST_INSERT_ID()"); got == "0" {
		t.Error("LAST_INSERT_ID() is forgotten after a read")
	}
	r.exec(db, "SELECT SQL_CALC_FOUND_ROWS a FROM t LIMIT 1")
	if got := r.text(db, "SELECT FOUND_ROWS()"); got == "1" || got == "0" {
		t.Errorf("FOUND_ROWS %s", got)
	}
	r.exec(db, "SELECT CAST('x' AS SIGNED)")
	var level, message string
	var number int
	if err := db.QueryRow("SHOW WARNINGS").Scan(&level, &number, &message); err != nil || number != 1292 {
		t.Errorf("SHOW WARNINGS: %d, %v", number, err)
	}
}

func TestAReadThatWritesGoesToTheWriterOnce(t *testing.T) {
	r := newRig(t, 1)
	r.servers["db1"].Exec("CREATE FUNCTION app.SHA3() RETURNS INT DETERMINISTIC BEGIN INSERT INTO app.t (a) VALUES ('f'); RETURN 1; END")
	db := r.client("")
	if got := r.text(db, "SELECT app.SHA3()"); got != "1" {
		t.Errorf("%s", got)
	}
	if n := r.count("db1", "SELECT COUNT(*) FROM app.t WHERE a='f'"); n != 1 {
		t.Errorf("written %d times", n)
	}
}

func TestLocalFileAndLongResults(t *testing.T) {
	r := newRig(t, 1)
	r.servers["db1"].Exec("SET GLOBAL local_infile=1")
	db := r.client("maxAllowedPacket=67108864")
	mysql.RegisterReaderHandler("rows", func() io.Reader { return strings.NewReader(strings.Repeat("a line of a file\n", 50_000)) })
	r.exec(db, "LOAD DATA LOCAL INFILE 'Reader::rows' INTO TABLE t (a)")
	if got := r.text(db, "SELECT COUNT(*) FROM t"); got != "50002" {
		t.Errorf("%s rows", got)
	}
	rows, err := db.Query("SELECT id, a FROM t")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for rows.Next() {
		n++
	}
	if rows.Err() != nil || n != 50002 {
		t.Errorf("%d rows, %v", n, rows.Err())
	}
	for _, size := range []int{1<<24 - 30, 1<<24 - 1, 1 << 24, 20 << 20} {
		if got := r.text(db, "SELECT LENGTH(?)", strings.Repeat("x", 100)); got != "100" {
			t.Error(got)
		}
		if got := len(r.text(db, fmt.Sprintf("SELECT REPEAT('x', %d)", size))); got != size && size < 16<<20 {
			t.Errorf("%d bytes came of %d", got, size)
		}
	}
	r.servers["db1"].Exec("SET GLOBAL max_allowed_packet=67108864")
	big := r.client("maxAllowedPacket=67108864")
	r.exec(big, "CREATE TABLE b (a LONGTEXT)")
	r.exec(big, "INSERT INTO b VALUES ('"+strings.Repeat("y", 20<<20)+"')")
	if got := r.count("db1", "SELECT LENGTH(a) FROM app.b"); got != 20<<20 {
		t.Errorf("%d bytes arrived", got)
	}
}

func TestWrongPasswordIsTheServersOwnError(t *testing.T) {
	r := newRig(t, 0)
	for _, user := range []string{"app:wrong", "nobody:secret"} {
		db, err := sql.Open("mysql", user+"@tcp("+r.address+")/app")
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Ping(); code(err) != 1045 || !strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%s: %v", user, err)
		}
		_ = db.Close()
	}
	db, err := sql.Open("mysql", "app:secret@tcp("+r.address+")/nothing")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := db.Ping(); code(err) != 1044 && code(err) != 1049 {
		t.Errorf("an unknown schema: %v", err)
	}
}

func TestKillByTheRoutersNumber(t *testing.T) {
	r := newRig(t, 1)
	victim, killer := r.client(""), r.client("")
	slow := make(chan error, 1)
	go func() {
		_, err := victim.Exec("SELECT SLEEP(20) FROM t")
		slow <- err
	}()
	var id uint32
	r.until("a session runs a statement", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		for i, s := range r.sessions {
			if st := s.State(); st.Phase.String() == "running" && st.Reader != "" {
				id = i
			}
		}
		return id != 0
	})
	time.Sleep(50 * time.Millisecond)
	r.exec(killer, fmt.Sprintf("KILL QUERY %d", id))
	select {
	case err := <-slow:
		if err != nil && code(err) != 1317 {
			t.Errorf("the statement ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the statement was not killed")
	}
	r.exec(killer, fmt.Sprintf("KILL %d", id))
	r.until("the session is gone", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.sessions[id] == nil
	})
}

func (r *rig) until(what string, good func() bool) {
	r.Helper()
	for end := time.Now().Add(15 * time.Second); !good(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			r.Fatalf("never: %s", what)
		}
	}
}

func TestReadOnlyTransactionStaysOnOneReader(t *testing.T) {
	r := newRig(t, 2)
	db := r.client("")
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	tx, err := conn.BeginTx(context.Background(), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for range 10 {
		var id string
		if err := tx.QueryRow(which).Scan(&id); err != nil {
			t.Fatal(err)
		}
		seen[id] = true
	}
	if len(seen) != 1 || seen[fmt.Sprint(r.servers["db1"].ServerID)] {
		t.Errorf("answered by %v", seen)
	}
	if _, err := tx.Exec("DELETE FROM t"); code(err) != 1792 && code(err) != 1290 {
		t.Errorf("a write in it: %v", err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(context.Background(), "DELETE FROM t"); err != nil {
		t.Fatal(err)
	}
}

func (r *rig) view() follow.View {
	v := *r.world.View()
	return v
}

func TestWhatAClientLeavesIsUsedByTheNextAndShowsNothingOfIt(t *testing.T) {
	r := newRig(t, 0)
	r.servers["db1"].Exec("CREATE USER other@'%' IDENTIFIED BY 'secret'")
	before := r.count("db1", "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME='CONNECTIONS'")
	for i := range 20 {
		db := r.client("")
		for q, want := range map[string]string{
			"SELECT @a": "", "SELECT @@session.sort_buffer_size": "2097152", "SELECT IS_FREE_LOCK('l')": "1", "SELECT DATABASE()": "app", "SELECT LAST_INSERT_ID()": "0",
		} {
			if got := r.text(db, q); got != want {
				t.Errorf("client %d: %s gives %q", i, q, got)
			}
		}
		if _, err := db.Exec("INSERT INTO left_over VALUES (1)"); code(err) != 1146 {
			t.Errorf("a temporary table of another client: %v", err)
		}
		r.exec(db, "SET @a='secret'")
		r.exec(db, "SET @@session.sort_buffer_size=300000")
		r.exec(db, "SELECT GET_LOCK('l', 1)")
		r.exec(db, "CREATE TEMPORARY TABLE left_over (a INT)")
		r.exec(db, "INSERT INTO t (a) VALUES ('x')")
		r.exec(db, "USE information_schema")
		r.exec(db, "BEGIN")
		r.exec(db, "DELETE FROM app.t")
		_ = db.Close()
		r.until("the session is gone", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.sessions) == 0 })
	}
	if n := r.count("db1", "SELECT COUNT(*) FROM app.t"); n != 22 {
		t.Errorf("%d rows", n)
	}
	if n := r.count("db1", "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME='CONNECTIONS'") - before; n > 10 {
		t.Errorf("%d new connections for 20 clients", n)
	}
}
