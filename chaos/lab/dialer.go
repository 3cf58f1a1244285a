package lab

import (
	"context"
	"fmt"
	"net"

	"github.com/vishvananda/netns"
)

// Dialer dials and listens as if it were a program on a host of the bed. It
// may be used by many goroutines at once and outlives restarts of the host.
type Dialer struct {
	machine *machine
}

// Dialer returns the dialer of a host; the host must exist, not be up.
func (b *Bed) Dialer(host string) (*Dialer, error) {
	m, err := b.machine(host)
	if err != nil {
		return nil, err
	}
	return &Dialer{machine: m}, nil
}

// DialContext is net.Dialer's, from the network of the host; a deadline comes
// from ctx. The address must be numeric. It has the form that http.Transport
// wants; for go-sql-driver's RegisterDialContext fix the network to "tcp".
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	var conn net.Conn
	err := d.inside(func() error {
		var err error
		var plain net.Dialer
		conn, err = plain.DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// listenUDP opens a UDP socket on the host's own address.
func (d *Dialer) listenUDP() (*net.UDPConn, error) {
	var conn *net.UDPConn
	err := d.inside(func() error {
		var err error
		conn, err = net.ListenUDP("udp4", &net.UDPAddr{IP: d.machine.Address.AsSlice()})
		return err
	})
	return conn, err
}

// inside runs f in the host's network. The namespace is opened anew each time
// and never kept: a handle would keep the network of a dead host alive.
func (d *Dialer) inside(f func() error) error {
	boot, err := d.machine.up()
	if err != nil {
		return err
	}
	ns, err := netns.GetFromPid(boot.pid)
	if err != nil {
		return fmt.Errorf("enter network of %s: %w", d.machine.Name, err)
	}
	defer ns.Close()
	return inNamespace(ns, f)
}
