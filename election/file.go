package election

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// The files of this package lie in directories that another account may write to
// (the datadir belongs to the database's), while the agent may run as root. So
// nothing here follows a symbolic link or blocks on a pipe.

const (
	fileMode  = 0o600
	fileLimit = 64 << 10 // bytes; all of our files are far smaller
)

// plain returns an error that wraps ErrUnsafeFile when something other than a
// plain file stands at path, and one that wraps fs.ErrNotExist when nothing does.
func plain(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: %w but %s", path, ErrUnsafeFile, info.Mode().Type())
	}
	return nil
}

// openPlain opens path if it is a plain file, or can be made one by flag.
func openPlain(path string, flag int) (*os.File, error) {
	if err := plain(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	// The name may have been given to something else since, hence the flags and
	// the second look.
	f, err := os.OpenFile(path, flag|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, fileMode)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w but %s", path, ErrUnsafeFile, info.Mode().Type())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// readPlain returns the content of a plain file.
func readPlain(path string) ([]byte, error) {
	f, err := openPlain(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close() // nothing was written
	data, err := io.ReadAll(io.LimitReader(f, fileLimit+1))
	if err != nil {
		return nil, err
	}
	if len(data) > fileLimit {
		return nil, fmt.Errorf("read %s: it is longer than %d bytes", path, fileLimit)
	}
	return data, nil
}

// replacePlain puts data at path, so that after a power loss either the old or
// the new content is there, whole. There must be one writer at a time.
func replacePlain(path string, data []byte) error {
	if err := plain(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	draft, err := writeDraft(path, data)
	if err != nil {
		return err
	}
	if err := os.Rename(draft, path); err != nil {
		return errors.Join(err, os.Remove(draft))
	}
	return syncDir(filepath.Dir(path))
}

// createPlain is replacePlain for a file that must not exist; if it does, the
// error wraps fs.ErrExist and nothing is changed.
func createPlain(path string, data []byte) error {
	draft, err := writeDraft(path, data)
	if err != nil {
		return err
	}
	// A link fails where a rename would replace.
	if err := errors.Join(os.Link(draft, path), os.Remove(draft)); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// writeDraft writes data to a new file beside path, durably, and returns its
// name, which nobody else uses. A crash may leave it behind.
func writeDraft(path string, data []byte) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*")
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// syncDir makes a change of names in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
