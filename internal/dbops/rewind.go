package dbops

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/mmm-ha/mmm/topology/gtid"
)

// ErrIrreversible: what the tail changed cannot be undone row by row; the host
// needs a copy of another one. Nothing was changed. The text says what it is.
var ErrIrreversible = errors.New("it cannot be undone")

// ErrOthers: the tail holds more than the cluster's own rows, and only those
// were to be undone. Nothing was changed.
var ErrOthers = errors.New("it holds more than the cluster's own rows")

// unfinished is the file in the state directory that stands while a rewind is
// under way. Between two of its steps the server's own positions say too little
// or too much, so nothing may be believed of them while it stands.
const unfinished = "rewind-unfinished"

// Unfinished reports whether a rewind of this host was begun and not ended.
func Unfinished(state string) bool { return exists(filepath.Join(state, unfinished)) }

// Rewind is what a host is to be taken back from.
type Rewind struct {
	Line     gtid.Line // of the source that it is to follow
	Named    gtid.Set  // what the source said it never had; may be empty
	State    string    // directory that survives a reboot
	OnlyOwn  bool      // refuse (ErrOthers) what anybody but the cluster wrote
	Manifest Manifest  // host, source and epoch, for the archive

	step func(string) error // for tests: called before each step
}

// Rewound is what came of it.
type Rewound struct {
	To      gtid.Set // where the host stands now
	GTIDs   []string // what it held beyond; nil when an earlier call had undone it
	Archive string   // directory with these transactions
	Own     bool     // they were nothing but the cluster's own rows and harmless statements
}

// Rewind takes the server back to the point where its history parts from a
// source's, so that it can follow it:
//
//  1. The transactions beyond that point are archived.
//  2. Their rows are undone, newest first, in ONE transaction which also leaves a
//     mark: after a crash it has happened wholly or not at all.
//  3. Replication is forgotten, the binlog emptied, and both GTID states set to
//     the point.
//
// It may be interrupted anywhere and called again; Unfinished tells that it must
// be. It refuses a server that is writable, waits for acknowledgements, or has
// sessions that do (ErrWritable, ErrWaiting), and one whose tail cannot be undone
// (ErrIrreversible), before anything is changed. The caller must know that nobody
// counts on this host: its relay log is dropped (R40), its binlog starts anew.
func (s *Server) Rewind(ctx context.Context, r Rewind) (Rewound, error) {
	out, err := s.rewind(ctx, r)
	if err != nil {
		return out, fmt.Errorf("rewind: %w", err)
	}
	s.log.Info("rewound", "gtid", out.To.String(), "transactions", len(out.GTIDs), "archive", out.Archive)
	return out, nil
}

func (s *Server) rewind(ctx context.Context, r Rewind) (Rewound, error) {
	d, err := s.speak(ctx, s.work)
	if err == nil {
		err = s.quiescent(ctx, d)
	}
	if err != nil {
		return Rewound{}, err
	}
	m, err := s.readMark(ctx, d)
	if err != nil {
		return Rewound{}, err
	}
	if m == nil {
		return s.rewindWhole(ctx, d, r)
	}
	// Undone before. What remains is to set the states, from the mark.
	if err := writeSynced(filepath.Join(r.State, unfinished), nil); err != nil {
		return Rewound{}, err
	}
	out := Rewound{To: m.fork.Position(), Archive: m.archive, Own: m.own}
	return out, s.reset(ctx, d, r, *m)
}

// quiescent refuses a server that somebody may rely on, and stops what it receives.
func (s *Server) quiescent(ctx context.Context, d *dialect) error {
	f, err := s.readFacts(ctx, d, s.work)
	switch {
	case err != nil:
		return err
	case !f.readOnly:
		return ErrWritable
	case f.semiSource:
		return fmt.Errorf("%w: it is set up as a source", ErrWaiting)
	}
	if n, err := s.waiters(ctx, d, s.work); err != nil || n > 0 {
		return errors.Join(err, fmt.Errorf("%w: %d sessions", ErrWaiting, n))
	}
	if !f.channel.configured {
		return nil
	}
	return s.exec(ctx, s.work, "stop replication", d.stopAll)
}

func (s *Server) rewindWhole(ctx context.Context, d *dialect, r Rewind) (Rewound, error) {
	tail, err := s.FindTail(ctx, r.Line, r.Named)
	if errors.Is(err, ErrNoFork) && Unfinished(r.State) {
		// The mark was taken away last of all: it is done.
		return Rewound{}, r.finish()
	}
	if err != nil {
		return Rewound{}, err
	}
	out := Rewound{To: tail.Fork.Position(), GTIDs: tail.GTIDs(), Own: tail.Own()}
	if r.OnlyOwn && !out.Own {
		return out, fmt.Errorf("%w: %s", ErrOthers, summary(out.GTIDs))
	}
	if why := tail.Irreversible(); why != "" {
		err = fmt.Errorf("%w: %s", ErrIrreversible, why)
	} else {
		err = s.undoable(ctx, d, tail)
	}
	if err != nil && !errors.Is(err, ErrIrreversible) {
		return out, err
	}
	if stepErr := r.at("archive"); stepErr != nil {
		return out, stepErr
	}
	// Archived whatever follows: a copy of another host would throw it away too.
	var archiveErr error
	if out.Archive, archiveErr = Archive(ctx, r.State, tail, r.Manifest); archiveErr != nil {
		return out, archiveErr
	}
	if err != nil {
		return out, err
	}
	if err := r.begin(); err != nil {
		return out, err
	}
	m := mark{fork: tail.Fork, last: tail.Transactions[len(tail.Transactions)-1].GTID, archive: out.Archive, own: out.Own}
	if err := s.undo(ctx, d, r, tail, m); err != nil {
		if errors.Is(err, ErrIrreversible) { // rolled back, so nothing is unfinished
			err = errors.Join(err, r.finish())
		}
		return out, err
	}
	return out, s.reset(ctx, d, r, m)
}

// reset makes the server forget what is beyond the fork. The mark goes last.
func (s *Server) reset(ctx context.Context, d *dialect, r Rewind, m mark) error {
	const do = "set the position to the fork"
	f, err := s.readFacts(ctx, d, s.work)
	if err != nil {
		return err
	}
	if !f.position.Equal(m.last) && !f.position.Empty() && !f.position.Equal(m.fork.Position()) {
		return fmt.Errorf("%s: somebody wrote here meanwhile: the binlog stands at %s, not at %s", do, f.position, m.last)
	}
	fork, err1 := quote(m.fork.String())
	position, err2 := quote(m.fork.Position().String())
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	for _, step := range []struct{ name, text string }{
		{"forget-source", d.resetAll},
		{"empty-binlog", d.resetBinlog},
		{"set-state", fmt.Sprintf(d.setStateFormat, fork)},
		{"set-applied", fmt.Sprintf(d.setAppliedFormat, position)},
	} {
		if step.name == "forget-source" && !f.channel.configured {
			continue
		}
		if err := r.at(step.name); err != nil {
			return err
		}
		if err := s.exec(ctx, s.work, do, step.text); err != nil {
			return err
		}
	}
	if f, err = s.readFacts(ctx, d, s.work); err != nil {
		return err
	}
	if want := m.fork.Position(); !f.position.Equal(want) || !f.applied.Equal(want) || f.channel.configured {
		return fmt.Errorf("%s: %w: binlog %s, applied %s instead of %s", do, ErrUnverified, f.position, f.applied, want)
	}
	if err := r.at("unmark"); err != nil {
		return err
	}
	if err := s.exec(ctx, s.work, do, d.dropMark); err != nil {
		return err
	}
	if err := r.at("finish"); err != nil {
		return err
	}
	return r.finish()
}

func (r Rewind) at(step string) error {
	if r.step == nil {
		return nil
	}
	return r.step(step)
}

func (r Rewind) begin() error {
	if err := r.at("begin"); err != nil {
		return err
	}
	return errors.Join(writeSynced(filepath.Join(r.State, unfinished), nil), syncDir(r.State))
}

func (r Rewind) finish() error {
	if err := os.Remove(filepath.Join(r.State, unfinished)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return syncDir(r.State)
}

// mark is the row that the undoing transaction leaves.
type mark struct {
	fork    gtid.State
	last    gtid.Set // end of the tail that was undone
	archive string
	own     bool
}

// readMark is nil when there is none.
func (s *Server) readMark(ctx context.Context, d *dialect) (*mark, error) {
	rows, err := s.query(ctx, s.work, "look for an unfinished rewind", d.readMark)
	if isNumber(err, errNoSuchTable, errUnknownDatabase) {
		return nil, nil
	}
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	m := mark{archive: rows[0]["archive"], own: isTrue(rows[0]["own"])}
	if m.fork, err = gtid.ParseState(rows[0]["fork"]); err == nil {
		m.last, err = gtid.Parse(rows[0]["last"])
	}
	if err != nil {
		return nil, fmt.Errorf("read the mark of an unfinished rewind: %w", err)
	}
	return &m, nil
}

// session is one connection that is thrown away afterwards: what the undoing
// statements set in it must not meet anybody else.
func (s *Server) session(ctx context.Context) (*sql.Conn, func(), error) {
	conn, err := s.work.Conn(ctx)
	if err != nil {
		return nil, nil, s.explain("open a session", err)
	}
	return conn, func() { _ = conn.Raw(func(any) error { return errBadConn }); _ = conn.Close() }, nil
}

// summary names the first and the last of a list.
func summary(ids []string) string {
	switch len(ids) {
	case 0:
		return "nothing"
	case 1:
		return ids[0]
	default:
		return fmt.Sprintf("%s to %s (%d transactions)", ids[0], ids[len(ids)-1], len(ids))
	}
}

// undoLimit bounds the undoing transaction.
const undoLimit = 10 * time.Minute
