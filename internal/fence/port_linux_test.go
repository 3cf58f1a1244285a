package fence

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

const peerPort = 3307

var plan = Layout{Port: port, Peer: peerPort, Peers: hosts("192.0.2.2", "2001:db8::2"), VIPs: hosts("192.0.2.113", "2001:db8::113")}

// gated returns an installed, closed gate in a namespace that has a peer, and
// what it logs.
func gated(t *testing.T) (*Port, *bytes.Buffer) {
	t.Helper()
	wire(t)
	var log bytes.Buffer
	p := NewPort(Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err := p.Install(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	return p, &log
}

// successor is the gate of the next process on this host.
func successor(t *testing.T) *Port {
	return NewPort(Options{Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// waitUntil waits until f holds, and fails the test when that takes too long.
func waitUntil(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(bound); !f(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %s in vain until %s", bound, what)
		}
	}
}

// hears sends a byte from the client and says whether the server got it before
// the client was cut off.
func hears(p pair) bool {
	if errors.Join(p.client.SetDeadline(time.Now().Add(bound)), p.server.SetDeadline(time.Now().Add(bound))) != nil {
		return false
	}
	heard := make(chan bool, 1)
	go func() {
		_, err := p.server.Read(make([]byte, 1))
		heard <- err == nil
	}()
	defer func() { _ = p.server.SetDeadline(time.Now()) }()
	if _, err := p.client.Write([]byte{1}); err != nil {
		return false
	}
	cut := make(chan struct{})
	go func() {
		defer close(cut)
		_, _ = p.client.Read(make([]byte, 1)) // ends with a reset, or when the byte was heard
	}()
	select {
	case ok := <-heard:
		_ = p.client.SetDeadline(time.Now())
		<-cut
		return ok
	case <-cut:
		_ = p.server.SetDeadline(time.Now())
		return <-heard
	}
}

// ways are all the ways by which a client can come: from outside, from this host
// over loopback, and from this host by its own address.
var ways = []struct {
	name string
	at   func(*testing.T, func() error) error
	addr string
}{
	{"outside", atPeer, "192.0.2.1"}, {"outside, IPv6", atPeer, "2001:db8::1"},
	{"loopback", here, "127.0.0.1"}, {"loopback, IPv6", here, "::1"},
	{"own address", here, "192.0.2.1"}, {"own address, IPv6", here, "2001:db8::1"},
}

// R7: without an element the port is closed.
func TestClosedPortRefusesEveryClientAndAnOpenOneNone(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	p, _ := gated(t)
	listening := map[string]<-chan net.Conn{}
	for _, w := range ways {
		if listening[w.addr] == nil {
			listening[w.addr] = listen(t, here, w.addr, port)
		}
		conns := listening[w.addr]
		isRefused(t, w.at, w.addr)
		must(t, p.Open(t.Context(), time.Minute))
		asks, idle := connect(t, w.at, w.addr, conns), connect(t, w.at, w.addr, conns)
		must(t, p.Close(t.Context()))
		if p.State() != Closed {
			t.Errorf("state %q", p.State())
		}
		isRefused(t, w.at, w.addr)
		isCutWhenItSpeaks(t, w.name+": the client's end", asks.client)
		isCutWhenItSpeaks(t, w.name+": the server's end", idle.server)
		hearsNothing(t, w.name+": the client", idle.client)
		must(t, p.OpenForReaders(t.Context()))
		connect(t, w.at, w.addr, conns)
		must(t, p.Close(t.Context()))
	}
}

func TestOpenPortClosesByItselfAndNotWhileItIsExtended(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	p, _ := gated(t)
	conns := listen(t, here, "192.0.2.1", port)
	const life = 300 * time.Millisecond
	must(t, p.Open(t.Context(), life))
	c := connect(t, atPeer, "192.0.2.1", conns)
	var last time.Time
	for range 12 { // three lifetimes, and the connection is never disturbed
		for end := time.Now().Add(life / 4); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
			must(t, says(c.client, c.server), says(c.server, c.client))
		}
		must(t, p.Extend(t.Context(), life))
		last = time.Now()
	}
	for hears(c) { // nobody extends it any more: the kernel alone ends it
		if time.Since(last) > life+50*time.Millisecond {
			t.Fatalf("still open %s after the last extension by %s", time.Since(last), life)
		}
	}
	t.Logf("cut %s after the last extension by %s", time.Since(last).Round(time.Millisecond), life)
	isRefused(t, atPeer, "192.0.2.1")
	waitUntil(t, "the gate knows", func() bool { return p.State() == Closed }) // the kernel rounds down
	if err := p.Extend(t.Context(), time.Minute); !errors.Is(err, ErrClosed) {
		t.Errorf("Extend of a port that has closed = %v, want %v", err, ErrClosed)
	}
	isRefused(t, atPeer, "192.0.2.1")
}

func TestExtendNeverOpensWhatTheKernelHasClosed(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	p, _ := gated(t)
	must(t, p.Open(t.Context(), 50*time.Millisecond))
	waitUntil(t, "the element is gone", func() bool { return !strings.Contains(sh(t, "nft list set inet mmm_gate open"), "expires") })
	p.open = p.clock() + time.Minute // as if this process had not noticed
	p.publish()
	if err := p.Extend(t.Context(), time.Minute); !errors.Is(err, ErrClosed) {
		// The gate may also have been put back first, for the minute that was claimed.
		t.Errorf("Extend = %v, want %v", err, ErrClosed)
	}
}

func TestReadersStayUntilAWritersTimeReplacesTheirs(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	p, _ := gated(t)
	conns := listen(t, here, "192.0.2.1", port)
	must(t, p.OpenForReaders(t.Context()))
	c := connect(t, atPeer, "192.0.2.1", conns)
	if err := p.Extend(t.Context(), time.Minute); !errors.Is(err, ErrClosed) {
		t.Errorf("Extend of a port without end = %v, want %v", err, ErrClosed)
	}
	must(t, p.Open(t.Context(), 200*time.Millisecond), says(c.client, c.server))
	if p.State() != Timed {
		t.Errorf("state %q", p.State())
	}
	waitUntil(t, "the port closes by itself", func() bool { return !hears(c) })
}

func TestSuccessorKeepsWhatIsTimedAndEndsWhatIsNot(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	p, _ := gated(t)
	conns := listen(t, here, "192.0.2.1", port)
	must(t, p.Open(t.Context(), 400*time.Millisecond), p.Serve(t.Context(), hosts("192.0.2.113"), time.Minute))
	opened := time.Now()
	c := connect(t, atPeer, "192.0.2.1", conns)
	before := generationNow(t)
	next := successor(t)
	must(t, next.Install(t.Context(), plan))
	if next.State() != Timed || generationNow(t) != before {
		t.Errorf("the living element was touched: state %q, %d changes", next.State(), generationNow(t)-before)
	}
	must(t, says(c.client, c.server))
	hook := successor(t) // knows the port and no more
	must(t, hook.Install(t.Context(), Layout{Port: port}))
	if hook.State() != Timed || generationNow(t) != before {
		t.Errorf("the hook before mysqld's start changed something: state %q", hook.State())
	}
	waitUntil(t, "its time is over", func() bool { return !hears(c) })
	if after := time.Since(opened); after > 500*time.Millisecond {
		t.Errorf("it lived %s", after)
	}
	if ok, err := next.Serving(t.Context(), plan.VIPs[0]); !ok || err != nil {
		t.Errorf("the address is served no more: %v", err)
	}
	must(t, next.OpenForReaders(t.Context()))
	last := successor(t)
	must(t, last.Install(t.Context(), plan))
	if last.State() != Closed {
		t.Errorf("state %q, want %q: nobody has looked yet whether the server is read-only", last.State(), Closed)
	}
	isRefused(t, atPeer, "192.0.2.1")
}

func TestFlushedGateIsPutBackWithTheDeadlinesItHad(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	p, log := gated(t)
	conns := listen(t, here, "192.0.2.1", port)
	for _, damage := range []string{
		"nft flush ruleset", "nft delete table inet mmm_gate", "nft delete table arp mmm_gate", "nft flush chain inet mmm_gate in",
		"nft flush chain arp mmm_gate out", "nft flush set inet mmm_gate open", "nft flush set inet mmm_gate port",
		"nft add element inet mmm_gate peers4 '{ 192.0.2.9 }'",
	} {
		log.Reset()
		must(t, p.Open(t.Context(), time.Minute), p.Serve(t.Context(), hosts("192.0.2.113"), time.Minute))
		c := connect(t, atPeer, "192.0.2.1", conns)
		until := p.open
		sh(t, damage)
		must(t, p.Keep(t.Context(), plan), says(c.client, c.server))
		if p.State() != Timed || p.open != until || !strings.Contains(log.String(), "changed by somebody else") {
			t.Errorf("after %s: state %q, deadline moved by %s; logged: %s", damage, p.State(), p.open-until, log)
		}
		if ok, err := p.Serving(t.Context(), plan.VIPs[0]); !ok || err != nil {
			t.Errorf("after %s: the address is not served: %v", damage, err)
		}
	}
	must(t, p.OpenForReaders(t.Context()))
	sh(t, "nft flush ruleset")
	must(t, p.Keep(t.Context(), plan))
	if p.State() != Closed {
		t.Errorf("state %q: readers were let in without anybody looking", p.State())
	}
	isRefused(t, atPeer, "192.0.2.1")
	sh(t, "nft add element inet mmm_gate open '{ 3309 }'")
	must(t, p.Keep(t.Context(), plan))
	isRefused(t, atPeer, "192.0.2.1")
	log.Reset()
	sh(t, "nft add table inet other")
	must(t, p.Keep(t.Context(), plan))
	if log.Len() != 0 {
		t.Errorf("another table made us act: %s", log)
	}
}

func TestDeadlineThatPassesDuringTheWriteClosesAtOnce(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	p, _ := gated(t)
	listen(t, here, "192.0.2.1", port)
	// The process is stopped for an hour at the n-th look at the clock: before the
	// write, between reading the clock and the write, and after it.
	for n := 1; n < 8; n++ {
		looks := 0
		p.clock = func() time.Duration {
			if looks++; looks > n {
				return sinceBoot() + time.Hour
			}
			return sinceBoot()
		}
		err := p.Open(t.Context(), time.Minute)
		if looks <= n {
			break // it did not look that often
		}
		if !errors.Is(err, ErrLate) {
			t.Errorf("stopped after look %d: %v, want %v", n, err, ErrLate)
		}
		isRefused(t, atPeer, "192.0.2.1")
	}
	p.clock = sinceBoot
	for _, left := range []time.Duration{-time.Second, 0, 300 * time.Microsecond} {
		if err := p.Open(t.Context(), left); !errors.Is(err, ErrLate) {
			t.Errorf("Open for %s = %v, want %v", left, err, ErrLate)
		}
		isRefused(t, atPeer, "192.0.2.1")
	}
}

// The same for what this host answers for (R4, R10).
func TestDeadlineThatPassesDuringTheWriteServesNothing(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	p, _ := gated(t)
	vip := hosts("192.0.2.113")
	for n := 1; n < 12; n++ {
		looks := 0
		p.clock = func() time.Duration {
			if looks++; looks > n {
				return sinceBoot() + time.Hour
			}
			return sinceBoot()
		}
		err := p.Serve(t.Context(), vip, time.Minute)
		if looks <= n {
			break // it did not look that often
		}
		p.clock = sinceBoot
		if serving, asked := p.Serving(t.Context(), vip[0]); !errors.Is(err, ErrLate) || serving || asked != nil {
			t.Errorf("stopped after look %d: %v, serving %t (%v)", n, err, serving, asked)
		}
	}
}

func TestOnlyHostsOfTheClusterReachTheReplicationPort(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	p, _ := gated(t)
	listening := map[string]<-chan net.Conn{}
	for _, w := range ways {
		if listening[w.addr] == nil {
			listening[w.addr] = listen(t, here, w.addr, peerPort)
		}
		conns := listening[w.addr]
		c, err := dial(t, w.at, w.addr, peerPort)
		if err != nil {
			t.Fatalf("%s: %v", w.name, err)
		}
		server := <-conns
		t.Cleanup(func() { server.Close() })
		stranger := plan
		stranger.Peers = nil
		must(t, p.Keep(t.Context(), stranger))
		if got, err := dial(t, w.at, w.addr, peerPort); strings.HasPrefix(w.name, "outside") != (err != nil) {
			t.Errorf("%s, as a stranger: %v, %v", w.name, got, err)
		}
		if strings.HasPrefix(w.name, "outside") {
			isCutWhenItSpeaks(t, w.name, c)
		}
		must(t, p.Keep(t.Context(), plan))
	}
}

// answers asks from the peer who has addr, and says whether anybody answered.
func answers(t *testing.T, addr string) bool {
	t.Helper()
	sh(t, "ip -n peer neigh flush all")
	_ = atPeer(t, func() error {
		c, err := net.Dial("udp", net.JoinHostPort(addr, "9"))
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Write([]byte{1})
		return err
	})
	state := ""
	waitUntil(t, "the neighbour table knows "+addr, func() bool {
		state = sh(t, "ip -n peer neigh show to "+addr)
		return regexp.MustCompile("REACHABLE|DELAY|STALE|FAILED").MatchString(state)
	})
	return !strings.Contains(state, "FAILED")
}

// R10.
func TestVirtualAddressIsAnsweredForOnlyWhileItIsServed(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	p, _ := gated(t)
	sh(t, `ip addr add 192.0.2.113/32 dev eth0
ip addr add 2001:db8::113/128 dev eth0 nodad
ip netns exec peer sh -c 'for p in ipv4 ipv6; do cd /proc/sys/net/$p/neigh/eth0; echo 2 > mcast_solicit; echo 40 > retrans_time_ms; done'`)
	must(t, p.OpenForReaders(t.Context()))
	for _, vip := range []string{"192.0.2.113", "2001:db8::113"} {
		conns := listen(t, here, vip, port)
		if answers(t, vip) {
			t.Errorf("%s was answered for although it is not served", vip)
		}
		must(t, p.Serve(t.Context(), hosts(vip), time.Minute))
		if !answers(t, vip) {
			t.Errorf("%s was not answered for", vip)
		}
		asks, told := connect(t, atPeer, vip, conns), connect(t, here, vip, conns)
		must(t, says(told.client, told.server))
		must(t, p.Unserve(t.Context(), hosts(vip)...))
		if answers(t, vip) {
			t.Errorf("%s was answered for after its end", vip)
		}
		if _, err := asks.client.Write([]byte{1}); err != nil {
			t.Error(err)
		}
		hearsNothing(t, "the server of "+vip, asks.server)
		if err := says(asks.server, asks.client); err != nil { // such as its goodbye
			t.Errorf("what the server of %s had to say did not arrive: %v", vip, err)
		}
		must(t, p.Serve(t.Context(), hosts(vip), 200*time.Millisecond))
		waitUntil(t, vip+" is silent by itself", func() bool { return !answers(t, vip) })
		for _, own := range []string{"192.0.2.1", "2001:db8::1"} {
			if !answers(t, own) {
				t.Errorf("the host's own address %s is silent", own)
			}
		}
	}
}

func TestServingReplacesAndUnservingSparesTheOthers(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	p, _ := gated(t)
	served := func(want ...string) {
		t.Helper()
		for _, a := range []string{"192.0.2.113", "192.0.2.114", "2001:db8::113"} {
			ok, err := p.Serving(t.Context(), netip.MustParseAddr(a))
			if w := strings.Contains(fmt.Sprint(want), a+" ") || strings.Contains(fmt.Sprint(want), a+"]"); ok != w || err != nil {
				t.Errorf("%s served: %v, %v; want %v", a, ok, err, w)
			}
		}
	}
	must(t, p.Serve(t.Context(), hosts("192.0.2.113", "2001:db8::113"), time.Minute))
	served("192.0.2.113", "2001:db8::113")
	must(t, p.Serve(t.Context(), hosts("192.0.2.113", "192.0.2.114"), time.Minute)) // .114 is new to the gate
	served("192.0.2.113", "192.0.2.114")
	must(t, p.Unserve(t.Context(), hosts("192.0.2.113")...))
	served("192.0.2.114")
	must(t, p.Unserve(t.Context()))
	served()
	if err := p.Serve(t.Context(), hosts("192.0.2.113"), -time.Second); !errors.Is(err, ErrLate) {
		t.Errorf("Serve past the deadline = %v, want %v", err, ErrLate)
	}
	served()
}

func TestRemovedGateLeavesTheListsAndOthers(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	gated(t)
	m := New(Options{Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	must(t, m.Install(t.Context()))
	for range 2 { // also when there is none
		must(t, RemoveGate(t.Context()))
		if got := strings.TrimSpace(sh(t, "nft list tables")); got != "table inet mmm" {
			t.Errorf("left: %s", got)
		}
	}
}

func TestGateReadsAsMeant(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	p, _ := gated(t)
	must(t, p.OpenForReaders(t.Context()), p.Serve(t.Context(), hosts("192.0.2.113"), time.Hour))
	got := sh(t, "nft -n list table inet mmm_gate; nft -n list table arp mmm_gate")
	got = regexp.MustCompile(`timeout \S+ expires \S+`).ReplaceAllString(got, "timeout T expires T")
	const golden = "testdata/gate.txt"
	if os.Getenv("REWRITE") != "" {
		must(t, os.WriteFile(golden, []byte(got), 0o644))
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("nft shows\n%s\nwant\n%s", got, want)
	}
}

// A first packet that gets no answer is sent again only after a second.
func TestWhoConnectsToAnAddressThatWasLetGoIsRefusedAtOnce(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	p, log := gated(t)
	refusesWhatItLetGo(t, p, true)
	standsAsWritten(t, p, log)
}

// A kernel that refuses nothing in front of routing does so while the address stands.
func TestOlderKernelRefusesWhileTheAddressStands(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	p, log := gated(t)
	p.noEarly = true
	must(t, p.rebuild(t.Context()))
	if strings.Contains(sh(t, "nft list table inet mmm_gate"), "prerouting") {
		t.Error("the rules are not those of an older kernel")
	}
	refusesWhatItLetGo(t, p, false)
	standsAsWritten(t, p, log)
}

func refusesWhatItLetGo(t *testing.T, p *Port, early bool) {
	t.Helper()
	other := hosts("192.0.2.114", "2001:db8::114")
	must(t, p.Serve(t.Context(), other, time.Minute), p.OpenForReaders(t.Context()))
	for _, one := range []struct{ vip, with, set string }{
		{"192.0.2.113", "192.0.2.113/32", "left4"}, {"2001:db8::113", "2001:db8::113/128 nodad", "left6"},
	} {
		vip := one.vip
		sh(t, "ip addr add "+one.with+" dev eth0")
		conns := listen(t, here, vip, port)
		sh(t, "ip -n peer neigh replace "+vip+" dev eth0 nud permanent lladdr $(ip -br link show eth0 | awk '{print $3}')")
		gone := func() {
			t.Helper()
			isRefused(t, atPeer, vip)
			sh(t, "ip addr del "+one.with+" dev eth0")
			if early {
				isRefused(t, atPeer, vip)
			}
			sh(t, "ip addr add "+one.with+" dev eth0")
		}
		for range 2 { // the second time it came back while it was still refused
			must(t, p.Serve(t.Context(), append(hosts(vip), other...), time.Minute))
			connect(t, atPeer, vip, conns)
			must(t, p.Unserve(t.Context(), hosts(vip)...), p.Serve(t.Context(), other, time.Minute)) // a lease is renewed
			gone()
		}
		must(t, p.Serve(t.Context(), hosts(vip), 100*time.Millisecond)) // nobody extends it
		waitUntil(t, "its time is over", func() bool {
			return !strings.Contains(sh(t, "nft list set inet mmm_gate "+strings.Replace(one.set, "left", "served", 1)), "expires")
		})
		gone()
		waitUntil(t, "some time has passed", func() bool { return !strings.Contains(sh(t, "nft list set inet mmm_gate "+one.set), vip+" timeout") })
		sh(t, "ip addr del "+one.with+" dev eth0")
		if err, silent := knock(t, vip), net.Error(nil); !errors.As(err, &silent) || !silent.Timeout() {
			t.Errorf("%s is none of this host's business any more: %v", vip, err)
		}
	}
}

// standsAsWritten wants Keep to find nothing to put back.
func standsAsWritten(t *testing.T, p *Port, log *bytes.Buffer) {
	t.Helper()
	log.Reset()
	p.generation = 0 // have it look
	must(t, p.Keep(t.Context(), p.layout))
	if log.Len() != 0 {
		t.Errorf("the gate is not what was written: %s", log)
	}
}

// knock connects from the peer, without patience.
func knock(t *testing.T, addr string) error {
	t.Helper()
	return atPeer(t, func() error {
		c, err := net.DialTimeout("tcp", net.JoinHostPort(addr, fmt.Sprint(port)), 100*time.Millisecond)
		if err == nil {
			err = c.Close()
		}
		return err
	})
}
