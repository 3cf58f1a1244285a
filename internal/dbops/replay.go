package dbops

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"github.com/mmm-ha/mmm/internal/binlog"
	"github.com/mmm-ha/mmm/topology"
)

// Replay takes in what the server lacks of a run of which KeptRuns says that
// something was kept: transaction by transaction, under their own GTIDs, from
// where the server ends. When it returns nil, all of it is committed.
//
// It may be interrupted anywhere and called again: what is committed is not
// repeated, and what is not was never there. Replication is ended first, when all
// that was received is applied (else ErrUnapplied). It refuses on a writable server
// (ErrWritable), on a source, when the copy does not go on where the server ends
// (ErrUnverified), and what is no change of rows (ErrByHand), such as CREATE
// TABLE; what is before that is taken in.
func (s *Server) Replay(ctx context.Context, datadir string, run topology.Incarnation) error {
	const do = "replay what was kept"
	ctx, cancel, d, err := s.begin(ctx, s.work)
	if err != nil {
		return err
	}
	defer cancel()
	f, err := s.readFacts(ctx, d, s.work)
	switch {
	case err != nil:
		return err
	case !f.readOnly:
		return fmt.Errorf("%s: %w", do, ErrWritable)
	case f.semiSource:
		return fmt.Errorf("%s: the server is a source, commits wait for acknowledgements", do)
	}
	if err := s.detach(ctx, d, do); err != nil {
		return err
	}
	if f, err = s.readFacts(ctx, d, s.work); err != nil {
		return err
	}
	logs, skip, err := kept(datadir, run, f)
	if err != nil {
		return fmt.Errorf("%s: %w", do, err)
	}
	if err := s.replay(ctx, d, do, logs, skip); err != nil {
		return err
	}
	if f, err = s.readFacts(ctx, d, s.work); err != nil {
		return err
	}
	s.log.Info("took in what was kept of an earlier run", "gtid", f.position.String())
	return s.catchUpApplied(ctx, d, do)
}

// kept finds the copy of a run, and how much of it the server has.
func kept(datadir string, run topology.Incarnation, f facts) (logFiles, point, error) {
	copies, err := keptCopiesOf(datadir)
	if err != nil {
		return logFiles{}, nil, err
	}
	i := slices.IndexFunc(copies, func(c keptCopy) bool { return c.Run == run })
	if i < 0 {
		return logFiles{}, nil, fmt.Errorf("%w: there is no copy of run %s", ErrUnverified, run)
	}
	at, err := pointOf(f.position)
	if err != nil {
		return logFiles{}, nil, err
	}
	l, err := copies[i].line()
	if err != nil {
		return logFiles{}, nil, err
	}
	server, err := serverLine(datadir)
	if err != nil {
		return logFiles{}, nil, err
	}
	if _, ok := l.after(at); !ok || l.parts(server) {
		return logFiles{}, nil, fmt.Errorf("%w: the copy in %s does not go on where the server ends (%s)", ErrUnverified, copies[i].dir, f.position)
	}
	logs, err := copies[i].logs()
	return logs, at, err
}

// replay commits every transaction of the files beyond the position.
func (s *Server) replay(ctx context.Context, d *dialect, do string, logs logFiles, had point) error {
	conn, err := s.logged.Conn(ctx)
	if err != nil {
		return s.explain(do, err)
	}
	defer func() { _ = conn.Close() }() // what it had open is rolled back
	var format []byte
	commit := func(t binlog.Whole) error {
		if t.Number <= had[t.Domain].Number {
			return nil
		}
		if t.Other != "" {
			return fmt.Errorf("%s: %w: %s is %s", do, ErrByHand, t.ID, shorten(t.Other))
		}
		if string(t.Format) != string(format) {
			if err := s.events(ctx, conn, d, do, t.Format); err != nil {
				return err
			}
			format = t.Format
		}
		if err := s.commitGroup(ctx, conn, d, do, t); err != nil {
			return err
		}
		had[t.Domain] = t.ID
		return nil
	}
	for _, files := range [][]string{logs.binlogs, logs.relays} {
		if _, err := binlog.ReadWhole(files, commit); err != nil {
			return err
		}
	}
	return nil
}

// commitGroup repeats one transaction under its own GTID.
func (s *Server) commitGroup(ctx context.Context, conn *sql.Conn, d *dialect, do string, t binlog.Whole) error {
	do = fmt.Sprintf("%s: %s", do, t.ID)
	_, err := conn.ExecContext(ctx, d.replayAs, t.Domain, t.Server, t.Number, t.Time)
	if err == nil {
		_, err = conn.ExecContext(ctx, d.startTransaction)
	}
	if err != nil {
		return s.explain(do, err)
	}
	for _, statement := range t.Statements {
		if err := s.events(ctx, conn, d, do, statement); err != nil {
			_, undone := conn.ExecContext(ctx, d.rollback)
			return errors.Join(err, s.explain(do, undone))
		}
	}
	_, err = conn.ExecContext(ctx, d.commit)
	return s.explain(do, err)
}

// events gives the server events as they stand in a log file.
func (s *Server) events(ctx context.Context, conn *sql.Conn, d *dialect, do string, raw []byte) error {
	_, err := conn.ExecContext(ctx, fmt.Sprintf(d.binlogFormat, base64.StdEncoding.EncodeToString(raw)))
	return s.explain(do, err)
}
