package clients

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/mmm-ha/mmm/router/auth"
	"github.com/mmm-ha/mmm/router/wire"
)

// raw is a client that speaks packets, so that it can stop in the middle of them.
type raw struct {
	net.Conn
	packets  *wire.Reader
	greeting wire.Greeting
	back     *auth.Back
	login    wire.Login
	seq      byte
}

// rawLimit bounds what one client does.
const rawLimit = 15 * time.Second

// greeted connects and reads the greeting.
func (b *bed) greeted(name, secret string) (*raw, error) {
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", b.split))
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(rawLimit))
	k := &raw{Conn: c, packets: wire.NewReader(c, 1<<25)}
	p, err := k.next()
	if err == nil {
		k.greeting, err = wire.ParseGreeting(p)
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	k.back = auth.NewBack(auth.ClearSecret(secret), auth.Channel{})
	plugin, answer, err := k.back.Start("mysql_native_password", k.greeting.Salt[:])
	k.login = wire.Login{
		Capabilities: wire.LongPassword | wire.LongFlag | wire.Protocol41 | wire.SecureConnection | wire.PluginAuth | wire.Transactions | wire.MultiStatements |
			wire.MultiResults | wire.PSMultiResults | wire.ConnectWithDB | wire.LocalFiles | wire.DeprecateEOF,
		MaxPacket: 1 << 25, Charset: 45, User: name, Answer: answer, Plugin: plugin, Schema: "seen",
	}
	return k, err
}

// next reads a packet.
func (k *raw) next() ([]byte, error) {
	p, seq, err := k.packets.Next()
	k.seq = seq + 1
	return p, err
}

// send writes a packet.
func (k *raw) send(p []byte) error {
	b, _ := wire.AppendPacket(nil, p, k.seq)
	_, err := k.Write(b)
	return err
}

// half writes the first half of a packet.
func (k *raw) half(p []byte) error {
	b, _ := wire.AppendPacket(nil, p, k.seq)
	_, err := k.Write(b[:len(b)/2])
	return err
}

// secure asks for TLS and goes over to it.
func (k *raw) secure() error {
	k.login.Capabilities |= wire.TLS
	if err := k.send(k.login.AppendTLSRequest(nil)); err != nil {
		return err
	}
	k.seq++
	c := tls.Client(k.Conn, &tls.Config{InsecureSkipVerify: true})
	k.Conn, k.packets = c, wire.NewReader(c, 1<<25)
	return c.Handshake()
}

// enter logs in to the end.
func (k *raw) enter() error {
	if err := k.send(k.login.Append(nil)); err != nil {
		return err
	}
	for {
		p, err := k.next()
		if err != nil {
			return err
		}
		reply, err := k.back.Step(p)
		if err != nil || reply.Done {
			return err
		}
		if err := k.send(reply.Send); err != nil {
			return err
		}
	}
}

// say sends a command and reads the first packet of the answer.
func (k *raw) say(c wire.Command, text string) ([]byte, error) {
	k.seq = 0
	if err := k.send(append([]byte{byte(c)}, text...)); err != nil {
		return nil, err
	}
	return k.next()
}

// done runs a statement that answers with OK.
func (k *raw) done(sql string) error {
	p, err := k.say(wire.ComQuery, sql)
	if err == nil && (len(p) == 0 || p[0] != 0) {
		err = fmt.Errorf("%s: %q", sql, p)
	}
	return err
}

// rows runs a statement that answers with rows, and reads them all.
func (k *raw) rows(sql string) error {
	p, err := k.say(wire.ComQuery, sql)
	for ; err == nil && len(p) > 0; p, err = k.next() {
		if p[0] == 0xff {
			return fmt.Errorf("%s: %q", sql, p)
		}
		if p[0] == 0xfe && len(p) < wire.MaxPayload {
			return nil
		}
	}
	return err
}

// refused is nil when an error is a server's, with this number.
func refused(err error, code uint16) error {
	var e *auth.ServerError
	if errors.As(err, &e) && e.Number == code {
		return nil
	}
	return fmt.Errorf("%w, want error %d", err, code)
}
