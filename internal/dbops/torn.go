package dbops

import (
	"context"
	"fmt"
)

// dropTorn lets the server forget its replication when it cannot read its notes
// of it: master.info and relay-log.info are written in place, and a power cut may
// leave them empty. Then, measured on 10.11, CHANGE MASTER and every START SLAVE
// are error 1201 until somebody resets; STOP SLAVE and SHOW SLAVE STATUS answer,
// without a channel (master.info) or with a stopped one (relay-log.info).
//
// Where to go on is not in those files, but in gtid_slave_pos and the binlog. The
// relay log goes, as it would at the next START SLAVE anyway; what KeepTails
// copied of it stays. Notes that were read once in this run are not torn: while
// a thread runs, or anything is known to be received and not applied, the error
// must have another cause, and nothing is dropped.
func (s *Server) dropTorn(ctx context.Context, d *dialect, do string, cause error) error {
	f, err := s.readFacts(ctx, d, s.work)
	switch {
	case err != nil:
		return err
	case !f.readOnly:
		return fmt.Errorf("%w: %w", ErrWritable, cause)
	case !f.channel.idle() || f.channel.sql || f.unapplied():
		return cause
	}
	s.log.Warn("dropping the server's unreadable notes of its replication", "gtid", f.done().String(), "err", cause)
	return s.exec(ctx, s.work, do, d.resetAll)
}
