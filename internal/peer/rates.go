package peer

import (
	"net/netip"
	"sync"
	"time"
)

// rates limits how often each address may ask. It knows as many addresses as the
// cluster has hosts, for others are not let in.
type rates struct {
	now func() time.Duration

	mu    sync.Mutex
	state map[netip.Addr]bucket
}

// bucket holds what an address may still ask, as of a moment.
type bucket struct {
	left float64
	at   time.Duration
}

func newRates(now func() time.Duration) *rates {
	return &rates{now: now, state: map[netip.Addr]bucket{}}
}

// take reports whether one more request of the address is heard.
func (r *rates) take(from netip.Addr) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	b, ok := r.state[from]
	if !ok {
		b = bucket{left: burst, at: now}
	}
	b.left = min(burst, b.left+(now-b.at).Seconds()*perSecond)
	b.at = now
	may := b.left >= 1
	if may {
		b.left--
	}
	r.state[from] = b
	return may
}
