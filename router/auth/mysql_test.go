package auth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/router/auth"
)

// realMySQL is a MySQL server that somebody runs for these tests and throws away:
// MMM_MYSQL is its address, where root has no password, as after mysqld
// --initialize-insecure and CREATE USER root@'127.0.0.1'.
func realMySQL(t *testing.T) (address string, root *sql.DB) {
	t.Helper()
	address = os.Getenv("MMM_MYSQL")
	if address == "" {
		if strings.Contains(os.Getenv("MMM_REQUIRE"), "mysql") {
			t.Fatal("MMM_REQUIRE asks for mysql: MMM_MYSQL names no server")
		}
		t.Skip("SKIPPED, proves nothing here: needs a MySQL server (MMM_MYSQL=address)")
	}
	root, err := sql.Open("mysql", "root@tcp("+address+")/")
	must(t, err)
	t.Cleanup(func() { _ = root.Close() })
	return address, root
}

func run(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.ExecContext(within(t), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// certificate is one that nobody trusts, for tests that do not look.
func certificate(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	must(t, err)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// sha2Case is one way to come from a client to a server of MySQL.
type sha2Case struct{ front, back, cached, key bool }

func (c sha2Case) String() string {
	return fmt.Sprintf("front TLS %t, back TLS %t, cached %t, router's key %t", c.front, c.back, c.cached, c.key)
}

func sha2Cases() (out []sha2Case) {
	for i := range 16 {
		out = append(out, sha2Case{i&1 != 0, i&2 != 0, i&4 != 0, i&8 != 0})
	}
	return out
}

// works: without TLS at the client and without a key there is no way to say a
// password that the server wants by TLS.
func (c sha2Case) works() bool { return c.front || c.cached || c.key || !c.back }

// learns tells whether the router sees the password.
func (c sha2Case) learns() bool { return c.front || c.key && !c.cached }

func skipVerify(cfg *mysql.Config) { cfg.TLS = &tls.Config{InsecureSkipVerify: true} } //nolint:gosec // a test

func TestCachingSHA2IsRelayedToMySQL(t *testing.T) {
	address, root := realMySQL(t)
	run(t, root, "DROP USER IF EXISTS cash@'%'", "CREATE USER cash@'%' IDENTIFIED WITH caching_sha2_password BY 'secret'")
	keys, err := auth.NewKeyPair()
	must(t, err)
	loader, err := auth.NewLoader(auth.LoaderOptions{})
	must(t, err)
	for _, c := range sha2Cases() {
		t.Run(c.String(), func(t *testing.T) {
			p := &proxy{loader: loader, server: address, from: application}
			var dress []func(*mysql.Config)
			if c.front {
				p.front = certificate(t)
				dress = append(dress, skipVerify)
			}
			if c.back {
				p.back = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // a test
			}
			if c.key {
				p.keys = keys
			}
			startProxy(t, p)
			direct, err := sql.Open("mysql", "cash:wrong@tcp("+address+")/")
			must(t, err)
			defer direct.Close()
			for _, password := range []string{"secret", "wrong"} {
				run(t, root, "FLUSH PRIVILEGES")
				if c.cached {
					warm, err := sql.Open("mysql", "cash:secret@tcp("+address+")/")
					must(t, err)
					must(t, warm.PingContext(within(t)))
					must(t, warm.Close())
				}
				db := open(t, p.port(), "cash", password, dress...)
				got, err := who(t, db)
				l := p.last()
				good := password == "secret" && c.works()
				if (err == nil) != good || l.ok != good || l.secret != (good && c.learns()) {
					t.Errorf("%s: %q, %v; let in %t, secret %t (%s)", password, got, err, l.ok, l.secret, l.why)
				}
				if password == "wrong" && !c.front && c.back && !c.key {
					if !strings.Contains(fmt.Sprint(err), "insecure transport") {
						t.Errorf("what is missing is not said: %v", err)
					}
				} else if password == "wrong" {
					if _, want := who(t, direct); fmt.Sprint(err) != fmt.Sprint(want) {
						t.Errorf("by the router: %v, directly: %v", err, want)
					}
				}
			}
		})
	}
}

func TestCachingSHA2LogsInAtMySQL(t *testing.T) {
	address, root := realMySQL(t)
	run(t, root, "DROP USER IF EXISTS cash@'%'", "CREATE USER cash@'%' IDENTIFIED WITH caching_sha2_password BY 'secret'")
	loader, err := auth.NewLoader(auth.LoaderOptions{File: users(t, "users:\n  - {user: cash, password: secret}\n")})
	must(t, err)
	for _, c := range sha2Cases() {
		t.Run(c.String(), func(t *testing.T) {
			p := &proxy{loader: loader, server: address, from: application, plugin: auth.CachingSHA2}
			var dress []func(*mysql.Config)
			if c.front {
				p.front = certificate(t)
				dress = append(dress, skipVerify)
			}
			if c.back {
				p.back = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // a test
			}
			startProxy(t, p)
			for range 2 { // the second is fast at the server
				if !c.cached {
					run(t, root, "FLUSH PRIVILEGES")
				}
				_, err := who(t, open(t, p.port(), "cash", "secret", dress...))
				if l := p.last(); err != nil || l.do != auth.Accept {
					t.Errorf("%v; %s: %s", err, l.do, l.why)
				}
			}
		})
	}
}

func TestAccountsOfMySQLAreRead(t *testing.T) {
	address, root := realMySQL(t)
	grants, err := dbops.RouterGrantStatements("mmm_router", "127.0.0.1", "router's secret", true)
	must(t, err)
	run(t, root, append([]string{
		"DROP USER IF EXISTS mmm_router@'127.0.0.1', cash@'%', closed@'%', safe@'%'", "CREATE USER cash@'%' IDENTIFIED BY 'secret'",
		"CREATE USER closed@'%' IDENTIFIED BY 'secret' ACCOUNT LOCK", "CREATE USER safe@'%' IDENTIFIED BY 'secret' REQUIRE X509",
	}, grants...)...)
	db, err := sql.Open("mysql", "mmm_router:router's secret@tcp("+address+")/")
	must(t, err)
	defer db.Close()
	rows := map[string]auth.Account{}
	must(t, dbops.Accounts(within(t), db, func(user, host, privileges string) {
		one, is, err := auth.ParseAccount(user, host, privileges)
		if err != nil || !is {
			t.Errorf("%s@%s: %v", user, host, err)
		}
		rows[user] = one
	}))
	if rows["cash"].Closed || !rows["closed"].Closed || rows["safe"].Need != auth.NeedCertificate || len(rows["cash"].Methods) != 1 {
		t.Errorf("%+v", rows)
	}
	loader, err := auth.NewLoader(auth.LoaderOptions{Source: func(ctx context.Context, each func(_, _, _ string)) error {
		return dbops.Accounts(ctx, db, each)
	}})
	must(t, err)
	loader.Load(within(t))
	if st := loader.Status(); st.ServerErr != "" || st.Users < 4 {
		t.Errorf("%+v", st)
	}
}
