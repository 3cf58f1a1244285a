package agent

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

// answers is a listener that says the same to everybody; nothing: it only takes connections.
func answers(t *testing.T, say string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // loopback, for this test
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if say != "" {
				_, _ = c.Write([]byte(say))
				_ = c.Close()
				continue
			}
			defer c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

func packet(body string) string { return string([]byte{byte(len(body)), 0, 0, 0}) + body }

func TestRouterIsUpOnlyWhenItGreets(t *testing.T) {
	gone := answers(t, "x")
	for _, tt := range []struct{ name, at, version, why string }{
		{"greets", answers(t, packet("\x0a11.4.2-MariaDB\x00rest")), "11.4.2-MariaDB", ""},
		{"is full", answers(t, packet("\xff\x10\x04Too many connections")), "", ""},
		{"turns away", answers(t, packet("\xff\x11\x04go away")), "", "turns clients away"},
		{"is frozen: the kernel takes the connection", answers(t, ""), "", "does not greet: no answer in time"},
		{"breaks off", answers(t, packet("\x0a11.4")[:6]), "", "breaks its greeting off"},
		{"is another service", answers(t, "HTTP/1.1 400 Bad Request\r\n"), "", "no server of this protocol"},
		{"is another protocol", answers(t, packet("\x09old")), "", "no server of this protocol"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			limit := 20 * time.Second // it only ends a wait that would never end
			if strings.HasPrefix(tt.name, "is frozen") {
				limit = time.Second
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			version, err := greet(ctx, tt.at)
			switch {
			case tt.why == "" && (err != nil || version != tt.version):
				t.Errorf("%q, %v", version, err)
			case tt.why != "" && (err == nil || !strings.Contains(err.Error(), tt.why)):
				t.Errorf("%v, want %q", err, tt.why)
			}
		})
	}
	_ = gone
}

func TestRouterThatIsNotThereIsToldByTheRefusal(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // loopback, for this test
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	_ = l.Close()
	if _, err := greet(t.Context(), at); err == nil || !strings.Contains(err.Error(), "takes no connection") || !strings.Contains(err.Error(), "refused") {
		t.Errorf("%v", err)
	}
}

func TestRoleOfTheFileAndOfTheFlag(t *testing.T) {
	path := write(t, "host: router1\ncluster: shop\nrole: router\n", 0o600)
	cfg, err := ReadConfig(path)
	if err != nil || cfg.Role != RoleRouter || cfg.home() != cfg.State {
		t.Errorf("%+v, %v", cfg.Role, err)
	}
	if cfg, err = ReadConfigAs(path, RoleDatabase); err != nil || cfg.home() != cfg.MySQL.Datadir {
		t.Errorf("%v, %v", cfg.Role, err)
	}
	if _, err = ReadConfigAs(path, "monitor"); err == nil || !strings.Contains(err.Error(), "`role` is") {
		t.Errorf("%v", err)
	}
}

// Of a mysqld the kernel tells when it dies; of an mmmrouter only looks do.
func TestRouterThatMissesOneLookIsLookedAtAgainSoon(t *testing.T) {
	r := newRig(t)
	r.run()
	for _, beside := range []bool{true, false} {
		r.prober.deathUnseen = beside
		r.fail("observe", nil)
		if p := r.prober.look(bounded(t)); r.prober.pause(p) != probePeriod {
			t.Errorf("beside a router %t: it answers, and is looked at again after %s", beside, r.prober.pause(p))
		}
		r.fail("observe", errors.New("it refuses"))
		want := map[bool]time.Duration{true: probeRushed, false: probePeriod}[beside]
		if p := r.prober.look(bounded(t)); !p.Up || r.prober.pause(p) != want {
			t.Errorf("beside a router %t: up %t, the next look after %s, want %s", beside, p.Up, r.prober.pause(p), want)
		}
		if p := r.prober.look(bounded(t)); p.Up || r.prober.pause(p) != probePeriod {
			t.Errorf("beside a router %t: up %t, and looked at every %s", beside, p.Up, r.prober.pause(p))
		}
	}
}
