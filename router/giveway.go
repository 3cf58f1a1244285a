package router

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// The kernel spreads new connections over all sockets that listen on an address.
// When one of them is closed, those that wait in its queue are reset: clients of a
// restart would see it. So a router that ends gives way first: a program of one
// instruction in the kernel names the socket that gets every new connection, and
// the own queue runs dry before it is closed.
//
// Sockets have numbers, by the order in which they began to listen; the last takes
// the number of one that is closed. The old router is number 0 and the new one
// number 1, unless there are more. A number that does not exist means that the
// kernel spreads as before: with no other router nothing changes.
var others = []uint32{1, 0, 2, 3}

const (
	// quietTime without a new connection shows that the other one gets them. A
	// client that was answered before needs less than this to finish its connect.
	quietTime = 100 * time.Millisecond
	// giveWayLimit bounds all tries: a router that is alone gets connections until
	// it closes, and has to close.
	giveWayLimit = time.Second
)

// giveWay turns new connections to another router of this host, if there is one,
// and returns when none has come for a while. accepted counts those that came.
func giveWay(ctx context.Context, ln *net.TCPListener, accepted *atomic.Uint64) error {
	ctx, cancel := context.WithTimeout(ctx, giveWayLimit)
	defer cancel()
	for _, other := range others {
		if err := steer(ln, other); err != nil {
			return err
		}
		// What was answered before the program stood may still come; look twice.
		for range 2 {
			before := accepted.Load()
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(quietTime):
			}
			if accepted.Load() == before {
				return nil
			}
		}
	}
	return nil
}

// steer makes the kernel give every new connection to one socket.
func steer(ln *net.TCPListener, socket uint32) error {
	raw, err := ln.SyscallConn()
	if err != nil {
		return fmt.Errorf("steer connections: %w", err)
	}
	code := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: socket}}
	program := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	var set error
	if err := raw.Control(func(fd uintptr) {
		set = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF, &program)
	}); err != nil {
		return fmt.Errorf("steer connections: %w", err)
	}
	if set != nil {
		return fmt.Errorf("steer connections: %w", set)
	}
	return nil
}

// unsteer takes away what a router that ended has left: connections are spread
// over all again.
func unsteer(ln *net.TCPListener) error {
	raw, err := ln.SyscallConn()
	if err != nil {
		return fmt.Errorf("spread connections: %w", err)
	}
	var set error
	if err := raw.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DETACH_REUSEPORT_BPF, 0)
	}); err != nil {
		return fmt.Errorf("spread connections: %w", err)
	}
	if set != nil && set != unix.ENOENT { //nolint:errorlint // an errno is itself
		return fmt.Errorf("spread connections: %w", set)
	}
	return nil
}
