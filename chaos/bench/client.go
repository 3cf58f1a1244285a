package bench

import (
	"context"
	"fmt"
	"net"

	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/chaos/load"
)

// client inserts a row every 10 ms until it is stopped.
type client struct {
	journal *load.Journal
	end     context.CancelFunc
	failed  chan error
}

// newClient starts one on the client host that writes to an address.
func newClient(ctx context.Context, bed *lab.Bed, name, address string) (*client, error) {
	journal, err := load.NewJournal(name, nil)
	if err != nil {
		return nil, err
	}
	dialer, err := bed.Dialer(lab.ClientHost)
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(ctx)
	c := &client{journal, end, make(chan error, 1)}
	go func() {
		c.failed <- load.Run(ctx, load.Options{
			Dial: impatient(dialer), Address: fmt.Sprintf("%s:%d", address, lab.ClientPort),
			User: lab.AppUser, Password: lab.AppPassword, Every: every, Timeout: timeout, Journal: journal,
		})
	}()
	return c, nil
}

// stop ends the client and waits for it.
func (c *client) stop() error {
	c.end()
	return <-c.failed
}

func addressOf(bed *lab.Bed, host string) string {
	for _, h := range bed.Hosts() {
		if h.Name == host {
			return h.Address.String()
		}
	}
	return ""
}

// impatient dials from a host, but not for long.
func impatient(d *lab.Dialer) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, connectTimeout)
		defer cancel()
		return d.DialContext(ctx, network, address)
	}
}
