package storetest

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// Proxy is a TCP way to an etcd that can fail like a host or a network does.
// Two proxies to one Etcd look like two members.
type Proxy struct {
	// Endpoint is host:port for clients.
	Endpoint string

	listener net.Listener
	wg       sync.WaitGroup

	mu     sync.Mutex
	target string
	thawed *sync.Cond
	frozen [2]bool // by direction
	closed bool
	conns  map[net.Conn]bool
}

// The directions through a Proxy.
const (
	ToServer = iota
	ToClient
)

// NewProxy forwards to the target until the test ends.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen for proxy: %v", err)
	}
	p := &Proxy{Endpoint: l.Addr().String(), listener: l, target: target, conns: map[net.Conn]bool{}}
	p.thawed = sync.NewCond(&p.mu)
	p.wg.Go(p.accept)
	t.Cleanup(p.Close)
	return p
}

// Freeze holds all bytes back, in the given directions or in both, without
// closing anything: a stopped process, or a network that drops. New connections
// are accepted and get no answer.
func (p *Proxy) Freeze(directions ...int) { p.set(true, directions) }

// Thaw lets the held bytes go on.
func (p *Proxy) Thaw(directions ...int) { p.set(false, directions) }

// Cut closes all connections that exist now.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

// Lead makes the proxy forward to another target and cuts what goes to the old.
func (p *Proxy) Lead(target string) {
	p.mu.Lock()
	p.target = target
	p.mu.Unlock()
	p.Cut()
}

// Close ends the proxy: clients are refused from now on.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	p.thawed.Broadcast()
	p.mu.Unlock()
	_ = p.listener.Close()
	p.Cut()
	p.wg.Wait()
}

func (p *Proxy) set(frozen bool, directions []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(directions) == 0 {
		directions = []int{ToServer, ToClient}
	}
	for _, d := range directions {
		p.frozen[d] = frozen
	}
	p.thawed.Broadcast()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		target := p.target
		p.mu.Unlock()
		server, err := net.Dial("tcp", target)
		if err != nil {
			_ = client.Close()
			continue
		}
		if !p.keep(client, server) {
			return
		}
		p.wg.Go(func() { p.pump(server, client, ToServer) })
		p.wg.Go(func() { p.pump(client, server, ToClient) })
	}
}

// keep remembers the connections, unless the proxy is closed already.
func (p *Proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.closed {
			_ = c.Close()
			continue
		}
		p.conns[c] = true
	}
	return !p.closed
}

// pump copies one direction and waits, with the bytes in hand, while it is frozen.
func (p *Proxy) pump(to, from net.Conn, direction int) {
	defer func() {
		_, _ = to.Close(), from.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, to)
		delete(p.conns, from)
	}()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if !p.pass(direction) {
				return
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil && !errors.Is(err, io.ErrNoProgress) {
			return
		}
	}
}

// pass waits until the direction is open; false: the proxy is closed.
func (p *Proxy) pass(direction int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.frozen[direction] && !p.closed {
		p.thawed.Wait()
	}
	return !p.closed
}
