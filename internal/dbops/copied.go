package dbops

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mmm-ha/mmm/internal/binlog"
	"github.com/mmm-ha/mmm/topology/gtid"
)

// ErrElsewhere: files of the server lie outside its datadir, where whoever
// replaces the datadir does not reach them. The text names one.
var ErrElsewhere = errors.New("files of the server lie outside its datadir")

// elsewhere are the variables that say where else files may lie.
var elsewhere = []string{"innodb-data-home-dir", "innodb-log-group-home-dir", "innodb-undo-directory", "aria-log-dir-path", "log-bin", "relay-log"}

// AllInside looks whether the server keeps all that belongs to its data in its
// datadir. file is the option file that it is started with; empty: the usual ones.
// The server need not run.
func AllInside(ctx context.Context, file, datadir string) error {
	const do = "find where the server keeps its files"
	path, err := exec.LookPath("mariadbd")
	if err != nil {
		return fmt.Errorf("%s: %w", do, err)
	}
	var args []string
	if file != "" {
		args = []string{"--defaults-file=" + file}
	}
	table, err := printVariables(ctx, path, args, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", do, err)
	}
	return outside(table, datadir)
}

func outside(table configuration, datadir string) error {
	for _, name := range elsewhere {
		value := table[name]
		if !filepath.IsAbs(value) || strings.Contains(value, emptyDir) { // relative to the datadir, or the one of this question
			continue
		}
		if at := filepath.Clean(value); at != filepath.Clean(datadir) && filepath.Dir(at) != filepath.Clean(datadir) {
			return fmt.Errorf("%w: %s is %s", ErrElsewhere, strings.ReplaceAll(name, "-", "_"), value)
		}
	}
	return nil
}

// StateAt is the state of the server's binlog at a moment that a copy was made
// of: the name of a binlog, and a position in it. id is what the copy says it
// stands at, which must agree.
func (s *Server) StateAt(ctx context.Context, file string, position int64, id string) (gtid.State, error) {
	do := fmt.Sprintf("read the state at %s:%d", file, position)
	ctx, cancel, d, err := s.begin(ctx, s.work)
	if err != nil {
		return gtid.State{}, err
	}
	defer cancel()
	files, err := s.binlogs(ctx, d)
	if err != nil {
		return gtid.State{}, err
	}
	at := slices.IndexFunc(files, func(path string) bool { return filepath.Base(path) == filepath.Base(file) })
	if at < 0 {
		return gtid.State{}, fmt.Errorf("%s: the binlog is purged", do)
	}
	var beyond gtid.State
	head, err := binlog.Read(files[at], func(t binlog.Transaction) error {
		if t.End > position {
			return errStop
		}
		beyond = beyond.With(t.GTID)
		return ctx.Err()
	})
	if err != nil && !errors.Is(err, errStop) {
		return gtid.State{}, fmt.Errorf("%s: %w", do, err)
	}
	state := head.State.Join(beyond)
	if want, err := gtid.Parse(id); err != nil || !want.Equal(state.Position()) {
		return gtid.State{}, fmt.Errorf("%s: %w: the binlog says %s, the copy %s", do, ErrUnverified, state.Position(), id)
	}
	return state, nil
}

// TakePosition gives a server that was started with a copy of another one's data
// the position that the copy is of: it follows nobody, its binlog is empty, and
// both GTID states are the copy's. It may be called again. It refuses a server
// that is writable, a source, or beyond that position.
func (s *Server) TakePosition(ctx context.Context, datadir string, state gtid.State) error {
	const do = "take the position of the copy"
	ctx, cancel, d, err := s.begin(ctx, s.work)
	if err != nil {
		return err
	}
	defer cancel()
	if err := s.quiescent(ctx, d); err != nil {
		return fmt.Errorf("%s: %w", do, err)
	}
	var base string
	if err := s.work.QueryRowContext(ctx, d.binlogBase).Scan(&base); err != nil {
		return s.explain(do, err)
	}
	if err := outside(configuration{"log-bin": base}, datadir); err != nil {
		return fmt.Errorf("%s: %w", do, err)
	}
	f, err := s.readFacts(ctx, d, s.work)
	if err != nil {
		return err
	}
	want := state.Position()
	if !want.Contains(f.position) {
		return fmt.Errorf("%s: the binlog stands at %s, beyond %s: these are not the data of the copy", do, f.position, want)
	}
	whole, err1 := quote(state.String())
	position, err2 := quote(want.String())
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	steps := []string{d.resetBinlog, fmt.Sprintf(d.setStateFormat, whole), fmt.Sprintf(d.setAppliedFormat, position)}
	if f.channel.configured {
		steps = append([]string{d.resetAll}, steps...)
	}
	for _, text := range steps {
		if err := s.exec(ctx, s.work, do, text); err != nil {
			return err
		}
	}
	if f, err = s.readFacts(ctx, d, s.work); err != nil {
		return err
	}
	if !f.position.Equal(want) || !f.applied.Equal(want) || f.channel.configured {
		return fmt.Errorf("%s: %w: binlog %s, applied %s instead of %s", do, ErrUnverified, f.position, f.applied, want)
	}
	return nil
}
