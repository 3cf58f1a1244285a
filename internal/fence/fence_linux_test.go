package fence

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const port = 3309

// bound is how long a connection may take to do anything. What takes longer
// hangs; nothing here is expected to come near it.
const bound = 5 * time.Second

// installed returns a Manager with its table in a namespace that has a peer, and
// what it logs.
func installed(t *testing.T) (*Manager, *bytes.Buffer) {
	t.Helper()
	wire(t)
	var log bytes.Buffer
	m := New(Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err := m.Install(t.Context()); err != nil {
		t.Fatal(err)
	}
	return m, &log
}

// atPeer runs f on a thread that is in the namespace "peer". A socket stays in
// the namespace that it was made in.
func atPeer(t *testing.T, f func() error) error {
	t.Helper()
	result := make(chan error)
	go func() {
		// Never unlocked: the thread ends with the goroutine.
		runtime.LockOSThread()
		file, err := os.Open("/run/netns/peer")
		if err == nil {
			err = errors.Join(unix.Setns(int(file.Fd()), unix.CLONE_NEWNET), file.Close())
		}
		if err == nil {
			err = f()
		}
		result <- err
	}()
	return <-result
}

func here(_ *testing.T, f func() error) error { return f() }

// listen accepts connections on port for the whole test.
func listen(t *testing.T, at func(*testing.T, func() error) error, addr string, port int) <-chan net.Conn {
	t.Helper()
	var l net.Listener
	err := at(t, func() (err error) {
		l, err = net.Listen("tcp", net.JoinHostPort(addr, strconv.Itoa(port)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	conns := make(chan net.Conn, 8)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns <- c
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return conns
}

// dial connects to port of addr.
func dial(t *testing.T, at func(*testing.T, func() error) error, addr string, port int) (net.Conn, error) {
	t.Helper()
	var c net.Conn
	err := at(t, func() (err error) {
		c, err = net.DialTimeout("tcp", net.JoinHostPort(addr, strconv.Itoa(port)), bound)
		return err
	})
	if err == nil {
		t.Cleanup(func() { c.Close() })
	}
	return c, err
}

// pair is an established connection of which both ends have been heard.
type pair struct{ client, server net.Conn }

func connect(t *testing.T, at func(*testing.T, func() error) error, addr string, conns <-chan net.Conn) pair {
	t.Helper()
	c, err := dial(t, at, addr, port)
	if err != nil {
		t.Fatalf("connect to %s: %v", addr, err)
	}
	p := pair{c, <-conns}
	t.Cleanup(func() { p.server.Close() })
	if err := errors.Join(says(p.client, p.server), says(p.server, p.client)); err != nil {
		t.Fatalf("talk to %s: %v", addr, err)
	}
	return p
}

// says sends a byte and waits for its arrival.
func says(from, to net.Conn) error {
	deadline := time.Now().Add(bound)
	if err := errors.Join(from.SetDeadline(deadline), to.SetDeadline(deadline)); err != nil {
		return err
	}
	if _, err := from.Write([]byte{1}); err != nil {
		return err
	}
	_, err := io.ReadFull(to, make([]byte, 1))
	return err
}

// isCutWhenItSpeaks wants c to be reset in answer to what it sends.
func isCutWhenItSpeaks(t *testing.T, what string, c net.Conn) {
	t.Helper()
	if err := c.SetDeadline(time.Now().Add(bound)); err != nil {
		t.Fatal(err)
	}
	_, err := c.Write([]byte{1})
	if err == nil {
		_, err = c.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("%s: %v, want a reset", what, err)
	}
}

// hearsNothing wants no byte at c.
func hearsNothing(t *testing.T, what string, c net.Conn) {
	t.Helper()
	if err := c.SetDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 1)); n > 0 {
		t.Errorf("%s heard something (%v), want nothing", what, err)
	}
}

// isRefused wants a connection attempt to be answered with a reset.
func isRefused(t *testing.T, at func(*testing.T, func() error) error, addr string) {
	t.Helper()
	c, err := dial(t, at, addr, port)
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("connect to %s = %v, %v, want it refused", addr, c, err)
	}
}

func TestRejectedWriterIsRefusedAtOnceAndCutOff(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	m, _ := installed(t)
	for _, addr := range []string{"192.0.2.2", "2001:db8::2"} {
		conns := listen(t, atPeer, addr, port)
		speaks, hears := connect(t, here, addr, conns), connect(t, here, addr, conns)
		if err := m.Reject(t.Context(), hosts(addr), port); err != nil {
			t.Fatal(err)
		}
		isRefused(t, here, addr)
		isCutWhenItSpeaks(t, "the replica's end", speaks.client)
		isCutWhenItSpeaks(t, "the deposed writer's end", hears.server)
		hearsNothing(t, "the replica", hears.client)
		if err := m.Reject(t.Context(), nil, port); err != nil {
			t.Fatal(err)
		}
		connect(t, here, addr, conns)
	}
}

func TestRefusedReplicaIsRefusedAtOnceAndCutOff(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	m, _ := installed(t)
	for _, family := range []struct{ here, peer string }{{"192.0.2.1", "192.0.2.2"}, {"2001:db8::1", "2001:db8::2"}} {
		conns := listen(t, here, family.here, port)
		asks, told := connect(t, atPeer, family.here, conns), connect(t, atPeer, family.here, conns)
		if err := m.Refuse(t.Context(), hosts(family.peer), port); err != nil {
			t.Fatal(err)
		}
		isRefused(t, atPeer, family.here)
		isCutWhenItSpeaks(t, "the replica's end", asks.client)
		isCutWhenItSpeaks(t, "the writer's end", told.server)
		hearsNothing(t, "the replica", told.client)
		connect(t, here, family.here, conns) // the host itself is not meant
		if err := m.Refuse(t.Context(), nil, port); err != nil {
			t.Fatal(err)
		}
		connect(t, atPeer, family.here, conns)
	}
}

func TestOnlyAdmittedHostsReachAGuardedPort(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	m, _ := installed(t)
	for _, family := range []struct{ here, peer, other string }{
		{"192.0.2.1", "192.0.2.2", "192.0.2.3"},
		{"2001:db8::1", "2001:db8::2", "2001:db8::3"},
	} {
		conns := listen(t, here, family.here, port)
		elsewhere := listen(t, here, family.here, port+1)
		admitted := connect(t, atPeer, family.here, conns)
		if err := m.Admit(t.Context(), hosts(family.peer, family.other), port); err != nil {
			t.Fatal(err)
		}
		if err := says(admitted.server, admitted.client); err != nil {
			t.Errorf("an admitted connection was disturbed: %v", err)
		}
		connect(t, atPeer, family.here, conns)
		if err := m.Refuse(t.Context(), hosts(family.peer), port); err != nil {
			t.Fatal(err)
		}
		isRefused(t, atPeer, family.here) // Refuse goes before Admit
		if err := m.Refuse(t.Context(), nil, port); err != nil {
			t.Fatal(err)
		}
		if err := m.Admit(t.Context(), hosts(family.other), port); err != nil {
			t.Fatal(err)
		}
		isRefused(t, atPeer, family.here)
		isCutWhenItSpeaks(t, "the replica's end", admitted.client)
		connect(t, here, family.here, conns)
		if _, err := dial(t, atPeer, family.here, port+1); err != nil {
			t.Errorf("another port is closed too: %v", err)
		}
		<-elsewhere
		if err := m.AdmitAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		connect(t, atPeer, family.here, conns)
	}
}

// generationNow asks for the generation of rules.
func generationNow(t *testing.T) uint32 {
	t.Helper()
	k := newLine()
	defer k.hangUp()
	n, err := k.generation(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestSameListAgainChangesNothing(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	m, _ := installed(t)
	set := func() {
		t.Helper()
		if err := errors.Join(
			m.Reject(t.Context(), hosts("192.0.2.2", "2001:db8::2"), port),
			m.Refuse(t.Context(), hosts("192.0.2.3"), port),
			m.Admit(t.Context(), hosts("192.0.2.4"), port),
		); err != nil {
			t.Fatal(err)
		}
	}
	set()
	before := generationNow(t)
	set()
	if after := generationNow(t); after != before {
		t.Errorf("the rules were changed %d times, want none", after-before)
	}
	if err := m.Reject(t.Context(), hosts("192.0.2.5", "192.0.2.2"), port); err != nil {
		t.Fatal(err)
	}
	if after := generationNow(t); after != before+1 {
		t.Errorf("the list was replaced in %d steps, want one", after-before)
	}
}

func TestChangeBySomebodyElseIsRepaired(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	m, log := installed(t)
	refuse := func() {
		t.Helper()
		if err := m.Refuse(t.Context(), hosts("192.0.2.2"), port); err != nil {
			t.Fatal(err)
		}
	}
	refuse()
	want := sh(t, "nft list table inet mmm")
	for _, damage := range []string{
		"nft flush ruleset",
		"nft delete table inet mmm",
		"nft flush table inet mmm",
		"nft flush chain inet mmm in",
		"nft flush set inet mmm refused4",
		"nft add element inet mmm deposed6 '{ 2001:db8::7 . 3309 }'",
	} {
		log.Reset()
		sh(t, damage)
		refuse()
		if got := sh(t, "nft list table inet mmm"); got != want {
			t.Errorf("after %s the table is\n%s\nwant\n%s", damage, got, want)
		}
		if !strings.Contains(log.String(), "changed by somebody else") {
			t.Errorf("after %s nothing of it was logged: %s", damage, log)
		}
	}
	log.Reset()
	sh(t, "nft add table inet other")
	refuse()
	if log.Len() != 0 {
		t.Errorf("another table made us act: %s", log)
	}
}

func TestInstallReplacesWhatACrashedRunLeft(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	crashed, _ := installed(t)
	empty := sh(t, "nft list table inet mmm")
	if err := crashed.Reject(t.Context(), hosts("192.0.2.2", "2001:db8::2"), port); err != nil {
		t.Fatal(err)
	}
	m := New(Options{Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err := m.Install(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := sh(t, "nft list table inet mmm"); got != empty {
		t.Errorf("after Install the table is\n%s\nwant\n%s", got, empty)
	}
}

// installedAgain is the Manager of an agent that starts after another.
func installedAgain(t *testing.T) *Manager {
	t.Helper()
	m := New(Options{Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err := m.Install(t.Context()); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestWhoWasKeptOutStaysOutWhenTheNextAgentStarts(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	before, _ := installed(t)
	if err := errors.Join(
		before.Refuse(t.Context(), hosts("192.0.2.2", "2001:db8::2", "192.0.2.7"), port),
		before.Admit(t.Context(), hosts("192.0.2.4", "2001:db8::4"), port+1),
	); err != nil {
		t.Fatal(err)
	}
	want := sh(t, "nft list table inet mmm")
	m := installedAgain(t)
	if got := sh(t, "nft list table inet mmm"); got != want {
		t.Errorf("after the start the table is\n%s\nwant\n%s", got, want)
	}
	if err := m.Refuse(t.Context(), nil, port); err != nil { // it decides anew
		t.Fatal(err)
	}
	conns := listen(t, here, "192.0.2.1", port)
	connect(t, atPeer, "192.0.2.1", conns)
	if err := m.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	installedAgain(t)
	if got := sh(t, "nft list table inet mmm"); strings.Contains(got, "elements") {
		t.Errorf("a table that was taken out at uninstallation left something:\n%s", got)
	}
}

func TestNobodyGetsInWhileAnAgentStarts(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	m, _ := installed(t)
	conns := listen(t, here, "192.0.2.1", port)
	if err := m.Refuse(t.Context(), hosts("192.0.2.2"), port); err != nil {
		t.Fatal(err)
	}
	stop, tried := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		_ = atPeer(t, func() error {
			for {
				select {
				case <-stop:
					return nil
				default:
				}
				n++
				if c, err := net.DialTimeout("tcp", "192.0.2.1:3309", bound); err == nil {
					c.Close()
				}
			}
		})
		tried <- n
	}()
	for range 100 {
		installedAgain(t)
	}
	close(stop)
	if n := <-tried; n < 100 {
		t.Errorf("only %d attempts: that proves nothing", n)
	}
	select {
	case <-conns:
		t.Error("a refused host got in while an agent started")
	default:
	}
}

func TestTableOfAnotherVersionIsReplacedAndItsListsAreKept(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	wire(t)
	sh(t, `nft -f - <<'END'
table inet mmm {
	set refused4 { type ipv4_addr . inet_service; flags timeout; elements = { 192.0.2.2 . 3309 timeout 1h } }
	set refused6 { type ipv6_addr; elements = { 2001:db8::2 } }
	set other { type ipv4_addr; elements = { 192.0.2.3 } }
	chain in { type filter hook input priority 5; policy drop; ip saddr @other accept; }
	chain old { tcp dport 3309 drop; }
}
END`)
	installedAgain(t)
	got := sh(t, "nft list table inet mmm")
	sh(t, "nft delete table inet mmm")
	m := installedAgain(t)
	if err := m.Refuse(t.Context(), hosts("192.0.2.2"), port); err != nil {
		t.Fatal(err)
	}
	if want := sh(t, "nft list table inet mmm"); got != want {
		t.Errorf("the table is\n%s\nwant\n%s", got, want)
	}
}

func TestRemoveLeavesNothingOfOursAndAllOfOthers(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	m, _ := installed(t)
	sh(t, "nft add table inet other")
	for range 2 { // also when there is none
		if err := m.Remove(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := sh(t, "nft list tables"); strings.TrimSpace(got) != "table inet other" {
			t.Errorf("left: %s", got)
		}
	}
	if err := m.Reject(t.Context(), hosts("192.0.2.2"), port); !errors.Is(err, ErrNotInstalled) {
		t.Errorf("Reject after Remove = %v, want %v", err, ErrNotInstalled)
	}
}

func TestTableReadsAsMeant(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	m, _ := installed(t)
	if err := errors.Join(
		m.Reject(t.Context(), hosts("192.0.2.2", "2001:db8::2"), port),
		m.Refuse(t.Context(), hosts("192.0.2.3"), port),
		m.Admit(t.Context(), hosts("192.0.2.4", "2001:db8::4"), port),
	); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/table.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got := sh(t, "nft -n list table inet mmm"); got != string(want) {
		t.Errorf("nft shows\n%s\nwant\n%s", got, want)
	}
}
