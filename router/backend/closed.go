package backend

import (
	"crypto/tls"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// Closed reports whether the server has closed the connection, on which nothing is
// under way. It looks and does not wait.
func (c *Conn) Closed() bool {
	under, secret := c.Conn, false
	if t, ok := under.(*tls.Conn); ok {
		under, secret = t.NetConn(), true
	}
	return closed(under, secret)
}

// closed looks at the socket. What a server says unasked is a farewell; but by TLS it
// may be the protocol's own, so that only the end of the connection counts.
func closed(c net.Conn, secret bool) bool {
	s, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return true
	}
	over := false
	err = raw.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN | unix.POLLRDHUP}}
		n, err := unix.Poll(p, 0)
		ends := int16(unix.POLLRDHUP | unix.POLLHUP | unix.POLLERR)
		if !secret {
			ends |= unix.POLLIN
		}
		over = err == nil && n > 0 && p[0].Revents&ends != 0
	})
	return over || err != nil
}
