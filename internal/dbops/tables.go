package dbops

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

// rowPoll is how often we look whether a row that was written before has been
// acknowledged.
const rowPoll = 20 * time.Millisecond

// EnsureTables makes the tables mmm.epoch and mmm.nudge when they are missing.
// It writes to the binlog, so that replicas get them too; on a replica it would
// make a transaction that nobody else has, so there it refuses (ErrReplica).
func (s *Server) EnsureTables(ctx context.Context) error {
	const do = "make the tables of mmm"
	ctx, cancel, d, err := s.begin(ctx, s.work)
	if err != nil {
		return err
	}
	defer cancel()
	n, err := s.count(ctx, s.work, do, d.countTables)
	// The first statement makes the database, each other one a table.
	if err != nil || int(n) == len(d.createTables)-1 {
		return err
	}
	f, err := s.readFacts(ctx, d, s.work)
	if err != nil {
		return err
	}
	if f.channel.configured {
		return fmt.Errorf("%s: %w", do, ErrReplica)
	}
	for _, statement := range d.createTables {
		if err := s.exec(ctx, s.logged, do, statement); err != nil {
			return err
		}
	}
	s.log.Info("made the tables of mmm")
	return nil
}

// EpochGTID is the GTID that WriteEpochRow(…, seq) gives its transaction on this
// server. It is known before the row is acknowledged, even before it is written.
func (s *Server) EpochGTID(ctx context.Context, seq uint64) (gtid.Set, error) {
	ctx, cancel, d, err := s.begin(ctx, s.work)
	if err != nil {
		return gtid.Set{}, err
	}
	defer cancel()
	return s.epochGTID(ctx, d, s.work, seq)
}

func (s *Server) epochGTID(ctx context.Context, d *dialect, on queryer, seq uint64) (gtid.Set, error) {
	var domain, server uint32
	if err := on.QueryRowContext(ctx, d.identity).Scan(&domain, &server); err != nil {
		return gtid.Set{}, s.explain("read who numbers transactions", err)
	}
	return gtid.Parse(fmt.Sprintf("%d-%d-%d", domain, server, seq))
}

// queryer is a pool or one session of it.
type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// WriteEpochRow writes the first transaction of a reign, in the open table of
// epochs, under the sequence number jumpTo (R37), and blocks until a replica has
// acknowledged it: nil means that one has. It returns the row's GTID. GTID and
// Base in row are ignored. The account writes although the server is read-only.
//
// ErrTimeout: the row may be in the binlog and wait. The session on the server
// goes on waiting, so calling again is right: a row that is there already is
// waited for and not written twice. A number that is not higher than the last
// one of the binlog is refused by the server (strict mode). ErrOtherRun: mysqld
// is not the run inc; empty: any run will do.
func (s *Server) WriteEpochRow(ctx context.Context, inc topology.Incarnation, row topology.EpochRow, jumpTo uint64) (gtid.Set, error) {
	do := fmt.Sprintf("write the row of epoch %d", row.Epoch)
	ctx, cancel, d, err := s.begin(ctx, s.work)
	if err != nil {
		return gtid.Set{}, err
	}
	defer cancel()
	id, err := s.epochGTID(ctx, d, s.work, jumpTo)
	if err != nil {
		return gtid.Set{}, err
	}
	f, err := s.readFacts(ctx, d, s.work)
	if err != nil {
		return gtid.Set{}, err
	}
	if f.channel.configured {
		return gtid.Set{}, fmt.Errorf("%s: %w", do, ErrReplica)
	}
	if f.position.Contains(id) {
		return id, s.rowVisible(ctx, d, do, id)
	}
	conn, err := s.sessionOf(ctx, s.logged, do, inc)
	if err != nil {
		return gtid.Set{}, err
	}
	defer func() { _ = conn.Close() }() // a session that hangs cannot say anything new
	_, err = conn.ExecContext(ctx, d.setSequence, jumpTo)
	if err == nil {
		_, err = conn.ExecContext(ctx, d.insertEpoch, jumpTo, row.Cluster, int64(row.Epoch), string(row.ID), id.String(), f.position.String())
	}
	if err != nil {
		return gtid.Set{}, s.explain(do, err)
	}
	return id, s.rowVisible(ctx, d, do, id)
}

// rowVisible waits until others can read the row: AFTER_SYNC shows it when it is
// acknowledged, and not before.
func (s *Server) rowVisible(ctx context.Context, d *dialect, do string, id gtid.Set) error {
	for {
		n, err := s.count(ctx, s.work, do, d.hasEpoch, id.String())
		if err != nil || n > 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return s.explain(do, ctx.Err())
		case <-time.After(rowPoll):
		}
	}
}

// WriteNudge writes one small transaction, whose acknowledgement releases whoever
// waits in vain for one that will not come (R27). It blocks until the nudge is
// acknowledged. While the last nudge of this Server still hangs, it writes
// nothing and returns ErrOutstanding. ErrOtherRun: mysqld is not the run inc;
// empty: any run will do.
func (s *Server) WriteNudge(ctx context.Context, inc topology.Incarnation) error {
	const do = "write a nudge"
	ctx, cancel, d, err := s.begin(ctx, s.work)
	if err != nil {
		return err
	}
	defer cancel()
	if last := s.nudge.Load(); last != 0 {
		stuck, err := s.hasSession(ctx, d, last)
		if err != nil {
			return err
		}
		if stuck {
			return fmt.Errorf("%s: %w", do, ErrOutstanding)
		}
	}
	conn, err := s.sessionOf(ctx, s.logged, do, inc)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	var id uint64
	err = conn.QueryRowContext(ctx, d.sessionID).Scan(&id)
	if err == nil {
		s.nudge.Store(id)
		_, err = conn.ExecContext(ctx, d.nudge)
	}
	if err == nil {
		s.nudge.Store(0)
	}
	return s.explain(do, err)
}
