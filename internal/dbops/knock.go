package dbops

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// knockLimit is how long a newcomer waits for the server's first words.
const knockLimit = 500 * time.Millisecond

// ErrCrowded: nobody took us in time, but others were taken meanwhile.
var ErrCrowded = errors.New("database server takes in others first")

// Knock opens a session as a client that comes now would (greeting, account, one
// trivial query) and closes it again. Sessions that are kept open answer long
// after a server has stopped to take new ones.
//
// ErrTimeout and ErrUnreachable say that the server took nobody. Every other
// error is none of its: it spoke (ErrTooMany, ErrDenied), it was busy with others
// (ErrCrowded: under a flood a server takes who comes over the network first, and
// who comes over the unix socket seconds later), or the way to it is barred on our
// side (no file of the socket, no descriptor left), which says nothing about
// clients that come over the network.
func (s *Server) Knock(ctx context.Context) error {
	ctx, cancel, d, err := s.begin(ctx, s.usher)
	if err != nil {
		return err
	}
	defer cancel()
	before, early := s.admitted(ctx, d)
	try, end := context.WithTimeout(ctx, knockLimit)
	defer end()
	var version string
	err = s.knock.QueryRowContext(try, askVersion).Scan(&version)
	if barred(err) {
		return fmt.Errorf("knock at %s: %w", s.opt.Socket, err)
	}
	if err = s.explain("knock", err); !errors.Is(err, ErrTimeout) && !errors.Is(err, ErrUnreachable) {
		return err
	}
	after, late := s.admitted(ctx, d)
	if early == nil && late == nil && after > before {
		return fmt.Errorf("knock at %s: %w (%d of them)", s.opt.Socket, ErrCrowded, after-before)
	}
	return err
}

// admitted counts the clients that the server has taken or turned away since it
// started, without those that it has not yet said a word to.
func (s *Server) admitted(ctx context.Context, d *dialect) (int64, error) {
	var n int64
	err := s.usher.QueryRowContext(ctx, d.admitted).Scan(&n)
	return n, s.explain("count who was admitted", err)
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
