package election

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"time"
)

// promisesFile lies in the state directory: what was promised binds the next
// agent of this host, too.
const promisesFile = "promises.json"

// Promise is what a host has promised to another one that lost etcd (R49).
type Promise struct {
	To    string // name of the other host
	Reign bool   // neither run, open, bid nor stop the IO thread; always: claim no reader VIP
	TTL   time.Duration
}

// Promises is the record of what this host has promised. A promise binds from
// Bind on, in this process; it may be answered only when Save has returned nil,
// for then it also binds whoever comes after this process (R51). All methods may
// be called from any goroutine.
type Promises struct {
	path  string
	clock Clock

	mu    sync.Mutex
	to    string
	reign Deadline
	claim Deadline
	disk  promisesRecord // what is durable

	saving sync.Mutex // held while the file is written; the file belongs to its holder
}

// promisesRecord is the file. Times are of CLOCK_BOOTTIME of that boot.
type promisesRecord struct {
	Version int           `json:"v"`
	Boot    string        `json:"boot"`
	To      string        `json:"to"`
	Reign   time.Duration `json:"reign"`
	Claim   time.Duration `json:"claim"`
	TTL     time.Duration `json:"ttl"` // the longest one: after a reboot nobody knows how much is left of it
}

// LoadPromises reads the record in the state directory dir. What a process of
// this boot promised binds until it is over; what was promised before the last
// boot binds for its whole TTL from now on. No file: nothing was promised. A
// file that cannot be understood is an error, for taking it as empty would be to
// break what it says.
func LoadPromises(dir string, clock Clock) (*Promises, error) {
	p := &Promises{path: filepath.Join(dir, promisesFile), clock: clock}
	data, err := readPlain(p.path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return nil, fmt.Errorf("load the promises: %w", err)
	}
	var r promisesRecord
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("load the promises from %s: %w", p.path, err)
	}
	if r.Version != recordVersion {
		return nil, fmt.Errorf("load the promises from %s: record has version %d, this program knows %d", p.path, r.Version, recordVersion)
	}
	boot, err := bootID()
	if err != nil {
		return nil, fmt.Errorf("load the promises: %w", err)
	}
	p.take(r, boot)
	return p, nil
}

// take makes the record of an earlier process binding.
func (p *Promises) take(r promisesRecord, boot string) {
	now := p.clock.Now()
	left := func(until time.Duration) Deadline {
		switch {
		case until == 0:
			return Deadline{}
		case r.Boot != boot:
			return now.Deadline(r.TTL)
		default:
			return now.Deadline(until - now.boot)
		}
	}
	p.to, p.reign, p.claim = r.To, left(r.Reign), left(r.Claim)
}

// Bind makes a promise binding from now on. It never shortens another one.
func (p *Promises) Bind(m Promise) {
	until := p.clock.Now().Deadline(m.TTL)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to = m.To
	if p.claim.before(until) {
		p.claim = until
	}
	if m.Reign && p.reign.before(until) {
		p.reign = until
	}
}

// Save makes durable what binds now; with an error it must not be answered. The
// file is written ahead by one more TTL, so that a promise that is given again
// and again costs a write to the disk once in a TTL: a host whose agent restarts
// may therefore be bound for that much longer.
func (p *Promises) Save(m Promise) error {
	p.saving.Lock()
	defer p.saving.Unlock()
	p.mu.Lock()
	reign, claim := p.reign.boot, p.claim.boot
	p.mu.Unlock()
	if p.disk.Reign >= reign && p.disk.Claim >= claim && p.disk.TTL >= m.TTL {
		return nil
	}
	boot, err := bootID()
	if err != nil {
		return fmt.Errorf("save a promise: %w", err)
	}
	r := promisesRecord{Version: recordVersion, Boot: boot, To: m.To, Claim: claim + m.TTL, TTL: max(p.disk.TTL, m.TTL)}
	if reign > 0 {
		r.Reign = reign + m.TTL
	}
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("save a promise: %w", err)
	}
	if err := replacePlain(p.path, append(data, '\n')); err != nil {
		return fmt.Errorf("save a promise: %w", err)
	}
	p.disk = r // only now: a save that did not work must be tried again
	return nil
}

// Left says for how long this host is bound, not positive when it is not: for
// the promise to a writer, for that to a host with reader VIPs, and who had the
// last one. It counts on the clock that is further behind: a promise may bind too
// long, never too short.
func (p *Promises) Left() (reign, claim time.Duration, to string) {
	now := p.clock.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reign.most(now), p.claim.most(now), p.to
}

// most is Left on the clock that is further away from the deadline.
func (d Deadline) most(now Instant) time.Duration {
	if d.IsZero() {
		return 0
	}
	return max(d.mono.Sub(now.mono), d.boot-now.boot)
}

// before reports whether d is earlier than other on one of the clocks.
func (d Deadline) before(other Deadline) bool {
	return d.IsZero() || d.mono.Before(other.mono) || d.boot < other.boot
}
