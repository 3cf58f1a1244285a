package auth_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/mmm-ha/mmm/internal/dbops/dbopstest"
	"github.com/mmm-ha/mmm/router/auth"
)

// somePattern is a host over the loopback's addresses, which a client may choose
// freely.
func somePattern(r *rand.Rand) string {
	a, b := r.IntN(3), r.IntN(30)
	return []string{
		fmt.Sprintf("127.0.%d.%d", a, b), fmt.Sprintf("127.0.%d.%%", a), fmt.Sprintf("127.0.%d.%d%%", a, b%3), fmt.Sprintf("127.0.%d._", a),
		fmt.Sprintf("127.0.%d.1_", a), "127.%", "%", fmt.Sprintf("%%.%d", b), fmt.Sprintf("127.0.%d.0/255.255.255.0", a),
		fmt.Sprintf("127.0.%d.16/255.255.255.240", a), "127.0.0.0/255.255.0.0", "127.0.0.0/255.0.0.0", "12%", "localhost", "127.0.%",
	}[r.IntN(15)]
}

// TestTheAccountThatCountsIsTheServers gives a user accounts at random hosts, each
// with a password of its own. The password that a server takes tells which of
// them it goes by.
func TestTheAccountThatCountsIsTheServers(t *testing.T) {
	const rounds, clients = 60, 4
	s := dbopstest.Start(t)
	r := rand.New(rand.NewPCG(1, 2))
	let := 0
	for round := range rounds {
		hosts := map[string]string{} // host -> password
		for range 1 + r.IntN(5) {
			hosts[somePattern(r)] = fmt.Sprintf("pw%d", len(hosts))
		}
		user := fmt.Sprintf("u%d", round)
		statements := []string{"SET sql_log_bin=0"}
		for host, password := range hosts {
			statements = append(statements, fmt.Sprintf("CREATE USER '%s'@'%s' IDENTIFIED BY '%s'", user, host, password))
		}
		s.Exec(statements...)
		loader, err := auth.NewLoader(auth.LoaderOptions{Source: rowsOf(s, user)})
		must(t, err)
		loader.Load(within(t))
		if st := loader.Status(); st.ServerErr != "" || st.Users != 1 {
			t.Fatalf("%+v", st)
		}
		for range clients {
			from := netip.AddrFrom4([4]byte{127, 0, byte(r.IntN(3)), byte(1 + r.IntN(29))})
			for host, password := range hosts {
				server := logsIn(t, s.Port, from, user, password)
				salt := auth.NewSalt()
				_, answer, err := auth.NewBack(auth.ClearSecret(password), auth.Channel{}).Start(auth.Native, salt)
				must(t, err)
				v := auth.NewFront(loader.Now(), salt, nil).Start(auth.Client{User: user, Address: from, Plugins: true}, auth.Native, answer)
				if here := v.Do == auth.Accept; here != server {
					t.Errorf("a client at %s with the password of %q, of %v: the server lets it in %t, the router %t (%s)", from, host, hosts, server, here, v.Why)
				}
				if server {
					let++
				}
			}
		}
	}
	if let < rounds {
		t.Errorf("the server let in %d only: this proves little", let)
	}
}

// rowsOf is a source of one user's accounts.
func rowsOf(s *dbopstest.Server, user string) auth.Source {
	return func(ctx context.Context, each func(user, host, privileges string)) error {
		rows, err := s.Root().QueryContext(ctx, "SELECT User, Host, Priv FROM mysql.global_priv WHERE User=?", user)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var u, h, p string
			if err := rows.Scan(&u, &h, &p); err != nil {
				return err
			}
			each(u, h, p)
		}
		return rows.Err()
	}
}

// logsIn tells whether the server lets somebody in who comes from that address.
func logsIn(t *testing.T, port uint16, from netip.Addr, user, password string) bool {
	t.Helper()
	db := open(t, port, user, password, func(cfg *mysql.Config) {
		cfg.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
			return d.DialContext(ctx, network, address)
		}
	})
	defer db.Close()
	_, err := who(t, db)
	if err != nil && !strings.Contains(err.Error(), "1045") {
		t.Fatal(err)
	}
	return err == nil
}
