// Package dbopstest runs real database servers for tests: each in a directory of
// its own, reached over a unix socket, listening on 127.0.0.1 at free ports, and
// gone with the test, also when the test binary is killed.
//
// A template of an empty datadir is made once per version of the server in the
// directory for temporary files, shared by all test binaries, and copied.
//
// Goroutines: one for each run of a server, which starts it and waits for its
// end; it lives on a thread of its own, for the kernel kills the server when the
// thread that started it ends. Start's cleanup waits for it.
package dbopstest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/internal/process"
	"github.com/mmm-ha/mmm/topology"
)

// The accounts that every server has, besides root without a password.
const (
	AgentUser           = "mmm_agent"
	AgentPassword       = "agent's secret"
	ReplicationUser     = "mmm_replication"
	ReplicationPassword = "replica's secret"
)

const (
	startLimit  = 30 * time.Second // on a machine that is busy with other tests
	startPoll   = 10 * time.Millisecond
	startTrials = 5 // a free port may be taken by another test before the server has it
)

// Server is one database server of a test. Its methods fail the test on an error.
type Server struct {
	t         testing.TB
	Dir       string
	Datadir   string
	Socket    string
	Port      uint16 // clients
	ExtraPort uint16 // replicas; same address, 127.0.0.1
	ServerID  uint32
	lines     []string
	run       *run
	root      *sql.DB
}

// run is one life of the server's process.
type run struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended and was reaped
}

var lastServerID atomic.Uint32

// Require skips the test, loudly, when there is no server to run; it fails the
// test instead when MMM_REQUIRE names "mariadb".
func Require(t testing.TB) {
	t.Helper()
	for _, tool := range []string{"mariadbd", "mariadb-install-db"} {
		if _, err := exec.LookPath(tool); err != nil {
			if strings.Contains(os.Getenv("MMM_REQUIRE"), "mariadb") {
				t.Fatalf("MMM_REQUIRE asks for mariadb: %v", err)
			}
			t.Skipf("SKIPPED, proves nothing here: needs MariaDB 10.11 (apt install mariadb-server): %v", err)
		}
	}
}

// Start starts a server with the settings that Problems finds nothing to say
// about, read_only=1 among them. Lines are added to [mysqld] and win. Both
// accounts exist, without a trace in the binlog.
func Start(t testing.TB, lines ...string) *Server {
	t.Helper()
	Require(t)
	s := &Server{t: t, Dir: shortDir(t), ServerID: 100 + lastServerID.Add(1), lines: lines}
	s.Datadir = filepath.Join(s.Dir, "data")
	s.Socket = filepath.Join(s.Dir, "s")
	s.must(copyTree(template(t), s.Datadir))
	t.Cleanup(s.kill)
	s.launch()
	statements, err := s.Options().GrantStatements()
	s.must(err)
	s.Exec(append([]string{"SET sql_log_bin=0"}, statements...)...)
	return s
}

// Options reach the server as the agent does.
func (s *Server) Options() dbops.Options {
	return dbops.Options{
		Socket: s.Socket, User: AgentUser, Password: AgentPassword,
		ReplicationUser: ReplicationUser, ReplicationPassword: ReplicationPassword,
	}
}

// Dial connects as the agent does.
func (s *Server) Dial() *dbops.Server {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), startLimit)
	defer cancel()
	server, err := dbops.Dial(ctx, s.Options())
	s.must(err)
	s.t.Cleanup(server.Close)
	return server
}

// Exec runs statements as root, in one session.
func (s *Server) Exec(statements ...string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), startLimit)
	defer cancel()
	conn, err := s.root.Conn(ctx)
	s.must(err)
	// Discarded afterwards: a SET of this session must not meet the next user.
	defer func() { _ = conn.Raw(func(any) error { return driver.ErrBadConn }); _ = conn.Close() }()
	for _, statement := range statements {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			s.t.Fatalf("%s: %v", statement, err)
		}
	}
}

// Query reads one value as root; NULL and no row are "".
func (s *Server) Query(query string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), startLimit)
	defer cancel()
	var out sql.NullString
	if err := s.root.QueryRowContext(ctx, query).Scan(&out); err != nil && err != sql.ErrNoRows {
		s.t.Fatalf("%s: %v", query, err)
	}
	return out.String
}

// Root is a pool of sessions of root, for statements that hang.
func (s *Server) Root() *sql.DB { return s.root }

// PID is the pid of the present run.
func (s *Server) PID() int { return s.run.cmd.Process.Pid }

// Incarnation names the present run.
func (s *Server) Incarnation() topology.Incarnation {
	s.t.Helper()
	inc, err := process.Of(s.PID())
	s.must(err)
	return inc
}

// Kill ends the server with SIGKILL and waits for its end.
func (s *Server) Kill() {
	s.t.Helper()
	s.kill()
}

// Stop ends the server cleanly.
func (s *Server) Stop() {
	s.t.Helper()
	s.must(s.run.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-s.run.done:
	case <-time.After(startLimit):
		s.t.Fatalf("%s does not stop", s.Dir)
	}
}

// Freeze stops the process in its tracks (SIGSTOP); Thaw lets it go on.
func (s *Server) Freeze() { s.t.Helper(); s.must(s.run.cmd.Process.Signal(syscall.SIGSTOP)) }

// Thaw undoes Freeze.
func (s *Server) Thaw() { s.t.Helper(); s.must(s.run.cmd.Process.Signal(syscall.SIGCONT)) }

// Restart starts a server that has ended, on the same data and ports. With lines
// it has these instead of those it was started with.
func (s *Server) Restart(lines ...string) {
	s.t.Helper()
	if len(lines) > 0 {
		s.lines = lines
	}
	s.launch()
}

// FailToStart starts a server that has ended, which must end again by itself.
func (s *Server) FailToStart() {
	s.t.Helper()
	var err error
	s.run, err = spawn(s.Dir)
	s.must(err)
	select {
	case <-s.run.done:
	case <-time.After(startLimit):
		s.t.Fatalf("the server did not end:\n%s", s.Log())
	}
}

// Log is what the server has written to its error log.
func (s *Server) Log() string {
	raw, _ := os.ReadFile(filepath.Join(s.Dir, "log"))
	return string(raw)
}

func (s *Server) must(err error) {
	if err != nil {
		s.t.Helper()
		s.t.Fatal(err)
	}
}

func (s *Server) kill() {
	if s.run == nil {
		return
	}
	_ = s.run.cmd.Process.Kill()
	<-s.run.done
}

// launch starts the process and waits until root can log in.
func (s *Server) launch() {
	s.t.Helper()
	for trial := 1; ; trial++ {
		if s.Port == 0 {
			s.Port, s.ExtraPort = freePort(s.t), freePort(s.t)
		}
		s.must(os.WriteFile(filepath.Join(s.Dir, "my.cnf"), []byte(s.config()), 0o600))
		var err error
		if s.run, err = spawn(s.Dir); err == nil {
			err = s.awaitLogin()
		}
		if err == nil {
			return
		}
		s.kill()
		if trial == startTrials || !strings.Contains(s.Log(), "Address already in use") {
			s.t.Fatalf("start mariadbd: %v\n%s", err, s.Log())
		}
		s.Port = 0
	}
}

func (s *Server) config() string {
	base := fmt.Sprintf(`[mysqld]
server-id=%d
port=%d
extra-port=%d
extra-max-connections=40
bind-address=127.0.0.1
skip-name-resolve
datadir=%s
tmpdir=%s
socket=%s
pid-file=%s/pid
ignore-db-dirs=%s
log-bin=binlog
log-slave-updates=1
binlog-format=ROW
gtid-strict-mode=1
sync-binlog=1
innodb-flush-log-at-trx-commit=1
read-only=1
skip-slave-start=1
relay-log=relay-bin
relay-log-recovery=0
sync-relay-log=1
sync-master-info=1
sync-relay-log-info=1
slave-net-timeout=4
rpl-semi-sync-master-wait-point=AFTER_SYNC
init-rpl-role=SLAVE
%s
innodb-buffer-pool-size=16M
performance-schema=0
%s
`, s.ServerID, s.Port, s.ExtraPort, s.Datadir, s.Dir, s.Socket, s.Dir, dbops.KeptDir,
		strings.Join(templateSettings, "\n"), strings.Join(s.lines, "\n"))
	if os.Geteuid() == 0 {
		base += "user=root\n"
	}
	return base
}

// spawn starts the server on a thread that lives as long as the server does.
func spawn(dir string) (*run, error) {
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("mariadbd", "--defaults-file="+filepath.Join(dir, "my.cnf"))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	r := &run{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		defer close(r.done)
		defer func() { _ = log.Close() }()
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		<-r.done
		return nil, err
	}
	return r, nil
}

func (s *Server) awaitLogin() error {
	if s.root == nil {
		cfg := mysql.NewConfig()
		cfg.User, cfg.Net, cfg.Addr, cfg.Logger = "root", "unix", s.Socket, silent{}
		connector, err := mysql.NewConnector(cfg)
		if err != nil {
			return err
		}
		s.root = sql.OpenDB(connector)
		s.t.Cleanup(func() { _ = s.root.Close() })
	}
	deadline := time.Now().Add(startLimit)
	for {
		err := s.root.PingContext(s.t.Context())
		if err == nil {
			return nil
		}
		select {
		case <-s.run.done:
			return fmt.Errorf("it ended at once: %w", err)
		case <-time.After(startPoll):
		}
		if time.Now().After(deadline) {
			return err
		}
	}
}

type silent struct{}

func (silent) Print(...any) {}
