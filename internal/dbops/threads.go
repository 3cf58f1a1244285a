package dbops

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mmm-ha/mmm/topology/gtid"
)

const (
	// threadPoll is how often a thread's state is read until it is as asked.
	threadPoll = 10 * time.Millisecond
	// applyPoll is how long the server waits for a position before we look
	// whether anybody still applies anything.
	applyPoll = 250 * time.Millisecond
)

// StopIO stops the thread that receives, and ONLY that: with both threads
// stopped, MariaDB deletes an unapplied relay log at the next start of either
// (R11). nil means it was seen stopped, or that this server replicates nothing:
// what Observe calls Received is frozen from then on. Where Reattach was broken
// off, all that was received is applied first, for the server does not say what
// it received by file and position.
//
// It takes a second or two when the source has vanished without a word while
// this replica acknowledges, unless the source's address is rejected locally first.
func (s *Server) StopIO(ctx context.Context) error {
	ctx, cancel, d, err := s.begin(ctx, s.work)
	if err != nil {
		return err
	}
	defer cancel()
	return s.stopIO(ctx, d)
}

func (s *Server) stopIO(ctx context.Context, d *dialect) error {
	f, err := s.readFacts(ctx, d, s.work)
	if err != nil {
		return err
	}
	if !f.channel.idle() {
		if err := s.exec(ctx, s.work, "stop the IO thread", d.stopIO); err != nil {
			return err
		}
		if err := s.until(ctx, d, "stop the IO thread", func(f facts) bool { return f.channel.idle() }); err != nil {
			return err
		}
	}
	if !f.channel.configured || f.channel.usingGTID {
		return nil
	}
	return s.applyRest(ctx, d)
}

// StartIO starts the thread that receives. With a SQL thread that runs this
// loses nothing, measured on 10.11: the relay log stays, a new file is begun,
// and the source sends from Gtid_IO_Pos on; also when the source is dead and
// the thread keeps connecting. With the SQL thread stopped too the server would
// delete the relay log first, so then it must be applied: else ErrUnapplied.
func (s *Server) StartIO(ctx context.Context) error {
	ctx, cancel, d, err := s.begin(ctx, s.work)
	if err != nil {
		return err
	}
	defer cancel()
	return s.startIO(ctx, d)
}

func (s *Server) startIO(ctx context.Context, d *dialect) error {
	const do = "start the IO thread"
	f, err := s.readFacts(ctx, d, s.work)
	if err != nil {
		return err
	}
	switch {
	case !f.channel.configured:
		return fmt.Errorf("%s: this server replicates nothing", do)
	case !f.channel.idle():
		return nil
	case !f.channel.sql && f.unapplied():
		return f.refuse(do)
	}
	if err := s.exec(ctx, s.work, do, d.startIO); err != nil {
		return err
	}
	return s.kept(ctx, d, do, f)
}

// StartSQL starts the thread that applies. It refuses (ErrUnapplied) when the IO
// thread is stopped and received transactions are not applied: the server would
// delete the relay log first, also when it does not recover relay logs at a
// start, and the only copy might be here. Start the IO thread's source again, or
// replay the relay log's files by hand.
func (s *Server) StartSQL(ctx context.Context) error {
	ctx, cancel, d, err := s.begin(ctx, s.work)
	if err != nil {
		return err
	}
	defer cancel()
	const do = "start the SQL thread"
	f, err := s.readFacts(ctx, d, s.work)
	if err != nil {
		return err
	}
	switch {
	case !f.channel.configured:
		return fmt.Errorf("%s: this server replicates nothing", do)
	case f.channel.sql:
		return nil
	case f.channel.idle() && f.unapplied():
		return f.refuse(do)
	}
	if err := s.exec(ctx, s.work, do, d.startSQL); err != nil {
		return err
	}
	return s.kept(ctx, d, do, f)
}

// refuse says what would be lost.
func (f facts) refuse(do string) error {
	return fmt.Errorf("%s: %w: received up to %s, applied up to %s; the server would delete what lies between%s",
		do, ErrUnapplied, f.got(), f.done(), because(f.channel.sqlError))
}

// kept proves that a start threw nothing away: what had been received before is
// still received. The SQL thread may have died between our look and the start.
func (s *Server) kept(ctx context.Context, d *dialect, do string, before facts) error {
	after, err := s.readFacts(ctx, d, s.work)
	if err != nil {
		return err
	}
	if !after.got().Contains(before.got()) {
		return fmt.Errorf("%s: %w: had received up to %s, has now %s", do, ErrRelayLost, before.got(), after.got())
	}
	return nil
}

// SetSemiReplica says whether this server acknowledges what it receives, and
// restarts the IO thread (only that one, see StartIO) when it runs under the
// other setting: the setting counts from the next connection on. Nothing
// received is lost. An acknowledgement of what was received before is never
// given; a waiter needs the next transaction to be released (R27).
func (s *Server) SetSemiReplica(ctx context.Context, on bool) error {
	ctx, cancel, d, err := s.begin(ctx, s.work)
	if err != nil {
		return err
	}
	defer cancel()
	do, statement := "switch acknowledging off", d.semiReplicaOff
	if on {
		do, statement = "switch acknowledging on", d.semiReplicaOn
	}
	if err := s.exec(ctx, s.work, do, statement); err != nil {
		return err
	}
	f, attached, err := s.readAttached(ctx, d)
	if err != nil {
		return err
	}
	if f.semiReplica != on {
		return fmt.Errorf("%s: %w", do, ErrUnverified)
	}
	if f.channel.idle() || attached == on {
		return nil
	}
	if !f.channel.sql && f.unapplied() {
		return f.refuse(do) // the setting stands, the connection does not have it yet
	}
	s.log.Debug("restarting the IO thread", "why", do)
	return errors.Join(s.stopIO(ctx, d), s.startIO(ctx, d))
}

// readAttached reads the facts, and whether the present connection to the source
// was made with acknowledging on.
func (s *Server) readAttached(ctx context.Context, d *dialect) (facts, bool, error) {
	f, err := s.readFacts(ctx, d, s.work)
	if err != nil {
		return f, false, err
	}
	status, err := s.query(ctx, s.work, "read the semi-sync status", d.semi)
	if err != nil {
		return f, false, err
	}
	for _, r := range status {
		if r["Variable_name"] == d.status.attached {
			return f, isTrue(r["Value"]), nil
		}
	}
	return f, false, nil
}

// WaitApplied waits until everything of the set is applied here: committed, and
// seen by who reads. ErrTimeout: not yet. ErrSQLStopped: nobody applies anything,
// with the SQL thread's error; it is told as soon as it is so, not when the time is
// up.
//
// The binlog's position runs ahead of the commit: a transaction counts there when it
// was written to the binlog, and a crash before the engine's commit takes it back
// (init_rpl_role=SLAVE). What the SQL thread has done counts in gtid_slave_pos when
// it is committed. What stands in the binlog's position alone is on its way between
// the two, or was written here by somebody else, which the SQL thread will never say:
// it counts when that thread rests, and has had a moment for helpers of its own.
func (s *Server) WaitApplied(ctx context.Context, want gtid.Set) error {
	ctx, cancel, d, err := s.begin(ctx, s.work)
	if err != nil {
		return err
	}
	defer cancel()
	do := fmt.Sprintf("wait until %s is applied", want)
	for inBinlog := false; ; {
		f, err := s.readFacts(ctx, d, s.work)
		if err != nil {
			return err
		}
		applies, logged := f.channel.configured && f.channel.sql, f.done().Contains(want)
		switch {
		case f.applied.Contains(want), logged && (!applies || inBinlog && f.channel.sqlRests):
			return nil
		case !applies:
			return fmt.Errorf("%s: %w at %s%s", do, ErrSQLStopped, f.done(), because(f.channel.sqlError))
		}
		inBinlog = logged
		_, err = s.count(ctx, s.work, do, d.waitApplied, want.String(), applyPoll.Seconds())
		if err != nil {
			return err
		}
	}
}

// until reads the state again and again until it is as asked or time is up.
func (s *Server) until(ctx context.Context, d *dialect, do string, good func(facts) bool) error {
	for {
		f, err := s.readFacts(ctx, d, s.work)
		if err != nil {
			return err
		}
		if good(f) {
			return nil
		}
		select {
		case <-ctx.Done():
			return s.explain(do, ctx.Err())
		case <-time.After(threadPoll):
		}
	}
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}
