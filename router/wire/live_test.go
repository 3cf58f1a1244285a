package wire_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/mmm-ha/mmm/internal/dbops/dbopstest"
	"github.com/mmm-ha/mmm/router/wire"
)

const patience = 60 * time.Second

// content makes something to ask for.
var content = []string{
	"CREATE DATABASE d",
	"CREATE USER app@'%' IDENTIFIED BY 'secret'", "GRANT ALL ON *.* TO app@'%'",
	"CREATE TABLE d.t (id INT PRIMARY KEY, a TEXT, b DOUBLE)",
	"INSERT INTO d.t WITH RECURSIVE s AS (SELECT 1 i UNION ALL SELECT i+1 FROM s WHERE i<300) SELECT i, REPEAT('x', i), i/3 FROM s",
	"CREATE PROCEDURE d.three() BEGIN SELECT 1; SELECT * FROM t LIMIT 3; UPDATE t SET b=1 WHERE id=1; SELECT 'x' FROM t WHERE 0; END",
	"CREATE PROCEDURE d.fails() BEGIN SELECT 1; SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT='no'; END",
	"CREATE PROCEDURE d.outs(IN i INT, OUT o INT, INOUT x TEXT) BEGIN SELECT i; SET o=i+1, x=CONCAT(x, 'y'); END",
}

// stage is a server with something in it.
func stage(t *testing.T) *dbopstest.Server {
	t.Helper()
	s := dbopstest.Start(t, "max_allowed_packet=64M", "local_infile=1", "read_only=0")
	s.Exec(content...)
	return s
}

// seedVariable names another seed for where answers are cut into pieces.
const seedVariable = "MMM_SEED"

// seedOf is the same in each run, unless somebody asks for another.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv(seedVariable)
	if text == "" {
		return 1
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", seedVariable, err)
	}
	return seed
}

// agreed runs a session on a server by way of a relay, replays it many times in
// other pieces, and returns what was seen.
func agreed(t *testing.T, port uint16, times int, session func(port int)) map[string]int {
	t.Helper()
	r := startRelay(t, fmt.Sprintf("127.0.0.1:%d", port))
	session(r.Port)
	tapes := r.finished()
	if len(tapes) == 0 {
		t.Fatal("nobody connected")
	}
	seed := seedOf(t)
	t.Logf("seed %d; another by %s", seed, seedVariable)
	random := rand.New(rand.NewPCG(seed, 0))
	seen := map[string]int{}
	for range times {
		clear(seen)
		for _, tp := range tapes {
			replay(t, tp, random, seen)
		}
	}
	t.Log(seen)
	return seen
}

func wants(t *testing.T, seen map[string]int, names ...string) {
	t.Helper()
	for _, name := range names {
		if seen[name] == 0 {
			t.Errorf("%s did not happen", name)
		}
	}
}

func TestAnswersToTheGoDriverEndWhereTheWalkerSays(t *testing.T) {
	drive(t, stage(t).Port)
}

// drive has the Go driver do all that it can at a server, and compares.
func drive(t *testing.T, server uint16) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rows")
	if err := os.WriteFile(file, []byte(strings.Repeat("1\tx\n", 50000)), 0o600); err != nil {
		t.Fatal(err)
	}
	mysql.RegisterLocalFile(file)
	seen := agreed(t, server, 20, func(port int) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		c, bye := connect(ctx, t, port)
		defer bye()
		for _, q := range []string{
			"SELECT 1", "DO 1", "SELECT * FROM t", "SELECT * FROM t WHERE 0", "SELECT nothing FROM t", "SELECT 1; SELECT 2; DO 3; SELECT 4",
			"SELECT 1; SELECT nothing; SELECT 2", "CALL three()", "CALL fails()", "UPDATE t SET b=7", "SET @x=1", "BEGIN", "COMMIT",
			"SHOW WARNINGS", "SELECT id, (SELECT id FROM t x WHERE x.id >= t.id) FROM t ORDER BY id DESC", "USE d", "",
			"CREATE TEMPORARY TABLE l (id INT, a TEXT)", "LOAD DATA LOCAL INFILE '" + file + "' INTO TABLE l",
			"LOAD DATA LOCAL INFILE '/nowhere/else' INTO TABLE l", "INSERT INTO l VALUES (1, 'a'), (2, 'b')",
		} {
			drain(ctx, c, q)
		}
		for _, q := range []string{"SELECT * FROM t WHERE id > ?", "UPDATE t SET a=? WHERE id=2", "SELECT ?", "CALL three() -- ?"} {
			drain(ctx, c, q, 5)
		}
		if st, err := c.PrepareContext(ctx, "SELECT nothing FROM t"); err == nil {
			_ = st.Close()
		}
		drain(ctx, c, "SELECT ?", strings.Repeat("long data ", 1<<19))
		_ = c.PingContext(ctx)
	})
	wants(t, seen, "COM_QUERY", "COM_STMT_PREPARE", "COM_STMT_EXECUTE", "COM_STMT_CLOSE", "COM_PING", "COM_QUIT", "ERR", "LOCAL", "event 1", "event 4")
}

func TestRowsOfMoreThanAPacketEndWhereTheWalkerSays(t *testing.T) {
	s := stage(t)
	agreed(t, s.Port, 3, func(port int) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		c, bye := connect(ctx, t, port)
		defer bye()
		for _, n := range []int{wire.MaxPayload - 5, wire.MaxPayload - 4, wire.MaxPayload - 3, wire.MaxPayload, 2 * wire.MaxPayload} {
			// After the length, every packet begins with what could be an EOF or an ERR.
			drain(ctx, c, fmt.Sprintf("SELECT REPEAT(_binary X'FE', %d) UNION ALL SELECT REPEAT(_binary X'FF', %d) UNION ALL SELECT 'end'", n, n))
		}
		drain(ctx, c, "SELECT LENGTH(?)", strings.Repeat("\xff", 20<<20))
		drain(ctx, c, "SELECT REPEAT(_binary X'FE', 20000000) WHERE 1=?", 1)
	})
}

func TestAnswersToTheCommandLineEndWhereTheWalkerSays(t *testing.T) {
	s := stage(t)
	file := filepath.Join(t.TempDir(), "rows")
	if err := os.WriteFile(file, []byte(strings.Repeat("1\tx\n", 50000)), 0o600); err != nil {
		t.Fatal(err)
	}
	script := "SELECT * FROM t;\nCALL three();\nCALL fails();\nUPDATE t SET b=8;\nSHOW STATUS LIKE 'Uptime';\nstatus\n" +
		"CREATE TEMPORARY TABLE l (id INT, a TEXT);\nLOAD DATA LOCAL INFILE '" + file + "' INTO TABLE l;\nuse d\nrehash\n" +
		"delimiter //\nSELECT 1; SELECT nothing; SELECT 2//\nSELECT 1; DO 2; SELECT 3//\ndelimiter ;\n" +
		"PREPARE p FROM 'SELECT ?';\nEXECUTE p USING 1;\nALTER TABLE t ENGINE=Aria, ADD KEY k (b);\nSELECT 1 FROM nothing;\n"
	seen := agreed(t, s.Port, 20, func(port int) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		for _, more := range [][]string{{"--auto-rehash"}, {"--compress=0", "--quick", "-A"}, {"--show-warnings", "--column-type-info"}} {
			args := append([]string{
				"--no-defaults", "-h127.0.0.1", "-P" + strconv.Itoa(port), "-uapp", "-psecret", "--skip-ssl",
				"--local-infile=1", "--force", "--progress-reports", "-vvv", "d",
			}, more...)
			cmd := exec.CommandContext(ctx, "mariadb", args...)
			cmd.Stdin = strings.NewReader(script)
			out, _ := cmd.CombinedOutput()
			if !strings.Contains(string(out), "Records: 50000") {
				t.Fatalf("%s", out)
			}
		}
	})
	wants(t, seen, "COM_QUERY", "COM_STATISTICS", "COM_INIT_DB", "COM_QUIT", "ERR", "LOCAL", "event 1")
}

func connect(ctx context.Context, t *testing.T, port int) (c *sql.Conn, bye func()) {
	t.Helper()
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.DBName, cfg.MultiStatements, cfg.AllowAllFiles = "app", "secret", "d", true, false
	cfg.Net, cfg.Addr, cfg.MaxAllowedPacket = "tcp", fmt.Sprintf("127.0.0.1:%d", port), 64<<20
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	c, err = db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return c, func() { _ = c.Close(); _ = db.Close() }
}

// drain runs a statement, which may fail, and reads all of its results.
func drain(ctx context.Context, c *sql.Conn, q string, args ...any) {
	rows, err := c.QueryContext(ctx, q, args...)
	if err != nil {
		return
	}
	defer rows.Close()
	for {
		for rows.Next() {
		}
		if !rows.NextResultSet() {
			return
		}
	}
}
