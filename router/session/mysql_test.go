package session

import (
	"database/sql"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/router/auth"
	"github.com/mmm-ha/mmm/router/follow"
)

// beforeMySQL is a router in front of a server of MySQL that is the writer and the
// reader, and root's handle to it.
func beforeMySQL(t *testing.T) (*rig, *sql.DB) {
	t.Helper()
	address := os.Getenv("MMM_MYSQL")
	if address == "" {
		if strings.Contains(os.Getenv("MMM_REQUIRE"), "mysql") {
			t.Fatal("MMM_REQUIRE asks for mysql: MMM_MYSQL names no server; run scripts/with-mysql.sh")
		}
		t.Skip("MMM_MYSQL names no server")
	}
	admin, err := sql.Open("mysql", "root@tcp("+address+")/")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close() })
	for _, q := range []string{"DROP DATABASE IF EXISTS app", "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY AUTO_INCREMENT, a INT)",
		"DROP USER IF EXISTS split@'%'", "CREATE USER split@'%' IDENTIFIED BY 'secret'", "GRANT ALL ON app.* TO split@'%'",
		"SET GLOBAL log_output='TABLE'", "SET GLOBAL general_log=1", "TRUNCATE mysql.general_log"} {
		if _, err := admin.Exec(q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	one := &puppet{host: follow.Host{Name: "db1", Address: netip.MustParseAddrPort(address)}}
	two := &puppet{host: follow.Host{Name: "db2", Address: one.host.Address}}
	r := newTheatre(t, one, two)
	r.all.opt.Holder.SetLimits(HoldLimits{Time: 5 * time.Second, Statements: 9, Bytes: 1 << 20})
	users := filepath.Join(t.TempDir(), "users.yaml")
	if err := os.WriteFile(users, []byte("users:\n  - {user: split, password: secret}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r.all.opt.Accounts, err = auth.NewLoader(auth.LoaderOptions{File: users}); err != nil {
		t.Fatal(err)
	}
	r.listen()
	return r, admin
}

// TestOwnWriteIsWaitedForAtARealMySQL asks the server what it was told.
func TestOwnWriteIsWaitedForAtARealMySQL(t *testing.T) {
	r, admin := beforeMySQL(t)
	k, err := greet(r.address, capsOf["new"], "split", "secret", "app")
	if err != nil {
		t.Fatal(err)
	}
	defer k.close()
	if got := k.answers("INSERT INTO t (a) VALUES (7)", "SELECT a FROM t"); !strings.Contains(got, `"\x017"`) {
		t.Errorf("the read: %s", got)
	}
	k.answers("BEGIN", "INSERT INTO t (a) VALUES (8)", "COMMIT", "SELECT COUNT(*) FROM t")
	number := func(q string) (n int) {
		t.Helper()
		if err := admin.QueryRow(q).Scan(&n); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		return n
	}
	const log = " FROM mysql.general_log WHERE command_type='Query' AND CONVERT(argument USING utf8mb4) LIKE "
	if n := number("SELECT COUNT(*)" + log + "'SELECT WAIT_FOR_EXECUTED_GTID_SET(''________-____-____-____-____________:%'"); n != 2 {
		t.Errorf("it was waited %d times for a position", n)
	}
	if n := number("SELECT COUNT(DISTINCT thread_id)" + log + "'%' AND user_host LIKE 'split%' AND CONVERT(argument USING utf8mb4) REGEXP '^(INSERT|SELECT a)'"); n != 2 {
		t.Errorf("reads and writes came by %d connections", n)
	}
}

// TestWriteBehindRowsIsWaitedForAtARealMySQL: with an old client the end of rows has
// no room for the position of what a function wrote.
func TestWriteBehindRowsIsWaitedForAtARealMySQL(t *testing.T) {
	r, admin := beforeMySQL(t)
	for _, q := range []string{"SET GLOBAL log_bin_trust_function_creators=1",
		"CREATE FUNCTION app.adds() RETURNS INT BEGIN INSERT INTO app.t (a) VALUES (9); RETURN 1; END"} {
		if _, err := admin.Exec(q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	for _, caps := range []string{"old", "new"} {
		if _, err := admin.Exec("TRUNCATE mysql.general_log"); err != nil {
			t.Fatal(err)
		}
		k, err := greet(r.address, capsOf[caps], "split", "secret", "app")
		if err != nil {
			t.Fatal(err)
		}
		k.answers("SELECT adds()", "SELECT COUNT(*) FROM t", "SELECT COUNT(*) FROM t")
		k.close()
		var n int
		if err := admin.QueryRow("SELECT COUNT(*) FROM mysql.general_log WHERE command_type='Query' AND CONVERT(argument USING utf8mb4) LIKE 'SELECT WAIT\\_FOR%'").Scan(&n); err != nil || n != 1 {
			t.Errorf("a client that is %s: it was waited %d times for the position: %v", caps, n, err)
		}
	}
}

// TestWithoutGTIDsARealMySQLIsReadFromTheWriter is the same where there are none.
func TestWithoutGTIDsARealMySQLIsReadFromTheWriter(t *testing.T) {
	r, admin := beforeMySQL(t)
	modes := []string{"ON_PERMISSIVE", "OFF_PERMISSIVE", "OFF"}
	for _, m := range modes {
		if _, err := admin.Exec("SET GLOBAL gtid_mode=" + m); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, m := range []string{"OFF_PERMISSIVE", "ON_PERMISSIVE", "ON"} {
			if _, err := admin.Exec("SET GLOBAL gtid_mode=" + m); err != nil {
				t.Error(err)
			}
		}
	})
	k, err := greet(r.address, capsOf["new"], "split", "secret", "app")
	if err != nil {
		t.Fatal(err)
	}
	defer k.close()
	k.answers("INSERT INTO t (a) VALUES (7)", "SELECT a FROM t")
	var n int
	if err := admin.QueryRow("SELECT COUNT(DISTINCT thread_id) FROM mysql.general_log WHERE command_type='Query' AND CONVERT(argument USING utf8mb4) REGEXP '^(INSERT|SELECT a)'").Scan(&n); err != nil || n != 1 {
		t.Errorf("write and read came by %d connections: %v", n, err)
	}
}
