package dbops

import (
	"context"
	"database/sql"
	"fmt"
)

// SetReadOnly closes the server for everybody without READ ONLY ADMIN and proves
// it. ErrLockWait: a statement, LOCK TABLES or a wait for an acknowledgement is
// in the way; after a second the server gave up, and read_only is as it was. An
// open transaction that wrote something is not in the way: its COMMIT fails.
//
// ErrTimeout leaves it open whether the server will still do it; give it more
// than the second that it may wait by itself.
func (s *Server) SetReadOnly(ctx context.Context) error {
	ctx, cancel, d, err := s.begin(ctx, s.fence)
	if err != nil {
		return err
	}
	defer cancel()
	return s.switchReadOnly(ctx, d, d.setReadOnly, true)
}

// SetWritable opens the server and proves it. Whether it may be opened is the
// caller's affair: the port's element is timed, the lease holds (R8).
func (s *Server) SetWritable(ctx context.Context) error {
	ctx, cancel, d, err := s.begin(ctx, s.fence)
	if err != nil {
		return err
	}
	defer cancel()
	return s.switchReadOnly(ctx, d, d.setWritable, false)
}

func (s *Server) switchReadOnly(ctx context.Context, d *dialect, statement string, want bool) error {
	do := fmt.Sprintf("set read_only=%t", want)
	if err := s.exec(ctx, s.fence, do, statement); err != nil {
		return err
	}
	f, err := s.readFacts(ctx, d, s.fence)
	if err != nil {
		return err
	}
	if f.readOnly != want {
		return fmt.Errorf("%s: %w: it reads %t", do, ErrUnverified, f.readOnly)
	}
	return nil
}

// Waiters counts the sessions that wait for an acknowledgement or are queued
// behind one that does. It may count a commit that is merely on its way.
func (s *Server) Waiters(ctx context.Context) (int, error) {
	ctx, cancel, d, err := s.begin(ctx, s.fence)
	if err != nil {
		return 0, err
	}
	defer cancel()
	return s.waiters(ctx, d, s.fence)
}

func (s *Server) waiters(ctx context.Context, d *dialect, db *sql.DB) (int, error) {
	n, err := s.count(ctx, db, "count who waits", d.waiters)
	return int(n), err
}
