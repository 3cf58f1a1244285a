package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/mmm-ha/mmm/topology"
)

// ErrGone says that the process does not run (any more). That is a "no", not a
// "don't know": what it held in memory is lost.
var ErrGone = errors.New("process is gone")

// Of names the run that has this pid now. A process that has exited but has not
// been reaped by its parent is gone. The error is ErrGone, or "don't know".
func Of(pid int) (topology.Incarnation, error) {
	if pid <= 0 {
		return "", fmt.Errorf("name process %d: %w", pid, ErrGone)
	}
	boot, err := bootID()
	if err != nil {
		return "", err
	}
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		// ESRCH: it died between open and read.
		if errors.Is(err, os.ErrNotExist) || isNoProcess(err) {
			return "", fmt.Errorf("name process %d: %w", pid, ErrGone)
		}
		return "", fmt.Errorf("name process %d: %w", pid, err)
	}
	state, start, err := parseStat(raw)
	if err != nil {
		return "", fmt.Errorf("name process %d: %w", pid, err)
	}
	if state == 'Z' || state == 'X' {
		return "", fmt.Errorf("name process %d: %w", pid, ErrGone)
	}
	return topology.Incarnation(fmt.Sprintf("%s/%d/%d", boot, pid, start)), nil
}

// PID takes the pid out of an incarnation that Of made on this host since it was
// booted. An incarnation of an earlier boot is ErrGone.
func PID(inc topology.Incarnation) (int, error) {
	parts := strings.Split(string(inc), "/")
	if len(parts) != 3 {
		return 0, fmt.Errorf("read incarnation %q: want boot id/pid/start time", inc)
	}
	boot, err := bootID()
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(parts[1])
	if err != nil || pid <= 0 {
		return 0, fmt.Errorf("read incarnation %q: bad pid", inc)
	}
	if parts[0] != boot {
		return 0, fmt.Errorf("incarnation %q is of an earlier boot: %w", inc, ErrGone)
	}
	return pid, nil
}

// parseStat finds the state and the start time (field 22, in clock ticks since
// boot) of a /proc/PID/stat. The name in field 2 may hold blanks and brackets,
// so everything is counted from the last closing bracket.
func parseStat(raw []byte) (state byte, start uint64, err error) {
	end := bytes.LastIndexByte(raw, ')')
	if end < 0 {
		return 0, 0, errors.New("read stat: no process name in it")
	}
	const (
		stateField = 0 // field 3 of the file
		startField = 19
	)
	fields := bytes.Fields(raw[end+1:])
	if len(fields) <= startField || len(fields[stateField]) != 1 {
		return 0, 0, fmt.Errorf("read stat: only %d fields after the name", len(fields))
	}
	start, err = strconv.ParseUint(string(fields[startField]), 10, 64)
	if err != nil {
		return 0, 0, fmt.Errorf("read stat: start time: %w", err)
	}
	return fields[stateField][0], start, nil
}

// bootID is constant while this program runs, so it is read once.
var bootID = sync.OnceValues(func() (string, error) {
	raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read the boot id: %w", err)
	}
	return strings.TrimSpace(string(raw)), nil
})
