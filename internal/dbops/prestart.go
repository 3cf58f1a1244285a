package dbops

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// KeptDir is where KeepTails puts its copies, inside the datadir.
const KeptDir = "mmm-kept"

// KeptClone is what package clone has in KeptDir.
const KeptClone = "clone"

const (
	// keptCopies is how many crashes are remembered; each may take two binlogs.
	keptCopies = 3
	// keptBinlogs is how many of the newest binlogs are copied. Where the last
	// checkpoint lies cannot be read cheaply; a server begins a new file at each
	// start and at max_binlog_size, and what may be rolled back is a second's
	// worth, so the last two hold it.
	keptBinlogs = 2
	// spareBytes must stay free: a full disk would keep the server from starting.
	spareBytes = 256 << 20
)

// Tails say where the files are.
type Tails struct {
	Datadir string
	Indexes []string // *.index of logs that are not in the datadir
	Now     time.Time
	Log     *slog.Logger
}

// KeepTails is for the moment before a server is started again. When it was not
// stopped cleanly, the start would cut off what nobody acknowledged and the first
// START SLAVE would delete what was received; either may be the last copy (R14).
// So the newest binlogs and all of the relay logs, with relay-log.info and
// master.info, are copied to <datadir>/mmm-kept/<time>, and that directory is
// returned; after a clean stop nothing is copied and "" is returned.
//
// A crash is told by the flag that the server keeps in the head of the binlog it
// writes and takes away when it closes it. The last three copies are kept. Of
// which run of the server they are is told by its mark (MarkRun). A marked run
// that leaves nothing behind which is not in the server is written down as whole,
// and not copied.
//
// It never fails a start for lack of space: it warns, and returns "". An error
// means that the files could not be read or copied; the caller warns and goes on.
func KeepTails(t Tails) (string, error) {
	if t.Log == nil {
		t.Log = slog.New(slog.DiscardHandler)
	}
	if _, err := os.Stat(t.Datadir); err != nil {
		return "", fmt.Errorf("keep the tails: %w", err)
	}
	logs, err := findLogs(t)
	if err == nil && len(logs.binlogs) == 0 {
		t.Log.Warn("found no binlog to look after; name its index file if it is not in the datadir", "dir", t.Datadir)
	}
	if err != nil {
		return "", fmt.Errorf("keep the tails of %s: %w", t.Datadir, err)
	}
	dir, again, err := t.keep(logs)
	if again {
		t.countStart(dir, logs)
		return dir, err
	}
	return dir, errors.Join(err, forgetStarts(t.Datadir))
}

// keep copies the log files, if there is cause to. again says that the last copy
// holds just these: no start has changed them since.
func (t Tails) keep(logs logFiles) (dir string, again bool, err error) {
	crashed, err := logs.crashed()
	if err != nil {
		return "", false, fmt.Errorf("keep the tails of %s: %w", t.Datadir, err)
	}
	m, marked := readRunMark(t.Datadir, logs)
	if whole, err := logs.leaveNothing(t.Datadir, m, crashed); marked && whole {
		return "", false, noteWhole(t.Datadir, m)
	} else if marked && err != nil {
		t.Log.Warn("could not read the log files; they are kept as they are", "dir", t.Datadir, "err", err)
	} else if !crashed && !marked {
		return "", false, nil
	}
	files := append(newest(logs.binlogs, keptBinlogs), logs.relays...)
	for _, name := range []string{"relay-log.info", "master.info"} {
		if path := filepath.Join(t.Datadir, name); exists(path) {
			files = append(files, path)
		}
	}
	under := filepath.Join(t.Datadir, KeptDir)
	if dir := sameAsLast(under, files); dir != "" {
		return dir, true, nil
	}
	if !marked {
		m = runMark{}
	}
	if fits, err := enoughSpace(t.Datadir, files); err != nil || !fits {
		t.Log.Warn("kept no copy of the log files for lack of space", "dir", t.Datadir, "err", err)
		return "", false, nil
	}
	dir, err = keep(under, t.Now, files, m)
	if err == nil {
		err = unmark(t.Datadir)
	}
	if err != nil {
		return "", false, fmt.Errorf("keep the tails of %s: %w", t.Datadir, err)
	}
	t.Log.Info("kept a copy of the log files after a crash", "dir", dir, "files", len(files))
	return dir, false, nil
}

// logFiles are the logs of a datadir, oldest first.
type logFiles struct {
	binlogs, relays []string
	torn            bool // one has no head: the crash hit while it was begun
}

// crashed reports whether the newest binlog was never closed. Without any binlog
// there is nothing to keep.
func (l logFiles) crashed() (bool, error) {
	if l.torn || len(l.binlogs) == 0 {
		return l.torn, nil
	}
	flags, err := headFlags(l.binlogs[len(l.binlogs)-1])
	return flags&flagInUse != 0, err
}

// findLogs reads every index file and sorts its logs by what their heads say
// they are, so that nobody has to tell how they are called.
func findLogs(t Tails) (out logFiles, err error) {
	indexes, err := filepath.Glob(filepath.Join(t.Datadir, "*.index"))
	if err != nil {
		return out, err
	}
	for _, index := range append(indexes, t.Indexes...) {
		raw, err := os.ReadFile(index)
		if err != nil {
			return out, err
		}
		for lines := bufio.NewScanner(bytes.NewReader(raw)); lines.Scan(); {
			path := strings.TrimSpace(lines.Text())
			if path == "" {
				continue
			}
			if !filepath.IsAbs(path) {
				path = filepath.Join(t.Datadir, path) // the server's working directory
			}
			switch flags, err := headFlags(path); {
			case errors.Is(err, os.ErrNotExist):
			case errors.Is(err, errNoLog):
				out.torn = true
			case err != nil:
				return out, err
			case flags&flagRelayLog != 0:
				out.relays = append(out.relays, path)
			default:
				out.binlogs = append(out.binlogs, path)
			}
		}
	}
	return out, nil
}

// What the head of a log file says: 4 bytes of magic, then the first event, whose
// header of 19 bytes ends in two bytes of flags.
const (
	flagInUse    = 0x01
	flagRelayLog = 0x40
	headLen      = 4 + 19
)

var errNoLog = errors.New("not a log file")

func headFlags(path string) (uint16, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	head := make([]byte, headLen)
	_, err = io.ReadFull(f, head)
	if err = errors.Join(err, f.Close()); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return 0, fmt.Errorf("read %s: %w", path, errNoLog)
		}
		return 0, err
	}
	if !bytes.HasPrefix(head, []byte("\xfebin")) {
		return 0, fmt.Errorf("read %s: %w", path, errNoLog)
	}
	return uint16(head[headLen-2]) | uint16(head[headLen-1])<<8, nil
}

func newest[T any](list []T, n int) []T {
	return append([]T{}, list[max(0, len(list)-n):]...)
}

// sameAsLast is the newest copy when it holds just these files: a server that
// crashes again and again before it has written anything must not push the copy
// that matters out of the last three.
func sameAsLast(under string, files []string) string {
	copies, err := filepath.Glob(filepath.Join(under, "*Z"))
	if err != nil || len(copies) == 0 {
		return ""
	}
	last := copies[len(copies)-1] // Glob sorts, and the names are times
	for _, path := range files {
		now, err1 := os.Stat(path)
		then, err2 := os.Stat(filepath.Join(last, filepath.Base(path)))
		if err1 != nil || err2 != nil || now.Size() != then.Size() {
			return ""
		}
	}
	return last
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func enoughSpace(dir string, files []string) (bool, error) {
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err != nil {
		return false, err
	}
	need := uint64(spareBytes)
	for _, path := range files {
		info, err := os.Stat(path)
		if err != nil {
			return false, err
		}
		need += uint64(info.Size())
	}
	return disk.Bavail*uint64(disk.Bsize) >= need, nil
}

// keep copies into a directory that gets its name last, so that a directory with
// a proper name is complete.
func keep(under string, now time.Time, files []string, m runMark) (string, error) {
	final := filepath.Join(under, now.UTC().Format("20060102T150405.000000000Z"))
	half := final + ".half"
	if err := os.MkdirAll(half, 0o700); err != nil {
		return "", err
	}
	for _, path := range files {
		if err := copyFile(path, filepath.Join(half, filepath.Base(path))); err != nil {
			return "", errors.Join(err, os.RemoveAll(half))
		}
	}
	if m.Run != "" {
		if err := writeJSON(filepath.Join(half, runFile), m); err != nil {
			return "", errors.Join(err, os.RemoveAll(half))
		}
	}
	if err := os.Rename(half, final); err != nil {
		return "", err
	}
	return final, errors.Join(syncDir(final), syncDir(under), trim(under))
}

// copyFile shares blocks where the file system can, and copies otherwise. A hard
// link would not do: the server cuts the file itself.
func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if unix.IoctlFileClone(int(out.Fd()), int(in.Fd())) != nil {
		if _, err := io.Copy(out, in); err != nil {
			return errors.Join(err, out.Close())
		}
	}
	return errors.Join(out.Sync(), out.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// trim removes what is older than the last copies, and halves of broken runs.
// Copies of which nobody can tell what they are do not push out the others.
func trim(under string) error {
	entries, err := os.ReadDir(under)
	if err != nil {
		return err
	}
	var marked, others, rest []string
	for _, e := range entries {
		switch path := filepath.Join(under, e.Name()); {
		case e.Name() == KeptClone: // it is no copy of logs
		case strings.HasSuffix(path, ".half"):
			rest = append(rest, path)
		case !e.IsDir():
		case exists(filepath.Join(path, runFile)):
			marked = append(marked, path)
		default:
			others = append(others, path)
		}
	}
	for _, copies := range [][]string{marked, others} { // ReadDir sorts, and the names are times
		rest = append(rest, copies[:max(0, len(copies)-keptCopies)]...)
	}
	var errs []error
	for _, path := range rest {
		errs = append(errs, os.RemoveAll(path))
	}
	return errors.Join(errs...)
}
