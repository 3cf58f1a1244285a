package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// record says which process is the holder of a work directory. A pid alone
// would not: it may have gone to another process since.
type record struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // in clock ticks since boot, proc(5)
	Boot  string `json:"boot"`  // id of the machine's boot
	Keep  bool   `json:"keep"`  // down leaves the files
}

func recordPath(work string) string { return filepath.Join(work, "holder.json") }

func newRecord(pid int, keep bool) (record, error) {
	start, err := startTime(pid)
	if err != nil {
		return record{}, err
	}
	boot, err := bootID()
	return record{PID: pid, Start: start, Boot: boot, Keep: keep}, err
}

func loadRecord(work string) (record, error) {
	text, err := os.ReadFile(recordPath(work))
	if err != nil {
		return record{}, fmt.Errorf("read who holds the bed: %w", err)
	}
	var r record
	if err := json.Unmarshal(text, &r); err != nil {
		return record{}, fmt.Errorf("read who holds the bed: %w", err)
	}
	return r, nil
}

func (r record) save(work string) error {
	text, err := json.Marshal(r)
	if err == nil {
		err = os.WriteFile(recordPath(work), append(text, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("write who holds the bed: %w", err)
	}
	return nil
}

// alive reports whether the very process of the record lives.
func (r record) alive() (bool, error) {
	boot, err := bootID()
	if err != nil || boot != r.Boot {
		return false, err
	}
	start, err := startTime(r.PID)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return false, nil
	}
	return err == nil && start == r.Start, err
}

const (
	endsByItself = 10 * time.Second
	endsByForce  = 5 * time.Second
)

// end asks the holder to end, then forces it. A holder already dead is no error.
func (r record) end() error {
	// The descriptor is taken BEFORE the process is checked: from then on it
	// names that process and no later one with its pid.
	fd, err := unix.PidfdOpen(r.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find holder: %w", err)
	}
	defer unix.Close(fd)
	if alive, err := r.alive(); err != nil || !alive {
		return err
	}
	for _, try := range []struct {
		signal unix.Signal
		limit  time.Duration
	}{{unix.SIGTERM, endsByItself}, {unix.SIGKILL, endsByForce}} {
		if err := unix.PidfdSendSignal(fd, try.signal, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("end holder: %w", err)
		}
		ended, err := awaitEnd(fd, try.limit)
		if err != nil || ended {
			return err
		}
	}
	return fmt.Errorf("end holder: process %d still lives after SIGKILL", r.PID)
}

// awaitEnd waits until the process of a pid descriptor has ended.
func awaitEnd(fd int, limit time.Duration) (bool, error) {
	for end := time.Now().Add(limit); ; {
		left := time.Until(end)
		if left <= 0 {
			return false, nil
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return false, fmt.Errorf("wait for holder: %w", err)
		}
		if n > 0 {
			return true, nil
		}
	}
}

// startTime is field 22 of proc(5)'s stat; a zombie counts as absent.
func startTime(pid int) (uint64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("read start time of %d: %w", pid, err)
	}
	s := string(text)
	f := strings.Fields(s[strings.LastIndexByte(s, ')')+1:])
	if len(f) < 20 {
		return 0, fmt.Errorf("read start time of %d: unexpected content", pid)
	}
	if f[0] == "Z" {
		return 0, fmt.Errorf("read start time of %d: %w", pid, fs.ErrNotExist)
	}
	return strconv.ParseUint(f[19], 10, 64)
}

func bootID() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read boot id: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}
