package wire_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/mmm-ha/mmm/router/wire"
)

// turn is what one side said before the other one spoke.
type turn struct {
	client bool
	bytes  []byte
}

// tape is one connection as a relay saw it. A side's bytes are on it before the
// other side gets them, so a client that waits for an answer before it goes on
// speaks when the whole answer is on the tape.
type tape struct {
	sync.Mutex
	turns []turn
}

func (t *tape) add(client bool, b []byte) {
	t.Lock()
	defer t.Unlock()
	if n := len(t.turns); n > 0 && t.turns[n-1].client == client {
		t.turns[n-1].bytes = append(t.turns[n-1].bytes, b...)
		return
	}
	t.turns = append(t.turns, turn{client, slices.Clone(b)})
}

// relay records connections to a server.
type relay struct {
	Port  int
	ln    net.Listener
	tapes []*tape
	conns sync.WaitGroup
}

func startRelay(t *testing.T, server string) *relay {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{ln: ln, Port: ln.Addr().(*net.TCPAddr).Port}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			back, err := net.Dial("tcp", server)
			if err != nil {
				_ = client.Close()
				continue
			}
			tp := &tape{}
			r.tapes = append(r.tapes, tp)
			for _, way := range []struct {
				from, to net.Conn
				client   bool
			}{{client, back, true}, {back, client, false}} {
				r.conns.Go(func() {
					defer way.to.Close()
					copyTo(way.to, way.from, func(b []byte) { tp.add(way.client, b) })
				})
			}
		}
	}()
	t.Cleanup(func() { _ = ln.Close(); <-done })
	return r
}

func copyTo(to io.Writer, from io.Reader, seen func([]byte)) {
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		seen(b[:n])
		if _, failed := to.Write(b[:n]); err != nil || failed != nil {
			return
		}
	}
}

// finished ends the relay and returns what it recorded.
func (r *relay) finished() []*tape {
	_ = r.ln.Close()
	r.conns.Wait()
	return r.tapes
}

// play is a walk over a tape.
type play struct {
	client, server []byte
	asked          []int // how much the server had said whenever the client began to speak
	caps           wire.Capability
	seen           map[string]int
}

// replay walks over every answer on a tape, given in pieces of random sizes, and
// fails unless each ends exactly where the client spoke next.
func replay(t *testing.T, tp *tape, random *rand.Rand, seen map[string]int) {
	t.Helper()
	p := play{seen: seen}
	for _, part := range tp.turns {
		if part.client {
			p.client = append(p.client, part.bytes...)
			p.asked = append(p.asked, len(p.server))
			continue
		}
		p.server = append(p.server, part.bytes...)
	}
	p.asked = append(p.asked, len(p.server))
	at, err := p.login()
	if err != nil {
		t.Fatal(err)
	}
	for len(p.client) > 0 {
		command := p.message()
		if len(command) == 0 {
			t.Fatal("a command without a byte")
		}
		c := wire.Command(command[0])
		n, err := p.answer(c, p.server[at:], random)
		if err != nil {
			t.Fatalf("%v %.60q: %v", c, command[1:], err)
		}
		at += n
		if n > 0 && !slices.Contains(p.asked, at) {
			t.Fatalf("%v %.60q: its answer ends at %d, and the client spoke at %v", c, command[1:], at, p.asked)
		}
		seen[c.String()]++
	}
	if at != len(p.server) {
		t.Fatalf("%d bytes of the server belong to nothing", len(p.server)-at)
	}
}

// packet takes one packet of a stream.
func packet(b *[]byte) (payload []byte, full bool) {
	n, _, _ := wire.Header(*b)
	payload = (*b)[wire.HeaderSize : wire.HeaderSize+n]
	*b = (*b)[wire.HeaderSize+n:]
	return payload, n == wire.MaxPayload
}

// message takes what the client sent, which may be several packets.
func (p *play) message() []byte {
	first, more := packet(&p.client)
	for more {
		_, more = packet(&p.client)
	}
	return first
}

// login reads the greeting, the login and what follows, until the server's OK.
func (p *play) login() (int, error) {
	b := p.server
	first, _ := packet(&b)
	greeting, err := wire.ParseGreeting(first)
	if err != nil {
		return 0, err
	}
	login, err := wire.ParseLogin(p.message())
	if err != nil {
		return 0, err
	}
	p.caps = login.Capabilities & (greeting.Capabilities | wire.LongPassword)
	for {
		answer, _ := packet(&b)
		switch {
		case answer[0] == 0:
			_, err := wire.ParseOK(answer, p.caps)
			return len(p.server) - len(b), err
		case wire.IsErr(answer):
			e, _ := wire.ParseErr(answer)
			return 0, e
		case answer[0] == 1 && len(answer) == 2 && answer[1] == 3: // caching_sha2_password is content
		default:
			p.message()
		}
	}
}

// answer walks over one answer, and says how long it is.
func (p *play) answer(c wire.Command, b []byte, random *rand.Rand) (int, error) {
	var w wire.Walker
	if !w.Start(c, p.caps) {
		return 0, nil
	}
	most := []int{1, 7, 100, 5000, 1 << 20, 1 << 30}[random.IntN(6)]
	if len(b) > 1<<20 {
		most = 1 << 22
	}
	at, have := 0, 0
	for {
		n, e := w.Walk(b[at : at+have])
		at, have = at+n+len(w.Packet), have-n-len(w.Packet)
		switch {
		case w.Broken:
			return at, fmt.Errorf("broken at %q", w.Packet)
		case e == wire.End:
			p.note(&w)
			return at, nil
		case e == wire.Local:
			p.seen["LOCAL"]++
			for more := true; more; {
				file, _ := packet(&p.client)
				more = len(file) > 0
			}
		case e != wire.More:
			p.seen[fmt.Sprintf("event %d", e)]++
		case at+have == len(b):
			return at, io.ErrUnexpectedEOF
		default:
			have = min(have+1+random.IntN(most), len(b)-at)
		}
	}
}

// note counts what ended an answer.
func (p *play) note(w *wire.Walker) {
	switch {
	case len(w.Packet) > 0 && wire.IsErr(w.Packet[wire.HeaderSize:]):
		p.seen["ERR"]++
	case w.Status.Has(wire.CursorExists):
		p.seen["cursor"]++
	}
}
