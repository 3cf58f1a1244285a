package backend

import "time"

// Later lets time pass for the Pool.
func (p *Pool) Later(d time.Duration) {
	p.now = func() time.Time { return time.Now().Add(d) }
}
