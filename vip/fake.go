package vip

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// errRefused is what the Fake answers to a use that a Manager should never make.
var errRefused = errors.New("refused by the fake kernel")

// Fake is a Kernel for tests. It writes down what it is told, as the commands
// that a person would type, and refuses what makes no sense: adding what is
// there, announcing what is not, touching what is not ours, lifetimes that are
// not whole seconds.
//
// Its time is time.Now, so that it is virtual under testing/synctest, plus what
// Advance has added. Its lifetimes end to the moment; the real kernel is late.
type Fake struct {
	link  string
	label string
	birth time.Time

	mu      sync.Mutex
	skipped time.Duration
	addrs   map[netip.Addr]fakeAddr
	holders map[netip.Addr]net.HardwareAddr
	failing map[string]error
	lines   []string
}

type fakeAddr struct {
	prefix  netip.Prefix
	marked  bool
	expires time.Duration // 0: never
}

// NewFake returns a Fake for an interface named link that has no addresses.
func NewFake(link string) *Fake {
	return &Fake{
		link:    link,
		label:   link + ":mmm",
		birth:   time.Now(),
		addrs:   make(map[netip.Addr]fakeAddr),
		holders: make(map[netip.Addr]net.HardwareAddr),
		failing: make(map[string]error),
	}
}

// Clock returns the Fake's time since it was made; it fits Options.Clock.
func (f *Fake) Clock() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now()
}

// Advance lets the Fake's time jump ahead by d; lifetimes that end meanwhile end.
func (f *Fake) Advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.skipped += d
	f.expire()
}

// Place puts an address on the interface as another program would: without our
// mark and without an end.
func (f *Fake) Place(p netip.Prefix) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.addrs[p.Addr()] = fakeAddr{prefix: p}
}

// Leave puts an address on the interface as an earlier run of ours would have
// left it, with life to go.
func (f *Fake) Leave(addr netip.Addr, life time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.addrs[addr] = fakeAddr{prefix: netip.PrefixFrom(addr, addr.BitLen()), marked: true, expires: f.now() + life}
}

// Answer lets a neighbour answer probes for addr from mac; nil silences it.
func (f *Fake) Answer(addr netip.Addr, mac net.HardwareAddr) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.holders[addr] = mac
}

// Fail lets a verb ("list", "add", "extend", "delete", "cut", "announce", "probe")
// return err from now on, without effect; nil lets it work again.
func (f *Fake) Fail(verb string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failing[verb] = err
}

// String returns the lines written since the last call of Reset, each ended by a
// newline: commands, announcements and, in parentheses, what happened by itself.
func (f *Fake) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.expire()
	return strings.Join(append(slices.Clone(f.lines), ""), "\n")
}

// Reset forgets the lines written so far; the addresses stay.
func (f *Fake) Reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lines = nil
}

// Link returns the name of the interface.
func (f *Fake) Link() string { return f.link }

// List returns the addresses of the interface, sorted.
func (f *Fake) List(ctx context.Context) ([]Entry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.ready(ctx, "list"); err != nil {
		return nil, err
	}
	var out []Entry
	for _, a := range slices.SortedFunc(maps.Keys(f.addrs), netip.Addr.Compare) {
		have := f.addrs[a]
		e := Entry{Prefix: have.prefix, Marked: have.marked}
		if have.expires > 0 {
			e.Left = wholeSeconds(have.expires - f.now())
		}
		out = append(out, e)
	}
	return out, nil
}

// Add puts addr up with our mark.
func (f *Fake) Add(ctx context.Context, addr netip.Addr, life time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.ready(ctx, "add"); err != nil {
		return err
	}
	if _, ok := f.addrs[addr]; ok {
		return f.refuse("add %s, which is there", addr)
	}
	return f.set("add", addr, life)
}

// Extend gives addr a new lifetime.
func (f *Fake) Extend(ctx context.Context, addr netip.Addr, life time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.ready(ctx, "extend"); err != nil {
		return err
	}
	if have, ok := f.addrs[addr]; ok && !have.marked {
		return f.refuse("extend %s, which is not ours", addr)
	}
	return f.set("replace", addr, life)
}

// Delete takes addr down.
func (f *Fake) Delete(ctx context.Context, addr netip.Addr) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.ready(ctx, "delete"); err != nil {
		return err
	}
	have, ok := f.addrs[addr]
	if ok && !have.marked {
		return f.refuse("delete %s, which is not ours", addr)
	}
	delete(f.addrs, addr)
	f.print("ip addr del %s/%d dev %s", addr, addr.BitLen(), f.link)
	return nil
}

// Cut notes that the connections to addr were ended.
func (f *Fake) Cut(ctx context.Context, addr netip.Addr) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.ready(ctx, "cut"); err != nil {
		return 0, err
	}
	f.print("ss -K src %s", addr)
	return 0, nil
}

// Announce notes an announcement of addr, which must be up with our mark.
func (f *Fake) Announce(ctx context.Context, addr netip.Addr) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.ready(ctx, "announce"); err != nil {
		return err
	}
	if !f.addrs[addr].marked {
		return f.refuse("announce %s, which is not up", addr)
	}
	f.print("announce %s dev %s", addr, f.link)
	return nil
}

// Probe returns what Answer has set for addr, at once.
func (f *Fake) Probe(ctx context.Context, addr netip.Addr, wait time.Duration) (net.HardwareAddr, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.ready(ctx, "probe"); err != nil {
		return nil, err
	}
	if wait <= 0 {
		return nil, f.refuse("probe %s for no time", addr)
	}
	f.print("probe %s dev %s", addr, f.link)
	return f.holders[addr], nil
}

// ready ends what has expired and says whether the verb may go on.
func (f *Fake) ready(ctx context.Context, verb string) error {
	f.expire()
	return errors.Join(ctx.Err(), f.failing[verb])
}

// set carries out "ip addr add" or "ip addr replace".
func (f *Fake) set(verb string, addr netip.Addr, life time.Duration) error {
	if life < time.Second || life%time.Second != 0 {
		return f.refuse("%s %s for %s, which is not a number of seconds", verb, addr, life)
	}
	if !addr.IsGlobalUnicast() || addr.Is4In6() {
		return f.refuse("%s %s, which is not unicast", verb, addr)
	}
	mark, flags := "label "+f.label, ""
	if addr.Is6() {
		mark, flags = "metric 7171437", " nodad noprefixroute"
	}
	f.addrs[addr] = fakeAddr{
		prefix:  netip.PrefixFrom(addr, addr.BitLen()),
		marked:  true,
		expires: f.now() + life,
	}
	f.print("ip addr %s %s/%d dev %s %s valid_lft %d preferred_lft 0%s",
		verb, addr, addr.BitLen(), f.link, mark, life/time.Second, flags)
	return nil
}

// expire takes down what has reached the end of its lifetime, oldest first.
func (f *Fake) expire() {
	now := f.now()
	var gone []netip.Addr
	for a, have := range f.addrs {
		if have.expires > 0 && have.expires <= now {
			gone = append(gone, a)
		}
	}
	slices.SortFunc(gone, func(a, b netip.Addr) int {
		if d := f.addrs[a].expires - f.addrs[b].expires; d != 0 {
			return int(d)
		}
		return a.Compare(b)
	})
	for _, a := range gone {
		delete(f.addrs, a)
		f.print("(%s expired)", a)
	}
}

func (f *Fake) now() time.Duration { return time.Since(f.birth) + f.skipped }

func (f *Fake) print(format string, args ...any) {
	f.lines = append(f.lines, fmt.Sprintf(format, args...))
}

func (f *Fake) refuse(format string, args ...any) error {
	what := fmt.Sprintf(format, args...)
	f.print("(refused: %s)", what)
	return fmt.Errorf("%s: %w", what, errRefused)
}
