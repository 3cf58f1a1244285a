package dbops

import (
	"sync"

	"github.com/mmm-ha/mmm/topology/gtid"
)

// attachment knows whether the source has told, on the present connection of the IO
// thread, where in its log the replica is. It tells so after it has skipped what the
// replica has: until then the position that the server shows goes up from the file's
// beginning, and attached there by file and position the replica would take the whole
// file again. A heartbeat, or a transaction, comes after that.
type attachment struct {
	mu       sync.Mutex
	source   string // empty: no connection is known
	beats    uint64
	received gtid.Set
	told     bool
}

// see takes what the server shows of its channel, and reports whether the source has
// told.
func (a *attachment) see(c channel) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case c.io != "Yes":
		a.source, a.told = "", false
	case a.source != c.source || c.beats < a.beats:
		a.source, a.beats, a.received, a.told = c.source, c.beats, c.received, false
	default:
		a.told = a.told || c.beats > a.beats || !c.received.Equal(a.received)
	}
	return a.told
}
