package agent

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/internal/process"
	"github.com/mmm-ha/mmm/topology"
)

// How often mysqld is looked at, and how long one look may take. The cluster
// file may say otherwise.
const (
	probePeriod = 50 * time.Millisecond
	probeRushed = 5 * time.Millisecond // between two reigns, when every step waits for a look
	probeLimit  = 500 * time.Millisecond
	probeMisses = 2
)

// prober looks at mysqld. It tells a dead process (known to the kernel within a
// millisecond) from one that does not answer (known after some misses), and
// never calls a full server dead.
type prober struct {
	db     database
	send   func(topology.Probe)
	log    *slog.Logger
	kicked chan struct{}
	state  string // directory that survives a reboot

	datadir string
	fresh   *newcomer
	disk    *diskWatch
	clones  *cloner

	// deathUnseen: the kernel tells nothing of the process; only looks in vain do, so
	// the second comes soon after the first.
	deathUnseen bool

	mu       sync.Mutex
	period   time.Duration
	limit    time.Duration
	patience int
	misses   int
	last     topology.Probe
	problems []string
	asked    step.Want       // what kept was read for
	kept     []topology.Kept // what is left of earlier runs
}

func newProber(db database, datadir string, log *slog.Logger, send func(topology.Probe)) *prober {
	return &prober{db: db, send: send, log: log, kicked: make(chan struct{}, 1), fresh: &newcomer{db: db, log: log}, disk: newDiskWatch(datadir, log), datadir: datadir,
		period: probePeriod, limit: probeLimit, patience: probeMisses}
}

// every sets the period.
func (p *prober) every(period time.Duration) {
	p.mu.Lock()
	shorter := period < p.period
	p.period = period
	p.mu.Unlock()
	if shorter {
		latest(p.kicked, struct{}{})
	}
}

// tune takes the limits of the cluster file.
func (p *prober) tune(t topology.Timing) {
	p.disk.tune(t)
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.ProbeLimit > 0 {
		p.limit = t.ProbeLimit.D()
	}
	if t.Misses > 0 {
		p.patience = t.Misses
	}
}

// run looks until ctx ends.
func (p *prober) run(ctx context.Context) error {
	for {
		reading := p.look(ctx)
		if ctx.Err() != nil {
			return ctx.Err() // a look that was cut short tells nothing of mysqld
		}
		p.send(reading)
		if err := p.rest(ctx, reading, p.pause(reading)); err != nil {
			return err
		}
	}
}

// pause is how long after a reading the next look begins.
func (p *prober) pause(reading topology.Probe) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.deathUnseen && reading.Up && reading.Missed {
		return min(p.period, probeRushed)
	}
	return p.period
}

// rest waits for the next look; the death of the process cuts it short.
func (p *prober) rest(ctx context.Context, reading topology.Probe, period time.Duration) error {
	wait, cancel := context.WithTimeout(ctx, period)
	defer cancel()
	var death <-chan struct{}
	if reading.Incarnation != "" {
		death, _ = process.Watch(wait, reading.Incarnation) // an error leaves the period
	}
	select {
	case <-wait.Done():
	case <-death:
	case <-p.kicked:
	}
	return ctx.Err()
}

// look makes one reading.
func (p *prober) look(ctx context.Context) topology.Probe {
	p.mu.Lock()
	limit := p.limit
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	began := time.Now()
	reading, err := p.db.Observe(ctx)
	if err == nil {
		return *p.judge(reading)
	}
	return p.missed(began, reading, errors.Is(err, dbops.ErrTooMany))
}

// judge takes a good reading: the count of misses starts again, unless a look
// that began later has failed. A server that takes nobody new is down all the same.
func (p *prober) judge(reading topology.Probe) *topology.Probe {
	p.mu.Lock()
	defer p.mu.Unlock()
	reading.Problems, reading.Unfinished, reading.Disk = p.problems, dbops.Unfinished(p.state), p.disk.now()
	p.clones.show(&reading)
	if reading.Incarnation == p.asked.Run && reading.Position.String() == p.asked.Position {
		reading.Kept = p.kept
	}
	if p.fresh.deaf(reading) {
		reading.Up, reading.Why = false, whyDeaf
	}
	if !reading.At.Before(p.last.At) {
		p.last, p.misses = reading, 0
	}
	return &reading
}

// missed takes a look that found nothing. A dead process is dead at once; one
// that lives gets its misses, during which the last good reading stands. A full
// server has answered, so that is no miss. A process that has never answered
// keeps its name, so that it can be killed.
func (p *prober) missed(began time.Time, reading topology.Probe, full bool) topology.Probe {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last.Incarnation == "" || !alive(p.last.Incarnation) {
		p.misses = 0
		p.last = topology.Probe{At: began, Incarnation: reading.Incarnation, PID: reading.PID, Why: orElse(reading.Why, "mysqld is not running"), Disk: p.disk.now()}
		if why := dbops.NoStart(p.datadir); why != "" && reading.Incarnation == "" {
			p.last.Why += ": " + why
		}
		p.clones.show(&p.last)
		return p.last
	}
	if !full {
		p.misses++
		p.last.Missed = true
	}
	if p.misses >= p.patience {
		p.last.Up, p.last.Why = false, orElse(reading.Why, "no answer")
	}
	p.last.At, p.last.Disk, p.last.Says = began, p.disk.now(), reading.Says
	p.clones.show(&p.last)
	return p.last
}

// alive reports whether that run of mysqld still exists. What cannot be known
// counts as alive: a fence must not be skipped for want of knowledge.
func alive(inc topology.Incarnation) bool {
	pid, err := process.PID(inc)
	if err != nil {
		return !errors.Is(err, process.ErrGone)
	}
	now, err := process.Of(pid)
	if errors.Is(err, process.ErrGone) {
		return false
	}
	return err != nil || now == inc
}

// settings keeps what is wrong with the server's configuration.
func (p *prober) settings(problems []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems = problems
}

// keeps takes what is left of earlier runs. It counts for readings of the same
// run at the same position only.
func (p *prober) keeps(w step.Want, kept []topology.Kept) {
	p.mu.Lock()
	p.asked, p.kept = w, kept
	p.mu.Unlock()
	latest(p.kicked, struct{}{})
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
