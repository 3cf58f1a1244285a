package router

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mmm-ha/mmm/router/tally"
)

// keepAlive finds clients that went away without a word within keptAlive.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3}

const keptAlive = time.Minute

// listen binds an address so that another router of this host may bind it too: a
// new one starts before the old one ends.
func listen(ctx context.Context, address string) (*net.TCPListener, error) {
	lc := net.ListenConfig{
		KeepAliveConfig: keepAlive,
		Control: func(_, _ string, c syscall.RawConn) error {
			var err error
			return errors.Join(c.Control(func(fd uintptr) {
				err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
			}), err)
		},
	}
	lc.SetMultipathTCP(false) // its sockets cost more, and know no reuseport programs
	ln, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	tcp, ok := ln.(*net.TCPListener)
	if !ok {
		return nil, fmt.Errorf("listen on %s: it is a %T, not TCP", address, ln)
	}
	return tcp, nil
}

// How long the accept loop waits when the system has no file, memory or buffer for
// another connection. Accepting again at once would take a whole core.
const (
	backOffLeast = 5 * time.Millisecond
	backOffMost  = time.Second
)

// accept hands each new connection to take until the listener is closed or its
// deadline has come. It returns nil then.
func accept(ln *net.TCPListener, log *slog.Logger, rare *tally.Rare, take func(*net.TCPConn)) error {
	pause := time.Duration(0)
	for {
		c, err := ln.AcceptTCP()
		switch {
		case err == nil:
			pause = 0
			take(c)
		case errors.Is(err, net.ErrClosed), isTimeout(err):
			return nil
		case !passing(err):
			return fmt.Errorf("accept on %s: %w", ln.Addr(), err)
		default:
			if unsaid, due := rare.Due("accept"); due {
				log.Error("cannot accept a connection; trying again", "listener", ln.Addr().String(), "err", err, "do", remedy(err), "unsaid", unsaid)
			}
			pause = min(max(2*pause, backOffLeast), backOffMost)
			time.Sleep(pause)
		}
	}
}

// remedy is what somebody can do about it.
func remedy(err error) string {
	switch {
	case errors.Is(err, unix.EMFILE):
		return "raise LimitNOFILE of the unit, or lower limits.connections: a client takes up to three files"
	case errors.Is(err, unix.ENFILE):
		return "raise fs.file-max of this machine, or look who has so many files open"
	default:
		return "look at the memory and the network of this machine"
	}
}

// passing reports whether accept may work again later: the client went away
// meanwhile, or the system is short of something.
func passing(err error) bool {
	for _, e := range []error{
		unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM,
		unix.ECONNABORTED, unix.EPERM, unix.EPROTO, unix.ENETDOWN, unix.ENETUNREACH, unix.EHOSTDOWN, unix.EHOSTUNREACH, unix.ENONET, unix.EOPNOTSUPP,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}
