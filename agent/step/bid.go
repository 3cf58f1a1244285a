package step

import (
	"fmt"
	"strings"

	"github.com/mmm-ha/mmm/topology"
)

// Dropped says that a host has lost what it bid before, or nothing. START SLAVE
// with both threads stopped deletes a relay log that is not applied, and the same
// mysqld goes on: what it says from then on proves nothing (R40).
func Dropped(before, now topology.Bid) string {
	const verdict = "it dropped its relay log"
	switch {
	case before.After != now.After || before.Incarnation != now.Incarnation:
		return ""
	case strings.HasPrefix(before.Broken, verdict):
		return before.Broken
	case !now.Received.Contains(before.Received):
		return fmt.Sprintf("%s: received %s before, has %s now", verdict, before.Received, now.Received)
	default:
		return ""
	}
}
