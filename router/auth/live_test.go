package auth_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/internal/dbops/dbopstest"
	"github.com/mmm-ha/mmm/router/auth"
)

const patience = 20 * time.Second

var application = netip.MustParseAddr("192.0.2.5")

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// world is a server, what is known of its accounts, and a proxy before it.
type world struct {
	*dbopstest.Server
	*proxy
	t *testing.T
}

func begin(t *testing.T, lines []string, accounts ...string) *world {
	t.Helper()
	s := dbopstest.Start(t, lines...)
	w := &world{Server: s, t: t}
	grants, err := dbops.RouterGrantStatements("mmm_router", "127.0.0.1", "router's secret", false)
	must(t, err)
	w.do(append(grants, accounts...)...)
	loader, err := auth.NewLoader(auth.LoaderOptions{Source: w.source(), Every: time.Hour})
	must(t, err)
	loader.Load(within(t))
	if st := loader.Status(); st.ServerErr != "" {
		t.Fatal(st.ServerErr)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- loader.Run(ctx) }()
	t.Cleanup(func() { cancel(); must(t, <-done) })
	for limit := within(t); loader.Status().Loads < 2; { // Run has begun with a load, too
		if loader.Fresh(limit); limit.Err() != nil {
			t.Fatal("the loader does not load")
		}
	}
	w.proxy = startProxy(t, &proxy{loader: loader, server: fmt.Sprintf("127.0.0.1:%d", s.Port), from: application})
	return w
}

// source reads with the router's own account, whose one grant must be enough.
func (w *world) source() auth.Source {
	from := dbops.AccountServer{
		Address: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), w.Port),
		User:    "mmm_router", Password: "router's secret",
	}
	return func(ctx context.Context, each func(user, host, privileges string)) error {
		return dbops.ReadAccounts(ctx, from, each)
	}
}

func (w *world) do(statements ...string) {
	w.t.Helper()
	w.Exec(append([]string{"SET sql_log_bin=0"}, statements...)...)
}

// open is a pool to a port of the loopback; change may alter how it connects.
func open(t *testing.T, port uint16, user, password string, change ...func(*mysql.Config)) *sql.DB {
	t.Helper()
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr = user, password, "tcp", fmt.Sprintf("127.0.0.1:%d", port)
	cfg.Logger = silence{}
	for _, f := range change {
		f(cfg)
	}
	c, err := mysql.NewConnector(cfg)
	must(t, err)
	db := sql.OpenDB(c)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

type silence struct{}

func (silence) Print(...any) {}

// who logs in and asks the server whom it has taken it for.
func who(t *testing.T, db *sql.DB) (string, error) {
	t.Helper()
	var out string
	err := db.QueryRowContext(within(t), "SELECT CURRENT_USER()").Scan(&out)
	return out, err
}

// through logs in by the proxy and says how that went.
func (w *world) through(user, password string) (string, login, error) {
	w.t.Helper()
	db := open(w.t, w.proxy.port(), user, password)
	defer db.Close()
	current, err := who(w.t, db)
	return current, w.last(), err
}

// direct is the same without the proxy.
func (w *world) direct(user, password string) (string, error) {
	w.t.Helper()
	db := open(w.t, w.Port, user, password)
	defer db.Close()
	return who(w.t, db)
}

// sameAsDirect compares the result and the error with those of the server.
func (w *world) sameAsDirect(user, password string) login {
	w.t.Helper()
	want, wantErr := w.direct(user, password)
	got, l, gotErr := w.through(user, password)
	if got != want || fmt.Sprint(gotErr) != fmt.Sprint(wantErr) {
		w.t.Errorf("%s, %q: by the router %q, %v; directly %q, %v (%s)", user, password, got, gotErr, want, wantErr, l.why)
	}
	return l
}

func TestNativeLoginsAreTheClientsOwn(t *testing.T) {
	w := begin(t, nil, "CREATE USER joe@'%' IDENTIFIED BY 'secret'", "CREATE USER bare@'%'")
	if l := w.sameAsDirect("joe", "secret"); l.do != auth.Accept || !l.secret {
		t.Errorf("%s: %s", l.do, l.why)
	}
	if l := w.sameAsDirect("bare", ""); l.do != auth.Accept || !l.secret {
		t.Errorf("an account without password: %s: %s", l.do, l.why)
	}
}

func TestTheErrorOfARefusedLoginIsTheServersOwn(t *testing.T) {
	w := begin(t, nil, "CREATE USER joe@'%' IDENTIFIED BY 'secret'",
		"CREATE USER locked@'%' IDENTIFIED BY 'secret' ACCOUNT LOCK",
		"CREATE USER sock@'%' IDENTIFIED VIA unix_socket",
		"CREATE USER root2@'%' IDENTIFIED VIA mysql_native_password USING 'invalid' OR unix_socket",
		"CREATE USER tls@'%' IDENTIFIED BY 'secret' REQUIRE SSL",
		"CREATE ROLE clerk", "CREATE USER away@'192.0.2.77' IDENTIFIED BY 'secret'")
	for _, c := range [][2]string{
		{"joe", "wrong"}, {"joe", ""}, {"nobody", "secret"}, {"nobody", ""}, {"locked", "secret"}, {"locked", "wrong"},
		{"sock", "secret"}, {"root2", "secret"}, {"tls", "secret"}, {"clerk", ""}, {"away", "secret"}, {"mmm_agent", "agent's secret"},
	} {
		if l := w.sameAsDirect(c[0], c[1]); l.do != auth.PassOn || l.ok {
			t.Errorf("%s, %q: %s, let in: %t (%s)", c[0], c[1], l.do, l.ok, l.why)
		}
	}
}

func TestAClientCannotTellWhetherAUserIsKnown(t *testing.T) {
	w := begin(t, nil, "CREATE USER joe@'%' IDENTIFIED BY 'secret'", "CREATE USER away@'192.0.2.77' IDENTIFIED BY 'secret'",
		"CREATE USER locked@'%' IDENTIFIED BY 'secret' ACCOUNT LOCK", "CREATE USER tls@'%' IDENTIFIED BY 'secret' REQUIRE SSL")
	_, wrong, _ := w.through("joe", "wrong")
	if !strings.Contains(wrong.shown, "fe "+auth.Native) || !strings.Contains(wrong.shown, "Access denied") {
		t.Fatalf("a client with a wrong password sees %s", wrong.shown)
	}
	for _, c := range [][2]string{{"nobody", "secret"}, {"away", "secret"}, {"away", "wrong"}, {"locked", "wrong"}, {"tls", "secret"}, {"tls", "wrong"}} {
		if _, l, _ := w.through(c[0], c[1]); l.shown != wrong.shown {
			t.Errorf("%s, %q: sees\n%s\nand with a wrong password\n%s", c[0], c[1], l.shown, wrong.shown)
		}
	}
}

func TestAnAccountOfTheServersHostIsNotOpenToTheNetwork(t *testing.T) {
	w := begin(t, nil, "CREATE USER local@'127.0.0.1' IDENTIFIED BY 'secret'")
	if _, err := w.direct("local", "secret"); err != nil {
		t.Fatalf("the server does not let it in itself: %v", err)
	}
	_, l, err := w.through("local", "secret")
	_, wrong := w.direct("local", "wrong")
	if err == nil || fmt.Sprint(err) != fmt.Sprint(wrong) {
		t.Errorf("by the router: %v, want as with a wrong password: %v (%s)", err, wrong, l.why)
	}
}

func TestAPasswordThatChangesWhileSomebodyIsConnected(t *testing.T) {
	w := begin(t, nil, "CREATE USER joe@'%' IDENTIFIED BY 'old'")
	before := open(t, w.proxy.port(), "joe", "old")
	_, err := who(t, before)
	must(t, err)

	w.do("ALTER USER joe@'%' IDENTIFIED BY 'new'")
	if _, err := who(t, before); err != nil {
		t.Errorf("the session that was there ended: %v", err)
	}
	// What is known here is old. The old password fails at the server, with its
	// own error; the new one is proven to the server.
	l := w.sameAsDirect("joe", "old")
	if l.do != auth.Accept || l.ok {
		t.Errorf("old password: %s, let in: %t", l.do, l.ok)
	}
	loads := w.loader.Status().Loads
	if l := w.sameAsDirect("joe", "new"); l.do != auth.PassOn || !l.ok {
		t.Errorf("new password: %s: %s", l.do, l.why)
	}
	for limit := within(t); w.loader.Status().Loads == loads; { // it was kicked
		if w.loader.Fresh(limit); limit.Err() != nil {
			t.Fatal("nobody kicked the loader")
		}
	}
	if l := w.sameAsDirect("joe", "new"); l.do != auth.Accept || !l.secret {
		t.Errorf("new password, after the accounts were read anew: %s: %s", l.do, l.why)
	}
	if l := w.sameAsDirect("joe", "old"); l.do != auth.PassOn || l.ok {
		t.Errorf("old password, after the accounts were read anew: %s: %s", l.do, l.why)
	}
}

func TestARelayedNativeLoginGivesItsSecret(t *testing.T) {
	w := begin(t, nil, "CREATE USER joe@'%' IDENTIFIED BY 'secret'")
	// A client that begins with another plugin is asked again, by the server.
	w.proxy = startProxy(t, &proxy{loader: w.loader, server: w.server, from: application, plugin: auth.CachingSHA2})
	db := open(t, w.proxy.port(), "joe", "secret")
	if _, err := who(t, db); err != nil {
		t.Fatal(err)
	}
	if l := w.last(); l.do != auth.PassOn || !l.ok || !l.secret {
		t.Errorf("%s, let in %t, secret %t: %s", l.do, l.ok, l.secret, l.why)
	}
}

// withEd25519 are lines for a server that has the plugin, from MMM_PLUGINS or
// where the package mariadb-server puts it.
func withEd25519(t *testing.T) []string {
	t.Helper()
	for _, dir := range []string{os.Getenv("MMM_PLUGINS"), "/usr/lib/mysql/plugin", "/usr/lib64/mysql/plugin"} {
		if _, err := os.Stat(filepath.Join(dir, "auth_ed25519.so")); dir != "" && err == nil {
			return []string{"plugin-dir=" + dir, "plugin-load-add=auth_ed25519"}
		}
	}
	if strings.Contains(os.Getenv("MMM_REQUIRE"), "ed25519") {
		t.Fatal("MMM_REQUIRE asks for ed25519: no auth_ed25519.so; name its directory in MMM_PLUGINS")
	}
	t.Skip("SKIPPED, proves nothing here: needs auth_ed25519.so of the package mariadb-server (MMM_PLUGINS names its directory)")
	return nil
}

func TestEd25519IsRelayedToTheServer(t *testing.T) {
	w := begin(t, withEd25519(t), "CREATE USER eddy@'%' IDENTIFIED VIA ed25519 USING PASSWORD('secret')")
	if l := w.sameAsDirect("eddy", "secret"); !l.ok || l.secret {
		t.Errorf("let in %t, secret %t: %s", l.ok, l.secret, l.why)
	}
	if l := w.sameAsDirect("eddy", "wrong"); l.ok {
		t.Error("let in with a wrong password")
	}
}

// shell logs in by the client program of MariaDB, which answers as many
// questions as an account has plugins.
func shell(t *testing.T, port uint16, user, password string, more ...string) (string, error) {
	t.Helper()
	args := append([]string{"--no-defaults", "-h127.0.0.1", fmt.Sprintf("-P%d", port), "-u" + user, "-p" + password,
		"-N", "-B", "-e", "SELECT CURRENT_USER()"}, more...)
	out, err := exec.CommandContext(within(t), "mariadb", args...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func TestAnAccountWithSeveralPluginsTakesAnyOfThem(t *testing.T) {
	const key, hash = "ed25519 USING PASSWORD('key')", "mysql_native_password USING PASSWORD('hash')"
	w := begin(t, withEd25519(t), "CREATE USER kh@'%' IDENTIFIED VIA "+key+" OR "+hash, "CREATE USER hk@'%' IDENTIFIED VIA "+hash+" OR "+key)
	for _, user := range []string{"kh", "hk"} {
		for password, want := range map[string]login{
			"key": {do: auth.PassOn, ok: true}, "hash": {do: auth.Accept, ok: true, secret: true}, "wrong": {do: auth.PassOn},
		} {
			direct, _ := shell(t, w.Port, user, password)
			routed, _ := shell(t, w.proxy.port(), user, password)
			l := w.last()
			if routed != direct || l.do != want.do || l.ok != want.ok || l.secret != want.secret {
				t.Errorf("%s with %s: by the router %s, directly %s; %s, let in %t, secret %t (%s)", user, password, routed, direct, l.do, l.ok, l.secret, l.why)
			}
		}
	}
}

func TestAPasswordOfTheFileLogsInWhereverTheServerAsksForEd25519(t *testing.T) {
	w := begin(t, withEd25519(t), "CREATE USER eddy@'%' IDENTIFIED VIA ed25519 USING PASSWORD('secret')")
	loader, err := auth.NewLoader(auth.LoaderOptions{File: users(t, "users:\n  - {user: eddy, password: secret}\n")})
	must(t, err)
	w.proxy = startProxy(t, &proxy{loader: loader, server: w.server, from: application})
	if l := w.sameAsDirect("eddy", "secret"); l.do != auth.Accept || !l.ok || !l.secret {
		t.Errorf("%s: %s", l.do, l.why)
	}
}

func TestEachConnectionHasItsOwnSalt(t *testing.T) {
	w := begin(t, nil, "CREATE USER joe@'%' IDENTIFIED BY 'secret'")
	for range 20 {
		if _, _, err := w.through("joe", "secret"); err != nil {
			t.Fatal(err)
		}
	}
	salts := map[string]bool{}
	for _, l := range w.seen {
		salts[l.salt] = true
	}
	if len(salts) != 20 {
		t.Errorf("%d salts in 20 connections", len(salts))
	}
}

func TestTheRoutersAccountMayReadAccountsAndNothingElse(t *testing.T) {
	w := begin(t, nil)
	db := open(t, w.Port, "mmm_router", "router's secret")
	if _, err := db.ExecContext(within(t), "CREATE DATABASE x"); err == nil {
		t.Error("it may make a database")
	}
	if _, err := db.ExecContext(within(t), "SELECT * FROM mysql.db"); err == nil {
		t.Error("it may read other tables of the server")
	}
	w.do("REVOKE SELECT ON mysql.global_priv FROM mmm_router@'127.0.0.1'")
	err := w.source()(within(t), func(_, _, _ string) {})
	if !errors.Is(err, dbops.ErrDenied) {
		t.Errorf("without its grant: %v", err)
	}
	known := w.loader.Now().Users()
	w.loader.Load(within(t))
	if st := w.loader.Status(); st.ServerErr == "" || st.Users != known {
		t.Errorf("what was known is gone: %+v", st)
	}
}

// users writes a file of users.
func users(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users.yaml")
	must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}
