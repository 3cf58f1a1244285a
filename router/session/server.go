package session

import (
	"context"
	"errors"
	"time"

	"github.com/mmm-ha/mmm/router/auth"
	"github.com/mmm-ha/mmm/router/backend"
	"github.com/mmm-ha/mmm/router/pick"
	"github.com/mmm-ha/mmm/router/wire"
)

// server is one of a session's connections to a server, and what was done there.
type server struct {
	conn   *backend.Conn
	link   *link
	walker wire.Walker
	broken bool // an answer to the router's own question did not come: it is of no use any more
	load   *pick.Load
	reader bool
	who    backend.Who // for whom it was dialled

	applied  uint64 // version of the settings that it has
	schema   string
	reached  string // position that it is known to have
	prepared map[uint32]*prepared
	used     time.Time // when it last answered
	review   time.Time // of a reader: when the session asks whether another one would be better
}

// prepared is what a statement is on one server.
type prepared struct {
	id    uint32
	typed bool // it has been told the types of the parameters
}

func newServer(c *backend.Conn, load *pick.Load, reader bool, schema string) *server {
	load.Took()
	return &server{conn: c, link: newLink(c.Conn), load: load, reader: reader, schema: schema, prepared: map[uint32]*prepared{}, used: time.Now()}
}

// keep gives the connection, on which no answer is on its way, to the pool.
func (s *server) keep(ctx context.Context, o *Options, secret auth.Secret) {
	if secret.None() {
		s.close()
		return
	}
	s.load.Gave()
	s.link.drop()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepLimit)
	defer cancel()
	_ = s.conn.SetDeadline(time.Time{})
	o.Pool.Keep(ctx, s.conn, s.who, secret, o.Servers())
}

// keepLimit bounds how long a server may take to tidy up after a client.
const keepLimit = 2 * time.Second

// close ends the connection. A server that is asked to quit rolls back.
func (s *server) close() {
	s.load.Gave()
	_ = s.conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	_, _ = s.conn.Write([]byte{1, 0, 0, 0, byte(wire.ComQuit)})
	_ = s.conn.Close()
	s.link.drop()
}

// answer is the whole answer to a command of the router's own.
type answer struct {
	first []byte // payload of the first packet
	end   []byte // payload of the last packet; empty if that is a description
	cell  []byte // first column of the first row of text, if there are rows
}

// ask runs a command of the router's own and takes the whole answer. Its error is a
// *wire.Err if the server answered; else the server is broken.
func (s *server) ask(c wire.Command, text []byte) (a answer, err error) {
	defer func() {
		var said *wire.Err
		s.broken = s.broken || err != nil && !errors.As(err, &said)
	}()
	payload := append([]byte{byte(c)}, text...)
	if c == wire.ComQuery {
		payload = wire.AppendQuery(nil, string(text), s.conn.Capabilities)
	}
	packet, _ := wire.AppendPacket(nil, payload, 0)
	s.walker.Start(c, s.conn.Capabilities)
	var body []byte
	err = s.link.exchange(packet)
	for {
		if err != nil {
			return a, err
		}
		n, e := s.walker.Walk(s.link.bytes)
		if s.walker.Broken {
			return a, wire.ErrMalformed
		}
		body = append(body, s.link.bytes[:n]...)
		body = append(body, s.walker.Packet...)
		if e == wire.End {
			if len(s.walker.Packet) > 0 {
				a.end = append(a.end, s.walker.Packet[wire.HeaderSize:]...)
			}
			s.link.used(n + len(s.walker.Packet))
			break
		}
		s.link.used(n + len(s.walker.Packet))
		if e == wire.More {
			err = s.link.exchange(nil)
		}
	}
	if n, _, ok := wire.Header(body); ok {
		a.first = body[wire.HeaderSize : wire.HeaderSize+n]
	}
	a.cell = firstCell(body, s.conn.Capabilities)
	if wire.IsErr(a.end) {
		refusal, _ := wire.ParseErr(a.end)
		return a, refusal
	}
	return a, nil
}

// firstCell finds the first column of the first row in an answer of one column.
func firstCell(b []byte, caps wire.Capability) []byte {
	skip := 2 // the count, the description
	if !caps.Has(wire.DeprecateEOF) {
		skip++
	}
	for ; len(b) > 0; skip-- {
		n, _, ok := wire.Header(b)
		if !ok || len(b) < wire.HeaderSize+n {
			return nil
		}
		p := b[wire.HeaderSize : wire.HeaderSize+n]
		if skip == 0 {
			if len(p) > 1 && int(p[0]) <= len(p)-1 {
				return p[1 : 1+int(p[0])]
			}
			return nil
		}
		b = b[wire.HeaderSize+n:]
	}
	return nil
}
