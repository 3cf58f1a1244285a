package fence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// Options says what a Manager works with. Log must be set.
type Options struct {
	Log *slog.Logger
}

// Manager keeps the table of one agent. There must be only one per network
// namespace: two would overwrite each other. Its methods may be called from
// several goroutines; each runs to its end before the next starts. They act in
// the network namespace of the thread that called first, and each takes 0.3 s at most:
// ErrUnknownOutcome if the kernel has not answered by then.
type Manager struct {
	log  *slog.Logger
	line *line

	mu        sync.Mutex
	installed bool
	have      lists
	// generation is that of the kernel's rules when they were known to be have,
	// 0 if they are not known. It changes with every change by anybody.
	generation uint32
}

// New returns a Manager that has not touched anything yet.
func New(o Options) *Manager {
	return &Manager{log: o.Log, line: newLine()}
}

// Install makes the table in one step; what an earlier run left of it is replaced.
// Whom that kept from the ports of this host stays out until the caller has
// decided anew (R21); its deposed writers are forgotten. It returns ErrUnsupported
// or ErrForbidden if the agent has to go on without the table.
func (m *Manager) Install(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, kernelTimeout)
	defer cancel()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.installed, m.generation = false, 0
	kept, err := m.standing(ctx)
	if err == nil {
		err = m.write(ctx, kept, true)
	}
	if errors.Is(err, unix.ENOENT) { // one of the rules' words is not compiled in
		err = fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	if err != nil {
		return fmt.Errorf("install packet filter table %s: %w", tableName, err)
	}
	m.installed = true
	m.log.Info("packet filter table installed", "table", tableName, "still refused", kept.refused)
	return nil
}

// Remove deletes the table, if there is one: at uninstallation, since the lists
// of an agent that only stops should outlive it.
func (m *Manager) Remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, kernelTimeout)
	defer cancel()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.installed, m.have, m.generation = false, lists{}, 0
	c, err := m.line.dial(ctx)
	if err != nil {
		return fmt.Errorf("remove packet filter table %s: %w", tableName, err)
	}
	t := newTable()
	c.AddTable(t.Table) // so that there is one to delete
	c.DelTable(t.Table)
	if err := m.line.flush(c); err != nil {
		return fmt.Errorf("remove packet filter table %s: %w", tableName, err)
	}
	m.log.Info("packet filter table removed", "table", tableName)
	return nil
}

// Reject makes addrs the deposed writers: this host and port of theirs answer
// each other with resets from now on. A replica's IO thread that is connected
// to a host which is gone or frozen then stops at once instead of after two
// seconds (R11), and a deposed writer that wakes up feeds it no more. It replaces
// the earlier list; an empty one lifts the ban.
func (m *Manager) Reject(ctx context.Context, addrs []netip.Addr, port uint16) error {
	list, err := pairs(addrs, port)
	if err != nil {
		return fmt.Errorf("reject deposed writers: %w", err)
	}
	return m.change(ctx, "reject deposed writers", list, func(l *lists) { l.deposed = list })
}

// Refuse keeps addrs from port of this host: replicas that must not, or no
// longer, attach to its replication listener (R21, R23). It replaces the earlier
// list; an empty one lets everybody in that Admit lets in.
func (m *Manager) Refuse(ctx context.Context, addrs []netip.Addr, port uint16) error {
	list, err := pairs(addrs, port)
	if err != nil {
		return fmt.Errorf("refuse replicas: %w", err)
	}
	return m.change(ctx, "refuse replicas", list, func(l *lists) { l.refused = list })
}

// Admit keeps everybody but addrs, and this host itself, from port of this host.
// Where Refuse has to know whom to keep out, Admit keeps out whoever is not
// known (R21). It replaces the earlier list and port; an empty list admits
// nobody. What Refuse names stays refused.
func (m *Manager) Admit(ctx context.Context, addrs []netip.Addr, port uint16) error {
	list, err := pairs(addrs, port)
	if err == nil && port == 0 {
		err = errors.New("port 0 is none")
	}
	if err != nil {
		return fmt.Errorf("admit replicas: %w", err)
	}
	return m.change(ctx, "admit replicas", list, func(l *lists) {
		l.admitted, l.guarded = list, []uint16{port}
	})
}

// AdmitAll takes Admit back: nobody is kept out but whom Refuse names.
func (m *Manager) AdmitAll(ctx context.Context) error {
	return m.change(ctx, "admit all replicas", nil, func(l *lists) { l.admitted, l.guarded = nil, nil })
}

// change edits the lists and brings the kernel there. It also repairs the table
// if somebody else changed it, for example with "nft flush ruleset".
func (m *Manager) change(ctx context.Context, what string, list []netip.AddrPort, edit func(*lists)) error {
	ctx, cancel := context.WithTimeout(ctx, kernelTimeout)
	defer cancel()
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.installed {
		return fmt.Errorf("%s: %w", what, ErrNotInstalled)
	}
	want := m.have
	edit(&want) // replaces whole lists, so that m.have keeps its own
	intact, err := m.intact(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if intact && want.equal(m.have) {
		return nil
	}
	if !intact {
		m.log.Warn("packet filter table was changed by somebody else, replacing it", "table", tableName)
	}
	if err := m.write(ctx, want, !intact); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	m.log.Info("packet filter list set", "what", what, "list", list)
	return nil
}

// intact says whether the kernel's rules are those that m.have says. Most times
// the generation tells; if anybody has changed any rule since, they are read.
func (m *Manager) intact(ctx context.Context) (bool, error) {
	now, err := m.line.generation(ctx)
	if err != nil {
		return false, err
	}
	if m.generation != 0 && now == m.generation {
		return true, nil
	}
	c, err := m.line.dial(ctx)
	if err != nil {
		return false, err
	}
	if !newTable().matches(c, m.have) {
		return false, ctx.Err() // out of time is no finding
	}
	m.line.done()
	m.generation = now // asked before the rules were read: a later change is not missed
	return true, nil
}

// write brings the kernel to want in one step: the sets that differ, or the
// whole table anew. What it leaves behind is read back once.
func (m *Manager) write(ctx context.Context, want lists, whole bool) error {
	c, err := m.line.dial(ctx)
	if err != nil {
		return err
	}
	t := newTable()
	if whole {
		err = t.build(c, want)
	} else {
		err = t.refill(c, m.have, want)
	}
	if err != nil {
		return err
	}
	// Not known until it is read back. If that fails the next call finds what the
	// kernel has differs from m.have, or not, and acts on what it finds.
	m.generation = 0
	if err := m.line.flush(c); err != nil {
		return err
	}
	m.have = want
	intact, err := m.intact(ctx)
	if err != nil {
		return fmt.Errorf("read back: %w: %w", ErrUnknownOutcome, err)
	}
	if !intact {
		return errors.New("read back: the rules are not what was written")
	}
	return nil
}

// build orders the whole table; an earlier one goes in the same step.
func (t *table) build(c *nftables.Conn, l lists) error {
	c.AddTable(t.Table) // so that there is one to delete
	c.DelTable(t.Table)
	c.AddTable(t.Table)
	c.AddChain(t.in)
	c.AddChain(t.out)
	for _, s := range t.contents(l) {
		if err := c.AddSet(s.set, s.elements()); err != nil {
			return fmt.Errorf("encode list %s: %w", s.set.Name, err)
		}
	}
	for _, r := range t.rules {
		c.AddRule(r)
	}
	return nil
}

// refill orders the sets whose contents change to be emptied and filled.
func (t *table) refill(c *nftables.Conn, have, want lists) error {
	old := t.contents(have)
	for i, s := range t.contents(want) {
		if slices.EqualFunc(s.keys, old[i].keys, slices.Equal) {
			continue
		}
		c.FlushSet(s.set)
		if len(s.keys) == 0 {
			continue
		}
		if err := c.SetAddElements(s.set, s.elements()); err != nil {
			return fmt.Errorf("encode list %s: %w", s.set.Name, err)
		}
	}
	return nil
}
