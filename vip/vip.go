package vip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// earlyMax is how much sooner than its lifetime says the kernel may take an
// address down: it rounds its timers by up to 20 ms. Five times that is what an
// address must have left beyond the deadline for Extend to leave it alone.
const earlyMax = 100 * time.Millisecond

// Options says what a Manager works with. Kernel and Log must be set.
type Options struct {
	Kernel Kernel
	Log    *slog.Logger
	// Fence, if set, is told which addresses are served, before they come up and
	// before they go; it is what keeps two hosts from answering for one.
	Fence Fence
	// Cut ends the connections to an address when it goes: of a process that hangs
	// no client would hear otherwise, for the next holder of the address says nothing
	// to a client that only waits.
	Cut bool
	// Clock returns the time since some fixed moment, counting also while the
	// machine is suspended; nil means CLOCK_BOOTTIME. The Go runtime's own
	// monotonic clock stands still in a suspended machine, and an address whose
	// deadline passed in its sleep would be announced again on waking up.
	Clock func() time.Duration
}

// Fence lets this host answer for addresses, to the millisecond and enforced by
// the kernel (R10), which the lifetime of an address is too coarse for.
type Fence interface {
	// Serve lets this host answer for addrs, and no others, until left from now.
	Serve(ctx context.Context, addrs []netip.Addr, left time.Duration) error
	// Unserve ends that for addrs, or without addrs for all.
	Unserve(ctx context.Context, addrs ...netip.Addr) error
	// Serving asks whether this host may answer for addr at this moment.
	Serving(ctx context.Context, addr netip.Addr) (bool, error)
}

// noFence lets everything pass.
type noFence struct{}

func (noFence) Serve(context.Context, []netip.Addr, time.Duration) error { return nil }
func (noFence) Unserve(context.Context, ...netip.Addr) error             { return nil }
func (noFence) Serving(context.Context, netip.Addr) (bool, error)        { return true, nil }

// Manager keeps the virtual addresses of one interface. Its methods may be
// called from several goroutines; each runs to its end before the next starts,
// Probe excepted. All times are lengths from the moment of the call.
type Manager struct {
	kernel Kernel
	fence  Fence
	cut    bool
	log    *slog.Logger
	clock  func() time.Duration
	wake   chan struct{} // capacity 1: something new is to be announced

	mu   sync.Mutex
	held map[netip.Addr]*hold
}

// hold is an address that the Manager has up. Times are those of Manager.clock.
type hold struct {
	until   time.Duration // the caller vouches for the address up to here
	expires time.Duration // the kernel keeps it at least this long, give or take earlyMax
	since   time.Duration // when it came up: announcements count from here
	told    int           // announcements made so far
}

// New returns a Manager that holds nothing and has not touched anything yet.
func New(o Options) *Manager {
	clock := o.Clock
	if clock == nil {
		clock = sinceBoot
	}
	fence := o.Fence
	if fence == nil {
		fence = noFence{}
	}
	return &Manager{
		kernel: o.Kernel,
		fence:  fence,
		cut:    o.Cut,
		log:    o.Log.With("link", o.Kernel.Link()),
		clock:  clock,
		wake:   make(chan struct{}, 1),
		held:   make(map[netip.Addr]*hold),
	}
}

// Reconcile makes want, and nothing else of ours, the addresses of the interface
// until left from now. What is not wanted goes first; what is up is extended;
// what is missing is added and announced. If left is not positive nothing is
// wanted.
//
// It carries on after an error with the other addresses and returns all errors
// joined; ErrForeign is among them for each wanted address that somebody else
// put there. Calling it again is always safe.
func (m *Manager) Reconcile(ctx context.Context, want []netip.Addr, left time.Duration) error {
	want, err := normal(want)
	if err != nil {
		return err
	}
	if left <= 0 {
		want = nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	until := m.clock() + left
	present, err := m.kernel.List(ctx)
	if err != nil {
		return fmt.Errorf("list addresses of %s: %w", m.kernel.Link(), err)
	}
	s := plan(present, want)
	// What the kernel no longer has, or what is not ours, is not held.
	maps.DeleteFunc(m.held, func(a netip.Addr, _ *hold) bool { return !slices.Contains(s.keep, a) })
	errs := m.deleteAll(ctx, s.drop)
	for _, p := range s.foreign {
		errs = append(errs, fmt.Errorf("bring up %s: %s is on %s without our mark (to hand it over: ip addr del %s dev %s): %w",
			p.Addr(), p, m.kernel.Link(), p, m.kernel.Link(), ErrForeign))
	}
	if served := slices.Concat(s.keep, s.add); len(served) > 0 {
		if err := m.fence.Serve(ctx, served, until-m.clock()); err != nil { // nothing may come up that is not served
			return errors.Join(append(errs, err)...)
		}
	}
	for _, addr := range s.keep {
		errs = append(errs, m.keep(ctx, addr, until))
	}
	for _, addr := range s.add {
		errs = append(errs, m.add(ctx, addr, until))
	}
	return errors.Join(errs...)
}

// Extend lets every held address live until left from now. It is cheap enough to
// be called at each renewal of a lease: the kernel is told only about addresses
// that would not live that long anyway, so about once a second for each.
//
// It never revives: an address whose earlier deadline has passed, or every
// address if left is not positive, is taken down and ErrLapsed is returned,
// because another host may have answered for it since. Nor does it look at what
// is really on the interface; that is Reconcile's work.
func (m *Manager) Extend(ctx context.Context, left time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.clock()
	var errs []error
	var living []netip.Addr
	for _, addr := range slices.SortedFunc(maps.Keys(m.held), netip.Addr.Compare) {
		if left <= 0 || now >= m.held[addr].until {
			errs = append(errs, m.lapse(ctx, addr))
			continue
		}
		living = append(living, addr)
	}
	if len(living) > 0 {
		if err := m.fence.Serve(ctx, living, now+left-m.clock()); err != nil {
			return errors.Join(append(errs, err)...)
		}
	}
	for _, addr := range living {
		errs = append(errs, m.extend(ctx, addr, m.held[addr], now+left))
	}
	return errors.Join(errs...)
}

// Drop takes the named addresses down, as far as they carry our mark, whether
// this Manager put them up or an earlier run did. When it returns none of them
// is announced any more, also if the kernel would not remove it.
func (m *Manager) Drop(ctx context.Context, addrs ...netip.Addr) error {
	addrs, err := normal(addrs)
	if err != nil {
		return err
	}
	if len(addrs) == 0 {
		return nil
	}
	return m.remove(ctx, addrs, func(a netip.Addr) bool { return slices.Contains(addrs, a) })
}

// Clear takes down every address of the interface that carries our mark: at the
// start of a process these are the leftovers of a run that crashed.
func (m *Manager) Clear(ctx context.Context) error {
	return m.remove(ctx, nil, func(netip.Addr) bool { return true })
}

// Held returns, sorted, the addresses that the Manager has brought up and that
// are within their deadline. It remembers rather than looks.
func (m *Manager) Held() []netip.Addr {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.clock()
	var out []netip.Addr
	for addr, h := range m.held {
		if now < h.until {
			out = append(out, addr)
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return out
}

// Probe asks the neighbours who has addr and returns the hardware address of the
// first that answers within wait, or nil if nobody does. 50 to 100 ms are enough
// on a local network. Silence proves nothing: a host that hangs is silent too
// (R55 makes an answer a reason to report, never to refuse or to wait).
func (m *Manager) Probe(ctx context.Context, addr netip.Addr, wait time.Duration) (net.HardwareAddr, error) {
	mac, err := m.kernel.Probe(ctx, addr.Unmap(), wait)
	if err != nil {
		return nil, fmt.Errorf("probe %s on %s: %w", addr, m.kernel.Link(), err)
	}
	return mac, nil
}

// keep extends an address that is up with our mark. One that this Manager does
// not hold, or held only up to a deadline that has passed, counts as new and is
// announced: another host may have answered for it since.
func (m *Manager) keep(ctx context.Context, addr netip.Addr, until time.Duration) error {
	now := m.clock()
	h := m.held[addr]
	if h != nil && now < h.until {
		return m.extend(ctx, addr, h, until)
	}
	h = &hold{since: now}
	if err := m.extend(ctx, addr, h, until); err != nil {
		delete(m.held, addr)
		return err
	}
	m.remember(addr, h)
	return nil
}

// add brings up an address that is not there.
func (m *Manager) add(ctx context.Context, addr netip.Addr, until time.Duration) error {
	now := m.clock()
	life := wholeSeconds(until - now)
	if err := m.kernel.Add(ctx, addr, life); err != nil {
		return fmt.Errorf("bring up %s on %s: %w", addr, m.kernel.Link(), err)
	}
	// The clock is read again after the write (R4): the process may have been
	// stopped in between, and the kernel counts from the write.
	if m.clock() >= until {
		return m.lapse(ctx, addr)
	}
	m.remember(addr, &hold{until: until, expires: now + life, since: now})
	return nil
}

// remember holds an address that came up just now and has it announced.
func (m *Manager) remember(addr netip.Addr, h *hold) {
	m.held[addr] = h
	m.log.Info("address is up", "addr", addr, "left", (h.until - h.since).Round(time.Millisecond))
	select {
	case m.wake <- struct{}{}:
	default: // Run has been told already and has not looked yet.
	}
}

// extend moves the deadline of an address that is up, and its lifetime if that
// ends too early. If it fails the earlier deadline stands.
func (m *Manager) extend(ctx context.Context, addr netip.Addr, h *hold, until time.Duration) error {
	if h.expires < until+earlyMax {
		now := m.clock()
		life := wholeSeconds(until - now)
		if err := m.kernel.Extend(ctx, addr, life); err != nil {
			return fmt.Errorf("extend %s on %s: %w", addr, m.kernel.Link(), err)
		}
		h.expires = now + life
	}
	h.until = until
	if m.clock() >= until { // R4, as in add.
		return m.lapse(ctx, addr)
	}
	return nil
}

// lapse takes down an address whose deadline has passed.
func (m *Manager) lapse(ctx context.Context, addr netip.Addr) error {
	err := fmt.Errorf("keep %s on %s: %w", addr, m.kernel.Link(), ErrLapsed)
	return errors.Join(append(m.deleteAll(ctx, []netip.Addr{addr}), err)...)
}

// remove takes down the marked addresses that which selects. They are served no
// more before that; addrs names them for the fence, and no name means all.
func (m *Manager) remove(ctx context.Context, addrs []netip.Addr, which func(netip.Addr) bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	// Forgotten first, so that nothing is announced whatever happens below.
	maps.DeleteFunc(m.held, func(a netip.Addr, _ *hold) bool { return which(a) })
	unserved := m.fence.Unserve(ctx, addrs...)
	present, err := m.kernel.List(ctx)
	if err != nil {
		return errors.Join(unserved, fmt.Errorf("list addresses of %s: %w", m.kernel.Link(), err))
	}
	errs := []error{unserved}
	for _, e := range present {
		if e.Marked && which(e.Prefix.Addr()) {
			errs = append(errs, m.delete(ctx, e.Prefix.Addr()))
		}
	}
	return errors.Join(errs...)
}

// deleteAll takes down marked addresses, each whatever became of the others.
// They are served no more before that.
func (m *Manager) deleteAll(ctx context.Context, addrs []netip.Addr) []error {
	if len(addrs) == 0 {
		return nil
	}
	errs := []error{m.fence.Unserve(ctx, addrs...)}
	for _, addr := range addrs {
		errs = append(errs, m.delete(ctx, addr))
	}
	return errs
}

// delete takes down one marked address.
func (m *Manager) delete(ctx context.Context, addr netip.Addr) error {
	delete(m.held, addr)
	if m.cut {
		m.cutOff(ctx, addr)
	}
	if err := m.kernel.Delete(ctx, addr); err != nil {
		return fmt.Errorf("take down %s on %s: %w", addr, m.kernel.Link(), err)
	}
	m.log.Info("address is down", "addr", addr)
	return nil
}

// cutOff ends the connections to an address that is served no more. That it goes is
// more important than that its clients hear of it.
func (m *Manager) cutOff(ctx context.Context, addr netip.Addr) {
	n, err := m.kernel.Cut(ctx, addr)
	switch {
	case err != nil:
		m.log.Warn("connections to the address were not all ended; their clients find out later", "addr", addr, "ended", n, "err", err)
	case n > 0:
		m.log.Info("connections to the address ended", "addr", addr, "ended", n)
	}
}
