package toll

import (
	"errors"
	"fmt"
	"net"
	"sync/atomic"

	"github.com/mmm-ha/mmm/router/wire"
)

// client is a connection that sends packets which are ready to be sent and looks for
// nothing but the end of the answer: what it costs itself is little.
type client struct {
	conn   net.Conn
	walker wire.Walker
	in     []byte
	have   int // bytes of in that hold something
	out    []byte
	chance uint64
	place  uint64 // among the clients of a crowd, from 0
	stmt   uint32 // id of the prepared point select

	counted *atomic.Bool // what is received now counts; nil: nothing does
	got     int          // bytes that were received while it counted
}

// buffer is as big as what a client reads of a big answer at once.
const buffer = 64 << 10

// idle frees what a connection needs only while it is used.
func (c *client) idle() { c.in, c.out = nil, nil }

// close says goodbye.
func (c *client) close() {
	_, _ = c.conn.Write([]byte{1, 0, 0, 0, byte(wire.ComQuit)})
	_ = c.conn.Close()
}

// draw is a number from 1 to n, by xorshift.
func (c *client) draw(n uint64) uint64 {
	c.chance ^= c.chance << 13
	c.chance ^= c.chance >> 7
	c.chance ^= c.chance << 17
	return c.chance%n + 1
}

// begin starts the packet of a command.
func (c *client) begin(command wire.Command) {
	c.out = append(c.out[:0], 0, 0, 0, 0, byte(command))
}

// query sends a text and takes the whole answer.
func (c *client) query(text string) error {
	c.begin(wire.ComQuery)
	c.out = append(c.out, text...)
	return c.roundTrip()
}

// roundTrip sends the packet that stands in out.
func (c *client) roundTrip() error {
	n := len(c.out) - wire.HeaderSize
	c.out[0], c.out[1], c.out[2] = byte(n), byte(n>>8), byte(n>>16)
	if _, err := c.conn.Write(c.out); err != nil {
		return err
	}
	c.walker.Start(wire.Command(c.out[wire.HeaderSize]), capabilities)
	c.have = 0
	for {
		n, err := c.conn.Read(c.in[c.have:])
		if err != nil {
			return err
		}
		c.have += n
		if c.counted != nil && c.counted.Load() {
			c.got += n
		}
		over, err := c.walk()
		if over || err != nil {
			return err
		}
	}
}

// walk goes over what has come, and reports whether the answer is over.
func (c *client) walk() (over bool, err error) {
	at := 0
	for {
		n, event := c.walker.Walk(c.in[at:c.have])
		at += n
		switch event {
		case wire.More:
			c.have = copy(c.in, c.in[at:c.have])
			if c.have == len(c.in) {
				return true, errors.New("a packet of an answer is bigger than expected")
			}
			return false, nil
		case wire.Ready:
			c.stmt, _ = wire.StatementID(c.walker.Packet[wire.HeaderSize:])
		case wire.Middle, wire.Local, wire.End:
		}
		if p := c.walker.Packet; len(p) > wire.HeaderSize && wire.IsErr(p[wire.HeaderSize:]) {
			e, err := wire.ParseErr(p[wire.HeaderSize:])
			return true, errors.Join(err, e)
		}
		at += len(c.walker.Packet)
		if event == wire.End || c.walker.Over() {
			if c.walker.Broken {
				return true, fmt.Errorf("%s sent what is no answer", c.conn.RemoteAddr())
			}
			return true, nil
		}
	}
}
