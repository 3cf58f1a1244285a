package pick

import "time"

// A session stays with its reader, for connections cost more than statements. But then
// a host that has come back would get nothing from clients that stay connected, so from
// time to time a session asks whether it should move.
const (
	// better is how much more it must cost here than there. What is noise moves nobody.
	better = 1.25
	// lateFor is how long a host that had not applied a write in time is not asked to
	// wait for another: all who ask would wait in vain, one after the other.
	lateFor = time.Second
)

// Better reports whether a session that holds the host of that name should rather hold
// another: of the others one is taken by chance, as Pick does.
func (p *Picker) Better(all []Candidate, name string) bool {
	now := p.now()
	p.greet(all, now)
	here := -1
	var room [16]int
	fit := room[:0]
	for i := range all {
		switch {
		case all[i].Name == name:
			here = i
		case p.Load(all[i].Name).aside.Load() <= now.UnixNano():
			fit = append(fit, i)
		}
	}
	if here < 0 || len(fit) == 0 {
		return false
	}
	there := all[fit[p.draw(len(fit))]]
	return p.cost(there, now, 1)*better < p.cost(all[here], now, 0)
}

// FellBehind says that the host had not applied a write in time.
func (l *Load) FellBehind(now time.Time) { l.late.Store(now.Add(lateFor).UnixNano()) }

// Behind reports whether that was a moment ago.
func (l *Load) Behind(now time.Time) bool { return l.late.Load() > now.UnixNano() }
