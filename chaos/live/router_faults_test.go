package live

import (
	"context"
	"database/sql"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/chaos/load"
	"github.com/mmm-ha/mmm/topology"
)

// routerAddress is where a router itself listens.
func (s *stage) routerAddress(name string) netip.AddrPort {
	s.t.Helper()
	i := slices.IndexFunc(s.Hosts(), func(h lab.Host) bool { return h.Name == name })
	if i < 0 {
		s.t.Fatalf("there is no %s", name)
	}
	return netip.AddrPortFrom(s.Hosts()[i].Address, lab.ClientPort)
}

// R58: a router that hangs does not say that it holds; the old writer goes on without
// it, and nothing that goes through it, or through another router, is lost.
func TestPlannedSwitchoverGoesOnWithoutARouterThatHangs(t *testing.T) {
	s := beginRouted(t)
	serves := s.routerVIPAt("", "")
	hangs := strings.NewReplacer("router1", "router2", "router2", "router1").Replace(serves)
	through := s.clientsOf(netip.AddrPortFrom(routerVIP, lab.ClientPort), 15*time.Second, 4, 5*time.Millisecond)
	behind := s.clientsOf(s.routerAddress(hangs), 15*time.Second, 4, 5*time.Millisecond)
	move := func() time.Duration {
		t.Helper()
		_, other, epoch := s.writer()
		began := time.Now()
		s.order("switchover", "--to", other, "--reason", "test")
		s.awaitWriter(epoch)
		through.more(50)
		return longestPause(began, through)
	}
	usual := move()
	s.awaitAckers(3)
	s.must(s.Freeze(s.ctx, hangs, lab.UnitRouter))
	from, _, _ := s.writer()
	pause := move()
	s.awaitSaid(from, "routers that did not say in time that they hold their clients' statements: "+hangs)
	s.must(s.Thaw(s.ctx, hangs, lab.UnitRouter))
	behind.more(50)
	t.Logf("longest pause of a client of %s: %s, with %s frozen %s", serves, usual, hangs, pause)
	if pause > usual+2*time.Second {
		t.Errorf("the writer waited for %s: a pause of %s, without that %s", hangs, pause, usual)
	}
	for what, w := range map[string]*writes{"the router that works": through, "the router that hung": behind} {
		if refused, unknown := troubles(t, w, time.Time{}); refused+unknown > 0 {
			t.Errorf("through %s: %d refused, %d unknown", what, refused, unknown)
		}
	}
	s.well()
}

// R59: a read is asked again when its server dies.
func TestReadsThroughTheRouterSurviveTheirServers(t *testing.T) {
	s := begin(t)
	s.router()
	var reads []*load.Journal
	for i := range 8 {
		j, err := load.NewJournal(fmt.Sprintf("reads%d", i+1), nil)
		s.must(err)
		reads = append(reads, j)
		s.start(1, load.Options{Address: routed.String(), Timeout: 15 * time.Second, Every: 10 * time.Millisecond, KeepAfterNo: true, Reads: j})
	}
	answered := func() (n int) {
		for _, j := range reads {
			n += j.Count(load.Acked)
		}
		return n
	}
	for range 2 {
		writer, _, epoch := s.writer()
		i := slices.IndexFunc(s.Hosts(), func(h lab.Host) bool { return h.Database() && h.Name != writer })
		s.must(s.KillMysqld(s.ctx, s.Hosts()[i].Name, true))
		s.awaitAckers(3)
		s.must(s.KillMysqld(s.ctx, writer, true))
		s.awaitWriter(epoch)
		s.awaitAckers(3)
	}
	before := answered()
	s.until("reads are answered", func() error {
		if n := answered(); n < before+100 {
			return fmt.Errorf("%d of 100", n-before)
		}
		return nil
	})
	for _, j := range reads {
		for _, a := range j.Attempts() {
			if a.Outcome != load.Acked {
				t.Errorf("a read was not answered: %s", a.Why)
			}
		}
	}
	t.Logf("%d reads were answered while four servers died", answered())
	s.well()
}

// Who only reads does not wait for a writer: while nobody may be one, readers that
// have all that is left are read from, by sessions old and new.
func TestReadsGoOnWithoutAWriter(t *testing.T) {
	s := begin(t)
	s.router()
	s.write().more(30)
	old, err := s.AppDB(lab.ClientHost, routed)
	s.must(err)
	defer func() { _ = old.Close() }()
	s.must(old.PingContext(s.ctx))
	writer, other, epoch := s.writer()
	s.order("mode", "manual")
	s.must(s.KillMysqld(s.ctx, writer, false))
	s.awaitCluster("the reign is over", func(c topology.Cluster) error {
		if c.Writer.Present() {
			return fmt.Errorf("%s is still writer", c.Writer.Value.Name)
		}
		return nil
	})
	fresh, err := s.AppDB(lab.ClientHost, routed)
	s.must(err)
	defer func() { _ = fresh.Close() }()
	slowest := time.Duration(0)
	for range 100 { // 10 s, longer than readers.maxLag
		for _, db := range []*sql.DB{old, fresh} {
			began := time.Now()
			ctx, cancel := context.WithTimeout(s.ctx, 5*time.Second)
			var n int
			err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM app.t1").Scan(&n)
			cancel()
			s.must(err)
			slowest = max(slowest, time.Since(began))
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("200 reads in 10 s without a writer, the slowest took %s", slowest.Round(time.Millisecond))
	s.order("switchover", "--to", other)
	s.awaitWriter(epoch)
	s.order("mode", "active")
	s.must(s.StartMysqld(s.ctx, writer))
	s.well()
}
