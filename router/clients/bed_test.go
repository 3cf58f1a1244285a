package clients

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"

	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"

	"path/filepath"

	"strings"

	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mmm-ha/mmm/internal/certs/certstest"
	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/internal/dbops/dbopstest"
	"github.com/mmm-ha/mmm/router"
	"github.com/mmm-ha/mmm/router/auth"
	"github.com/mmm-ha/mmm/router/backend"
	"github.com/mmm-ha/mmm/router/follow"
	"github.com/mmm-ha/mmm/router/lexer"
	"github.com/mmm-ha/mmm/router/pick"
	"github.com/mmm-ha/mmm/router/session"
)

// world is what the router believes of the cluster, set by hand.
type world struct {
	view atomic.Pointer[follow.View]
	over atomic.Bool // transactions have had their time
}

func (w *world) View() *follow.View       { return w.view.Load() }
func (w *world) Fresh() bool              { return true }
func (w *world) Over(v *follow.View) bool { return v.Held && w.over.Load() }
func (w *world) set(v follow.View) {
	if old := w.view.Swap(follow.NewView(v)); old != nil {
		old.Replaced()
	}
}

// bed is two servers and a whole router in front of them, in this process: its
// listeners, its limits, its certificate.
type bed struct {
	testing.TB
	world          world
	writer, reader *dbopstest.Server // as they began
	named          map[string]*dbopstest.Server
	router         *router.Router
	pool           *backend.Pool
	talk           *session.Conversations
	split          uint16 // ports of the listeners
	reads          uint16
	writes         uint16
	ca             string // who signed the router's certificate, and the servers'
}

// The accounts of programs, besides "root", which only sockets know.
const (
	user     = "app"
	boss     = "boss" // may do everything
	password = "pass word' \""
)

func hostOf(name string, s *dbopstest.Server) follow.Host {
	return follow.Host{Name: name, Address: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), s.Port)}
}

// newBed starts the servers, db2 replicating from db1, and the router. Lines are
// added to the router's file.
func newBed(t testing.TB, lines ...string) *bed {
	t.Helper()
	b := &bed{TB: t}
	dir := t.TempDir()
	authority, err := certstest.New(dir, "ca")
	b.must(err)
	cert, key, err := authority.Sign(dir, certstest.Want{Name: "server", Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
	b.must(err)
	b.ca = authority.File
	settings := []string{"ssl-cert=" + cert, "ssl-key=" + key, "ssl-ca=" + b.ca, "max-allowed-packet=24M", "local-infile=1", "back_log=1000", "max_connections=500", "log-bin-trust-function-creators=1",
		"innodb-flush-log-at-trx-commit=0", "sync-binlog=0", "sync-relay-log=0", "sync-master-info=0", "sync-relay-log-info=0", "innodb-buffer-pool-size=64M"}
	b.writer = dbopstest.Start(t, append(settings, "read_only=0")...)
	b.reader = dbopstest.Start(t, settings...)
	quoted := strings.ReplaceAll(password, "'", "''")
	b.writer.Exec("CREATE DATABASE seen CHARACTER SET utf8mb4", "CREATE USER app@'%' IDENTIFIED BY '"+quoted+"'", "GRANT ALL ON seen.* TO app@'%'", "GRANT ALL ON `sb%`.* TO app@'%'",
		"GRANT ALL ON copy.* TO app@'%'", "CREATE USER boss@'%' IDENTIFIED BY '"+quoted+"'", "GRANT ALL ON *.* TO boss@'%'")
	b.named = map[string]*dbopstest.Server{"db1": b.writer, "db2": b.reader}
	b.reader.Exec("SET GLOBAL gtid_slave_pos=''", changeMaster(b.writer), "START SLAVE")
	b.caughtUp()
	b.world.set(follow.View{Epoch: 7, Writer: hostOf("db1", b.writer), Readers: []follow.Reader{{Host: hostOf("db2", b.reader), Weight: 1}}})
	b.serve(cert, key, lines)
	return b
}

func (b *bed) must(err error) {
	if err != nil {
		b.Helper()
		b.Fatal(err)
	}
}

// changeMaster makes a server replicate from another one.
func changeMaster(of *dbopstest.Server) string {
	return fmt.Sprintf("CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=%d, MASTER_USER='%s', MASTER_PASSWORD=\"%s\", MASTER_USE_GTID=slave_pos, MASTER_SSL=0",
		of.ExtraPort, dbopstest.ReplicationUser, dbopstest.ReplicationPassword)
}

// caughtUp waits until the reader has all that the writer has.
func (b *bed) caughtUp() {
	b.Helper()
	if got := b.reader.Query("SELECT MASTER_GTID_WAIT('" + b.writer.Query("SELECT @@gtid_binlog_pos") + "', 20)"); got != "0" {
		b.Fatalf("the reader does not catch up: %s\n%s", got, b.reader.Log())
	}
}

// serve runs a router until the test ends, with these lines in its file.
func (b *bed) serve(cert, key string, lines []string) {
	b.Helper()
	path := filepath.Join(b.TempDir(), "mmmrouter.yaml")
	b.must(os.WriteFile(path, []byte("cluster: shop\n"+strings.Join(lines, "\n")+"\n"), 0o600))
	cfg, err := router.ReadConfig(path)
	b.must(err)
	cfg.Admin, cfg.TLS.Cert, cfg.TLS.Key, cfg.Listeners = "127.0.0.1:0", cert, key, nil
	for _, mode := range []router.Mode{router.Split, router.ReaderOnly, router.WriterOnly} {
		cfg.Listeners = append(cfg.Listeners, router.Listener{Address: "127.0.0.1:0", Mode: mode, TLS: router.TLSOffer})
	}
	log := slog.New(slog.NewTextHandler(testLog{b.TB}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	accounts, err := auth.NewLoader(auth.LoaderOptions{Log: log, Source: func(ctx context.Context, each func(user, host, privileges string)) error {
		return dbops.Accounts(ctx, b.named[b.world.View().Writer.Name].Root(), each)
	}})
	b.must(err)
	keys, err := auth.NewKeyPair()
	b.must(err)
	b.pool = backend.NewPool(256, time.Minute)
	servers := backend.TLS{Mode: backend.TLSMode(cfg.Backend.TLS), Config: &tls.Config{MinVersion: tls.VersionTLS12}}
	b.talk = session.New(session.Options{
		Log: log, Follow: &b.world, Picker: pick.New(time.Now, rand.IntN), Accounts: accounts, Keys: keys, Pool: b.pool,
		Holder:  session.NewHolder(session.HoldLimits{Time: cfg.Hold.Time.D(), Statements: cfg.Hold.Statements, Bytes: int(cfg.Hold.Bytes)}),
		Servers: func() backend.TLS { return servers }, Rules: func() session.Rules { return session.Rules{OwnReads: true} },
	})
	b.router, err = router.New(router.Options{
		Config: cfg, Log: log, Conversation: b.talk, Normal: func(sql []byte, mode uint8) string { return lexer.Normal(sql, lexer.Mode(mode)) },
		Beside: func(ctx context.Context) error { return b.beside(ctx, accounts) },
	})
	b.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.router.Run(ctx, func() {}) }()
	b.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	})
	accounts.Load(b.Context())
	addresses, err := b.router.Addresses(b.Context())
	b.must(err)
	port := func(i int) uint16 { return netip.MustParseAddrPort(addresses[i].String()).Port() }
	b.split, b.reads, b.writes = port(0), port(1), port(2)
}

// beside is what runs beside a router's sessions.
func (b *bed) beside(ctx context.Context, accounts *auth.Loader) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return accounts.Run(ctx) })
	group.Go(func() error {
		defer b.pool.Close()
		for ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
				b.pool.Sweep(int64(b.world.View().Epoch))
			}
		}
		return ctx.Err()
	})
	return group.Wait()
}

// testLog brings what a router warns of to the test's log.
type testLog struct{ testing.TB }

func (l testLog) Write(p []byte) (int, error) { l.Logf("%s", bytes.TrimSpace(p)); return len(p), nil }
