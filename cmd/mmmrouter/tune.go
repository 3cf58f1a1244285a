package main

import (
	"os"
	"runtime"
	"runtime/debug"
)

// tune tells the Go runtime what kind of program this is. The variables GOGC and
// GOMAXPROCS overrule it.
func tune(threads int) {
	if os.Getenv("GOGC") == "" {
		// A statement allocates nothing: memory is what idle sessions hold, and what is
		// left of their logins. So collecting it early costs next to nothing.
		debug.SetGCPercent(33)
	}
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(threadsOf(threads, runtime.GOMAXPROCS(0)))
	}
}

// threadsOf is how many threads run sessions: as many as the file says, or half of the
// processors that the router may use. A proxy mostly waits, and threads that find
// nothing to do wake each other up: that cost a twentieth of all its CPU on two
// processors, where one thread is enough for tens of thousands of statements a second.
func threadsOf(wanted, processors int) int {
	if wanted > 0 {
		return wanted
	}
	return max(1, processors/2)
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
