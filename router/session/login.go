package session

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/router"
	"github.com/mmm-ha/mmm/router/auth"
	"github.com/mmm-ha/mmm/router/backend"
	"github.com/mmm-ha/mmm/router/follow"
	"github.com/mmm-ha/mmm/router/lexer"
	"github.com/mmm-ha/mmm/router/proxyproto"
	"github.com/mmm-ha/mmm/router/wire"
)

// mostLogin bounds what a client may send before it is known.
const mostLogin = 1 << 20

// freshAccounts is how long a login waits for newer accounts, without which it
// could only ever be at the writer.
const freshAccounts = 200 * time.Millisecond

// errNoServer: nobody can say yet what the servers are like.
var errNoServer = errors.New("no server has answered yet")

// dialogue reads and writes payloads outside of statements.
type dialogue struct {
	s       *Session
	packets *wire.Reader
	seq     byte
}

func (s *Session) dialogue() *dialogue {
	return &dialogue{s: s, packets: wire.NewReader(s.client.conn, mostLogin)}
}

func (d *dialogue) read() ([]byte, error) {
	p, seq, err := d.packets.Next()
	d.seq = seq + 1
	return p, err
}

func (d *dialogue) write(payload []byte) error {
	b, seq := wire.AppendPacket(nil, payload, d.seq)
	d.seq = seq
	return d.s.client.write(b)
}

// login greets the client and lets it in, or not.
func (s *Session) login(ctx context.Context) error {
	d := s.dialogue()
	profile, err := s.all.greeting(ctx)
	if err != nil {
		return errors.Join(err, d.write(refusal(1105, "08S01", "this router cannot serve yet: "+err.Error())))
	}
	greeting, salt := s.greet(profile)
	if err := d.write(greeting.Append(nil)); err != nil {
		return err
	}
	login, err := s.heard(d, greeting)
	if err != nil {
		return err
	}
	s.caps = login.Capabilities & greeting.Capabilities &^ wire.TLS
	s.spaces = s.caps.Has(wire.IgnoreSpace)
	s.who = backend.Who{User: login.User, Schema: login.Schema, Capabilities: s.caps, Charset: login.Charset, Attributes: login.Attributes}
	s.multibyte = slices.Contains(multibyteLogins, login.Charset)
	s.enter(router.LoggingIn)
	front := auth.NewFront(s.opt.Accounts.Now(), salt, s.opt.Keys)
	verdict := front.Start(s.asClient(), login.Plugin, login.Answer)
	return s.judged(ctx, d, front, verdict)
}

// asClient is the client as auth sees it.
func (s *Session) asClient() auth.Client {
	c := auth.Client{User: s.who.User, Address: s.info.Client.Addr().Unmap(), Plugins: s.caps.Has(wire.PluginAuth)}
	if secret, ok := s.client.conn.(*tls.Conn); ok {
		c.TLS, c.Certificate = true, len(secret.ConnectionState().PeerCertificates) > 0
	}
	return c
}

// greet makes the greeting: what the servers can, less what does not pass here.
func (s *Session) greet(profile wire.Greeting) (wire.Greeting, []byte) {
	g := profile
	s.brand = brand(profile)
	g.Connection, g.Status = s.info.ID, wire.Autocommit
	g.Capabilities &= wire.Carried
	if s.info.TLSMode != router.TLSOff {
		g.Capabilities |= wire.TLS
	}
	s.salt = auth.NewSalt()
	copy(g.Salt[:], s.salt)
	return g, s.salt
}

// brand is what the servers' own functions are known by: their kind and their age.
func brand(g wire.Greeting) lexer.Mode {
	number := version(g)
	switch major, minor := number[0], number[1]; {
	case g.MariaDB() && (major > 11 || major == 11 && minor >= 8):
		return lexer.Newer
	case g.MariaDB():
		return 0
	case major >= 9:
		return lexer.MySQL | lexer.Newer
	default:
		return lexer.MySQL
	}
}

// version is the number of a server's version; what cannot be read is old.
func version(g wire.Greeting) []int {
	var major, minor, patch int
	_, _ = fmt.Sscanf(strings.TrimPrefix(g.Version, "5.5.5-"), "%d.%d.%d", &major, &minor, &patch) // which MariaDB up to 10 puts in front
	return []int{major, minor, patch}
}

// heard reads the client's login, after TLS if it asks for that.
func (s *Session) heard(d *dialogue, g wire.Greeting) (wire.Login, error) {
	p, err := s.firstHeard(d)
	if err != nil {
		return wire.Login{}, err
	}
	if _, asks := wire.ParseTLSRequest(p); asks && g.Capabilities.Has(wire.TLS) {
		c := tls.Server(s.client.conn, s.info.TLS())
		if err := c.HandshakeContext(s.ctx); err != nil {
			return wire.Login{}, fmt.Errorf("TLS with the client: %w", err)
		}
		s.mu.Lock() // who drains or closes it looks there
		s.client = newLink(c)
		s.mu.Unlock()
		seq := d.seq
		*d = *s.dialogue()
		d.seq = seq
		if p, err = d.read(); err != nil {
			return wire.Login{}, err
		}
	} else if s.info.TLSMode == router.TLSRequire {
		return wire.Login{}, errors.Join(turned{"it does not use TLS"}, d.write(refusal(3159, "HY000",
			"Connections using insecure transport are prohibited: this listener of the router has tls: require")))
	}
	login, err := wire.ParseLogin(p)
	if err != nil {
		return login, errors.Join(err, d.write(refusal(1043, "08S01", "Bad handshake: "+err.Error())))
	}
	return login, nil
}

// firstHeard is the first packet of a client. One with a wrong number is no login: a
// PROXY header, most often, of somebody who may not send one.
func (s *Session) firstHeard(d *dialogue) ([]byte, error) {
	p, err := d.packets.Numbered(d.seq)
	d.seq++
	odd := (*wire.Unexpected)(nil)
	if !errors.As(err, &odd) {
		return p, err
	}
	why := "Got packets out of order"
	if proxyproto.Begins(odd.Head[:]) {
		why += fmt.Sprintf(": a PROXY header came from %s, which is in no network that `proxyProtocol` of the listener %s names",
			s.info.Client.Addr(), s.info.Listener)
	}
	return nil, errors.Join(turned{why}, d.write(refusal(1156, "08S01", why)))
}

// admitted waits for the client's place, now that it has proven who it is: a name alone
// takes no place from those whose name it is.
func (s *Session) admitted(ctx context.Context, d *dialogue) error {
	before := s.State()
	s.enter(router.Waiting)
	most := s.opt.Accounts.Now().Limits(s.who.User, s.asClient().Address).MaxConnections
	err := s.info.Admit(ctx, s.who.User, most)
	s.mu.Lock()
	s.shown.Waited += time.Since(s.shown.Since)
	s.shown.Phase, s.shown.Since = before.Phase, before.Since
	s.mu.Unlock()
	var why *router.Refusal
	if errors.As(err, &why) {
		return errors.Join(errGoodbye, d.write(refusal(why.Code, why.State, why.Message)))
	}
	return err
}

// judged goes on after the router's own look at the proof.
func (s *Session) judged(ctx context.Context, d *dialogue, front *auth.Front, v auth.Verdict) error {
	if s.stale = v.Stale; v.Stale {
		s.opt.Accounts.Kick()
	}
	switch v.Do {
	case auth.Accept:
		s.secret = v.Secret
		if v.Secret.None() { // proven, but with nothing that another server would take
			return s.relay(ctx, d, front, v.Why)
		}
		if err := s.admitted(ctx, d); err != nil {
			return err
		}
		if v.Send != nil {
			if err := d.write(v.Send); err != nil {
				return err
			}
		}
		return s.welcome(ctx, d)
	case auth.PassOn:
		return s.relay(ctx, d, front, v.Why)
	default:
		return errors.Join(turned{v.Why}, d.write(v.Send))
	}
}

// welcome opens the first connection, so that what a server has against the
// client (an unknown schema, a locked account) is said now, and lets it in.
func (s *Session) welcome(ctx context.Context, d *dialogue) error {
	srv, err := s.first(ctx)
	var theirs *backend.Server
	var said *wire.Err // before its greeting
	switch {
	case errors.As(err, &theirs):
		return errors.Join(turned{err.Error()}, d.write(theirs.Payload))
	case errors.As(err, &said):
		return errors.Join(errGoodbye, d.write(refusal(said.Code, "08004", said.Message)))
	case err != nil && ctx.Err() != nil:
		return err
	case err != nil && (s.secret.None() || s.info.Mode == router.ReaderOnly):
		return errors.Join(err, d.write(refusal(1105, "08S01", err.Error())))
	} // else the client is who it says; its first statement waits for a writer
	s.schema = s.who.Schema
	ok := wire.OK{Status: s.status}
	if srv != nil {
		ok.Status = srv.conn.OK.Status
		s.status = ok.Status
	}
	s.show()
	return d.write(ok.Append(nil, s.caps))
}

// relay lets the writer judge the client's proof, because of why.
func (s *Session) relay(ctx context.Context, d *dialogue, front *auth.Front, why string) error {
	h, err := s.beginRelay(ctx)
	var theirs *wire.Err
	switch {
	case errors.As(err, &theirs): // a server that is full says so before it greets
		return errors.Join(errGoodbye, d.write(theirs.Append(nil)))
	case err != nil:
		return errors.Join(err, d.write(refusal(1105, "08S01", "the router cannot let you in: "+err.Error())))
	}
	r := front.Relay(h.Channel())
	final, in, err := passOn(r, d, h)
	switch {
	case err == nil && !in:
		err = turned{why + ", and the writer does not let it in"}
	case err == nil:
		err = s.admitted(ctx, d)
	}
	if err != nil {
		h.Decline()
		return err
	}
	conn, err := h.Finish(final)
	if err != nil {
		return errors.Join(err, d.write(refusal(1105, "08S01", err.Error())))
	}
	if s.secret, s.alone = r.Recover(s.opt.Accounts.Now()); s.secret.None() && s.stale {
		// What was known may be old: the load that the failed proof asked for may help.
		wait, enough := context.WithTimeout(ctx, freshAccounts)
		s.secret, s.alone = r.Recover(s.opt.Accounts.Fresh(wait))
		enough()
	}
	s.writer = newServer(conn, s.opt.Picker.Load(conn.Target.Name), false, s.who.Schema)
	s.schema, s.status = s.who.Schema, conn.OK.Status
	s.show()
	ok := wire.OK{Status: s.status}
	return d.write(ok.Append(nil, s.caps))
}

// beginRelay opens the connection to the writer by which a login is judged, and
// waits for a writer as a statement would. The server has as long for each of its words
// as a connection may take; how long the client may take is limits.loginTime.
func (s *Session) beginRelay(ctx context.Context) (h *backend.Handshake, err error) {
	err = s.untilReached(ctx, func(view *follow.View) (again bool, err error) {
		if view.Writer.Name == "" {
			return true, fmt.Errorf("%w: %s", errNoWriterYet, view.Why)
		}
		limited, cancel := s.dialing(ctx)
		defer cancel()
		t := backend.Target{Name: view.Writer.Name, Address: view.Writer.Address, Epoch: int64(view.Epoch)}
		h, err = backend.Begin(limited, t, s.who, s.opt.Servers(), func(wire.Greeting, auth.Channel) (string, []byte, error) {
			return auth.RelayPlugin, nil, nil
		})
		if err == nil {
			h.Outlive(ctx, s.opt.Rules().complete().Dial)
		}
		return true, err
	})
	return h, err
}

// passOn moves payloads between client and server until the server has judged.
// What it returns is the server's OK, which the client has not been told yet.
func passOn(r *auth.Relay, d *dialogue, h *backend.Handshake) (ok []byte, in bool, err error) {
	for from := auth.FromServer; ; {
		var p []byte
		if from == auth.FromServer {
			p, err = h.Read()
		} else {
			p, err = d.read()
		}
		if err != nil {
			return nil, false, err
		}
		m := r.Step(from, p)
		if m.Done && m.OK {
			return m.Payload, true, nil
		}
		switch m.To {
		case auth.FromClient:
			err = d.write(m.Payload)
		case auth.FromServer:
			err = h.Write(m.Payload)
		}
		if err != nil || m.Done {
			return nil, false, err
		}
		from = m.Next
	}
}

func refusal(code uint16, state, message string) []byte {
	e := wire.Err{Code: code, State: state, Message: message}
	return e.Append(nil)
}
