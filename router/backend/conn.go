package backend

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/mmm-ha/mmm/router/auth"
	"github.com/mmm-ha/mmm/router/wire"
)

// mostLogin is the longest packet of a login; servers send a few hundred bytes.
const mostLogin = 1 << 20

// Conn is a connection to a server on which the client is logged in.
type Conn struct {
	net.Conn
	Target       Target
	Greeting     wire.Greeting
	Capabilities wire.Capability // agreed on
	OK           wire.OK         // the end of the login; its parts are copies
	Secret       bool            // it is TLS
}

// Server is what a server refused a login with, unchanged.
type Server = auth.ServerError

// Handshake is a connection on which somebody is logging in. Read and Write carry
// payloads; Finish or Abandon ends it.
type Handshake struct {
	conn    net.Conn
	ahead   *bufio.Reader // of conn
	packets *wire.Reader  // of ahead
	seq     byte

	Target       Target
	Greeting     wire.Greeting
	Capabilities wire.Capability
	Secret       bool
	ServerKey    TLS
	stop         func() bool
	limit        time.Duration // for each word of the server; 0: the context alone bounds it
	asked        bool          // the server waits for an answer
	judged       bool          // it has said OK or ERR
}

// Begin dials, reads the greeting, brings TLS up and sends the login with the
// plugin and the answer that answer gives. Its error names the server.
func Begin(ctx context.Context, t Target, who Who, policy TLS, answer func(wire.Greeting, auth.Channel) (plugin string, data []byte, err error)) (*Handshake, error) {
	c, err := dialer.DialContext(ctx, "tcp", t.Address.String())
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", t.Name, err)
	}
	h := &Handshake{conn: c, Target: t, ServerKey: policy}
	h.bound(ctx)
	if err := h.begin(ctx, who, policy, answer); err != nil {
		h.Abandon()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("log in at %s: %w", t.Name, err)
	}
	return h, nil
}

func (h *Handshake) begin(ctx context.Context, who Who, policy TLS, answer func(wire.Greeting, auth.Channel) (string, []byte, error)) error {
	h.hear(h.conn)
	first, err := h.Read()
	if err != nil {
		return err
	}
	if wire.IsErr(first) {
		return refused(first)
	}
	if h.Greeting, err = wire.ParseGreeting(first); err != nil {
		return err
	}
	h.agree(who)
	login := wire.Login{
		Capabilities: h.Capabilities, MaxPacket: wire.MaxPayload, Charset: who.Charset, User: who.User,
		Schema: who.Schema, Attributes: who.Attributes,
	}
	if err := h.secure(ctx, policy, &login); err != nil {
		return err
	}
	if login.Plugin, login.Answer, err = answer(h.Greeting, h.Channel()); err != nil {
		return err
	}
	return h.Write(login.Append(nil))
}

// bound ends reads and writes with the context, until stop is called.
func (h *Handshake) bound(ctx context.Context) {
	c := h.conn
	h.stop = context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
}

// Channel is what the login can rely on.
func (h *Handshake) Channel() auth.Channel {
	return auth.Channel{TLS: h.Secret, ServerKey: h.ServerKey.ServerKey}
}

// agree takes what the client has and the server offers, with what the router
// needs for itself.
func (h *Handshake) agree(who Who) {
	const ours = wire.Protocol41 | wire.SecureConnection | wire.PluginAuth | wire.PluginAuthLenenc | wire.SessionTrack | wire.Transactions
	caps := who.Capabilities&wire.Carried | ours
	caps &^= wire.ConnectWithDB
	if who.Schema != "" {
		caps |= wire.ConnectWithDB
	}
	if len(who.Attributes) == 0 {
		caps &^= wire.ConnectAttrs
	}
	offered := h.Greeting.Capabilities
	if !offered.Has(wire.LongPassword) { // MariaDB: the bit is not an offer but the mark of the upper half
		caps &^= wire.LongPassword
	} else {
		caps = caps&0xffffffff | wire.LongPassword
	}
	h.Capabilities = caps & (offered | wire.LongPassword)
}

// secure brings TLS up where policy and server have it so.
func (h *Handshake) secure(ctx context.Context, policy TLS, login *wire.Login) error {
	able := h.Greeting.Capabilities.Has(wire.TLS)
	switch policy.Mode {
	case TLSOff, "":
		return nil
	case TLSPrefer:
		if !able {
			return nil
		}
	default:
		if !able {
			return fmt.Errorf("the server offers no TLS, and backend.tls is %s: give the server a certificate (ssl_cert, ssl_key)", policy.Mode)
		}
	}
	login.Capabilities |= wire.TLS
	if err := errors.Join(h.heardAll(), h.Write(login.AppendTLSRequest(nil))); err != nil {
		return err
	}
	c, err := upgrade(ctx, h.conn, policy, h.Target)
	if err != nil {
		return fmt.Errorf("TLS: %w", err)
	}
	h.hear(c)
	h.Secret = true
	return nil
}

// readAhead is more than any answer here but an error: so one read is enough for an
// answer, or for two.
const readAhead = 512

// hear makes c what is spoken on.
func (h *Handshake) hear(c net.Conn) {
	h.conn, h.ahead = c, bufio.NewReaderSize(c, readAhead)
	h.packets = wire.NewReader(h.ahead, mostLogin)
}

// heardAll fails if the server has said more than it was asked. Whoever reads from the
// connection itself after this would miss that.
func (h *Handshake) heardAll() error {
	if n := h.ahead.Buffered(); n > 0 {
		return fmt.Errorf("%d bytes that nobody asked for", n)
	}
	return nil
}

// Read is the next payload of the server.
func (h *Handshake) Read() ([]byte, error) {
	h.hurry()
	p, seq, err := h.packets.Next()
	h.seq, h.asked = seq+1, true
	h.judged = len(p) > 0 && (p[0] == 0 || wire.IsErr(p))
	return p, err
}

// Write sends a payload to the server.
func (h *Handshake) Write(payload []byte) error {
	h.hurry()
	b, seq := wire.AppendPacket(nil, payload, h.seq)
	h.seq, h.asked = seq, false
	_, err := h.conn.Write(b)
	return err
}

// Outlive makes the handshake end with ctx and no longer with the context that it began
// with, and gives the server so long for each of its words: between them somebody else
// may think.
func (h *Handshake) Outlive(ctx context.Context, limit time.Duration) {
	h.stop()
	h.bound(ctx)
	h.limit = limit
}

// hurry begins the time that the server has for its next word.
func (h *Handshake) hurry() {
	if h.limit > 0 {
		_ = h.conn.SetDeadline(time.Now().Add(h.limit))
	}
}

// What a login that is broken off may take to end.
const (
	declineLimit = time.Second
	declineWords = 5
)

// Decline ends a login that its client has broken off, and closes the connection. The
// server is answered with nothing, so that it refuses: one that is left without an
// answer counts that against the host of the router, and after max_connect_errors of
// them refuses everybody who comes from there.
func (h *Handshake) Decline() {
	h.stop()
	h.limit = 0
	_ = h.conn.SetDeadline(time.Now().Add(declineLimit))
	for words := 0; !h.judged && words < declineWords; words++ {
		if h.asked && h.Write(nil) != nil {
			break
		}
		if _, err := h.Read(); err != nil {
			break
		}
	}
	_, _ = h.conn.Write([]byte{1, 0, 0, 0, byte(wire.ComQuit)}) // it may have let somebody in
	_ = h.conn.Close()
}

// Abandon closes the connection.
func (h *Handshake) Abandon() {
	if h.stop != nil {
		h.stop()
	}
	_ = h.conn.Close()
}

// Finish takes the server's OK, and makes the server report what changes in the
// session from now on.
func (h *Handshake) Finish(ok []byte) (*Conn, error) {
	end, err := wire.ParseOK(ok, h.Capabilities)
	if err == nil {
		err = h.track()
	}
	if err == nil {
		err = h.heardAll()
	}
	if err == nil && !h.stop() {
		err = errors.New("the time was over at its end")
	}
	if err == nil && h.limit > 0 {
		err = h.conn.SetDeadline(time.Time{})
	}
	if err != nil {
		h.Abandon()
		return nil, fmt.Errorf("log in at %s: %w", h.Target.Name, err)
	}
	end.Info, end.Tracked = nil, nil
	return &Conn{Conn: h.conn, Target: h.Target, Greeting: h.Greeting, Capabilities: h.Capabilities, OK: end, Secret: h.Secret}, nil
}

// Dial logs the client in with what its own login gave.
func Dial(ctx context.Context, t Target, who Who, secret auth.Secret, policy TLS) (*Conn, error) {
	var back *auth.Back
	h, err := Begin(ctx, t, who, policy, func(g wire.Greeting, ch auth.Channel) (string, []byte, error) {
		back = auth.NewBack(secret, ch)
		return back.Start(g.Plugin, g.Salt[:])
	})
	if err != nil {
		return nil, err
	}
	p, err := h.answer(back)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
			h.Abandon()
		} else {
			h.Decline()
		}
		return nil, fmt.Errorf("at %s: %w", t.Name, err)
	}
	return h.Finish(p)
}

// answer answers the server's questions, and returns its OK.
func (h *Handshake) answer(back *auth.Back) ([]byte, error) {
	for {
		p, err := h.Read()
		if err != nil {
			return nil, err
		}
		reply, err := back.Step(p)
		if err != nil || reply.Done {
			return p, err
		}
		if reply.Send == nil {
			continue
		}
		if err := h.Write(reply.Send); err != nil {
			return nil, err
		}
	}
}

func refused(p []byte) error {
	e, err := wire.ParseErr(p)
	if err != nil {
		return err
	}
	return e
}

// stranger is whose name Greet gives: nobody's.
const stranger = "mmm-stranger"

// Greet asks a server for its greeting, to know what servers are like, and ends the login
// that begins with it: see Decline. An error that it has in place of a greeting is a
// *wire.Err.
func Greet(ctx context.Context, address netip.AddrPort) (wire.Greeting, error) {
	who := Who{User: stranger, Capabilities: wire.Carried}
	h, err := Begin(ctx, Target{Name: address.String(), Address: address}, who, TLS{}, func(wire.Greeting, auth.Channel) (string, []byte, error) {
		return auth.RelayPlugin, nil, nil
	})
	if err != nil {
		return wire.Greeting{}, err
	}
	h.Decline()
	return h.Greeting, nil
}
