package dbops

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/internal/binlog"
	"github.com/mmm-ha/mmm/topology/gtid"
)

// Reattach makes the IO thread connect once by file and position, so that the
// source takes the last transaction for acknowledged, and then return to GTIDs
// (R27). It is for an acknowledging replica whose relay log is fully applied:
// else ErrUnapplied; ErrNotTold when it is new at the source. When it fails half-way, the IO thread stays stopped and Follow
// puts things right: a source that does not answer may come back with a shorter
// binlog, in which the old file and position mean nothing.
//
// The position is the one up to which all is applied. The one up to which the IO
// thread has read may lie inside a transaction, which would be left out.
func (s *Server) Reattach(ctx context.Context) error {
	const do = "attach by file and position"
	ctx, cancel, d, err := s.begin(ctx, s.work)
	if err != nil {
		return err
	}
	defer cancel()
	f, err := s.readFacts(ctx, d, s.work)
	if err != nil {
		return err
	}
	if c := f.channel; !c.configured || c.file == "" || !c.usingGTID {
		return fmt.Errorf("%s: this server is not attached", do)
	}
	if f.unapplied() {
		return f.refuse(do)
	}
	if !s.attached.see(f.channel) {
		return fmt.Errorf("%s: %w", do, ErrNotTold)
	}
	if err := s.detach(ctx, d, do); err != nil {
		return err
	}
	if f, err = s.readFacts(ctx, d, s.work); err != nil {
		return err
	}
	file, err := quote(f.channel.doneFile)
	if err != nil {
		return fmt.Errorf("%s: %w", do, err)
	}
	if f.channel.donePos <= firstPosition {
		return errors.Join(fmt.Errorf("%s: %w", do, ErrNotTold), s.exec(ctx, s.work, do, d.startAll))
	}
	if err := s.exec(ctx, s.work, do, fmt.Sprintf(d.reattachFormat, file, f.channel.donePos)); err != nil {
		return err
	}
	if f, err = s.readFacts(ctx, d, s.work); err != nil {
		return err
	}
	empty := f.channel.relayBytes
	if err := s.exec(ctx, s.work, do, d.startAll); err != nil {
		return err
	}
	// "Yes" is said when the request has been sent. Only the first event proves
	// that the source has taken it up: measured 100 ms later, and a thread that is
	// stopped in between releases nobody.
	wait, done := context.WithTimeout(ctx, firstEvent)
	defer done()
	err = s.until(wait, d, do, func(f facts) bool { return f.channel.io == "Yes" && f.channel.relayBytes > empty })
	return errors.Join(err, s.returnToGTID(ctx, d, do, err == nil))
}

const (
	// firstPosition is where a log file begins. A thread that has just connected by
	// GTID says it until the source has told it where it is.
	firstPosition = 4
	// firstEvent bounds the wait for the first event of a source that is attached
	// by position. It must be short: nobody can bid meanwhile.
	firstEvent = time.Second
	// returnLimit bounds the way back, which must be gone to its end even when
	// whoever asked has given up.
	returnLimit = 5 * time.Second
)

// returnToGTID ends an attachment by file and position. start: the source
// answered, so go on with it.
func (s *Server) returnToGTID(ctx context.Context, d *dialect, do string, start bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), returnLimit)
	defer cancel()
	if err := s.detach(ctx, d, do); err != nil {
		return err
	}
	if err := s.exec(ctx, s.work, do, d.returnToGTID); err != nil || !start {
		return err
	}
	return s.exec(ctx, s.work, do, d.startAll)
}

// applyRest waits until all that was received by file and position is applied:
// acknowledged, and dropped with the relay log when replication returns to GTIDs,
// it would be lost. The IO thread must be stopped. Without an error a SQL thread
// that is stopped applies nothing any more: Reattach had applied all before it
// stopped it, or the server was restarted, of which KeepTails has a copy.
func (s *Server) applyRest(ctx context.Context, d *dialect) error {
	const do = "apply what was received by position"
	f, err := s.readFacts(ctx, d, s.work)
	if err != nil {
		return err
	}
	if !f.channel.sql && f.channel.sqlError == "" {
		return nil
	}
	received, err := s.relayed(ctx, d)
	if err != nil {
		return fmt.Errorf("%s: %w", do, err)
	}
	if err := s.WaitApplied(ctx, received); err != nil {
		return fmt.Errorf("%s: %w: %w", do, ErrUnapplied, err)
	}
	return nil
}

// relayed is up to where the relay log holds whole transactions.
func (s *Server) relayed(ctx context.Context, d *dialect) (gtid.Set, error) {
	rows, err := s.query(ctx, s.work, "ask where the relay log is", d.relayLog)
	if err != nil {
		return gtid.Set{}, err
	}
	if len(rows) != 1 || rows[0]["list"] == "" {
		return gtid.Set{}, errors.New("the server does not say where its relay log is")
	}
	for {
		set, err := relayedIn(rows[0]["dir"], rows[0]["list"])
		if !errors.Is(err, os.ErrNotExist) || ctx.Err() != nil {
			return set, err
		} // the server has applied a file and removed it since
	}
}

func relayedIn(datadir, list string) (gtid.Set, error) {
	raw, err := os.ReadFile(within(datadir, list))
	if err != nil {
		return gtid.Set{}, err
	}
	var files []string
	for name := range strings.FieldsFuncSeq(string(raw), func(r rune) bool { return r == '\n' }) {
		files = append(files, within(datadir, name))
	}
	end := point{}
	_, err = binlog.ReadWhole(files, func(t binlog.Whole) error {
		end[t.Domain] = t.ID
		return nil
	})
	if err != nil {
		return gtid.Set{}, err
	}
	return end.set()
}

// within completes a path as the server means it.
func within(datadir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(datadir, path)
}
