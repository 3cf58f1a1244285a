package vip

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fromPeer connects from the namespace "peer"; both ends live as long as the test.
func fromPeer(t *testing.T, l net.Listener, addr string) net.Conn {
	t.Helper()
	type result struct {
		net.Conn
		error
	}
	done := make(chan result)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	go func() {
		// Never unlocked: the thread ends with the goroutine.
		runtime.LockOSThread()
		file, err := os.Open("/run/netns/peer")
		if err == nil {
			err = errors.Join(unix.Setns(int(file.Fd()), unix.CLONE_NEWNET), file.Close())
		}
		if err != nil {
			done <- result{nil, err}
			return
		}
		c, err := net.DialTimeout("tcp", net.JoinHostPort(addr, port), 5*second)
		done <- result{c, err}
	}()
	r := <-done
	if r.error != nil {
		t.Fatal(r.error)
	}
	t.Cleanup(func() { r.Close() })
	return r.Conn
}

// A process that hangs ends no connection, and who only waits hears of nothing else.
func TestCutTellsTheClientsOfThatAddressAndNoOthers(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	wire(t)
	_, k := realKernel(t)
	for _, c := range []struct{ network, vip, other string }{
		{"tcp4", "192.0.2.113", "192.0.2.1"},
		{"tcp", "192.0.2.113", "192.0.2.1"}, // a socket of both families: addresses are mapped
		{"tcp", "2001:db8::113", "2001:db8::1"},
	} {
		addr := netip.MustParseAddr(c.vip)
		l, err := net.Listen(c.network, ":0") // nobody accepts: the process hangs
		if err == nil {
			err = k.Add(t.Context(), addr, 60*second)
		}
		if err != nil {
			t.Fatal(err)
		}
		struck, spared := fromPeer(t, l, c.vip), fromPeer(t, l, c.other)
		if n, err := k.Cut(t.Context(), addr); n != 1 || err != nil {
			t.Errorf("%s: Cut = %d, %v, want 1", c.vip, n, err)
		}
		if err := errors.Join(struck.SetDeadline(time.Now().Add(5*second)), spared.SetDeadline(time.Now().Add(50*milli))); err != nil {
			t.Fatal(err)
		}
		if _, err := struck.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the client of %s read %v", c.vip, err)
		}
		if _, err := spared.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the client of %s read %v", c.other, err)
		}
		if n, err := k.Cut(t.Context(), addr); n != 0 || err != nil {
			t.Errorf("again: %d, %v", n, err)
		}
		if err := errors.Join(k.Delete(t.Context(), addr), l.Close()); err != nil {
			t.Error(err)
		}
	}
}
