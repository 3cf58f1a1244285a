package election

import (
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Clock reads the two clocks on which deadlines are kept. CLOCK_MONOTONIC, which
// is what Go's time.Now measures differences on, stands still while the machine
// is suspended; etcd does not. CLOCK_BOOTTIME goes on. The zero value reads the
// real clocks.
type Clock struct {
	// Boot replaces the reading of CLOCK_BOOTTIME, for tests. It must never go
	// back and must be safe for use by many goroutines.
	Boot func() time.Duration
}

// Now reads both clocks.
func (c Clock) Now() Instant {
	boot := c.Boot
	if boot == nil {
		boot = bootTime
	}
	return Instant{mono: time.Now(), boot: boot()}
}

// Uptime reads CLOCK_BOOTTIME.
func (c Clock) Uptime() time.Duration { return c.Now().boot }

// bootTime reads CLOCK_BOOTTIME. A kernel without it cannot keep R1, and there
// is nothing to fall back on.
func bootTime() time.Duration {
	var ts unix.Timespec
	// It never blocks, so the scheduler need not be told: that would wake the thread
	// that looks after blocked calls, which costs more than all the rest of a statement.
	_, _, errno := unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_BOOTTIME, uintptr(unsafe.Pointer(&ts)), 0)
	if errno != 0 {
		panic(fmt.Sprintf("election: read CLOCK_BOOTTIME: %v", errno))
	}
	return time.Duration(ts.Nano())
}

// Instant is one reading of both clocks. It means nothing on another machine or
// after a reboot, and therefore cannot be encoded.
type Instant struct {
	mono time.Time // carries Go's monotonic reading
	boot time.Duration
}

// Deadline returns the point in time that lies lifetime after i. Everything that
// may be counted on for a time must use the instant BEFORE the request left
// (R1), never that of the reply.
func (i Instant) Deadline(lifetime time.Duration) Deadline {
	return Deadline{mono: i.mono.Add(lifetime), boot: i.boot + lifetime}
}

// Deadline is a point in time on both clocks. It has passed as soon as it has
// passed on one of them. The zero value has always passed.
type Deadline struct {
	mono time.Time
	boot time.Duration
}

// Left returns how long d is away at now, on the clock that is nearer to it. It
// is negative when d has passed, and 0 for the zero value.
//
// Whoever writes a lifetime into the kernel must read the clock last before the
// write and once more after it (R4).
func (d Deadline) Left(now Instant) time.Duration {
	if d.IsZero() {
		return 0
	}
	return min(d.mono.Sub(now.mono), d.boot-now.boot)
}

// Passed reports whether nothing is left of d at now.
func (d Deadline) Passed(now Instant) bool { return d.Left(now) <= 0 }

// After reports whether d is later than other on both clocks. Any deadline is
// later than the zero value.
func (d Deadline) After(other Deadline) bool {
	if d.IsZero() || other.IsZero() {
		return !d.IsZero()
	}
	return d.mono.After(other.mono) && d.boot > other.boot
}

// IsZero reports whether d is the zero value, which stands for "nothing may be
// counted on".
func (d Deadline) IsZero() bool { return d.mono.IsZero() }

// What R2 takes for granted of the machines and their kernels.
const (
	clockError = 0.005 // how wrong the rate of one clock may be; two clocks are compared
	fenceWrite = 140 * time.Millisecond

	marginShort = 150 * time.Millisecond // least margin below a TTL of 2 s
	marginLong  = 250 * time.Millisecond // least margin from 2 s on
)

// Margin returns how much earlier than etcd a host must let go of a lease with
// the granted ttl (R2): the time by which the clocks of two machines may drift
// apart within ttl, and the worst measured time of one fence write. That is
// 150 ms at a TTL of 1 s, 250 ms from 2 s to 11 s, and then ttl/100 + 140 ms.
func Margin(ttl time.Duration) time.Duration {
	least := marginShort
	if ttl >= 2*time.Second {
		least = marginLong
	}
	drift := time.Duration(float64(ttl) * 2 * clockError)
	return max(least, drift+fenceWrite)
}
