package backend

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"

	"github.com/mmm-ha/mmm/router/wire"
)

// What a server is asked to report of its session. last_gtid, MariaDB's position
// of the last commit, is among all variables.
const (
	trackMariaDB = "SET SESSION session_track_system_variables='*', session_track_schema=1, session_track_state_change=1, session_track_transaction_info='CHARACTERISTICS'"
	trackMySQL   = "SET SESSION session_track_system_variables='*', session_track_schema=1, session_track_state_change=1, session_track_gtids='OWN_GTID', session_track_transaction_info='CHARACTERISTICS'"
)

// track switches the reports on.
func (h *Handshake) track() error {
	if !h.Capabilities.Has(wire.SessionTrack) {
		return nil
	}
	_, err := h.do(wire.ComQuery, Track(h.Greeting))
	return err
}

// trackLikeNew is track and, with a schema, USE of it. It fails at a server that runs
// init_connect for who connects: it would not run it for who comes to a connection. (DO
// does not fail: it makes a warning of the error.)
func (h *Handshake) trackLikeNew(schema string) error {
	const like = "session_track_schema=IF(@@global.init_connect='', 1, (SELECT 1 UNION ALL SELECT 2))"
	text := "SET SESSION " + like
	if h.Capabilities.Has(wire.SessionTrack) {
		text = strings.Replace(Track(h.Greeting), "session_track_schema=1", like, 1)
	}
	both := h.command(nil, wire.ComQuery, text)
	if schema != "" {
		both = h.command(both, wire.ComInitDB, schema)
	}
	_, err := h.conn.Write(both)
	if err == nil {
		_, err = h.done(text)
	}
	if err == nil && schema != "" {
		_, err = h.done("use " + schema)
	}
	return err
}

// Track is the statement that switches the reports on, for that kind of server.
func Track(g wire.Greeting) string {
	if g.MariaDB() {
		return trackMariaDB
	}
	return trackMySQL
}

// do runs a command that is answered by OK or ERR.
func (h *Handshake) do(c wire.Command, text string) (wire.OK, error) {
	if _, err := h.conn.Write(h.command(nil, c, text)); err != nil {
		return wire.OK{}, err
	}
	return h.done(text)
}

// command appends the packet of a command.
func (h *Handshake) command(dst []byte, c wire.Command, text string) []byte {
	payload := append([]byte{byte(c)}, text...)
	if c == wire.ComQuery {
		payload = wire.AppendQuery(nil, text, h.Capabilities)
	}
	dst, _ = wire.AppendPacket(dst, payload, 0)
	return dst
}

// done reads the answer to a command.
func (h *Handshake) done(text string) (wire.OK, error) {
	p, err := h.Read()
	if err != nil {
		return wire.OK{}, err
	}
	if wire.IsErr(p) {
		return wire.OK{}, fmt.Errorf("%s: %w", text, refused(p))
	}
	if eof, ok := wire.ParseEOF(p); ok { // without DeprecateEOF some commands are answered so
		return wire.OK{EOF: true, Status: eof.Status, Warnings: eof.Warnings}, nil
	}
	return wire.ParseOK(p, h.Capabilities)
}

// upgrade makes a TLS connection of a plain one.
func upgrade(ctx context.Context, c net.Conn, policy TLS, t Target) (net.Conn, error) {
	config := policy.Config.Clone()
	if policy.Mode == TLSVerify {
		if config.ServerName == "" {
			config.ServerName = t.Address.Addr().String()
		}
	} else {
		config.InsecureSkipVerify = true //nolint:gosec // the modes prefer and require say so
	}
	secret := tls.Client(c, config)
	return secret, secret.HandshakeContext(ctx)
}
