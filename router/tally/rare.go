package tally

import (
	"sync"
	"time"
)

const (
	// rareEvery is how often the log says of one thing that it happens.
	rareEvery = time.Minute
	// rareKinds bounds what is told apart: names in it come from whoever connects.
	rareKinds = 256
)

// Rare keeps what may happen a thousand times a second from filling the log: each
// kind of thing is said at once when it is news, and then once a minute, with how
// often it happened unsaid. The zero value is ready; it may be used by many goroutines.
type Rare struct {
	mu    sync.Mutex
	kinds map[string]*told
}

// told is what was said of one kind.
type told struct {
	last   time.Time
	unsaid int
}

// Due reports whether to say now that something of a kind happened, and how often it
// has happened unsaid since the last time.
func (r *Rare) Due(kind string) (unsaid int, due bool) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kinds == nil {
		r.kinds = map[string]*told{}
	}
	k := r.kinds[kind]
	if k == nil {
		if len(r.kinds) >= rareKinds {
			r.forget(now)
		}
		if len(r.kinds) >= rareKinds {
			kind = "" // those that are too many share one line
		}
		if k = r.kinds[kind]; k == nil {
			k = &told{}
			r.kinds[kind] = k
		}
	}
	if !k.last.IsZero() && now.Sub(k.last) < rareEvery {
		k.unsaid++
		return 0, false
	}
	unsaid = k.unsaid
	*k = told{last: now}
	return unsaid, true
}

// forget drops what has not happened for long.
func (r *Rare) forget(now time.Time) {
	for kind, k := range r.kinds {
		if now.Sub(k.last) >= rareEvery {
			delete(r.kinds, kind)
		}
	}
}
