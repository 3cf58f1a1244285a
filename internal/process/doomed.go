package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// doomedEvery is how often the threads of a killed process are looked at. Almost
// always it is gone before the first look.
const doomedEvery = 20 * time.Millisecond

// waitKilled waits for the end of a run that was sent SIGKILL, or until all that
// is left of it hangs in the kernel.
func (h *handle) waitKilled(ctx context.Context) error {
	pid, err := PID(h.inc)
	if err != nil {
		return err
	}
	for {
		if err := h.file.SetReadDeadline(time.Time{}); err != nil { // a wait that was cut short left one
			return fmt.Errorf("wait for the end of %s: %w", h.inc, err)
		}
		short, cancel := context.WithTimeout(ctx, doomedEvery)
		err = h.wait(short)
		cancel()
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		if doomed(pid) {
			return nil
		}
	}
}

// doomed reports whether each thread of a killed process is in an uninterruptible
// sleep, or has ended. What cannot be read is no proof.
func doomed(pid int) bool {
	stats, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/stat")
	if err != nil || len(stats) == 0 {
		return false
	}
	for _, path := range stats {
		raw, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) || isNoProcess(err) {
			continue // it ended since
		}
		if err != nil {
			return false
		}
		if state, _, err := parseStat(raw); err != nil || state != 'D' && state != 'Z' && state != 'X' {
			return false
		}
	}
	return true
}
