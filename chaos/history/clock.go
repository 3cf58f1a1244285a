package history

import (
	"time"

	"golang.org/x/sys/unix"
)

// Now reads the clock that all observers share.
func Now() Time {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic("CLOCK_BOOTTIME cannot be read: " + err.Error()) // Linux has had it since 2.6.39
	}
	return Time(time.Duration(t.Sec)*time.Second + time.Duration(t.Nsec))
}
