package session

import (
	"cmp"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/router/auth"
	"github.com/mmm-ha/mmm/router/backend"
	"github.com/mmm-ha/mmm/router/follow"
	"github.com/mmm-ha/mmm/router/pick"
	"github.com/mmm-ha/mmm/router/wire"
)

// puppet is a server that lets everybody in and answers what a test tells it to: it
// fails at the moment that the test is about, which a real one does by chance.
type puppet struct {
	host     follow.Host
	acts     func(*stagehand) bool // answers a command; false: it is answered OK
	welcomed func(n int)           // the n-th client is logged in, and waits for the last word of it
	version  string                // that it greets with; empty: MariaDB 10.11
	offers   wire.Capability       // likewise; 0: puppetCaps
	judges   func(*stagehand) bool // whether somebody may log in; nil: everybody may

	mu        sync.Mutex
	told      []string // commands, with their texts
	logins    int
	strangers []bool // who asked what it is like; whether the login was ended as it should
	conns     []net.Conn
	door      net.Listener
	frozen    chan struct{} // nobody is greeted before it is closed; nil: everybody is
}

// stagehand is one connection to a puppet, and the command that it has just read.
type stagehand struct {
	*puppet
	conn    net.Conn
	packets *wire.Reader
	caps    wire.Capability
	seq     byte
	command wire.Command
	text    string // behind the byte of the command
}

// puppetCaps is what a puppet offers.
const puppetCaps = plainCaps&^wire.LongPassword | wire.SessionTrack | wire.DeprecateEOF

// newPuppet begins to listen.
func newPuppet(t testing.TB, name string, acts func(*stagehand) bool) *puppet {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &puppet{door: l, host: follow.Host{Name: name, Address: netip.MustParseAddrPort(l.Addr().String())}, acts: acts}
	var all sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); p.shut(); all.Wait() })
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			p.conns = append(p.conns, c)
			p.mu.Unlock()
			all.Go(func() {
				(&stagehand{puppet: p, conn: c, packets: wire.NewReader(c, 1<<26)}).serve()
				_ = c.Close()
			})
		}
	})
	return p
}

// quit listens no more.
func (p *puppet) quit() {
	_ = p.door.Close()
	p.shut()
}

// shut closes all connections.
func (p *puppet) shut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
}

func (h *stagehand) serve() {
	h.mu.Lock()
	frozen := h.frozen
	h.mu.Unlock()
	if frozen != nil {
		<-frozen
	}
	greeting := wire.Greeting{Version: cmp.Or(h.version, "10.11.9-MariaDB"), Connection: 5, Capabilities: cmp.Or(h.offers, puppetCaps), Charset: 45, Status: wire.Autocommit, Plugin: "mysql_native_password"}
	copy(greeting.Salt[:], auth.NewSalt())
	h.send(greeting.Append(nil))
	login, ok := h.next()
	if !ok {
		return
	}
	l, err := wire.ParseLogin(login)
	if err != nil {
		return
	}
	h.caps = l.Capabilities
	if l.User == "mmm-stranger" { // who only wants to know what servers are like
		answer, ok := h.asks()
		h.mu.Lock()
		h.strangers = append(h.strangers, ok && len(answer) == 0)
		h.mu.Unlock()
		h.refuse(1045, "28000", "Access denied")
		return
	}
	if h.judges != nil && !h.judges(h) {
		return
	}
	h.mu.Lock()
	h.logins++
	n := h.logins
	h.mu.Unlock()
	h.fine(0)
	for {
		p, ok := h.next()
		if !ok || len(p) == 0 || wire.Command(p[0]) == wire.ComQuit {
			return
		}
		h.command, h.text = wire.Command(p[0]), string(p[1:])
		if strings.HasPrefix(h.text, "SET SESSION session_track") {
			if h.welcomed != nil {
				h.welcomed(n)
			}
			h.fine(0)
			continue
		}
		h.mu.Lock()
		h.told = append(h.told, h.command.String()+" "+h.text)
		h.mu.Unlock()
		if h.acts != nil && h.acts(h) {
			continue
		}
		if h.command != wire.ComStmtLongData && h.command != wire.ComStmtClose {
			h.fine(0)
		}
	}
}

func (h *stagehand) next() ([]byte, bool) {
	p, seq, err := h.packets.Next()
	h.seq = seq + 1
	return p, err == nil
}

func (h *stagehand) send(payloads ...[]byte) {
	for _, p := range payloads {
		var b []byte
		b, h.seq = wire.AppendPacket(nil, p, h.seq)
		_, _ = h.conn.Write(b) // who has gone needs no answer
	}
}

// fine answers OK, with more of its status, and with what changed in the session.
func (h *stagehand) fine(status wire.Status, tracked ...byte) {
	ok := wire.OK{Status: wire.Autocommit | status, Tracked: tracked}
	h.send(ok.Append(nil, h.caps))
}

func (h *stagehand) refuse(code uint16, state, message string) {
	h.send(refusal(code, state, message))
}

// asks asks for a proof by mysql_native_password, and returns the answer.
func (h *stagehand) asks() (answer []byte, ok bool) {
	h.send(append(append([]byte("\xfemysql_native_password\x00"), auth.NewSalt()...), 0))
	return h.next()
}

// file asks for a file of the client and reads it.
func (h *stagehand) file(name string) (content string) {
	h.send(append([]byte{0xfb}, name...))
	for {
		p, ok := h.next()
		if !ok || len(p) == 0 {
			return content
		}
		content += string(p)
	}
}

// prepared answers a prepare of a statement without columns.
func (h *stagehand) prepared(id uint32, params uint16) {
	h.send(wire.Prepared{ID: id, Params: params}.Append(nil))
	for range params {
		h.send([]byte("\x03def\x00\x00\x00\x01?\x00\x0c\x3f\x00\x00\x00\x00\x00\xfd\x80\x00\x00\x00\x00"))
	}
	if params > 0 && !h.caps.Has(wire.DeprecateEOF) {
		h.send(wire.EOF{Status: wire.Autocommit}.Append(nil))
	}
}

// heard is how often it was told something that contains the text.
func (p *puppet) heard(text string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, one := range p.told {
		if strings.Contains(one, text) {
			n++
		}
	}
	return n
}

// greeted is how many have logged in.
func (p *puppet) greeted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.logins
}

// newTheatre is a router in front of puppets; the first is the writer.
func newTheatre(t testing.TB, writer *puppet, readers ...*puppet) *rig {
	t.Helper()
	users := filepath.Join(t.TempDir(), "users.yaml")
	if err := os.WriteFile(users, []byte("users:\n  - {user: app, password: secret, maxConnections: 7}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	accounts, err := auth.NewLoader(auth.LoaderOptions{File: users})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{TB: t, world: &world{}, sessions: map[uint32]*Session{}, accounts: accounts, rules: Rules{OwnReads: true, Catch: time.Second}}
	v := follow.View{Epoch: 7, Writer: writer.host}
	for _, p := range readers {
		v.Readers = append(v.Readers, follow.Reader{Host: p.host, Weight: 1})
	}
	r.world.set(v)
	r.all = New(Options{
		Log: slog.New(slog.DiscardHandler), Follow: r.world, Picker: pick.New(time.Now, func(int) int { return 0 }), Accounts: accounts,
		Holder:  NewHolder(HoldLimits{Time: 2 * time.Second, Statements: 100, Bytes: 1 << 20}),
		Servers: func() backend.TLS { return backend.TLS{} }, Rules: func() Rules { return r.rules },
	})
	r.puppets = append(readers, writer)
	return r
}

// reign makes a puppet the writer of the next epoch.
func (r *rig) reign(p *puppet, readers ...*puppet) {
	v := follow.View{Epoch: r.world.View().Epoch + 1, Writer: p.host}
	for _, one := range readers {
		v.Readers = append(v.Readers, follow.Reader{Host: one.host, Weight: 1})
	}
	r.world.set(v)
}

// serveAll begins to serve, once all is as the test wants it.
func (r *rig) serveAll() {
	if r.address != "" {
		return
	}
	r.listen()
	r.Cleanup(func() { // before the listener waits for them
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, s := range r.sessions {
			s.Close(shutdownForTests)
		}
		for _, p := range r.puppets {
			p.shut()
		}
	})
}

// talk is a client of the router.
func (r *rig) talk() *talker {
	r.Helper()
	r.serveAll()
	k, err := greet(r.address, 0, "app", "secret", "")
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(k.close)
	return k
}

// said is what a client has heard since it was asked last.
func (k *talker) said() string {
	text := k.log.String()
	k.log.Reset()
	return text
}
