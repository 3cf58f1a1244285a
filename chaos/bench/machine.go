package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// lookAtMachine notes what the numbers depend on.
func (r *Result) lookAtMachine(ctx context.Context, o Options) error {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return fmt.Errorf("read kernel version: %w", err)
	}
	r.Kernel = unix.ByteSliceToString(u.Release[:])
	r.Cores, r.CPU, r.Load = runtime.NumCPU(), processor(), loadAverage()
	var fs unix.Statfs_t
	dir := filepath.Dir(o.Bed.Dir("db1"))
	if err := unix.Statfs(dir, &fs); err != nil {
		return fmt.Errorf("look at %s: %w", dir, err)
	}
	r.Storage = "on one disk for all servers"
	if fs.Type == unix.TMPFS_MAGIC {
		r.Storage = "in memory, where an fsync costs nothing"
	}
	if o.PeerRuns > 0 {
		out, err := exec.CommandContext(ctx, "keepalived", "--version").CombinedOutput()
		if err != nil {
			return fmt.Errorf("ask keepalived for its version: %w", err)
		}
		first, _, _ := strings.Cut(string(out), "\n")
		r.Peer, _, _ = strings.Cut(first, " (")
	}
	return nil
}

func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

// loadAverage is that of the last minute.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}
