package fence

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
)

// line is the way to the kernel. One socket serves many exchanges: closing one
// after something was deleted waits until that is freed, some 15 ms in which a
// failover would stand still. A socket on which something went wrong is not used
// again, as answers to the past may still come. One goroutine at a time uses it,
// and all of it happens in the network namespace that its first caller was in.
type line struct {
	open  func() (*nftables.Conn, *netlink.Conn, error)
	conn  *nftables.Conn
	raw   *netlink.Conn // under conn
	clean bool          // nothing is left over on it
}

func newLine() *line { return &line{open: openSocket} }

func openSocket() (*nftables.Conn, *netlink.Conn, error) {
	var raw *netlink.Conn
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(c *netlink.Conn) error {
		raw = c
		return nil
	}))
	return conn, raw, err
}

// dial gives a socket for one batch of orders, or some questions, with the
// deadline of ctx. It is used again only if done is called when all went well.
func (k *line) dial(ctx context.Context) (*nftables.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !k.clean {
		k.hangUp()
	}
	if k.conn == nil {
		var err error
		if k.conn, k.raw, err = k.open(); err != nil {
			k.conn = nil
			return nil, fmt.Errorf("open a socket to the packet filter: %w", err)
		}
	}
	k.clean = false
	return k.conn, limit(ctx, k.raw)
}

// done says that all answers are in.
func (k *line) done() { k.clean = true }

// hangUp closes the socket.
func (k *line) hangUp() {
	if k.conn != nil {
		_ = k.conn.CloseLasting() // nothing more is expected of it
	}
	k.conn, k.raw, k.clean = nil, nil, false
}

// generation asks for the number that the kernel gives to the present state of
// all rules of the network namespace. It is never 0.
func (k *line) generation(ctx context.Context) (uint32, error) {
	if _, err := k.dial(ctx); err != nil {
		return 0, err
	}
	if k.raw == nil {
		return 0, fmt.Errorf("ask for the generation of rules: %w", errors.ErrUnsupported)
	}
	n, err := askGeneration(ctx, k.raw)
	if err != nil {
		return 0, fmt.Errorf("ask for the generation of rules: %w", err)
	}
	k.done()
	return n, nil
}

// flush sends the orders that conn has collected.
func (k *line) flush(conn *nftables.Conn) error {
	if err := conn.Flush(); err != nil {
		return explain(err)
	}
	k.done()
	return nil
}

// elements reads a set.
func (k *line) elements(ctx context.Context, set *nftables.Set) ([]nftables.SetElement, error) {
	conn, err := k.dial(ctx)
	if err != nil {
		return nil, err
	}
	elements, err := conn.GetSetElements(set)
	if err != nil {
		return nil, fmt.Errorf("read set %s: %w", set.Name, err)
	}
	k.done()
	return elements, nil
}
