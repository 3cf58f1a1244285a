package gtid

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// serverStarts bounds making a datadir and the start of the server; both take
// two seconds on an idle machine.
const serverStarts = 2 * time.Minute

// keeper makes a datadir in the empty directory $1 and runs a server on it
// until its standard input ends. That happens when the test process ends,
// however it ends, so neither a server nor its files are ever left over.
const keeper = `
dir=$1
setsid sh -c '
	mariadb-install-db --no-defaults --user=root --datadir="$1/data" \
		--auth-root-authentication-method=normal --skip-test-db --skip-name-resolve &&
	exec mariadbd --no-defaults --user=root --datadir="$1/data" --tmpdir="$1" --socket="$1/sock" --pid-file="$1/pid" \
		--skip-networking --log-bin=binlog --server-id=1 --gtid-strict-mode=0 --skip-log-error \
		--innodb-buffer-pool-size=24M --innodb-flush-log-at-trx-commit=0 --sync-binlog=0
' sh "$dir" &
cat >/dev/null
kill -9 "-$!" || kill -9 "$!" # the group; the process alone before it has made its group
wait
rm -rf "$dir"
`

// startMariaDB gives one connection, whose session variables last, to a fresh
// server that ends with the test.
func startMariaDB(t *testing.T) *sql.Conn {
	t.Helper()
	requireMariaDB(t)
	dir, err := os.MkdirTemp("", "gtid")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := exec.Command("sh", "-c", keeper, "sh", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a ^C is for the test; the keeper cleans up after it
	cmd.Stdout, cmd.Stderr = &out, &out
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		os.RemoveAll(dir)
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, cmd, stdin, &out) })

	config := mysql.NewConfig()
	config.User, config.Net, config.Addr = "root", "unix", filepath.Join(dir, "sock")
	config.Logger = &mysql.NopLogger{} // until the server is up nobody answers
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { db.Close() })
	return connect(t, db)
}

// connect waits until the server answers.
func connect(t *testing.T, db *sql.DB) *sql.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), serverStarts)
	defer cancel()
	for {
		conn, err := db.Conn(ctx)
		if err == nil {
			t.Cleanup(func() { conn.Close() })
			return conn
		}
		select {
		case <-ctx.Done():
			t.Fatalf("mariadbd does not answer: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop ends the keeper and with it the server. A failed test gets the log.
func stop(t *testing.T, cmd *exec.Cmd, stdin io.Closer, out *bytes.Buffer) {
	stdin.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("stop mariadbd: %v", err)
	}
	if t.Failed() {
		t.Logf("log of mariadbd:\n%s", out)
	}
}

// requireMariaDB skips the test where there is no MariaDB, unless the
// environment says that there must be one.
func requireMariaDB(t *testing.T) {
	t.Helper()
	for _, name := range []string{"mariadbd", "mariadb-install-db", "setsid"} {
		_, err := exec.LookPath(name)
		if err == nil {
			continue
		}
		why := fmt.Sprintf("this test needs %q: %v", "mariadb", err)
		if slices.Contains(strings.Split(os.Getenv("MMM_REQUIRE"), ","), "mariadb") {
			t.Fatal(why)
		}
		t.Skip("SKIPPED, NOTHING PROVEN: " + why)
	}
}
