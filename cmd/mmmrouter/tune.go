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
