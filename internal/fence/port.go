package fence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// shortest is the shortest time that is given to the kernel. It counts in
// milliseconds, and reads none as "without end".
const shortest = 5 * time.Millisecond

// Port is the Gate of nftables. There may be several for one network namespace
// one after the other, but only one at a time: the elements with a deadline
// outlive the process that set them, which is their purpose. Its methods may be
// called from several goroutines; each runs to its end before the next starts,
// and takes 0.3 s at most: ErrUnknownOutcome if the kernel has not answered by
// then, after which the gate is known to be closed only when Close or Keep says so.
type Port struct {
	log   *slog.Logger
	line  *line
	clock func() time.Duration

	mu        sync.Mutex
	installed bool
	layout    Layout
	// What was last written and read back. Deadlines are those of clock.
	open        time.Duration // 0: closed
	served      []netip.Addr  // sorted
	servedUntil time.Duration
	left        map[netip.Addr]time.Duration // until when this host refuses who connects there
	// generation is that of the kernel's rules when they were known to be right,
	// 0 if they are not known.
	generation uint32
	noEarly    bool         // the kernel refuses a reset in front of routing
	published  atomic.Int64 // open, for State; notRead before Install
}

const notRead = -1

// NewPort returns a Port that has not touched anything yet.
func NewPort(o Options) *Port {
	p := &Port{log: o.Log, line: newLine(), clock: sinceBoot, left: map[netip.Addr]time.Duration{}}
	p.published.Store(notRead)
	return p
}

// Kind returns "nftables".
func (p *Port) Kind() string { return "nftables" }

// State says how the port stood when it was last written or read.
func (p *Port) State() State {
	switch until := time.Duration(p.published.Load()); {
	case until == notRead:
		return Unknown
	case until == forever:
		return Unlimited
	case until > p.clock():
		return Timed
	default:
		return Closed
	}
}

// Install takes the gate over, or makes it, closed, if there is none. What is
// open for a time stays so, untouched: it is the lease of an agent before, which
// this one may resume. What is open without end closes (R9).
//
// Of l, a gate that is there already and guards the same port keeps what it has
// if only the port is given: the hook before the start of mysqld knows no more.
func (p *Port) Install(ctx context.Context, l Layout) error {
	ctx, cancel := context.WithTimeout(ctx, kernelTimeout)
	defer cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	l = l.normal()
	found := p.tables().load(ctx, p.line, p.clock)
	if found.there && found.layout.Port == l.Port && l.Peer == 0 && len(l.VIPs) == 0 {
		l = found.layout
	}
	p.layout, p.generation = l, 0
	p.open, p.served, p.servedUntil = found.open, found.served, found.servedUntil
	intact := found.whole && found.layout.equal(l) && p.open != forever
	if p.open == forever {
		p.open = 0
	}
	if !intact {
		if err := p.rebuild(ctx); err != nil {
			return fmt.Errorf("install the gate of port %d: %w", l.Port, err)
		}
	}
	p.installed = true
	p.publish()
	p.log.Info("the gate of the client port stands", "port", l.Port, "state", p.State())
	return nil
}

// Keep asserts the rules and the layout.
func (p *Port) Keep(ctx context.Context, l Layout) error {
	ctx, cancel := context.WithTimeout(ctx, kernelTimeout)
	defer cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.installed {
		return ErrNotInstalled
	}
	if l = l.normal(); !l.equal(p.layout) {
		p.layout, p.generation = l, 0
		return p.rebuild(ctx)
	}
	return p.ensure(ctx)
}

// ensure puts back what somebody else has changed. Most times one question to
// the kernel tells that nobody has.
func (p *Port) ensure(ctx context.Context) error {
	now, err := p.line.generation(ctx)
	if err != nil {
		return err
	}
	if p.generation != 0 && now == p.generation {
		return nil
	}
	found := p.tables().load(ctx, p.line, p.clock)
	if err := ctx.Err(); err != nil {
		return err // out of time is no finding
	}
	if found.whole && found.layout.equal(p.layout) && p.agrees(found) {
		p.generation = now // asked before the rules were read: a later change is not missed
		return nil
	}
	p.log.Warn("the gate of the client port was changed by somebody else; putting it back", "port", p.layout.Port, "was", p.State())
	return p.rebuild(ctx)
}

// drift is by how much two readings of the same deadline may differ: the kernel
// counts in ticks of up to 10 ms.
const drift = 30 * time.Millisecond

// agrees says whether the kernel lets pass what was written and nothing else.
func (p *Port) agrees(found found) bool {
	now := p.clock()
	same := func(have, want time.Duration) bool {
		if want <= now+drift { // over, or nearly
			return have <= want+drift
		}
		return have == want || (have-want).Abs() <= drift
	}
	if p.servedUntil > now+drift && !slices.Equal(found.served, p.served) {
		return false
	}
	return same(found.open, p.open) && (len(found.served) == 0 || same(found.servedUntil, p.servedUntil))
}

// Open admits clients for a time.
func (p *Port) Open(ctx context.Context, left time.Duration) error {
	return p.admit(ctx, p.clock()+left, func(c *nftables.Conn, t *gateTables) { c.FlushSet(t.open) })
}

// Extend admits clients for longer. The element is taken out and put in again in
// one step, because putting in what is there does not extend it; taking out what
// is not there fails, and so does the whole step.
func (p *Port) Extend(ctx context.Context, left time.Duration) error {
	until := p.clock() + left
	if p.State() != Timed {
		return ErrClosed
	}
	err := p.admit(ctx, until, func(c *nftables.Conn, t *gateTables) {
		_ = c.SetDeleteElements(t.open, []nftables.SetElement{{Key: portKey(p.layout.Port)}}) // fails only on keys that it cannot encode
	})
	if errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("%w: %w", ErrClosed, err)
	}
	return err
}

// OpenForReaders admits clients without end.
func (p *Port) OpenForReaders(ctx context.Context) error {
	return p.admit(ctx, forever, func(c *nftables.Conn, t *gateTables) { c.FlushSet(t.open) })
}

// admit writes the element of the port after clear has made room for it, and
// reads it back. The clock is read last before the write and again after it; past
// the deadline the element goes at once (R4).
func (p *Port) admit(ctx context.Context, until time.Duration, clear func(*nftables.Conn, *gateTables)) error {
	ctx, cancel := context.WithTimeout(ctx, kernelTimeout)
	defer cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.installed {
		return ErrNotInstalled
	}
	if err := p.ensure(ctx); err != nil {
		return fmt.Errorf("open the client port: %w", err)
	}
	err := p.commit(ctx, func(c *nftables.Conn, t *gateTables) error {
		clear(c, t)
		return p.put(c, t.open, []element{{portKey(p.layout.Port), until}})
	})
	if err == nil {
		var have time.Duration
		have, err = newGateTables().openUntil(ctx, p.line, p.clock, p.layout.Port)
		if err == nil && (have == 0 || have != until && (have == forever || have > until+drift)) {
			err = errors.New("read back: not what was written")
		}
	}
	if p.clock() >= until {
		err = errors.Join(ErrLate, err)
	}
	if err != nil {
		return fmt.Errorf("open the client port: %w", errors.Join(err, p.shut(context.WithoutCancel(ctx))))
	}
	p.open = until
	p.publish()
	return nil
}

// put orders elements with what they have left at this moment.
func (p *Port) put(c *nftables.Conn, set *nftables.Set, elements []element) error {
	now := p.clock()
	for _, e := range elements {
		if e.until-now < shortest {
			return ErrLate
		}
	}
	return c.SetAddElements(set, encode(elements, now))
}

// Close cuts clients off.
func (p *Port) Close(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.installed {
		return ErrNotInstalled
	}
	if p.open == 0 && p.generation != 0 {
		if now, err := p.line.generation(ctx); err == nil && now == p.generation {
			return nil // as it was left
		}
	}
	return p.shut(ctx)
}

// shut empties the set of the open port and reads that back. A gate that is not
// there is made, closed.
func (p *Port) shut(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, kernelTimeout)
	defer cancel()
	p.open = 0
	err := p.commit(ctx, func(c *nftables.Conn, t *gateTables) error { c.FlushSet(t.open); return nil })
	if errors.Is(err, unix.ENOENT) {
		err = p.rebuild(ctx)
	}
	if err == nil {
		var have time.Duration
		if have, err = newGateTables().openUntil(ctx, p.line, p.clock, p.layout.Port); err == nil && have != 0 {
			err = errors.New("read back: it is still open")
		}
	}
	if err != nil {
		p.generation = 0
		return fmt.Errorf("close the client port: %w", err)
	}
	p.publish()
	return nil
}
