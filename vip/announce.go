package vip

import (
	"context"
	"net/netip"
	"time"
)

// announceAt says when a new address is announced, counted from when it came up.
// One frame may be lost, or meet a switch that is still learning, or a neighbour
// that ignores changes for a second after the last one; the late ones are for
// links that come up slowly.
var announceAt = []time.Duration{
	0,
	200 * time.Millisecond,
	1 * time.Second,
	3 * time.Second,
	10 * time.Second,
}

// Run sends the announcements until ctx ends and returns nil then. The addresses
// stay as they are: a process that is told to stop leaves them to their
// lifetimes, so that its successor can take them over; Clear removes them.
func (m *Manager) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-m.wake:
		case <-timer.C:
		}
		for _, addr := range m.Held() {
			m.announce(ctx, addr)
		}
		if wait, ok := m.nextAnnouncement(); ok {
			timer.Reset(wait)
		}
	}
}

// announce sends one announcement of addr if one is due. It holds the lock while
// the frames leave: after Drop has returned none may follow, and the new holder's
// neighbours would believe the last one that speaks. The lock is taken for one
// address at a time, so that nobody waits for the announcements of them all.
func (m *Manager) announce(ctx context.Context, addr netip.Addr) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h, ok := m.held[addr]
	now := m.clock()
	if !ok || now >= h.until || h.told == len(announceAt) || now < h.since+announceAt[h.told] {
		return
	}
	// Announcements that are late are not made up for: one is enough.
	for h.told < len(announceAt) && now >= h.since+announceAt[h.told] {
		h.told++
	}
	// These frames pass the fence by, so it is asked (R10).
	if serving, err := m.fence.Serving(ctx, addr); !serving || err != nil {
		m.log.Warn("address not announced: the fence does not let this host answer for it", "addr", addr, "err", err)
		return
	}
	if err := m.kernel.Announce(ctx, addr); err != nil {
		m.log.Warn("address not announced", "addr", addr, "err", err)
		return
	}
	m.log.Debug("address announced", "addr", addr, "count", h.told)
}

// nextAnnouncement returns how long it is to the next announcement of any
// address, and false if there is none to come.
func (m *Manager) nextAnnouncement() (time.Duration, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.clock()
	var next time.Duration
	found := false
	for _, h := range m.held {
		if h.told == len(announceAt) {
			continue
		}
		due := max(0, h.since+announceAt[h.told]-now)
		if now >= h.until {
			// Not due while past its deadline; a Reconcile makes it new again.
			continue
		}
		if !found || due < next {
			next, found = due, true
		}
	}
	return next, found
}
