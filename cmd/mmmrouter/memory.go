package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

// giveBack gives the kernel what this process does not need while it is at rest: what
// is left of logins in the heap, and the pages of the program that are not used now.
func giveBack(log *slog.Logger) {
	debug.FreeOSMemory()
	if err := giveBackPages(); err != nil {
		log.Debug("pages of the program are not given back", "err", err)
	}
}

// crowd is for giving back what logins have left, once many have come and nobody comes
// any more: the memory of a router is then that of its idle sessions.
type crowd struct {
	last uint64 // as many had come at the last look
	done uint64 // as many at the last time that memory was given back
}

// crowded is how many logins leave enough to collect.
const crowded = 100

// passed says, from the number of connections that have come so far, whether a crowd
// has come since it last said so and nobody since the last look.
func (c *crowd) passed(come uint64) bool {
	calm := come == c.last
	c.last = come
	if !calm || come-c.done < crowded {
		return false
	}
	c.done = come
	return true
}

// region is a part of this process's memory.
type region struct {
	start, end uintptr
	path       string // of the file that is mapped there, "" for none
	writable   bool
	own        int64 // KB that are this process's own and no longer the file's
}

// giveBackPages makes the kernel forget which pages of the program this process has
// touched. Most were touched by its start or by logins, and stay counted as its memory for as
// long as it runs: half of all that a router with a thousand idle clients takes. What
// is used again costs a page fault, out of the page cache, for the sixteen pages
// around it. It touches only what is the file's, byte for byte, and that nobody can write.
func giveBackPages() error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find out which file runs: %w", err)
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return err
	}
	defer f.Close()
	regions, err := regionsOf(f)
	if err != nil {
		return err
	}
	for _, r := range regions {
		if r.path != self || r.writable || r.own != 0 {
			continue
		}
		if _, _, no := unix.Syscall(unix.SYS_MADVISE, r.start, r.end-r.start, unix.MADV_DONTNEED); no != 0 {
			err = errors.Join(err, fmt.Errorf("give back the pages of %s at %x: %w", self, r.start, no))
		}
	}
	return err
}

// regionsOf reads what /proc/PID/smaps says (proc_pid_smaps(5)).
func regionsOf(smaps io.Reader) ([]region, error) {
	var out []region
	lines := bufio.NewScanner(smaps)
	for lines.Scan() {
		var r region
		var rights, offset, device string
		var inode uint64
		line := lines.Text()
		if n, _ := fmt.Sscanf(line, "%x-%x %s %s %s %d", &r.start, &r.end, &rights, &offset, &device, &inode); n == 6 {
			r.writable = strings.Contains(rights, "w")
			if at := strings.IndexByte(line, '/'); at > 0 {
				r.path = line[at:]
			}
			out = append(out, r)
			continue
		}
		if kb, ok := strings.CutPrefix(line, "Anonymous:"); ok && len(out) > 0 {
			if _, err := fmt.Sscan(kb, &out[len(out)-1].own); err != nil {
				return nil, fmt.Errorf("read the smaps line %q: %w", line, err)
			}
		}
	}
	return out, lines.Err()
}
