package session

import (
	"cmp"
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"

	"github.com/mmm-ha/mmm/internal/dbops/dbopstest"
	"github.com/mmm-ha/mmm/router"
	"github.com/mmm-ha/mmm/router/auth"
	"github.com/mmm-ha/mmm/router/backend"
	"github.com/mmm-ha/mmm/router/follow"
	"github.com/mmm-ha/mmm/router/pick"
	"github.com/mmm-ha/mmm/router/tally"
)

// world is what a session believes of the cluster, set by hand.
type world struct {
	view  atomic.Pointer[follow.View]
	stale atomic.Bool
	over  atomic.Bool
}

func (w *world) View() *follow.View { return w.view.Load() }
func (w *world) Fresh() bool        { return !w.stale.Load() }

func (w *world) Over(v *follow.View) bool { return v.Held && w.over.Load() }

func (w *world) set(v follow.View) {
	old := w.view.Swap(follow.NewView(v))
	if old != nil {
		old.Replaced()
	}
}

// rig is servers, conversations and a listener.
type rig struct {
	testing.TB
	world   *world
	all     *Conversations
	address string
	servers map[string]*dbopstest.Server

	accounts *auth.Loader
	puppets  []*puppet                                // that play the servers
	rules    Rules                                    // of puppets; not to be changed once it serves
	clock    time.Time                                // of sweeps
	tls      *tls.Config                              // nil: clients are not offered any
	demands  bool                                     // they must take it
	admit    func(context.Context, string, int) error // nil: everybody
	mode     router.Mode                              // of the listener; empty: split
	board    *tally.Board                             // nil: nothing is written down

	mu       sync.Mutex
	sessions map[uint32]*Session
}

func hostOf(name string, s *dbopstest.Server) follow.Host {
	return follow.Host{Name: name, Address: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), s.Port)}
}

// newRig starts a writer and so many readers that replicate from it.
func newRig(t testing.TB, readers int) *rig {
	t.Helper()
	writer := dbopstest.Start(t, "log_bin", "read_only=0")
	writer.Exec("CREATE DATABASE app", "CREATE USER app@'%' IDENTIFIED BY 'secret'", "GRANT ALL ON app.* TO app@'%'", "GRANT PROCESS ON *.* TO app@'%'",
		"CREATE TABLE app.t (id INT PRIMARY KEY AUTO_INCREMENT, a TEXT)", "INSERT INTO app.t (a) VALUES ('one'), ('two')")
	r := &rig{TB: t, world: &world{}, servers: map[string]*dbopstest.Server{"db1": writer}, sessions: map[uint32]*Session{}}
	v := follow.View{Epoch: 7, Writer: hostOf("db1", writer)}
	for i := range readers {
		name := fmt.Sprintf("db%d", i+2)
		s := dbopstest.Start(t, "log_bin", "read_only=1")
		s.Exec("SET GLOBAL gtid_slave_pos=''", fmt.Sprintf("CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=%d, MASTER_USER='%s', MASTER_PASSWORD=\"%s\", MASTER_USE_GTID=slave_pos",
			writer.ExtraPort, dbopstest.ReplicationUser, dbopstest.ReplicationPassword), "START SLAVE")
		s.Exec("SELECT MASTER_GTID_WAIT('" + position(t, writer) + "', 20)")
		r.servers[name] = s
		v.Readers = append(v.Readers, follow.Reader{Host: hostOf(name, s), Weight: 1})
	}
	r.world.set(v)
	users := filepath.Join(t.TempDir(), "users.yaml")
	if err := os.WriteFile(users, []byte("users:\n  - {user: app, password: secret}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	accounts, err := auth.NewLoader(auth.LoaderOptions{File: users})
	if err != nil {
		t.Fatal(err)
	}
	r.accounts = accounts
	r.open(Rules{OwnReads: true, Catch: 2 * time.Second})
	return r
}

// open begins to serve clients, by these rules.
func (r *rig) open(rules Rules) {
	r.Helper()
	r.all = New(Options{
		Log: slog.New(slog.DiscardHandler), Follow: r.world, Picker: pick.New(time.Now, rand.IntN), Accounts: r.accounts,
		Pool:    backend.NewPool(10, time.Minute),
		Holder:  NewHolder(HoldLimits{Time: 5 * time.Second, Statements: 100, Bytes: 1 << 20}),
		Servers: func() backend.TLS { return backend.TLS{} }, Rules: func() Rules { return rules },
	})
	r.listen()
}

// beside is another router in front of the same writer, which knows of one reader
// only.
func (r *rig) beside(reader string, rules Rules) *rig {
	r.Helper()
	b := &rig{TB: r.TB, world: &world{}, servers: r.servers, sessions: map[uint32]*Session{}, accounts: r.accounts}
	v := *r.world.View()
	v.Readers = []follow.Reader{{Host: hostOf(reader, r.servers[reader]), Weight: 1}}
	b.world.set(v)
	b.open(rules)
	return b
}

func position(t testing.TB, s *dbopstest.Server) string {
	t.Helper()
	db := root(t, s)
	var p string
	if err := db.QueryRow("SELECT @@gtid_binlog_pos").Scan(&p); err != nil {
		t.Fatal(err)
	}
	return p
}

func root(t testing.TB, s *dbopstest.Server) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", "root@unix("+s.Socket+")/")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// listen serves every client with a session of its own.
func (r *rig) listen() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.Fatal(err)
	}
	r.address = l.Addr().String()
	ctx, cancel := context.WithCancel(r.Context())
	var all sync.WaitGroup
	r.Cleanup(func() { cancel(); _ = l.Close(); all.Wait() })
	all.Go(func() {
		for id := uint32(1000); ; id++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { r.serve(ctx, c.(*net.TCPConn), id) })
		}
	})
}

func (r *rig) serve(ctx context.Context, c *net.TCPConn, id uint32) {
	from, _ := netip.ParseAddrPort(c.RemoteAddr().String())
	s := r.all.Open(c, router.ClientInfo{
		ID: id, Mode: cmp.Or(r.mode, router.Split), Client: from, TLSMode: r.tlsMode(), TLS: func() *tls.Config { return r.tls },
		Admit: r.admission(), Board: r.board, Counts: new(tally.Counts),
		Find: func(id uint32) (router.Session, bool) {
			r.mu.Lock()
			defer r.mu.Unlock()
			s, ok := r.sessions[id]
			return s, ok
		},
	}).(*Session)
	r.mu.Lock()
	r.sessions[id] = s
	r.mu.Unlock()
	if err := s.Serve(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, io.EOF) {
		r.Logf("session %d: %v", id, err)
	}
	r.mu.Lock()
	delete(r.sessions, id)
	r.mu.Unlock()
}

func (r *rig) tlsMode() router.TLSMode {
	if r.tls == nil {
		return router.TLSOff
	}
	if r.demands {
		return router.TLSRequire
	}
	return router.TLSOffer
}

// admission lets everybody in unless a test has something else in mind.
func (r *rig) admission() func(context.Context, string, int) error {
	if r.admit != nil {
		return r.admit
	}
	return func(context.Context, string, int) error { return nil }
}

func addrPort(text string) netip.AddrPort { return netip.MustParseAddrPort(text) }

// client is a database handle of one connection through the router.
func (r *rig) client(params string) *sql.DB {
	r.Helper()
	db, err := sql.Open("mysql", "app:secret@tcp("+r.address+")/app?"+params)
	if err != nil {
		r.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	r.Cleanup(func() { _ = db.Close() })
	return db
}

// text runs a statement that gives one value.
func (r *rig) text(db *sql.DB, q string, args ...any) string {
	r.Helper()
	var v sql.NullString
	if err := db.QueryRow(q, args...).Scan(&v); err != nil {
		r.Fatalf("%s: %v", q, err)
	}
	return v.String
}

func (r *rig) exec(db *sql.DB, q string, args ...any) {
	r.Helper()
	if _, err := db.Exec(q, args...); err != nil {
		r.Fatalf("%s: %v", q, err)
	}
}

// which is the server that answers a statement that any may answer.
const which = "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_VARIABLES WHERE VARIABLE_NAME='SERVER_ID'"

func TestReadsGoToAReaderAndWritesToTheWriter(t *testing.T) {
	r := newRig(t, 1)
	db := r.client("")
	if got, want := r.text(db, which), fmt.Sprint(r.servers["db2"].ServerID); got != want {
		t.Errorf("a read was answered by %s, want %s", got, want)
	}
	if got, want := r.text(db, "SELECT @@server_id"), fmt.Sprint(r.servers["db1"].ServerID); got != want {
		t.Errorf("what only the writer knows was answered by %s, want %s", got, want)
	}
	for i := range 20 {
		r.exec(db, "INSERT INTO t (a) VALUES (?)", fmt.Sprint("x", i))
		if got := r.text(db, "SELECT a FROM t ORDER BY id DESC LIMIT 1"); got != fmt.Sprint("x", i) {
			t.Fatalf("its own write is not seen: %s", got)
		}
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("DELETE FROM t"); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := tx.QueryRow("SELECT COUNT(*) FROM t").Scan(&n); err != nil || n != 0 {
		t.Errorf("in the transaction: %d, %v", n, err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if got := r.text(db, "SELECT COUNT(*) FROM t"); got != "22" {
		t.Errorf("after the rollback: %s", got)
	}
}
