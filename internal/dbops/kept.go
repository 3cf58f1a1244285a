package dbops

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/mmm-ha/mmm/internal/binlog"
	"github.com/mmm-ha/mmm/internal/process"
	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

const (
	// runFile, in the datadir, says which run of the server the log files are of.
	// The agent writes it while that run lives; KeepTails takes it away. In a copy
	// of the log files it says of which run they are.
	runFile = "mmm-run"
	// wholeFile, in KeptDir, names runs that left nothing behind to be kept.
	wholeFile = "whole.json"
	// mostWhole is how many of them are remembered: a server that falls again and
	// again must not push the run that matters out.
	mostWhole = 64
)

// runMark ties log files to a run of the server.
type runMark struct {
	Run     topology.Incarnation `json:"run"`
	Began   string               `json:"began"`   // the binlog that the run began with
	Durable bool                 `json:"durable"` // what it acknowledged is on disk, not only with the kernel
}

// MarkRun writes down, in the datadir, that the log files there are of the run
// that answers now. Without it KeepTails keeps copies of which nobody can tell
// what they are worth. It is called once for each run, and may be called again.
//
// What names a run in the files is the binlog that it began with: a server begins
// a new one at each start, and says so in its head. Should the server be started
// without KeepTails, the mark no longer fits and counts for nothing.
func (s *Server) MarkRun(ctx context.Context, datadir string) error {
	const do = "mark the log files"
	p, err := s.Observe(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", do, err)
	}
	ctx, cancel, d, err := s.begin(ctx, s.work)
	if err != nil {
		return err
	}
	defer cancel()
	n, err := s.count(ctx, s.work, do, d.durable)
	if err != nil {
		return err
	}
	began, err := newestBegan(datadir)
	if err != nil {
		return fmt.Errorf("%s: %w", do, err)
	}
	// Read while that run lives, so that the file is its own.
	if again := s.livePeer(); again.inc != p.Incarnation {
		return fmt.Errorf("%s: %w: the server was restarted", do, ErrUnverified)
	}
	if err := writeJSON(filepath.Join(datadir, runFile), runMark{p.Incarnation, began, n > 0}); err != nil {
		return fmt.Errorf("%s: %w", do, err)
	}
	return nil
}

// newestBegan is the name of the newest binlog that a start of the server began.
func newestBegan(datadir string) (string, error) {
	logs, err := findLogs(Tails{Datadir: datadir})
	if err != nil {
		return "", err
	}
	return logs.newestBegan()
}

func (l logFiles) newestBegan() (string, error) {
	for _, path := range slices.Backward(l.binlogs) {
		head, err := binlog.ReadBeginning(path)
		if err != nil {
			return "", err
		}
		if head.Start {
			return filepath.Base(path), nil
		}
	}
	return "", errors.New("no binlog in the datadir was begun by a start of the server")
}

// readRunMark reads the mark of a datadir, if it fits the log files there.
func readRunMark(datadir string, logs logFiles) (runMark, bool) {
	var m runMark
	if err := readJSON(filepath.Join(datadir, runFile), &m); err != nil || m.Run == "" {
		return m, false
	}
	began, err := logs.newestBegan()
	return m, err == nil && began == m.Began
}

// unmark takes a mark away that has been used.
func unmark(datadir string) error {
	err := os.Remove(filepath.Join(datadir, runFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// noteWhole writes down that a run left nothing to be kept.
func noteWhole(datadir string, m runMark) error {
	under := filepath.Join(datadir, KeptDir)
	if err := os.MkdirAll(under, 0o700); err != nil {
		return err
	}
	path := filepath.Join(under, wholeFile)
	var all []runMark
	if err := readJSON(path, &all); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	all = append(slices.DeleteFunc(all, func(o runMark) bool { return o.Run == m.Run }), m)
	if err := writeJSON(path, newest(all, mostWhole)); err != nil {
		return err
	}
	return unmark(datadir)
}

// leaveNothing reports whether the files of a marked run hold nothing that the
// next start could throw away. After a clean stop that is a relay log which is
// not applied; after a crash it is anything the run has written itself, and any
// relay log that no earlier copy has.
func (l logFiles) leaveNothing(datadir string, m runMark, crashed bool) (bool, error) {
	own := logFiles{binlogs: l.binlogs[max(0, slices.IndexFunc(l.binlogs, func(path string) bool { return filepath.Base(path) == m.Began })):]}
	if !crashed {
		own = logFiles{binlogs: newest(l.binlogs, keptBinlogs), relays: l.relays}
		before, err := lineOf(logFiles{binlogs: own.binlogs})
		if err != nil {
			return false, err
		}
		all, err := lineOf(own)
		return len(all.ids) == len(before.ids), err
	}
	written, err := lineOf(own)
	if err != nil || len(written.ids) > 0 {
		return false, err
	}
	copies, err := keptCopiesOf(datadir)
	if err != nil {
		return false, err
	}
	for _, path := range l.relays {
		if !slices.ContainsFunc(copies, func(c keptCopy) bool { return sameSize(path, filepath.Join(c.dir, filepath.Base(path))) }) {
			return false, nil
		}
	}
	return true, nil
}

func sameSize(a, b string) bool {
	one, err1 := os.Stat(a)
	other, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && one.Size() == other.Size()
}

// KeptRuns are the runs of the server that have ended and of which nothing is
// lost, newest first, for a server that has the position now. Beyond says what
// the server lacks and Replay takes in; it is empty when it lacks nothing. A run
// of which anything may be missing is left out: one that was not marked, one
// whose copies do not go on where the server ends, and one that ended with the
// power of the host while its settings let the disk lag behind.
func KeptRuns(datadir string, position gtid.Set) ([]topology.Kept, error) {
	at, err := pointOf(position)
	if err != nil {
		return nil, err
	}
	copies, err := keptCopiesOf(datadir)
	if err != nil {
		return nil, fmt.Errorf("look for kept log files: %w", err)
	}
	var out []topology.Kept
	var errs []error
	for _, c := range copies {
		k, ok, err := c.judge(datadir, at)
		if err != nil {
			errs = append(errs, fmt.Errorf("read what was kept in %s: %w", c.dir, err))
		}
		if ok {
			out = append(out, k)
		}
	}
	var whole []runMark
	if err := readJSON(filepath.Join(datadir, KeptDir, wholeFile), &whole); err != nil && !errors.Is(err, os.ErrNotExist) {
		errs = append(errs, err)
	}
	for _, m := range slices.Backward(whole) {
		if m.survived() {
			out = append(out, topology.Kept{Run: m.Run})
		}
	}
	return out, errors.Join(errs...)
}

// survived reports whether what the run acknowledged is still there: the host was
// not booted since, or its settings had it on disk.
func (m runMark) survived() bool {
	_, err := process.PID(m.Run)
	return err == nil || errors.Is(err, process.ErrGone) && m.Durable
}

// keptCopy is one copy of the log files of a run.
type keptCopy struct {
	dir string
	runMark
}

// keptCopiesOf are the copies whose run is known, newest first.
func keptCopiesOf(datadir string) ([]keptCopy, error) {
	dirs, err := filepath.Glob(filepath.Join(datadir, KeptDir, "*Z"))
	if err != nil {
		return nil, err
	}
	var out []keptCopy
	for _, dir := range slices.Backward(dirs) { // Glob sorts, and the names are times
		c := keptCopy{dir: dir}
		switch err := readJSON(filepath.Join(dir, runFile), &c.runMark); {
		case errors.Is(err, os.ErrNotExist): // kept before the run was marked
		case err != nil:
			return nil, err
		default:
			out = append(out, c)
		}
	}
	return out, nil
}

// judge says what a copy is worth to a server with that position.
func (c keptCopy) judge(datadir string, at point) (topology.Kept, bool, error) {
	k := topology.Kept{Run: c.Run}
	if !c.survived() {
		return k, false, nil
	}
	l, err := c.line()
	if err != nil {
		return k, false, err
	}
	server, err := serverLine(datadir)
	if err != nil {
		return k, false, err
	}
	n, ok := l.after(at)
	switch {
	case ok && l.parts(server):
		return k, false, nil
	case ok && n == len(l.ids):
		return k, true, nil
	case ok:
		k.Beyond, err = l.end().set()
		return k, err == nil, err
	case len(l.ids) == 0:
		return k, false, nil
	default: // whatever it has written since, it has all of the line if it has the end
		end := l.ids[len(l.ids)-1]
		return k, server.times[end] == l.times[end] && l.times[end] > 0, nil
	}
}

// serverLine is what the newest of the server's own binlogs hold.
func serverLine(datadir string) (line, error) {
	logs, err := findLogs(Tails{Datadir: datadir})
	if err != nil {
		return line{}, err
	}
	return lineOf(logFiles{binlogs: newest(logs.binlogs, keptBinlogs)})
}

// parts reports whether another line gives one number to another transaction.
func (l line) parts(other line) bool {
	for i, at := range other.times {
		if mine, both := l.times[i]; both && mine != at {
			return true
		}
	}
	return false
}

// logs are the files of a copy.
func (c keptCopy) logs() (logFiles, error) {
	names, err := filepath.Glob(filepath.Join(c.dir, "*.[0-9]*"))
	if err != nil {
		return logFiles{}, err
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	var out logFiles
	for _, path := range names {
		switch flags, err := headFlags(path); {
		case errors.Is(err, errNoLog):
		case err != nil:
			return out, err
		case flags&flagRelayLog != 0:
			out.relays = append(out.relays, path)
		default:
			out.binlogs = append(out.binlogs, path)
		}
	}
	return out, nil
}

func (c keptCopy) line() (line, error) {
	logs, err := c.logs()
	if err != nil {
		return line{}, err
	}
	return lineOf(logs)
}

func readJSON(path string, into any) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// writeJSON replaces a file as a whole, durably.
func writeJSON(path string, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return err
	}
	draft := path + ".new"
	f, err := os.OpenFile(draft, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(raw, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(draft, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(draft))
	}
	return syncDir(filepath.Dir(path))
}
