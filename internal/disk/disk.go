package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// name is that of the file which is written and removed again.
const name = "mmm-disk-try"

// size is what a try writes: more than fits beside an inode, so that a full disk
// must refuse it.
const size = 64 << 10

// ErrFailed: the disk did not take the write. Any other error says that it could
// not be tried, for a cause on our side.
var ErrFailed = errors.New("disk takes no writes")

// failures are the errors by which a kernel says that a disk is full, read-only,
// broken or gone.
var failures = []error{
	syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO, syscall.EUCLEAN, syscall.ENODEV, syscall.ENXIO,
	syscall.ESTALE, syscall.ETIMEDOUT, syscall.EREMOTEIO, syscall.ENOLINK, syscall.ENODATA, syscall.EILSEQ,
}

// Try writes a new small file into a directory, flushes it and removes it. The
// file is new each time: what was once written can be written again on a full
// disk, too.
func Try(dir string) error {
	path := filepath.Join(dir, name)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return judge(err) // of a try that ended half-way
	}
	if err := room(dir); err != nil {
		return judge(err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return judge(err)
	}
	_, err = f.Write(make([]byte, size))
	return judge(errors.Join(err, f.Sync(), f.Close(), os.Remove(path)))
}

// room asks what is left for processes without privileges: root may write into a
// reserve that mysqld does not have.
func room(dir string) error {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	if fs.Blocks > 0 && int64(fs.Bavail)*fs.Bsize < size {
		return &os.PathError{Op: "write", Path: dir, Err: syscall.ENOSPC}
	}
	return nil
}

func judge(err error) error {
	i := slices.IndexFunc(failures, func(f error) bool { return errors.Is(err, f) })
	if i < 0 {
		return err
	}
	return fmt.Errorf("%w: %w", ErrFailed, err)
}

// Cause is what the kernel said, such as "no space left on device", without the
// names of files.
func Cause(err error) string {
	for _, f := range failures {
		if errors.Is(err, f) {
			return f.Error()
		}
	}
	return err.Error()
}
