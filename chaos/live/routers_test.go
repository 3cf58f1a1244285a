package live

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
)

var routerVIP = netip.MustParseAddr("192.0.2.170")

// beginRouted is a bed with two routers in front of it.
func beginRouted(t *testing.T) *stage {
	t.Helper()
	s := beginOn(t, "routers", func(o *lab.Options) { o.Hosts = append(lab.DefaultHosts(), lab.RouterHosts()...) })
	s.routerVIPAt("", "")
	return s
}

// bothRouters waits until both are registered, answer, and say that they are ready.
func (s *stage) bothRouters() {
	s.t.Helper()
	s.until("both routers are registered and answer", func() error {
		c, err := s.read()
		if err != nil {
			return err
		}
		for _, r := range c.Routers {
			if !r.Value.Router.Up {
				return fmt.Errorf("%s: %s", r.Value.Name, r.Value.Router.Why)
			}
			if says := r.Value.Says; says == nil || !says.Ready || says.Epoch != c.Epoch() || says.Version == "" {
				return fmt.Errorf("%s says of itself: %+v", r.Value.Name, says)
			}
		}
		if len(c.Routers) != 2 {
			return fmt.Errorf("%d are registered", len(c.Routers))
		}
		return nil
	})
}

// routerVIPAt waits until a router claims the router VIP and an application gets through
// it, and returns who; not is who must not have it, is who must, both may be empty.
func (s *stage) routerVIPAt(is, not string) string {
	s.t.Helper()
	var holder string
	s.until("a router serves "+routerVIP.String(), func() error {
		c, err := s.read()
		if err != nil {
			return err
		}
		holder = c.RouterClaims[routerVIP].Value.Name
		if holder == "" || holder == not || is != "" && holder != is {
			return fmt.Errorf("%q has it", holder)
		}
		db, err := s.AppDB(lab.ClientHost, netip.AddrPortFrom(routerVIP, lab.ClientPort))
		if err != nil {
			return err
		}
		defer func() { _ = db.Close() }()
		return db.PingContext(s.ctx)
	})
	return holder
}

// R54: the VIP of the routers is where an mmmrouter greets, and nowhere else.
func TestRouterVIPLeavesARouterThatDoesNotGreet(t *testing.T) {
	s := beginRouted(t)
	s.until("status shows both routers and who serves", func() error {
		_, out := s.ctl("status")
		if strings.Count(out, " yes ") != 2 || !strings.Contains(out, routerVIP.String()+" (") {
			return fmt.Errorf("it says\n%s", out)
		}
		return nil
	})
	for _, fault := range []struct {
		name       string
		hit, after func(host string) error
	}{
		{"router killed", func(h string) error { return s.KillRouter(s.ctx, h, false) }, func(h string) error { return s.StartRouter(s.ctx, h) }},
		{"router frozen", func(h string) error { return s.Freeze(s.ctx, h, lab.UnitRouter) }, func(h string) error { return s.Thaw(s.ctx, h, lab.UnitRouter) }},
		{"agent killed", func(h string) error { return s.KillAgent(s.ctx, h, false) }, func(h string) error { return s.StartAgent(s.ctx, h) }},
		{"agent frozen", func(h string) error { return s.Freeze(s.ctx, h, lab.UnitAgent) }, func(h string) error { return s.Thaw(s.ctx, h, lab.UnitAgent) }},
		{"host unplugged", s.Unplug, s.Plug},
	} {
		s.sub(fault.name, func(s *stage) {
			from := s.routerVIPAt("", "")
			watch := s.answers(routerVIP)
			watch.await(from)
			began := time.Now()
			s.must(fault.hit(from))
			to := s.routerVIPAt("", from)
			s.t.Logf("%s: %s -> %s, an application is through after %s", fault.name, from, to, time.Since(began).Round(10*time.Millisecond))
			watch.await(to)
			if _, out := s.ctl("status"); !strings.Contains(out, from+" ") || !strings.Contains(out, "HARD_OFFLINE") {
				t.Errorf("status does not say that %s is gone:\n%s", from, out)
			}
			last, first := watch.handOver(from, to)
			s.t.Logf("on the wire: nobody answered for %s", first.Sub(last).Round(time.Millisecond))
			s.must(fault.after(from))
			s.bothRouters()
			if now := s.routerVIPAt("", ""); now != to {
				s.t.Errorf("it went to %s without a cause", now)
			}
			watch.stop()
		})
	}
}

// A router that hangs says nothing to a client that only waits, and nor does the next
// holder of the address: the client has nothing to say that it could refuse.
func TestClientThatWaitsForARouterThatHangsIsToldWhenTheVIPLeaves(t *testing.T) {
	s := beginRouted(t)
	from := s.routerVIPAt("", "")
	db, err := s.AppDB(lab.ClientHost, netip.AddrPortFrom(routerVIP, lab.ClientPort))
	s.must(err)
	defer db.Close()
	conn, err := db.Conn(s.ctx)
	s.must(err)
	s.must(conn.PingContext(s.ctx))
	told := make(chan error, 1)
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	began := time.Now()
	s.must(s.Freeze(s.ctx, from, lab.UnitRouter))
	go func() {
		_, err := conn.ExecContext(ctx, "DO 1")
		told <- err
	}()
	to := s.routerVIPAt("", from)
	select {
	case err := <-told:
		if err == nil {
			t.Error("a router that hangs has answered")
		}
		t.Logf("%s -> %s; the client was told after %s: %v", from, to, time.Since(began).Round(10*time.Millisecond), err)
	case <-time.After(patience):
		t.Errorf("%s after the VIP went from %s to %s the client still waits", patience, from, to)
		cancel()
		<-told
	}
	s.must(s.Thaw(s.ctx, from, lab.UnitRouter))
}

// R54: routers promise each other; one that is gone is a missing promise.
func TestRouterVIPStaysWithoutEtcdWhileTheOtherRouterPromises(t *testing.T) {
	s := beginRouted(t)
	holder := s.routerVIPAt("", "")
	watch := s.answers(routerVIP)
	for _, h := range []string{"db1", "db2", "db3"} {
		s.must(s.KillEtcd(s.ctx, h))
	}
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(lookEach) {
		if quiet := watch.silent(); quiet > time.Second {
			t.Fatalf("nobody answers for %s since %s", routerVIP, quiet)
		}
	}
	if got := watch.lastHost(); got != holder {
		t.Errorf("%s answers, not %s", got, holder)
	}
	other := strings.NewReplacer("router1", "router2", "router2", "router1").Replace(holder)
	s.must(s.KillAgent(s.ctx, other, false))
	s.until("the holder lets go of what nobody promises any more", func() error {
		if quiet := watch.silent(); quiet < 2*time.Second {
			return fmt.Errorf("it answered %s ago", quiet)
		}
		return nil
	})
	for _, a := range watch.all() {
		if slices.Contains(a.hosts, other) {
			t.Fatalf("%s answered, too", other)
		}
	}
	watch.stop()
	s.discard()
}
