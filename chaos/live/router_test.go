package live

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/chaos/load"
)

// routed is where a router of the test listens, on the machine of the applications.
var routed = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), 13306)

// router starts one on the machine of the applications, and ends it with the test.
func (s *stage) router() {
	s.t.Helper()
	dir := s.t.TempDir()
	file, users := filepath.Join(dir, "mmmrouter.yaml"), filepath.Join(dir, "users.yaml")
	text := fmt.Sprintf("cluster: %s\nname: r1\netcd: {insecure: true, endpoints: [", clusterName)
	for i, e := range s.Endpoints(lab.ClientHost) {
		if i > 0 {
			text += ", "
		}
		text += "\"" + e + "\""
	}
	text += fmt.Sprintf("]}\nlisteners: [{address: %q, mode: split, tls: off}]\nadmin: 127.0.0.1:19990\nbackend: {tls: off}\nusers: {file: %s}\n", routed, users)
	s.must(os.WriteFile(file, []byte(text), 0o600))
	s.must(os.WriteFile(users, fmt.Appendf(nil, "users:\n  - {user: %s, password: %q}\n", lab.AppUser, lab.AppPassword), 0o600))
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		out, err := s.Exec(ctx, lab.ClientHost, filepath.Join(os.Getenv("MMM_BIN"), "mmmrouter"), "run", "--config", file)
		if ctx.Err() == nil || s.t.Failed() {
			s.t.Logf("the router ended: %v\n%s", err, out)
		}
	})
	s.t.Cleanup(func() { cancel(); done.Wait() })
	s.until("the router lets an application in", func() error {
		db, err := s.AppDB(lab.ClientHost, routed)
		if err != nil {
			return err
		}
		defer func() { _ = db.Close() }()
		return db.PingContext(s.ctx)
	})
}

// troubles counts what clients were told that was no acknowledgement.
func troubles(t *testing.T, w *writes, from time.Time) (refused, unknown int) {
	t.Helper()
	for _, j := range w.journals {
		for _, a := range j.Attempts() {
			if a.Start.Before(from) || a.Outcome == load.Acked {
				continue
			}
			if a.Outcome == load.Refused {
				refused++
				t.Logf("refused: %s", a.Why)
			} else {
				unknown++
				t.Logf("unknown: %s", a.Why)
			}
		}
	}
	return refused, unknown
}

// longestPause is the longest time that one of the clients was not acknowledged.
func longestPause(from time.Time, all ...*writes) time.Duration {
	gap := time.Duration(0)
	for _, w := range all {
		for _, j := range w.journals {
			gap = max(gap, j.LongestGap(from, time.Now()).Length())
		}
	}
	return gap.Round(time.Millisecond)
}

func TestRouterTakesItsClientsAlongAtAPlannedSwitchover(t *testing.T) {
	s := begin(t)
	s.router()
	at := load.Options{Address: routed.String(), Timeout: 10 * time.Second, Every: time.Millisecond}
	single := s.start(8, at)
	at.Transactions = true
	several := s.start(8, at)
	for range 5 {
		_, other, epoch := s.writer()
		began := time.Now()
		s.order("switchover", "--to", other, "--reason", "test")
		s.awaitWriter(epoch)
		single.more(200)
		several.more(200)
		for what, w := range map[string]*writes{"statements": single, "transactions": several} {
			refused, unknown := troubles(t, w, began)
			t.Logf("to %s: longest pause of a client that writes single %s: %s, %d refused, %d unknown", other, what, longestPause(began, w), refused, unknown)
			if refused+unknown > 0 {
				t.Errorf("%d %s were refused, of %d the outcome is unknown", refused, what, unknown)
			}
		}
		s.awaitAckers(3)
	}
	s.well()
}

func TestRouterHoldsStatementsWhileAWriterIsElected(t *testing.T) {
	s := begin(t)
	s.router()
	w := s.clientsOf(routed, 10*time.Second, 8, 2*time.Millisecond)
	for range 2 {
		writer, _, epoch := s.writer()
		began := time.Now()
		s.must(s.KillMysqld(s.ctx, writer, true))
		s.awaitWriter(epoch)
		w.more(200)
		refused, unknown := troubles(t, w, began)
		t.Logf("%s killed: longest pause of a client %s, %d refused, %d unknown", writer, longestPause(began, w), refused, unknown)
		if refused > 0 {
			t.Errorf("%d statements were refused", refused)
		}
		if unknown > len(w.journals) {
			t.Errorf("%d outcomes are unknown; at most one statement of each client was under way", unknown)
		}
		s.awaitAckers(3)
	}
	s.well()
}

// G6 for clients of a router: etcd is gone altogether for ten leases, as in the test
// without a router, and the writer's agent says that it still reigns (R57).
func TestRouterWritesOnWhileEtcdIsAway(t *testing.T) {
	s := begin(t)
	s.router()
	w := s.clientsOf(routed, 10*time.Second, 8, 10*time.Millisecond)
	writer, _, epoch := s.writer()
	began := time.Now()
	s.onAll(etcdHosts, func(host string) error { return s.KillEtcd(s.ctx, host) })
	s.awaitSaid(writer, "goes on by the promises of all others")
	time.Sleep(10*ttl - time.Since(began))
	gap, acked := w.longestGap(began)
	refused, unknown := troubles(t, w, began)
	t.Logf("etcd away for %s: %d writes acknowledged, longest gap %s, %d refused, %d unknown", time.Since(began).Round(time.Millisecond), acked, gap.Round(time.Millisecond), refused, unknown)
	if gap > time.Second || refused+unknown > 0 || acked < 1000 {
		t.Errorf("%d writes acknowledged, %d refused, %d unknown, longest gap %s", acked, refused, unknown, gap)
	}
	s.onAll(etcdHosts, func(host string) error { return s.StartEtcd(s.ctx, host) })
	s.awaitSaid(writer, "etcd answers again")
	w.more(200)
	s.reignIs(epoch)
	if gap, acked = w.longestGap(began); gap > time.Second {
		t.Errorf("longest gap %s with etcd's return", gap)
	}
	t.Logf("with its return: %d writes, longest gap %s", acked, gap.Round(time.Millisecond))
	s.well()
}

// A router that hears neither etcd nor the writer's agent holds its writes, although
// it reaches the server, and goes on when it hears again.
func TestRouterThatIsCutOffFromEveryWordHolds(t *testing.T) {
	s := begin(t)
	s.router()
	w := s.clientsOf(routed, 10*time.Second, 4, 10*time.Millisecond)
	deafen := func(verb, rest string) {
		t.Helper()
		out, err := s.Exec(s.ctx, lab.ClientHost, "nft", verb+" table inet deaf"+rest)
		if err != nil {
			t.Fatalf("%s: %v: %s", verb, err, out)
		}
	}
	deafen("add", "; add chain inet deaf out { type filter hook output priority 0; }; add rule inet deaf out tcp dport {2379, 9989} drop")
	time.Sleep(2 * ttl)
	before := w.acked()
	time.Sleep(2 * ttl)
	if now := w.acked(); now != before {
		t.Errorf("%d writes were acknowledged by a router that knows nothing", now-before)
	}
	deafen("delete", "")
	w.more(100)
	if refused, unknown := troubles(t, w, time.Time{}); refused+unknown > 0 {
		t.Errorf("%d refused, %d unknown", refused, unknown)
	}
	s.well()
}
