package clone

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// stays lists what belongs to the host and not to its data.
var stays = []string{Kept, "mmm-host-id", "mmm-agent.lock", "lost+found", systemFile}

// Replace puts the prepared copy in place of the data, which goes into the
// directory old (a name, see OldName). The server must be down. It may be
// interrupted anywhere and called again; from the first move to the last no
// server starts (see the package's comment). ErrInUse: one had begun to start before;
// it ends by itself, or must be stopped.
func (d Dirs) Replace(old string) error {
	if err := d.replace(old); err != nil {
		return fmt.Errorf("put the copy in place: %w", err)
	}
	return nil
}

func (d Dirs) replace(old string) error {
	if exists(d.New()) {
		if err := d.takeOut(old); err != nil {
			return err
		}
		if err := d.move(d.New(), d.in()); err != nil { // from here on what is in the datadir is new
			return err
		}
		if err := syncDir(d.under()); err != nil {
			return err
		}
	}
	if !exists(d.in()) {
		return nil
	}
	return d.takeIn(old)
}

// takeOut moves the data from before aside.
func (d Dirs) takeOut(old string) error {
	to := d.Old(old)
	if !isFile(filepath.Join(d.New(), systemFile)) {
		return fmt.Errorf("%w: the copy has no file %s", ErrCannotReplace, systemFile)
	}
	if err := os.MkdirAll(filepath.Join(to, Kept), 0o700); err != nil {
		return err
	}
	if err := errors.Join(d.bar(to), syncDir(d.Data)); err != nil {
		return err
	}
	if err := errors.Join(unused(d.Data), unused(to)); err != nil { // from here on no server gets further than the bar
		return err
	}
	if err := d.moveAll(d.Data, to, func(name string) bool { return !slices.Contains(stays, name) }); err != nil {
		return err
	}
	// What was kept of earlier runs speaks of data that are no longer here.
	if err := d.moveAll(filepath.Join(d.Data, Kept), filepath.Join(to, Kept), func(name string) bool { return name != Name }); err != nil {
		return err
	}
	return errors.Join(syncDir(to), syncDir(filepath.Join(to, Kept)), syncDir(filepath.Join(d.Data, Kept)), syncDir(d.Data))
}

// bar puts a directory in the place of the system file.
func (d Dirs) bar(to string) error {
	here := filepath.Join(d.Data, systemFile)
	info, err := os.Lstat(here)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := d.at("bar"); err != nil {
			return err
		}
		return os.Mkdir(here, 0o700)
	case err != nil:
		return err
	case info.IsDir():
		return nil
	}
	there := filepath.Join(to, systemFile)
	if err := os.Mkdir(there, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return d.exchange(there, here)
}

// takeIn moves the copy in; its system file goes last and ends the bar, when no
// server is left that has come as far as to the bar: it would go on with half of the
// data from before.
func (d Dirs) takeIn(old string) error {
	if isFile(filepath.Join(d.in(), systemFile)) {
		if err := d.moveAll(d.in(), d.Data, func(name string) bool { return name != systemFile && !ofTheTool(name) }); err != nil {
			return err
		}
		if err := errors.Join(syncDir(d.Data), unused(d.Old(old))); err != nil {
			return err
		}
		if err := d.exchange(filepath.Join(d.in(), systemFile), filepath.Join(d.Data, systemFile)); err != nil {
			return err
		}
	}
	return errors.Join(syncDir(d.Data), os.RemoveAll(d.in()), syncDir(d.under()))
}

// ofTheTool reports whether a file of a copy is a note of mariadb-backup, or
// belongs to the host that gave it.
func ofTheTool(name string) bool {
	return strings.HasPrefix(name, "xtrabackup_") || strings.HasPrefix(name, "mariadb_backup_") || strings.HasPrefix(name, "mmm-") ||
		name == "backup-my.cnf"
}

func (d Dirs) moveAll(from, to string, which func(string) bool) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if which(e.Name()) {
			err := d.move(filepath.Join(from, e.Name()), filepath.Join(to, e.Name()))
			if err != nil && !errors.Is(err, fs.ErrNotExist) { // the agent tries the disk by a file that comes and goes
				return err
			}
		}
	}
	return nil
}

func (d Dirs) move(from, to string) error {
	if err := d.at("move " + from); err != nil {
		return err
	}
	return os.Rename(from, to)
}

func (d Dirs) at(step string) error {
	if d.step == nil {
		return nil
	}
	return d.step(step)
}

// exchange swaps two names at once.
func (d Dirs) exchange(a, b string) error {
	if err := d.at("exchange " + a); err != nil {
		return err
	}
	if err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE); err != nil {
		return &os.LinkError{Op: "exchange", Old: a, New: b, Err: err}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func isFile(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().IsRegular()
}
