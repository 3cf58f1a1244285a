package dbops

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"

	"github.com/mmm-ha/mmm/internal/process"
	"github.com/mmm-ha/mmm/topology"
)

// sessionOf takes a session of a pool that is surely one of the run inc of mysqld;
// empty: any run will do. What was decided on one run must not be done to the
// next, which may have lost transactions (R19): it would give their numbers a
// second time, and acknowledges alone.
//
// First the session answers, then that run is seen alive: no two runs serve the
// same files at once, so it was that run which answered, and the session ends with
// it. ErrOtherRun: that run is over, or another one.
func (s *Server) sessionOf(ctx context.Context, db *sql.DB, do string, inc topology.Incarnation) (*sql.Conn, error) {
	for {
		conn, err := db.Conn(ctx)
		if err != nil {
			return nil, s.explain(do, err)
		}
		err = conn.PingContext(ctx)
		if errors.Is(err, driver.ErrBadConn) { // one that was kept open, of a server that is gone
			_ = conn.Close() // the pool has dropped it
			continue
		}
		if err = s.explain(do, err); err == nil && inc != "" {
			err = lives(inc)
		}
		if err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		return conn, nil
	}
}

// lives is ErrOtherRun when that run of mysqld is over.
func lives(inc topology.Incarnation) error {
	pid, err := process.PID(inc)
	if err == nil {
		var now topology.Incarnation
		if now, err = process.Of(pid); err == nil && now != inc {
			err = process.ErrGone
		}
	}
	if errors.Is(err, process.ErrGone) {
		return ErrOtherRun
	}
	return err
}
