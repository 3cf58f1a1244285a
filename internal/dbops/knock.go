package dbops

import (
	"context"
	"errors"
	"fmt"
	"syscall"
)

// Knock opens a session as a client that comes now would (greeting, account, one
// trivial query) and closes it again. Sessions that are kept open answer long
// after a server has stopped to take new ones.
//
// ErrTimeout and ErrUnreachable say that the server took nobody. Every other
// error is none of its: it spoke (ErrTooMany, ErrDenied), or the way to it is
// barred on our side (no file of the socket, no descriptor left), which says
// nothing about clients that come over the network.
func (s *Server) Knock(ctx context.Context) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	var version string
	err := s.knock.QueryRowContext(ctx, askVersion).Scan(&version)
	if barred(err) {
		return fmt.Errorf("knock at %s: %w", s.opt.Socket, err)
	}
	return s.explain("knock", err)
}

// barred reports whether we did not even come to the server's door.
func barred(err error) bool {
	for _, own := range []error{syscall.ENOENT, syscall.EACCES, syscall.EPERM, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS} {
		if errors.Is(err, own) {
			return true
		}
	}
	return false
}
