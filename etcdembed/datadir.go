package etcdembed

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

const (
	lockName   = "mmm.lock"
	markerName = "mmm-member.json"
)

// dataDir is the member's directory, held by this process until release.
type dataDir struct {
	path  string
	lock  *os.File
	fresh bool // no member has ever been started in it
}

// marker says whose directory this is. etcd itself would take another name
// without a word and rename the member.
type marker struct {
	Name    string `json:"name"`
	PeerURL string `json:"peerURL"`
}

// openDataDir creates the directory if need be, locks it and checks that it
// belongs to the member that o describes.
func openDataDir(o Options) (*dataDir, error) {
	if err := checkContents(o.DataDir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("create dataDir: %w; create it for the user that runs this member, or choose another", err)
	}
	if err := os.Chmod(o.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("close dataDir to other users: %w; give it to the user that runs this member", err)
	}
	d := &dataDir{path: o.DataDir}
	if err := d.acquire(); err != nil {
		return nil, err
	}
	err := d.checkMarker(o)
	if err == nil {
		d.fresh, err = d.isFresh()
	}
	if err != nil {
		d.release()
		return nil, err
	}
	return d, nil
}

// checkContents refuses a directory that holds something other than a member,
// BEFORE anything in it, its mode included, is touched.
func checkContents(path string) error {
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read dataDir: %w; make it a directory of the user that runs this member", err)
	}
	for _, e := range entries {
		switch e.Name() {
		case "member", lockName, markerName, "lost+found":
		default:
			return fmt.Errorf("%s holds %q, which is not etcd's: %w; choose an empty directory for dataDir", path, e.Name(), ErrOtherOwner)
		}
	}
	return nil
}

// acquire takes the lock that ends with the process, however it ends. etcd has
// a lock too, but waits for it for ever without a word.
func (d *dataDir) acquire() error {
	lock, err := os.OpenFile(filepath.Join(d.path, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("open lock in dataDir: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return fmt.Errorf("dataDir %s is %w by another process: stop that one first (fuser %s names it)",
				d.path, ErrInUse, filepath.Join(d.path, lockName))
		}
		return fmt.Errorf("lock dataDir: %w", err)
	}
	d.lock = lock
	return nil
}

func (d *dataDir) release() { _ = d.lock.Close() }

func (d *dataDir) checkMarker(o Options) error {
	text, err := os.ReadFile(filepath.Join(d.path, markerName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // fresh, or made by plain etcd: checkMembership looks further
	}
	if err != nil {
		return fmt.Errorf("read marker in dataDir: %w", err)
	}
	var m marker
	if err := json.Unmarshal(text, &m); err != nil {
		return fmt.Errorf("read marker %s: %w; if nobody edited it, the disk is at fault: move dataDir away and replace this member",
			filepath.Join(d.path, markerName), err)
	}
	switch {
	case m.Name != o.Name:
		return fmt.Errorf("%s belongs to member %s, not %s: %w; correct name or dataDir", d.path, m.Name, o.Name, ErrOtherOwner)
	case m.PeerURL != o.PeerURL:
		return fmt.Errorf("%s was made for peerURL %s, not %s, and the other members still dial the old one: %w; "+
			"put the old peerURL back, or replace this member: `mmmagent etcd remove %s --config FILE` on another host, then move the directory away and start here with `join: true`",
			d.path, m.PeerURL, o.PeerURL, ErrOtherOwner, o.Name)
	}
	return nil
}

// mark writes the marker. A crash before it leaves a directory that is adopted
// at the next start, so it need not be atomic with etcd's first write.
func (d *dataDir) mark(o Options) error {
	text, err := json.Marshal(marker{Name: o.Name, PeerURL: o.PeerURL})
	if err != nil {
		return fmt.Errorf("encode marker: %w", err)
	}
	final := filepath.Join(d.path, markerName)
	part, err := os.CreateTemp(filepath.Join(d.path, "member"), "marker")
	if err != nil {
		return fmt.Errorf("write marker in dataDir: %w", err)
	}
	_, err = part.Write(append(text, '\n'))
	err = errors.Join(err, part.Sync(), part.Close())
	if err == nil {
		err = os.Rename(part.Name(), final)
	}
	if err != nil {
		return fmt.Errorf("write marker in dataDir: %w", errors.Join(err, os.Remove(part.Name())))
	}
	return nil
}

// isFresh reports whether no write-ahead log is there: etcd's own criterion
// for having to form or join a cluster.
func (d *dataDir) isFresh() (bool, error) {
	logs, err := filepath.Glob(filepath.Join(d.path, "member", "wal", "*.wal"))
	if err != nil {
		return false, fmt.Errorf("look for a log in dataDir: %w", err)
	}
	return len(logs) == 0, nil
}
