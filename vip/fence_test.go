package vip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// fakeFence writes down what it is told among the lines of the Fake.
type fakeFence struct {
	fake   *Fake
	failed error
	mute   bool
}

func (f *fakeFence) note(format string, args ...any) error {
	f.fake.mu.Lock()
	defer f.fake.mu.Unlock()
	f.fake.expire()
	f.fake.lines = append(f.fake.lines, fmt.Sprintf(format, args...))
	return f.failed
}

func (f *fakeFence) Serve(_ context.Context, addrs []netip.Addr, left time.Duration) error {
	return f.note("serve %v for %s", slices.SortedFunc(slices.Values(addrs), netip.Addr.Compare), left)
}

func (f *fakeFence) Unserve(_ context.Context, addrs ...netip.Addr) error {
	return f.note("unserve %v", addrs)
}

func (f *fakeFence) Serving(context.Context, netip.Addr) (bool, error) {
	f.fake.mu.Lock()
	defer f.fake.mu.Unlock()
	return !f.mute, f.failed
}

// silence makes the kernel's elements gone, or there again, behind the back of
// the Manager.
func (f *fakeFence) silence(mute bool) {
	f.fake.mu.Lock()
	defer f.fake.mu.Unlock()
	f.mute = mute
}

// tellFenced is tell with a fence.
func tellFenced(t *testing.T, f func(s *story, fence *fakeFence)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		fake := NewFake("eth0")
		fence := &fakeFence{fake: fake}
		f(&story{t: t, fake: fake, Manager: New(Options{Kernel: fake, Fence: fence, Log: slog.New(slog.DiscardHandler), Clock: fake.Clock})}, fence)
	})
}

func TestAddressIsServedBeforeItComesUpAndNoMoreBeforeItGoes(t *testing.T) {
	tellFenced(t, func(s *story, _ *fakeFence) {
		s.reconcile(1750*milli, "192.0.2.113")
		s.expect(
			"serve [192.0.2.113] for 1.75s",
			"ip addr add 192.0.2.113/32 dev eth0 label eth0:mmm valid_lft 2 preferred_lft 0",
		)
		if err := s.Extend(t.Context(), 1850*milli); err != nil {
			t.Error(err)
		}
		s.expect("serve [192.0.2.113] for 1.85s") // to the millisecond; the address itself lives long enough
		s.reconcile(1750*milli, "192.0.2.114")
		s.expect(
			"unserve [192.0.2.113]",
			"ip addr del 192.0.2.113/32 dev eth0",
			"serve [192.0.2.114] for 1.75s",
			"ip addr add 192.0.2.114/32 dev eth0 label eth0:mmm valid_lft 2 preferred_lft 0",
		)
		if err := s.Drop(t.Context(), addrs("192.0.2.114")...); err != nil {
			t.Error(err)
		}
		s.expect("unserve [192.0.2.114]", "ip addr del 192.0.2.114/32 dev eth0")
		if err := s.Clear(t.Context()); err != nil {
			t.Error(err)
		}
		s.expect("unserve []") // also what an earlier run served
		if err := s.Drop(t.Context()); err != nil {
			t.Error(err)
		}
		s.expect() // nothing named is nothing, and not all
	})
}

func TestAddressThatCannotBeServedDoesNotComeUp(t *testing.T) {
	tellFenced(t, func(s *story, fence *fakeFence) {
		fence.failed = errors.New("no packet filter")
		if err := s.Reconcile(t.Context(), addrs("192.0.2.113"), second); !errors.Is(err, fence.failed) {
			t.Errorf("Reconcile = %v", err)
		}
		s.expect("serve [192.0.2.113] for 1s")
		if len(s.Held()) > 0 {
			t.Errorf("held: %v", s.Held())
		}
	})
}

func TestLapsedAddressIsServedNoMore(t *testing.T) {
	tellFenced(t, func(s *story, _ *fakeFence) {
		s.reconcile(500*milli, "192.0.2.113")
		s.fake.Reset()
		time.Sleep(600 * milli)
		if err := s.Extend(t.Context(), second); !errors.Is(err, ErrLapsed) {
			t.Errorf("Extend = %v, want %v", err, ErrLapsed)
		}
		s.expect("unserve [192.0.2.113]", "ip addr del 192.0.2.113/32 dev eth0")
	})
}

// Cut before it is served no more, a client would be back at once, and wait again.
func TestConnectionsAreCutBetweenTheEndOfServingAndThatOfTheAddress(t *testing.T) {
	tellFenced(t, func(s *story, _ *fakeFence) {
		s.cut = true
		s.reconcile(2*second, "192.0.2.113", "192.0.2.114")
		s.fake.Reset()
		if err := s.Drop(t.Context(), addrs("192.0.2.113")...); err != nil {
			t.Error(err)
		}
		s.expect("unserve [192.0.2.113]", "ss -K src 192.0.2.113", "ip addr del 192.0.2.113/32 dev eth0")
		s.fake.Fail("cut", errors.New("not compiled in"))
		if err := s.Drop(t.Context(), addrs("192.0.2.114")...); err != nil {
			t.Errorf("Drop = %v, although the address is down", err)
		}
		s.expect("unserve [192.0.2.114]", "ip addr del 192.0.2.114/32 dev eth0")
	})
}

func TestAnnouncerAsksTheFence(t *testing.T) {
	tellFenced(t, func(s *story, fence *fakeFence) {
		defer s.run()()
		s.reconcile(60*second, "192.0.2.113")
		synctest.Wait()
		s.fake.Reset()
		fence.silence(true)
		time.Sleep(2 * second)
		s.expect()
		fence.silence(false)
		time.Sleep(20 * second)
		const announced = "announce 192.0.2.113 dev eth0"
		s.expect(announced, announced)
	})
}
