package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// process is one entry of the world's /proc that belongs to a host.
type process struct {
	pid   int // as the world sees it
	inner int // as the host sees it
}

// pidNamespace names the pid namespace that a process lives in.
func pidNamespace(pid int) (string, error) {
	return os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid))
}

// processesIn lists every process of a pid namespace, zombies not included:
// they have left theirs.
func processesIn(namespace string) ([]process, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, fmt.Errorf("list /proc: %w", err)
	}
	var found []process
	for _, dir := range dirs {
		ns, err := os.Readlink(dir + "/ns/pid")
		if err != nil || ns != namespace {
			continue // ended meanwhile, or elsewhere
		}
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			return nil, fmt.Errorf("read /proc: %w", err)
		}
		inner, err := innermostPID(pid)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, process{pid: pid, inner: inner})
	}
	return found, nil
}

// innermostPID is the pid that a process has in its own namespace.
func innermostPID(pid int) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read status of %d: %w", pid, err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "NSpid:"); ok {
			f := strings.Fields(rest)
			return strconv.Atoi(f[len(f)-1])
		}
	}
	return 0, fmt.Errorf("read status of %d: no NSpid line", pid)
}

// threadsIn reports how many threads of a process are in one of the states
// (letters of proc(5)), and how many there are.
func threadsIn(pid int, states string) (in, all int, err error) {
	stats, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil {
		return 0, 0, fmt.Errorf("list threads of %d: %w", pid, err)
	}
	for _, name := range stats {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // the thread ended
		}
		// The command, in parentheses, may hold any byte.
		s := string(text)
		f := strings.Fields(s[strings.LastIndexByte(s, ')')+1:])
		if len(f) == 0 {
			return 0, 0, fmt.Errorf("read %s: unexpected content", name)
		}
		all++
		if strings.Contains(states, f[0]) {
			in++
		}
	}
	return in, all, nil
}

// reapOrphans collects ended processes of hosts whose parent, a command that
// entered the host from outside, was killed: the kernel gave them to this
// process, pid 1 of the world. The init of a host cannot end before they are gone.
func reapOrphans() {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	mine := "\nPPid:\t" + strconv.Itoa(os.Getpid()) + "\n"
	for _, dir := range dirs {
		text, err := os.ReadFile(dir + "/status")
		if err != nil {
			continue
		}
		s := string(text)
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err == nil && strings.Contains(s, "\nState:\tZ") && strings.Contains(s, mine) && nested(s) {
			_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
		}
	}
}

// nested reports whether a status text is that of a process in a host's pid
// namespace, not the init itself.
func nested(status string) bool {
	for line := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(line, "NSpid:"); ok {
			f := strings.Fields(rest)
			return len(f) > 1 && f[len(f)-1] != "1"
		}
	}
	return false
}
