package vip

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// What the kernel's socket diagnosis takes and gives (struct inet_diag_req_v2 and
// inet_diag_msg). Both hold the identity of a socket: ports, addresses, a cookie.
const (
	askLen        = 56
	answerHead    = 4
	identityLen   = 48
	identityAsked = 8 // where it begins in a request
	identitySaddr = 4 // where the local address begins in it

	// withPeer are the states of TCP in which somebody at the other end may wait:
	// all but TIME_WAIT, CLOSE and LISTEN.
	withPeer = 1<<1 | 1<<2 | 1<<3 | 1<<4 | 1<<5 | 1<<8 | 1<<9 | 1<<11
)

// Cut ends the TCP connections of this host that have addr at this end, whichever
// process owns them, with a reset to the other end.
func (k *HostKernel) Cut(ctx context.Context, addr netip.Addr) (int, error) {
	conn, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, nil)
	if err != nil {
		return 0, fmt.Errorf("open socket diagnosis: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(deadline(ctx)); err != nil {
		return 0, err
	}
	cut := 0
	// A socket that listens on all addresses of both families has mapped ones.
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		n, err := cutFamily(conn, family, addr)
		if cut += n; err != nil {
			return cut, err
		}
	}
	return cut, nil
}

func cutFamily(conn *netlink.Conn, family byte, addr netip.Addr) (int, error) {
	sockets, err := conn.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.SOCK_DIAG_BY_FAMILY, Flags: netlink.Request | netlink.Dump},
		Data:   askAbout(family, make([]byte, identityLen)),
	})
	if err != nil {
		return 0, fmt.Errorf("list connections: %w", err)
	}
	cut := 0
	for _, s := range sockets {
		if len(s.Data) < answerHead+identityLen {
			continue
		}
		identity := s.Data[answerHead : answerHead+identityLen]
		if localOf(family, identity) != addr {
			continue
		}
		_, err := conn.Execute(netlink.Message{
			Header: netlink.Header{Type: unix.SOCK_DESTROY, Flags: netlink.Request | netlink.Acknowledge},
			Data:   askAbout(family, identity),
		})
		switch {
		case errors.Is(err, unix.ENOENT): // it has ended in the meantime
		case err != nil:
			return cut, fmt.Errorf("end connection: %w", err)
		default:
			cut++
		}
	}
	return cut, nil
}

// askAbout is the body of an order about one socket, or, with an identity of
// zeroes, of a question for all.
func askAbout(family byte, identity []byte) []byte {
	ask := make([]byte, askLen)
	ask[0], ask[1] = family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(ask[4:], withPeer)
	copy(ask[identityAsked:], identity)
	return ask
}

// localOf is the address at this end.
func localOf(family byte, identity []byte) netip.Addr {
	length := 4
	if family == unix.AF_INET6 {
		length = 16
	}
	addr, _ := netip.AddrFromSlice(identity[identitySaddr : identitySaddr+length])
	return addr.Unmap()
}
