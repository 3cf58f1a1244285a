package auth_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/mmm-ha/mmm/router/auth"
)

// What the proxy of these tests offers: enough for a login and for queries.
const (
	capDB        = 1 << 3
	capSSL       = 1 << 11
	capPlugins   = 1 << 19
	capLenenc    = 1 << 21
	offered      = 1 | 2 | 4 | capDB | 1<<9 | 1<<13 | 1<<15 | 1<<16 | 1<<17 | capPlugins | capLenenc
	charsetUTF8  = 45
	largestFrame = 1 << 24
)

// leg is one connection with its packets' numbers.
type leg struct {
	net.Conn
	in  *bufio.Reader
	seq byte
}

func newLeg(c net.Conn) *leg { return &leg{Conn: c, in: bufio.NewReader(c)} }

// ahead reads what a leg has read ahead: a client may send the beginning of TLS
// together with the request for it.
type ahead struct {
	net.Conn
	in *bufio.Reader
}

func (a ahead) Read(b []byte) (int, error) { return a.in.Read(b) }

func (l *leg) read() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(l.in, head[:]); err != nil {
		return nil, err
	}
	l.seq = head[3] + 1
	payload := make([]byte, int(head[0])|int(head[1])<<8|int(head[2])<<16)
	_, err := io.ReadFull(l.in, payload)
	return payload, err
}

func (l *leg) write(payload []byte) error {
	n := len(payload)
	packet := append([]byte{byte(n), byte(n >> 8), byte(n >> 16), l.seq}, payload...)
	l.seq++
	_, err := l.Write(packet)
	return err
}

// login is one login as the proxy saw it.
type login struct {
	user   string
	salt   string
	do     auth.Do
	why    string // of the verdict, or of the relay's end
	ok     bool
	secret bool   // is known afterwards
	shown  string // what the client saw: kinds of packets, plugins, errors
}

// shows adds a payload to what the client saw, without what is random or named
// after it.
func (l *login) shows(payload []byte) {
	text := fmt.Sprintf("%02x", payload[0])
	if name, _, found := bytes.Cut(payload[1:], []byte{0}); payload[0] == 0xfe && found {
		text += fmt.Sprintf(" %s (%d bytes)", name, len(payload))
	}
	if payload[0] == 0xff {
		text += " " + strings.ReplaceAll(string(payload[3:]), l.user, "user")
	}
	l.shown += text + "; "
}

// proxy moves packets between clients and one server, as the router will: all
// that it knows of logins it asks the package.
type proxy struct {
	t        *testing.T
	loader   *auth.Loader
	server   string
	from     netip.Addr // that clients are said to come from
	keys     *auth.KeyPair
	front    *tls.Config
	back     *tls.Config
	plugin   string // of the greeting
	lis      net.Listener
	mu       sync.Mutex
	seen     []login
	sessions sync.WaitGroup
}

func startProxy(t *testing.T, p *proxy) *proxy {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.t, p.lis = t, lis
	if p.plugin == "" {
		p.plugin = auth.Native
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.sessions.Go(func() {
		for {
			conn, err := lis.Accept()
			if err != nil {
				return
			}
			p.sessions.Go(func() {
				stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
				defer stop()
				defer conn.Close()
				if err := p.serve(newLeg(conn)); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
					t.Logf("session: %v", err)
				}
			})
		}
	})
	t.Cleanup(func() { cancel(); _ = lis.Close(); p.sessions.Wait() })
	return p
}

func (p *proxy) port() uint16 { return p.lis.Addr().(*net.TCPAddr).AddrPort().Port() }

func (p *proxy) note(l login) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, l)
}

// last is the login that ended last.
func (p *proxy) last() login {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.seen) == 0 {
		return login{}
	}
	return p.seen[len(p.seen)-1]
}

func (p *proxy) greeting(salt []byte) []byte {
	caps := uint32(offered)
	if p.front != nil {
		caps |= capSSL
	}
	out := append([]byte{10}, "10.11.0-MariaDB\x00"...)
	out = binary.LittleEndian.AppendUint32(out, 1)
	out = append(append(out, salt[:8]...), 0)
	out = binary.LittleEndian.AppendUint16(out, uint16(caps))
	out = append(out, charsetUTF8, 2, 0)
	out = binary.LittleEndian.AppendUint16(out, uint16(caps>>16))
	out = append(append(out, auth.SaltLength+1), make([]byte, 10)...)
	out = append(append(out, salt[8:]...), 0)
	return append(append(out, p.plugin...), 0)
}

// response is a client's handshake response.
type response struct {
	caps   uint32
	user   string
	answer []byte
	db     string
	plugin string
}

func parseResponse(b []byte) (r response) {
	r.caps = binary.LittleEndian.Uint32(b)
	b = b[32:]
	text := func() string {
		head, rest, _ := bytes.Cut(b, []byte{0})
		b = rest
		return string(head)
	}
	r.user = text()
	n := int(b[0])
	r.answer, b = b[1:1+n], b[1+n:]
	if r.caps&capDB != 0 {
		r.db = text()
	}
	if r.caps&capPlugins != 0 {
		r.plugin = text()
	}
	return r
}

func (r response) encode() []byte {
	out := binary.LittleEndian.AppendUint32(nil, r.caps)
	out = binary.LittleEndian.AppendUint32(out, largestFrame)
	out = append(append(out, charsetUTF8), make([]byte, 23)...)
	out = append(append(out, r.user...), 0)
	out = append(append(out, byte(len(r.answer))), r.answer...)
	if r.caps&capDB != 0 {
		out = append(append(out, r.db...), 0)
	}
	return append(append(out, r.plugin...), 0)
}

func (p *proxy) serve(client *leg) error {
	salt := auth.NewSalt()
	if err := client.write(p.greeting(salt)); err != nil {
		return err
	}
	raw, err := client.read()
	if err != nil {
		return err
	}
	secure := false
	if p.front != nil && binary.LittleEndian.Uint32(raw)&capSSL != 0 && len(raw) == 32 {
		seq := client.seq
		client = newLeg(tls.Server(ahead{client.Conn, client.in}, p.front))
		client.seq, secure = seq, true
		if raw, err = client.read(); err != nil {
			return err
		}
	}
	r := parseResponse(raw)
	f := auth.NewFront(p.loader.Now(), salt, p.keys)
	v := f.Start(auth.Client{User: r.user, Address: p.from, TLS: secure, Plugins: r.caps&capPlugins != 0}, r.plugin, r.answer)
	l := login{user: r.user, salt: string(salt), do: v.Do, why: v.Why}
	if v.Stale {
		p.loader.Kick()
	}
	var server *leg
	switch v.Do {
	case auth.Accept:
		server, err = p.accepted(client, r, v, &l)
	case auth.PassOn:
		server, err = p.passedOn(client, r, f, &l)
	case auth.Refuse:
		p.note(l)
		return client.write(v.Send)
	}
	if server != nil {
		defer server.Close()
	}
	if err != nil || !l.ok {
		return err
	}
	return pipe(client, server)
}

func pipe(client, server *leg) error {
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(server, client.in); _ = server.Close() })
	_, err := io.Copy(client, server.in)
	_ = client.Close()
	both.Wait()
	return err
}

// dial reads a server's greeting.
func (p *proxy) dial() (server *leg, plugin string, salt []byte, err error) {
	conn, err := net.Dial("tcp", p.server)
	if err != nil {
		return nil, "", nil, err
	}
	server = newLeg(conn)
	b, err := server.read()
	if err != nil {
		return server, "", nil, err
	}
	if b[0] == 0xff {
		return server, "", nil, fmt.Errorf("the server greets with an error: %q", b)
	}
	_, b, _ = bytes.Cut(b[1:], []byte{0})
	salt = append(salt, b[4:12]...)
	b = b[13+2+1+2+2+1+10:]
	salt = append(salt, b[:12]...)
	name, _, _ := bytes.Cut(b[13:], []byte{0})
	return server, string(name), salt, nil
}

// respond sends the handshake response, over TLS if that is asked for.
func (p *proxy) respond(server *leg, r response) (*leg, error) {
	r.caps &= offered &^ capSSL // the attributes of a connection are not passed on
	if p.back != nil {
		r.caps |= capSSL
		if err := server.write(r.encode()[:32]); err != nil {
			return server, err
		}
		seq := server.seq
		server = newLeg(tls.Client(server.Conn, p.back))
		server.seq = seq
	}
	return server, server.write(r.encode())
}

func (p *proxy) channel() auth.Channel { return auth.Channel{TLS: p.back != nil} }

func (p *proxy) accepted(client *leg, r response, v auth.Verdict, l *login) (*leg, error) {
	server, plugin, salt, err := p.dial()
	if err != nil {
		return server, err
	}
	b := auth.NewBack(v.Secret, p.channel())
	if r.plugin, r.answer, err = b.Start(plugin, salt); err != nil {
		return server, err
	}
	if server, err = p.respond(server, r); err != nil {
		return server, err
	}
	for {
		payload, err := server.read()
		if err != nil {
			return server, err
		}
		reply, err := b.Step(payload)
		var refused *auth.ServerError
		switch {
		case errors.As(err, &refused):
			p.note(*l)
			return server, client.write(refused.Payload)
		case err != nil:
			return server, err
		case reply.Send != nil:
			if err := server.write(reply.Send); err != nil {
				return server, err
			}
		case reply.Done:
			l.ok, l.secret = true, true
			p.note(*l)
			if v.Send != nil {
				if err := client.write(v.Send); err != nil {
					return server, err
				}
			}
			return server, client.write(payload)
		}
	}
}

func (p *proxy) passedOn(client *leg, r response, f *auth.Front, l *login) (*leg, error) {
	server, _, _, err := p.dial()
	if err != nil {
		return server, err
	}
	r.plugin, r.answer = auth.RelayPlugin, nil
	if server, err = p.respond(server, r); err != nil {
		return server, err
	}
	relay := f.Relay(p.channel())
	from := auth.FromServer
	for {
		side := server
		if from == auth.FromClient {
			side = client
		}
		payload, err := side.read()
		if err != nil {
			return server, err
		}
		m := relay.Step(from, payload)
		if m.To == auth.FromClient {
			l.shows(m.Payload)
		}
		if m.Done {
			l.ok, l.why = m.OK, m.Why
		}
		if m.OK {
			secret, _ := relay.Recover(p.loader.Now())
			l.secret = !secret.None()
		}
		if m.Done {
			p.note(*l)
		}
		switch m.To {
		case auth.FromClient:
			err = client.write(m.Payload)
		case auth.FromServer:
			err = server.write(m.Payload)
		}
		if err != nil || m.Done {
			return server, err
		}
		from = m.Next
	}
}
