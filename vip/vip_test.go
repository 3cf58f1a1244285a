package vip

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const (
	second = time.Second
	milli  = time.Millisecond
)

// story is a Manager over a Fake, inside a bubble of virtual time.
type story struct {
	t    *testing.T
	fake *Fake
	*Manager
}

// tell runs f in virtual time, without the goroutine that announces.
func tell(t *testing.T, f func(s *story)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		fake := NewFake("eth0")
		log := slog.New(slog.DiscardHandler)
		f(&story{t: t, fake: fake, Manager: New(Options{Kernel: fake, Log: log, Clock: fake.Clock})})
	})
}

// run starts the announcing goroutine and returns what stops it.
func (s *story) run() (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	return func() {
		s.t.Helper()
		cancel()
		if err := <-done; err != nil {
			s.t.Errorf("Run = %v, want nil", err)
		}
	}
}

// reconcile wants no error.
func (s *story) reconcile(left time.Duration, want ...string) {
	s.t.Helper()
	if err := s.Reconcile(s.t.Context(), addrs(want...), left); err != nil {
		s.t.Fatalf("Reconcile: %v", err)
	}
}

// expect compares what the kernel was told since the last time.
func (s *story) expect(lines ...string) {
	s.t.Helper()
	want := strings.Join(append(lines, ""), "\n")
	if got := s.fake.String(); got != want {
		s.t.Errorf("the kernel was told\n%s\nwant\n%s", got, want)
	}
	s.fake.Reset()
}

func TestReconcileDropsThenExtendsThenAdds(t *testing.T) {
	tell(t, func(s *story) {
		s.reconcile(1750*milli, "192.0.2.113", "2001:db8::113")
		s.expect(
			"ip addr add 192.0.2.113/32 dev eth0 label eth0:mmm valid_lft 2 preferred_lft 0",
			"ip addr add 2001:db8::113/128 dev eth0 metric 7171437 valid_lft 2 preferred_lft 0 nodad noprefixroute",
		)
		s.reconcile(3750*milli, "192.0.2.112", "2001:db8::113")
		s.expect(
			"ip addr del 192.0.2.113/32 dev eth0",
			"ip addr replace 2001:db8::113/128 dev eth0 metric 7171437 valid_lft 4 preferred_lft 0 nodad noprefixroute",
			"ip addr add 192.0.2.112/32 dev eth0 label eth0:mmm valid_lft 4 preferred_lft 0",
		)
		if got, want := s.Held(), addrs("192.0.2.112", "2001:db8::113"); !slices.Equal(got, want) {
			t.Errorf("Held = %v, want %v", got, want)
		}
		s.reconcile(0, "192.0.2.112", "2001:db8::113")
		s.expect("ip addr del 192.0.2.112/32 dev eth0", "ip addr del 2001:db8::113/128 dev eth0")
	})
}

func TestKernelIsToldOnlyWhatItDoesNotKnow(t *testing.T) {
	tell(t, func(s *story) {
		s.reconcile(1500*milli, "192.0.2.113")
		s.expect("ip addr add 192.0.2.113/32 dev eth0 label eth0:mmm valid_lft 2 preferred_lft 0")
		for range 10 { // 2 s of renewals
			time.Sleep(200 * milli)
			if err := s.Extend(t.Context(), 1500*milli); err != nil {
				t.Fatal(err)
			}
			s.reconcile(1500*milli, "192.0.2.113")
		}
		replace := "ip addr replace 192.0.2.113/32 dev eth0 label eth0:mmm valid_lft 2 preferred_lft 0"
		s.expect(replace, replace, replace) // at 0.6, 1.2 and 1.8 s
	})
}

func TestAddressExpiresWhenNotExtended(t *testing.T) {
	tell(t, func(s *story) {
		s.reconcile(1500*milli, "192.0.2.113")
		s.fake.Reset()
		time.Sleep(1600 * milli)
		if got := s.Held(); len(got) != 0 {
			t.Errorf("Held = %v past the deadline, want none", got)
		}
		time.Sleep(400 * milli)
		s.expect("(192.0.2.113 expired)")
	})
}

func TestExtendNeverRevivesAnAddress(t *testing.T) {
	tell(t, func(s *story) {
		s.reconcile(1500*milli, "192.0.2.113", "192.0.2.114")
		s.fake.Reset()
		time.Sleep(1600 * milli) // past the deadline, within the lifetime
		err := s.Extend(t.Context(), 1500*milli)
		if !errors.Is(err, ErrLapsed) || !strings.Contains(err.Error(), "192.0.2.114") {
			t.Errorf("Extend = %v, want ErrLapsed that names the addresses", err)
		}
		s.expect("ip addr del 192.0.2.113/32 dev eth0", "ip addr del 192.0.2.114/32 dev eth0")
		if err := s.Extend(t.Context(), 1500*milli); err != nil {
			t.Errorf("Extend with nothing held = %v, want nil", err)
		}
	})
}

func TestExtendPastTheDeadlineTakesEverythingDown(t *testing.T) {
	tell(t, func(s *story) {
		s.reconcile(1500*milli, "192.0.2.113")
		s.fake.Reset()
		if err := s.Extend(t.Context(), 0); !errors.Is(err, ErrLapsed) {
			t.Errorf("Extend = %v, want ErrLapsed", err)
		}
		s.expect("ip addr del 192.0.2.113/32 dev eth0")
	})
}

// slowKernel lets time pass in every Add and Extend, as if the process had been
// stopped there.
type slowKernel struct {
	*Fake
	pause time.Duration
}

func (k *slowKernel) Add(ctx context.Context, addr netip.Addr, life time.Duration) error {
	k.Advance(k.pause)
	return k.Fake.Add(ctx, addr, life)
}

func (k *slowKernel) Extend(ctx context.Context, addr netip.Addr, life time.Duration) error {
	k.Advance(k.pause)
	return k.Fake.Extend(ctx, addr, life)
}

func TestWriteThatCameTooLateIsUndone(t *testing.T) {
	tell(t, func(s *story) {
		slow := &slowKernel{Fake: s.fake}
		m := New(Options{Kernel: slow, Log: s.log, Clock: s.fake.Clock})
		if err := m.Reconcile(t.Context(), addrs("192.0.2.113"), 500*milli); err != nil {
			t.Fatal(err)
		}
		slow.pause = 2 * second
		if err := m.Extend(t.Context(), 1500*milli); !errors.Is(err, ErrLapsed) {
			t.Errorf("late Extend = %v, want ErrLapsed", err)
		}
		if err := m.Reconcile(t.Context(), addrs("192.0.2.114"), 1500*milli); !errors.Is(err, ErrLapsed) {
			t.Errorf("late Reconcile = %v, want ErrLapsed", err)
		}
		if got := m.Held(); len(got) != 0 {
			t.Errorf("Held = %v, want none", got)
		}
		if left, _ := s.fake.List(t.Context()); len(left) != 0 {
			t.Errorf("still up: %v", left)
		}
	})
}

func TestForeignAddressIsNamedAndNotTouched(t *testing.T) {
	tell(t, func(s *story) {
		s.fake.Place(netip.MustParsePrefix("192.0.2.1/24"))
		s.fake.Place(netip.MustParsePrefix("192.0.2.113/24"))
		s.fake.Place(netip.MustParsePrefix("2001:db8::113/128"))
		err := s.Reconcile(t.Context(), addrs("192.0.2.113", "2001:db8::113", "192.0.2.114"), second)
		if !errors.Is(err, ErrForeign) {
			t.Fatalf("Reconcile = %v, want ErrForeign", err)
		}
		for _, fix := range []string{"ip addr del 192.0.2.113/24 dev eth0", "ip addr del 2001:db8::113/128 dev eth0"} {
			if !strings.Contains(err.Error(), fix) {
				t.Errorf("error %q does not say %q", err, fix)
			}
		}
		s.expect("ip addr add 192.0.2.114/32 dev eth0 label eth0:mmm valid_lft 1 preferred_lft 0")
		if err := s.Drop(t.Context(), addrs("192.0.2.113", "2001:db8::113")...); err != nil {
			t.Error(err)
		}
		if err := s.Clear(t.Context()); err != nil {
			t.Error(err)
		}
		s.expect("ip addr del 192.0.2.114/32 dev eth0")
	})
}

func TestLeftoversAreClearedOrTakenOver(t *testing.T) {
	tell(t, func(s *story) {
		for _, a := range addrs("192.0.2.113", "2001:db8::113") {
			s.fake.Leave(a, 5*second)
		}
		s.reconcile(2*second, "192.0.2.113")
		s.expect(
			"ip addr del 2001:db8::113/128 dev eth0",
			"ip addr replace 192.0.2.113/32 dev eth0 label eth0:mmm valid_lft 2 preferred_lft 0",
		)
		s.fake.Leave(addrs("192.0.2.114")[0], 5*second)
		if err := s.Clear(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.expect("ip addr del 192.0.2.113/32 dev eth0", "ip addr del 192.0.2.114/32 dev eth0")
	})
}

func TestOneBadAddressDoesNotStopTheOthers(t *testing.T) {
	tell(t, func(s *story) {
		broken := errors.New("no room")
		s.reconcile(second, "192.0.2.113")
		s.fake.Reset()
		s.fake.Fail("delete", broken)
		err := s.Reconcile(t.Context(), addrs("192.0.2.114"), second)
		if !errors.Is(err, broken) || !strings.Contains(err.Error(), "take down 192.0.2.113 on eth0") {
			t.Errorf("Reconcile = %v, want the broken deletion", err)
		}
		s.expect("ip addr add 192.0.2.114/32 dev eth0 label eth0:mmm valid_lft 1 preferred_lft 0")
		if got, want := s.Held(), addrs("192.0.2.114"); !slices.Equal(got, want) {
			t.Errorf("Held = %v, want %v: what could not be removed is not held", got, want)
		}
	})
}

func TestProbePassesTheAnswerOn(t *testing.T) {
	tell(t, func(s *story) {
		a, mac := addrs("192.0.2.113")[0], net.HardwareAddr{2, 0, 0, 0, 0, 7}
		s.fake.Answer(a, mac)
		if got, err := s.Probe(t.Context(), a, 50*milli); err != nil || got.String() != mac.String() {
			t.Errorf("Probe = %v, %v, want %v", got, err, mac)
		}
		s.fake.Answer(a, nil)
		if got, err := s.Probe(t.Context(), a, 50*milli); err != nil || got != nil {
			t.Errorf("Probe = %v, %v, want nobody", got, err)
		}
	})
}
