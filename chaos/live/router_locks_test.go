package live

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
)

// A transaction whose client has lost its way to the router must not keep its locks:
// the same client waits for them, through the other router.
func TestTransactionOfAClientThatTheVIPHasLeftKeepsNoLocks(t *testing.T) {
	s := beginRouted(t)
	at := netip.AddrPortFrom(routerVIP, lab.ClientPort)
	setUp, err := s.AppDB(lab.ClientHost, at)
	s.must(err)
	defer setUp.Close()
	for _, statement := range []string{"CREATE OR REPLACE TABLE purse (id INT PRIMARY KEY, n INT) ENGINE=InnoDB", "INSERT INTO purse VALUES (1, 0)"} {
		_, err := setUp.ExecContext(s.ctx, statement)
		s.must(err)
	}
	defer func() { _, _ = setUp.Exec("DROP TABLE purse") }()
	for _, fault := range []struct {
		name       string
		hit, after func(host string) error
	}{
		{"agent frozen", func(h string) error { return s.Freeze(s.ctx, h, lab.UnitAgent) }, func(h string) error { return s.Thaw(s.ctx, h, lab.UnitAgent) }},
		{"host unplugged", s.Unplug, s.Plug},
	} {
		s.sub(fault.name, func(s *stage) {
			from := s.routerVIPAt("", "")
			left, err := s.AppDB(lab.ClientHost, at)
			s.must(err)
			defer left.Close()
			open, err := left.BeginTx(s.ctx, nil)
			s.must(err)
			_, err = open.ExecContext(s.ctx, "UPDATE purse SET n = n + 1 WHERE id = 1")
			s.must(err)
			s.awaitReceived(from)
			s.must(fault.hit(from))
			began := time.Now()
			to := s.routerVIPAt("", from)
			moved := time.Since(began)
			again, err := s.AppDB(lab.ClientHost, at)
			s.must(err)
			defer again.Close()
			ctx, cancel := context.WithTimeout(s.ctx, patience)
			defer cancel()
			if _, err := again.ExecContext(ctx, "UPDATE purse SET n = n + 10 WHERE id = 1"); err != nil {
				s.t.Fatalf("the row is still locked %s after the VIP went from %s to %s: %v", time.Since(began)-moved, from, to, err)
			}
			s.t.Logf("%s: the VIP moved after %s, the row was free %s later", fault.name, moved.Round(time.Millisecond), (time.Since(began) - moved).Round(time.Millisecond))
			s.must(fault.after(from))
			var n int
			s.must(again.QueryRowContext(s.ctx, "SELECT n FROM purse WHERE id = 1").Scan(&n))
			if n%10 != 0 {
				s.t.Errorf("half of a transaction was committed: %d", n)
			}
			s.bothRouters()
		})
	}
	s.well()
}

// awaitReceived waits until a router has received all that the writer has sent it. An
// answer that nobody has confirmed is sent again for a quarter of an hour, and as long
// as it is no keepalive looks whether anybody is there.
func (s *stage) awaitReceived(router string) {
	s.t.Helper()
	writer, _, _ := s.writer()
	s.until(router+" has what the writer sent", func() error {
		out, err := s.Exec(s.ctx, writer, "ss", "-tnH", "src", fmt.Sprintf(":%d", lab.ClientPort), "dst", s.routerAddress(router).Addr().String())
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		for _, line := range lines {
			if f := strings.Fields(line); len(f) < 3 || f[2] != "0" {
				return fmt.Errorf("not confirmed: %q", line)
			}
		}
		return nil
	})
}
