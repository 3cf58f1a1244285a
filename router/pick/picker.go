package pick

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// The rules of ejection: so many failures in a row put a host aside, for a time
// that doubles with each further one.
const (
	failuresMost = 3
	asideFirst   = time.Second
	asideLongest = 30 * time.Second
	slowStart    = 30 * time.Second // a host that is new or came back gets its share little by little
	slowLeast    = 0.1

	missedFor = 2 * time.Second // a host that was no candidate for so long, while others were, has come back

	// A host's answers count by their smoothed time, but small differences are noise,
	// and what was measured long ago says little: it halves with each fadeTime.
	quickest = time.Millisecond
	fadeTime = 10 * time.Second
)

// Candidate is a host that may be read from.
type Candidate struct {
	Name   string
	Weight int
}

// Load is what one host has to do. Its methods may be called by many goroutines.
type Load struct {
	busy     atomic.Int64  // statements under way
	sessions atomic.Int64  // connections that hold it
	average  atomic.Int64  // nanoseconds of an answer, smoothed
	failures atomic.Int64  // in a row
	failed   atomic.Uint64 // in all
	aside    atomic.Int64  // until then, in unix nanoseconds
	since    atomic.Int64  // it is known since then, or has come back
	seen     atomic.Int64  // when it was last a candidate
	looked   atomic.Int64  // average when it was last looked at
	changed  atomic.Int64  // when that look found another one
	late     atomic.Int64  // until then nobody asks it to catch up
}

// Begin counts a statement that is sent.
func (l *Load) Begin() { l.busy.Add(1) }

// End counts its answer, which took that long.
func (l *Load) End(took time.Duration) {
	l.busy.Add(-1)
	if l.failures.Load() != 0 {
		l.failures.Store(0)
	}
	old := l.average.Load()
	l.average.Store(old + (int64(took)-old)/8)
}

// Lost counts a statement to which no answer came, after which the connection is of no use.
func (l *Load) Lost(now time.Time) {
	l.busy.Add(-1)
	l.Failed(now)
}

// Took and Gave count a session that holds the host.
func (l *Load) Took() { l.sessions.Add(1) }

// Gave is the opposite of Took.
func (l *Load) Gave() { l.sessions.Add(-1) }

// Failed counts a connection that could not be made, or broke.
func (l *Load) Failed(now time.Time) {
	l.failed.Add(1)
	n := l.failures.Add(1)
	if n < failuresMost {
		return
	}
	away := asideFirst << min(n-failuresMost, 10)
	l.aside.Store(now.Add(min(away, asideLongest)).UnixNano())
}

// Aside is how long the host is put aside from a moment on, and how often a connection
// to it has failed since it is known.
func (l *Load) Aside(now time.Time) (left time.Duration, failures uint64) {
	return max(time.Duration(l.aside.Load()-now.UnixNano()), 0), l.failed.Load()
}

// Now is what the host has to do: statements under way, sessions that hold it, and
// the smoothed time of an answer.
func (l *Load) Now() (busy, sessions int64, average time.Duration) {
	return l.busy.Load(), l.sessions.Load(), time.Duration(l.average.Load())
}

// Picker chooses. It may be used by many goroutines.
type Picker struct {
	last  atomic.Int64 // when somebody was last chosen
	mu    sync.RWMutex
	hosts map[string]*Load
	now   func() time.Time
	draw  func(n int) int // a number below n
}

// New makes a Picker with a clock and a source of chance.
func New(now func() time.Time, draw func(n int) int) *Picker {
	return &Picker{hosts: map[string]*Load{}, now: now, draw: draw}
}

// Load is the load of a host.
func (p *Picker) Load(name string) *Load {
	p.mu.RLock()
	l := p.hosts[name]
	p.mu.RUnlock()
	if l != nil {
		return l
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if l = p.hosts[name]; l == nil {
		l = &Load{}
		l.since.Store(p.now().UnixNano())
		p.hosts[name] = l
	}
	return l
}

// Pick chooses one of the candidates and returns its place among them, or -1 if
// there is none. Hosts that are aside are chosen only if more than half of all
// are: something is then wrong that no choice mends.
func (p *Picker) Pick(all []Candidate) int {
	now := p.now()
	p.greet(all, now)
	var room [16]int
	fit := room[:0]
	for i := range all {
		if p.Load(all[i].Name).aside.Load() <= now.UnixNano() {
			fit = append(fit, i)
		}
	}
	if 2*len(fit) < len(all) {
		fit = fit[:0]
		for i := range all {
			fit = append(fit, i)
		}
	}
	switch len(fit) {
	case 0:
		return -1
	case 1:
		return fit[0]
	}
	first := p.draw(len(fit))
	second := p.draw(len(fit) - 1)
	if second >= first {
		second++
	}
	a, b := fit[first], fit[second]
	if p.cost(all[b], now, 1) < p.cost(all[a], now, 1) {
		return b
	}
	return a
}

// greet notes who the candidates are. One that was none for a while, although there
// was something to choose, begins slowly, and so does one that was aside: its caches
// are cold, and what went wrong may still be so.
func (p *Picker) greet(all []Candidate, now time.Time) {
	before := p.last.Swap(now.UnixNano())
	for i := range all {
		l := p.Load(all[i].Name)
		seen := l.seen.Swap(now.UnixNano())
		back := seen > 0 && before-seen > int64(missedFor)
		if aside := l.aside.Load(); aside > l.since.Load() && aside <= now.UnixNano() {
			back = true
		}
		if back {
			l.since.Store(now.UnixNano())
		}
	}
}

// cost is what a session costs on a host with so many more than now: how many there
// are, how long each takes, for its weight.
func (p *Picker) cost(c Candidate, now time.Time, more int64) float64 {
	l := p.Load(c.Name)
	share := float64(max(c.Weight, 1)) * max(slowLeast, min(1, float64(now.UnixNano()-l.since.Load())/float64(slowStart)))
	return float64(l.busy.Load()+l.sessions.Load()+more) * l.slowness(now) / share
}

// slowness is the smoothed time of an answer in units of the quickest that counts.
func (l *Load) slowness(now time.Time) float64 {
	average := l.average.Load()
	if l.looked.Swap(average) != average { // it has answered since
		l.changed.Store(now.UnixNano())
	}
	idle := time.Duration(max(now.UnixNano()-l.changed.Load(), 0))
	return 1 + float64(average)/float64(quickest)*math.Exp2(-float64(idle)/float64(fadeTime))
}
