package toll

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/mmm-ha/mmm/router/auth"
	"github.com/mmm-ha/mmm/router/wire"
)

// capabilities are those of an ordinary driver.
const capabilities = wire.LongPassword | wire.LongFlag | wire.ConnectWithDB | wire.Protocol41 | wire.Transactions | wire.SecureConnection |
	wire.MultiResults | wire.PSMultiResults | wire.PluginAuth | wire.DeprecateEOF

// loginLimit is how long a login may take; many may wait for one core.
const loginLimit = 20 * time.Second

// connect logs in as an ordinary driver does. It says nothing more: a setting of the
// session would tie it to the writer.
func connect(ctx context.Context, a netip.AddrPort) (*client, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", a.String())
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(loginLimit))
	if err := login(conn); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("log in at %s: %w", a, err)
	}
	_ = conn.SetDeadline(time.Time{})
	return &client{conn: conn, in: make([]byte, buffer), chance: uint64(time.Now().UnixNano()) | 1}, nil
}

func login(conn net.Conn) error {
	packets := wire.NewReader(conn, buffer)
	p, _, err := packets.Next()
	if err != nil {
		return err
	}
	if wire.IsErr(p) {
		return refused(p)
	}
	greeting, err := wire.ParseGreeting(p)
	if err != nil {
		return err
	}
	plugin, answer, err := auth.NewBack(auth.ClearSecret(password), auth.Channel{}).Start(auth.Native, greeting.Salt[:])
	if err != nil {
		return err
	}
	login := wire.Login{Capabilities: capabilities, MaxPacket: wire.MaxPayload, Charset: 45, User: user, Answer: answer, Schema: schema, Plugin: plugin}
	packet, _ := wire.AppendPacket(nil, login.Append(nil), 1)
	if _, err := conn.Write(packet); err != nil {
		return err
	}
	if p, _, err = packets.Next(); err != nil {
		return err
	}
	if len(p) == 0 || p[0] != 0 {
		return refused(p)
	}
	return nil
}

// refused is the error that is in an answer which is not OK.
func refused(p []byte) error {
	if said, err := wire.ParseErr(p); err == nil {
		return said
	}
	return fmt.Errorf("the answer is no OK: %q", p)
}
