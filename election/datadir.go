package election

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"github.com/mmm-ha/mmm/topology"
)

// Files in the datadir.
const (
	lockFile = "mmm-agent.lock"
	idFile   = "mmm-host-id"
)

// DatadirLock is the right to manage the database of one datadir (R6). It ends
// with Release or with the process.
type DatadirLock struct{ file *os.File }

// Lock takes the lock of the datadir dir without waiting. When another process
// has it, the error wraps ErrHeld and names that process. The lock lies in the
// datadir, as two agents with different configurations would still ruin one
// database.
func Lock(dir string) (*DatadirLock, error) {
	path := filepath.Join(dir, lockFile)
	f, err := openPlain(path, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, fmt.Errorf("lock the datadir: %w", err)
	}
	if err := takeLock(f, path); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &DatadirLock{f}, nil
}

func takeLock(f *os.File, path string) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("%w: process %s holds %s", ErrHeld, holder(f), path)
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", path, err)
	}
	// A lock on a file that has lost its name excludes nobody; and a file with a
	// second name is not ours to write to.
	var opened, named unix.Stat_t
	if err := errors.Join(unix.Fstat(int(f.Fd()), &opened), unix.Lstat(path, &named)); err != nil {
		return fmt.Errorf("lock %s: %w", path, err)
	}
	if opened.Ino != named.Ino || opened.Dev != named.Dev || opened.Nlink != 1 {
		return fmt.Errorf("lock %s: the file was replaced or has a second name: %w", path, ErrUnsafeFile)
	}
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("lock %s: %w", path, err)
	}
	if _, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return fmt.Errorf("lock %s: %w", path, err)
	}
	return nil
}

// holder returns the pid in the lock file, or words for not knowing it: the
// holder may be about to write it.
func holder(f *os.File) string {
	text := make([]byte, 20)
	n, _ := f.ReadAt(text, 0) // short is usual; nothing read is told apart below
	pid := strings.TrimSpace(string(text[:n]))
	if _, err := strconv.Atoi(pid); err != nil {
		return "(unknown)"
	}
	return pid
}

// Release gives the lock back. The file stays: removing it would let two
// processes hold locks on two files of one name.
func (l *DatadirLock) Release() error {
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("release the datadir: %w", err)
	}
	return nil
}

// Identity returns the uuid of the host whose datadir is dir, and makes one when
// there is none; created says so. It is durable when Identity returns. A file
// that holds anything but one uuid is an error and is left as it is: a new
// identity would make a stranger of a host that others rely on (R48).
//
// A copy of the datadir carries the uuid along, so what clones a host has to
// leave this file out.
func Identity(dir string) (id topology.HostID, created bool, err error) {
	path := filepath.Join(dir, idFile)
	id, err = readIdentity(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return id, false, err
	}
	fresh, err := uuid.NewRandom()
	if err != nil {
		return "", false, fmt.Errorf("make a host id: %w", err)
	}
	err = createPlain(path, []byte(fresh.String()+"\n"))
	if errors.Is(err, fs.ErrExist) { // another process was quicker
		id, err = readIdentity(path)
		return id, false, err
	}
	if err != nil {
		return "", false, fmt.Errorf("keep the host id: %w", err)
	}
	return topology.HostID(fresh.String()), true, nil
}

func readIdentity(path string) (topology.HostID, error) {
	data, err := readPlain(path)
	if err != nil {
		return "", fmt.Errorf("read the host id: %w", err)
	}
	id, err := uuid.Parse(strings.TrimSpace(string(data)))
	if err != nil {
		return "", fmt.Errorf("read the host id from %s: %w", path, err)
	}
	return topology.HostID(id.String()), nil
}
