package dbops

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// SetReadOnly closes the server for everybody without READ ONLY ADMIN and proves
// it. ErrLockWait: a statement, LOCK TABLES or a wait for an acknowledgement is
// in the way; after a second the server gave up, and read_only is as it was. An
// open transaction that wrote something is not in the way: its COMMIT fails. One
// that others wait for, and that waits for this itself, is ended: see untie.
//
// ErrTimeout leaves it open whether the server will still do it; give it more
// than the second that it may wait by itself.
func (s *Server) SetReadOnly(ctx context.Context) error {
	ctx, cancel, d, err := s.begin(ctx, s.fence)
	if err != nil {
		return err
	}
	defer cancel()
	aside, stop := context.WithTimeout(ctx, untieUntil)
	var untying sync.WaitGroup
	untying.Go(func() { s.untie(aside, d) })
	err = s.exec(ctx, s.fence, "set read_only=true", d.setReadOnly)
	stop()
	untying.Wait()
	if err != nil {
		return err
	}
	return s.readsReadOnly(ctx, d, true)
}

// The time in which untie looks again and again for a knot: it leaves most of the
// second alone in which the server waits (lockWait), and ends well before it.
const (
	untieEvery = 50 * time.Millisecond
	untieUntil = 700 * time.Millisecond
)

// untie ends sessions of clients that have a row locked, in an open transaction,
// for which another's statement waits, and whose own next statement waits until
// read_only is set. That is set only when no statement runs: each of the three
// waits for the next, and the server sees no deadlock in it (measured: two
// clients that update the same two rows are enough). Nobody was told that such a
// transaction is safe, it has not begun to commit, and it cannot begin before
// read_only is set or given up: nothing is released here that waits for an
// acknowledgement (R12). What goes wrong here SetReadOnly itself reports, as
// ErrLockWait.
func (s *Server) untie(ctx context.Context, d *dialect) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(untieEvery):
		}
		set, err := s.query(ctx, s.work, "list who holds read_only up", d.knots)
		if err != nil {
			return
		}
		for _, line := range set {
			r := &reader{row: line}
			id := r.number("id", 64)
			if r.err != nil || ctx.Err() != nil {
				return
			}
			if _, err := s.killSession(ctx, d, s.work, "end a client that holds read_only up", id); err != nil {
				return
			}
		}
	}
}

// SetWritable opens the server and proves it. Whether it may be opened is the
// caller's affair: the port's element is timed, the lease holds (R8). ErrOtherRun:
// mysqld is not the run inc, of which that was found (R19); empty: any run will do.
func (s *Server) SetWritable(ctx context.Context, inc topology.Incarnation) error {
	const do = "set read_only=false"
	ctx, cancel, d, err := s.begin(ctx, s.fence)
	if err != nil {
		return err
	}
	defer cancel()
	conn, err := s.sessionOf(ctx, s.fence, do, inc)
	if err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, d.setWritable)
	if err = s.explain(do, errors.Join(err, conn.Close())); err != nil { // back in the pool, for what reads
		return err
	}
	return s.readsReadOnly(ctx, d, false)
}

// readsReadOnly proves that read_only is as it was set.
func (s *Server) readsReadOnly(ctx context.Context, d *dialect, want bool) error {
	f, err := s.readFacts(ctx, d, s.fence)
	if err != nil {
		return err
	}
	if f.readOnly != want {
		return fmt.Errorf("set read_only=%t: %w: it reads %t", want, ErrUnverified, f.readOnly)
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
