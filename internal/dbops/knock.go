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
	heard := make(chan error, 1)
	go func() {
		var version string
		heard <- s.knock.QueryRowContext(try, askVersion).Scan(&version)
	}()
	look := time.NewTicker(crowdLook)
	defer look.Stop()
	crowded, answered := false, false
	for !answered {
		select {
		case err = <-heard:
			answered = true
		case <-look.C:
			crowded = crowded || early == nil && s.admits(ctx, d, before)
		}
	}
	if barred(err) {
		return fmt.Errorf("knock at %s: %w", s.opt.Socket, err)
	}
	if err = s.explain("knock", err); crowded && (errors.Is(err, ErrTimeout) || errors.Is(err, ErrUnreachable)) {
		return fmt.Errorf("knock at %s: %w", s.opt.Socket, ErrCrowded)
	}
	return err
}

// crowdLook is how often a knock that waits looks whether others are let in. A
// visitor of a crowd may have gone before; at one look somebody is there.
const crowdLook = 70 * time.Millisecond

// admits reports whether the server took or turned away somebody since the mark
// was made.
func (s *Server) admits(ctx context.Context, d *dialect, before admission) bool {
	now, err := s.admitted(ctx, d)
	return err == nil && (now.newest > before.newest || now.refused > before.refused)
}

// admission is a mark of who has come in so far.
type admission struct {
	newest  int64 // id of the newest session that was greeted and is there
	refused int64 // how many were turned away since the server started
}

// admitted makes such a mark. What the server only counts as come does not show
// in it: a server was seen that took every connection and never said a word.
func (s *Server) admitted(ctx context.Context, d *dialect) (admission, error) {
	var a admission
	err := s.usher.QueryRowContext(ctx, d.admitted).Scan(&a.newest, &a.refused)
	return a, s.explain("see who was admitted", err)
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
