package process

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/mmm-ha/mmm/topology"
	"golang.org/x/sys/unix"
)

// FromSocket names the run that listens at the other end of a unix socket, and
// its pid. It works also while that process is stopped (SIGSTOP) or hung: the
// kernel answers, not the process.
func FromSocket(conn net.Conn) (topology.Incarnation, int, error) {
	pid, err := PeerPID(conn)
	if err != nil {
		return "", 0, err
	}
	inc, err := Of(pid)
	if err != nil {
		return "", 0, err
	}
	return inc, pid, nil
}

// PeerPID is the pid of the process that called listen() on the other end of a
// unix socket. It refuses pid 1: a socket that systemd opened for the server
// would name systemd, and nobody wants that killed.
func PeerPID(conn net.Conn) (int, error) {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return 0, fmt.Errorf("ask for the peer of a %T: not a socket", conn)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("ask for the peer of a socket: %w", err)
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err = errors.Join(err, credErr); err != nil {
		return 0, fmt.Errorf("ask for the peer of a socket: %w", err)
	}
	switch pid := int(cred.Pid); pid {
	case 0:
		return 0, errors.New("ask for the peer of a socket: the server lives in another pid namespace")
	case 1:
		return 0, errors.New("ask for the peer of a socket: it was opened by init; " +
			"disable mariadb.socket, socket activation hides which process serves")
	default:
		return pid, nil
	}
}

func isNoProcess(err error) bool { return errors.Is(err, unix.ESRCH) }
