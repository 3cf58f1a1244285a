package backend

import (
	"errors"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// How soon a machine counts as gone that says nothing any more: its kernel answers,
// whatever its server does. Without a limit a client would wait for the answer to its
// statement for a quarter of an hour, long after there is another writer.
const (
	probeAfter  = 5 * time.Second // of silence
	probeEvery  = time.Second
	probesLost  = 5
	unsaidLimit = 10 * time.Second // what was sent and not acknowledged
)

// dialer dials servers.
var dialer = net.Dialer{
	KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: probeAfter, Interval: probeEvery, Count: probesLost},
	Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		return errors.Join(c.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unsaidLimit.Milliseconds()))
		}), err)
	},
}
