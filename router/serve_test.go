package router

import (
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/mmm-ha/mmm/internal/conffile"
)

func TestEachClientGetsASessionWithAnIDOfItsOwn(t *testing.T) {
	r := run(t, nil)
	a, b := login(t, r.address, "app"), login(t, r.address, "app")
	a.say("hello")
	a.want("ok hello")
	b.say("hello")
	b.want("ok hello")
	talks := r.talks.all()
	if talks[0].info.ID == talks[1].info.ID || talks[0].info.ID == 0 || talks[1].info.ID == 0 {
		t.Errorf("ids %d and %d", talks[0].info.ID, talks[1].info.ID)
	}
	for _, one := range talks {
		if got, ok := one.info.Find(one.info.ID); !ok || got != Session(one) {
			t.Errorf("session %d is not found by its id", one.info.ID)
		}
	}
	if _, ok := talks[0].info.Find(0); ok {
		t.Error("a session 0 is found")
	}
}

func TestASessionThatEndsIsForgottenAndGivesItsPlaceBack(t *testing.T) {
	r := run(t, func(c *Config) { c.Limits.Connections, c.Limits.Queue = 1, 0 })
	for range 5 {
		c := login(t, r.address, "app")
		c.Close()
		eventually(t, "the session is forgotten", func() bool { return r.sessions.count() == 0 })
	}
	if taken, waiting := r.gate.counts(); taken != 0 || waiting != 0 {
		t.Errorf("%d taken, %d waiting", taken, waiting)
	}
}

func TestABugThatOneClientFindsEndsNoOther(t *testing.T) {
	r := run(t, nil)
	other, c := login(t, r.address, "app"), login(t, r.address, "app")
	c.say("panic")
	c.want("end")
	other.say("hello")
	other.want("ok hello")
	eventually(t, "the place is given back", func() bool { taken, _ := r.gate.counts(); return taken == 1 })
}

func TestMoreConnectionsThanCanEverLogInAreRefusedWithAnErrorPacket(t *testing.T) {
	r := run(t, func(c *Config) { c.Limits.Connections, c.Limits.Queue = 1, 1 })
	var open []*client
	for range 3 {
		c := dial(t, r.address)
		c.want("id ")
		open = append(open, c)
	}
	c := dial(t, r.address)
	packet, err := io.ReadAll(c)
	if err != nil || len(packet) < 8 || int(packet[0]) != len(packet)-4 || packet[3] != 0 || packet[4] != 0xff {
		t.Fatalf("%q, %v", packet, err)
	}
	if code := int(packet[5]) | int(packet[6])<<8; code != 1040 || !strings.Contains(string(packet[7:]), "Too many connections: ") {
		t.Errorf("%d: %s", code, packet[7:])
	}
	open[0].Close()
	eventually(t, "there is room again", func() bool { return r.sessions.count() == 2 })
	dial(t, r.address).want("id ")
}

func TestAPROXYHeaderIsTakenFromListedNetworksOnly(t *testing.T) {
	const header = "PROXY TCP4 192.0.2.7 192.0.2.100 4711 3306\r\n"
	listed := run(t, func(c *Config) { c.Listeners[0].ProxyProtocol = []netip.Prefix{loopback} })
	open := run(t, func(c *Config) {
		c.Listeners[0].ProxyProtocol = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	})

	c := dial(t, listed.address)
	c.say(strings.TrimSuffix(header, "\n"))
	c.want("id ")
	info := listed.talks.all()[0].info
	if info.Client != netip.MustParseAddrPort("192.0.2.7:4711") || info.Via.Addr() != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("with a header: client %s via %s", info.Client, info.Via)
	}

	c = dial(t, listed.address)
	c.say("user app and no header")
	if all, _ := io.ReadAll(c); !strings.Contains(string(all), "must send a PROXY header first") {
		t.Errorf("without a header: %q", all)
	}

	c = dial(t, open.address) // a liar
	c.want("id ")
	c.say(strings.TrimSuffix(header, "\r\n"))
	c.want("welcome") // the stand-in takes it for a login; what matters is the address
	info = open.talks.all()[0].info
	if info.Client.Addr() != netip.MustParseAddr("127.0.0.1") || info.Via.IsValid() {
		t.Errorf("spoofed: client %s via %s", info.Client, info.Via)
	}
}

func TestWhoIsTurnedAwayIsSaidOnce(t *testing.T) {
	r := run(t, func(c *Config) {
		c.Limits.PerUser = 1
		c.Listeners = append(c.Listeners, Listener{Address: "127.0.0.1:0", Mode: Split, TLS: TLSOff, ProxyProtocol: []netip.Prefix{loopback}})
	})
	all, err := r.Addresses(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	login(t, r.address, "app")
	for _, user := range []string{"app", "app", "app"} {
		c := dial(t, r.address)
		c.want("id ")
		c.say("user " + user)
		c.want("error 1203")
	}
	if said := r.said.String(); strings.Count(said, "a client was turned away") != 1 || !strings.Contains(said, "user=app") || !strings.Contains(said, "limits.perUser") {
		t.Errorf("three logins of one user too many: %s", said)
	}
	c := dial(t, all[1].String())
	c.say("user app and no header")
	c.want("end")
	if said := r.said.String(); !strings.Contains(said, "must send a PROXY header first") || !strings.Contains(said, "client=127.0.0.1") {
		t.Errorf("a load balancer without a header: %s", said)
	}
	before := r.said.String()
	dial(t, all[1].String()).Close() // whether the port is open
	eventually(t, "it is over", func() bool { return r.sessions.count() == 1 })
	if refusals, _ := r.counts.read(); refusals[reasonProxy] != 1 || r.said.String() != before {
		t.Errorf("a look whether the port is open counts: %v, %s", refusals, r.said)
	}
}

func TestAcceptSaysWhatToDoWithoutFiles(t *testing.T) {
	for err, want := range map[error]string{syscall.EMFILE: "LimitNOFILE", syscall.ENFILE: "fs.file-max", syscall.ENOBUFS: "memory"} {
		if got := remedy(&net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", err)}); !strings.Contains(got, want) {
			t.Errorf("%v: %s", err, got)
		}
	}
}

func TestAListedPeerThatSaysNothingIsClosedInTime(t *testing.T) {
	r := run(t, func(c *Config) {
		c.Listeners[0].ProxyProtocol = []netip.Prefix{loopback}
		c.Limits.LoginTime = conffile.Duration(1)
	})
	c := dial(t, r.address)
	if all, _ := io.ReadAll(c); !strings.Contains(string(all), "must send a PROXY header first") {
		t.Errorf("%q", all)
	}
}
