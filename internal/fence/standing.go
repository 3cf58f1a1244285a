package fence

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// standing reads who is kept from ports of this host by the table that the agent
// before left, of whatever version: sets that are missing or of another shape say
// nothing. What had a time limit is taken without: the caller decides anew soon.
// Deposed writers are left out, because only a process that rejected one knows
// when to let it in again.
func (m *Manager) standing(ctx context.Context) (lists, error) {
	for {
		there, err := m.tableThere(ctx)
		if err != nil || !there {
			return lists{}, err
		}
		before, err := m.line.generation(ctx)
		if err != nil {
			return lists{}, explain(err)
		}
		found, err := m.keptOut(ctx)
		if err != nil {
			return lists{}, err
		}
		after, err := m.line.generation(ctx)
		if err != nil || before == after { // else somebody changed rules meanwhile, and a list may be cut short
			return found, explain(err)
		}
	}
}

// tableThere says whether there is a table of ours at all.
func (m *Manager) tableThere(ctx context.Context) (bool, error) {
	c, err := m.line.dial(ctx)
	if err != nil {
		return false, explain(err)
	}
	_, err = c.ListTableOfFamily(tableName, nftables.TableFamilyINet)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return false, fmt.Errorf("look for the table: %w", explain(err))
	}
	m.line.done()
	return err == nil, nil
}

// keptOut reads those sets of ours that are there.
func (m *Manager) keptOut(ctx context.Context) (lists, error) {
	t := newTable()
	c, err := m.line.dial(ctx)
	if err != nil {
		return lists{}, err
	}
	sets, err := c.GetSets(t.Table)
	if err != nil {
		return lists{}, fmt.Errorf("list sets of table %s: %w: %w", tableName, ErrUnknownOutcome, err)
	}
	m.line.done()
	keys := func(set *nftables.Set) (out [][]byte) {
		if !slices.ContainsFunc(sets, func(s *nftables.Set) bool { return s.Name == set.Name }) {
			return nil
		}
		elements, failed := m.line.elements(ctx, set)
		err = errors.Join(err, failed)
		for _, e := range elements {
			out = append(out, e.Key)
		}
		return out
	}
	var l lists
	for _, k := range keys(t.guarded) {
		if len(k) == 2 {
			l.guarded = append(l.guarded, binary.BigEndian.Uint16(k))
		}
	}
	for _, s := range t.byProto {
		l.refused = append(l.refused, decodePairs(keys(s.refused))...)
		l.admitted = append(l.admitted, decodePairs(keys(s.admitted))...)
	}
	if err != nil {
		return lists{}, fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
	}
	l.refused, l.admitted = sorted(l.refused), sorted(l.admitted)
	slices.Sort(l.guarded)
	return l, nil
}

// decodePairs is the reverse of encodePair; what is no pair is left out.
func decodePairs(keys [][]byte) []netip.AddrPort {
	var out []netip.AddrPort
	for _, k := range keys {
		if len(k) != 8 && len(k) != 20 {
			continue
		}
		if addr, ok := netip.AddrFromSlice(k[:len(k)-4]); ok {
			out = append(out, netip.AddrPortFrom(addr, binary.BigEndian.Uint16(k[len(k)-4:])))
		}
	}
	return out
}
