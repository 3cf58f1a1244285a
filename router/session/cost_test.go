package session

import (
	"net"
	"testing"

	"github.com/mmm-ha/mmm/router/auth"
	"github.com/mmm-ha/mmm/router/backend"
	"github.com/mmm-ha/mmm/router/wire"
)

// plainClient is a client that costs nothing itself: it sends one packet again and
// again.
type plainClient struct {
	conn net.Conn
	in   []byte
}

// plain logs in through the router as servers are logged in at.
func (r *rig) plain() *plainClient {
	r.Helper()
	h, err := backend.Dial(r.Context(), backend.Target{Name: "router", Address: addrPort(r.address)},
		backend.Who{User: "app", Schema: "app", Charset: 45, Capabilities: wire.Carried &^ wire.SessionTrack},
		auth.ClearSecret("secret"), backend.TLS{})
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = h.Close() })
	return &plainClient{conn: h.Conn, in: make([]byte, 64<<10)}
}

func (c *plainClient) roundTrip(t testing.TB, packet []byte) {
	if _, err := c.conn.Write(packet); err != nil {
		t.Fatal(err)
	}
	n, err := c.conn.Read(c.in)
	if err != nil {
		t.Fatal(err)
	}
	if n > 4 && c.in[4] == 0xff {
		t.Fatalf("refused: %q", c.in[:n])
	}
}

func TestPointSelectAllocatesNothing(t *testing.T) {
	r := newRig(t, 1)
	c := r.plain()
	query, _ := wire.AppendPacket(nil, append([]byte{byte(wire.ComQuery)}, "SELECT a FROM t WHERE id=1"...), 0)
	for range 200 {
		c.roundTrip(t, query)
	}
	if n := testing.AllocsPerRun(2000, func() { c.roundTrip(t, query) }); n >= 0.05 {
		t.Errorf("%v allocations for a statement", n)
	}
}

func BenchmarkPointSelect(b *testing.B) {
	r := newRig(b, 1)
	c := r.plain()
	query, _ := wire.AppendPacket(nil, append([]byte{byte(wire.ComQuery)}, "SELECT a FROM t WHERE id=1"...), 0)
	for b.Loop() {
		c.roundTrip(b, query)
	}
}
