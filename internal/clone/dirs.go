package clone

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Dirs says where a host keeps its data and what it must not forget.
type Dirs struct {
	Data  string // of the server
	State string // survives a reboot

	step func(string) error // for tests: called before each move
}

// The names below the datadir. Kept is where prestart puts its copies, too.
const (
	Kept = "mmm-kept"
	Name = "clone" // inside Kept
)

// systemFile is the file without which no server starts. One that keeps its
// system tablespace elsewhere is refused.
const systemFile = "ibdata1"

func (d Dirs) under() string { return filepath.Join(d.Data, Kept, Name) }

// New is where a copy is unpacked.
func (d Dirs) New() string { return filepath.Join(d.under(), "new") }

// in is the copy on its way into place: all that was there before is out.
func (d Dirs) in() string { return filepath.Join(d.under(), "in") }

// OldName makes the name of the directory that takes the data from before.
func OldName(now time.Time) string { return "old-" + now.UTC().Format("20060102T150405Z") }

// Old is the path of a directory that OldName has named.
func (d Dirs) Old(name string) string { return filepath.Join(d.under(), name) }

// ErrCannotReplace: the data of this host cannot be replaced by moving files.
// The text says what is in the way.
var ErrCannotReplace = errors.New("the data cannot be replaced")

// ErrInUse: a server uses the data. Stop it and try again.
var ErrInUse = errors.New("a server uses the data")

// Replaceable looks whether everything in the datadir can be moved.
func (d Dirs) Replaceable() error {
	var top unix.Stat_t
	if err := unix.Stat(d.Data, &top); err != nil {
		return fmt.Errorf("look at the datadir: %w", err)
	}
	entries, err := os.ReadDir(d.Data)
	if err != nil {
		return fmt.Errorf("look at the datadir: %w", err)
	}
	for _, e := range entries {
		var s unix.Stat_t
		path := filepath.Join(d.Data, e.Name())
		if err := unix.Lstat(path, &s); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("look at the datadir: %w", err)
		} else if err == nil && s.Dev != top.Dev {
			return fmt.Errorf("%w: %s is on another file system than the datadir", ErrCannotReplace, path)
		}
	}
	return d.exchangeable()
}

// exchangeable tries whether the file system can swap two names at once, without
// which a server could start on half of a copy. What it tries with is gone again.
func (d Dirs) exchangeable() (err error) {
	defer func() {
		if err != nil && !errors.Is(err, ErrCannotReplace) {
			err = fmt.Errorf("try to exchange two files in the datadir: %w", err)
		}
	}()
	dir := filepath.Join(d.under(), "try")
	for _, made := range []string{filepath.Dir(d.under()), d.under()} {
		if err := os.Mkdir(made, 0o700); err == nil {
			defer func() { _ = os.Remove(made) }() // it stays if there is something in it by now
		} else if !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)); err != nil { // somebody may have been killed here
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	file, other := filepath.Join(dir, "file"), filepath.Join(dir, "dir")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Mkdir(other, 0o700)); err != nil {
		return err
	}
	switch err := d.exchange(file, other); {
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("%w: the file system of %s cannot exchange two files at once, as ext4, xfs and btrfs can", ErrCannotReplace, d.Data)
	default:
		return err
	}
}

// Empty reports whether the datadir holds no data of a server at all.
func (d Dirs) Empty() bool {
	for _, name := range []string{systemFile, "mysql", "aria_log_control"} {
		if _, err := os.Lstat(filepath.Join(d.Data, name)); !errors.Is(err, fs.ErrNotExist) {
			return false
		}
	}
	return true
}

// Begin makes an empty directory for a copy. What an earlier one left is removed.
func (d Dirs) Begin() error {
	if err := d.Discard(); err != nil {
		return err
	}
	if err := os.MkdirAll(d.New(), 0o700); err != nil {
		return fmt.Errorf("make room for a copy: %w", err)
	}
	return nil
}

// Discard removes a copy that is not, and will not be, put in place.
func (d Dirs) Discard() error {
	if err := os.RemoveAll(d.New()); err != nil {
		return fmt.Errorf("remove a copy: %w", err)
	}
	return nil
}

// RemoveOld removes the data from before, but for what prestart had kept of
// earlier crashes: nobody has looked whether that is the last copy of something.
func (d Dirs) RemoveOld(name string) error {
	dir := d.Old(name)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if e.Name() != Kept {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	if err != nil {
		return fmt.Errorf("remove the data from before: %w", err)
	}
	_ = os.Remove(filepath.Join(dir, Kept)) // it goes if nothing is in it
	_ = os.Remove(dir)
	return nil
}

// Size is how much a copy of the data takes, and how much is free for one, in
// bytes. Logs that a copy leaves out are not counted.
func (d Dirs) Size() (data, free int64, err error) {
	err = filepath.WalkDir(d.Data, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed meanwhile
		}
		if err != nil || path == d.Data {
			return err
		}
		above := filepath.Dir(path) == d.Data
		switch {
		case above && e.IsDir() && (e.Name() == Kept || e.Name() == "lost+found"):
			return filepath.SkipDir
		case e.IsDir() || above && !copied(e.Name()):
			return nil
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			data += info.Size()
		}
		return err
	})
	var disk unix.Statfs_t
	if err == nil {
		err = unix.Statfs(d.Data, &disk)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("measure the datadir: %w", err)
	}
	return data, int64(disk.Bavail) * disk.Bsize, nil
}

// copied reports whether a file directly in the datadir is part of a copy.
func copied(name string) bool {
	for _, start := range []string{"ibdata", "ib_logfile", "undo", "aria_log"} {
		if strings.HasPrefix(name, start) {
			return true
		}
	}
	return false
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// InUse says which process uses the data, in words, or nothing: a server locks its
// system file as long as it lives.
func (d Dirs) InUse() (string, error) { return lockedBy(filepath.Join(d.Data, systemFile)) }

// locks are the files that a server locks when it starts, in its order.
var locks = []string{"aria_log_control", systemFile}

// unused refuses while a server holds a file of a directory: it has begun to start
// between the last look and the bar.
func unused(dir string) error {
	for _, name := range locks {
		by, err := lockedBy(filepath.Join(dir, name))
		if err == nil && by != "" {
			err = fmt.Errorf("%w%s: it has begun to start", ErrInUse, by)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lockedBy says which process has locked a file, in words, or nothing.
func lockedBy(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EISDIR) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look who uses the datadir: %w", err)
	}
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	err = errors.Join(unix.FcntlFlock(f.Fd(), unix.F_GETLK, &lock), f.Close())
	if err != nil {
		return "", fmt.Errorf("look who uses the datadir: %w", err)
	}
	if lock.Type == unix.F_UNLCK {
		return "", nil
	}
	return fmt.Sprintf(" (process %d)", lock.Pid), nil
}
