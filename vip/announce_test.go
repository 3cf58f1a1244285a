package vip

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestNewAddressIsAnnouncedFiveTimesInTenSeconds(t *testing.T) {
	tell(t, func(s *story) {
		defer s.run()()
		s.reconcile(60*second, "192.0.2.113")
		at := func(when time.Duration, lines ...string) {
			t.Helper()
			time.Sleep(when - s.clock())
			synctest.Wait()
			s.expect(lines...)
		}
		const announced = "announce 192.0.2.113 dev eth0"
		at(0, "ip addr add 192.0.2.113/32 dev eth0 label eth0:mmm valid_lft 60 preferred_lft 0", announced)
		at(199 * milli)
		at(200*milli, announced)
		at(999 * milli)
		at(1*second, announced)
		at(3*second, announced)
		at(9999 * milli)
		at(10*second, announced)
		at(59 * second)
	})
}

func TestDroppedAddressIsAnnouncedNoMore(t *testing.T) {
	for _, step := range []string{"delete", "list"} { // not even when it cannot be removed
		tell(t, func(s *story) {
			defer s.run()()
			s.reconcile(60*second, "192.0.2.113", "192.0.2.114")
			synctest.Wait()
			s.fake.Fail(step, errors.New("busy"))
			if err := s.Drop(t.Context(), addrs("192.0.2.113")...); err == nil {
				t.Error("Drop = nil, want the error of the kernel")
			}
			s.fake.Reset()
			time.Sleep(20 * second)
			const other = "announce 192.0.2.114 dev eth0"
			s.expect(other, other, other, other)
		})
	}
}

func TestAddressPastItsDeadlineIsAnnouncedNoMore(t *testing.T) {
	tell(t, func(s *story) {
		defer s.run()()
		s.reconcile(1500*milli, "192.0.2.113")
		synctest.Wait()
		s.fake.Reset()
		time.Sleep(20 * second)
		const announced = "announce 192.0.2.113 dev eth0"
		s.expect(announced, announced, "(192.0.2.113 expired)")
	})
}

func TestAddressThatWasLostAndWonIsAnnouncedAnew(t *testing.T) {
	tell(t, func(s *story) {
		defer s.run()()
		s.reconcile(1500*milli, "192.0.2.113")
		time.Sleep(1700 * milli) // past the deadline; the kernel still has it
		s.fake.Reset()
		s.reconcile(60*second, "192.0.2.113")
		time.Sleep(20 * second)
		const announced = "announce 192.0.2.113 dev eth0"
		s.expect(
			"ip addr replace 192.0.2.113/32 dev eth0 label eth0:mmm valid_lft 60 preferred_lft 0",
			announced, announced, announced, announced, announced,
		)
	})
}

func TestSleepThroughTheDeadlineIsNotFollowedByAnnouncements(t *testing.T) {
	tell(t, func(s *story) {
		defer s.run()()
		s.reconcile(1500*milli, "192.0.2.113")
		synctest.Wait()
		s.fake.Reset()
		s.fake.Advance(time.Hour) // suspended: only the clock that goes on notices
		time.Sleep(20 * second)
		s.expect("(192.0.2.113 expired)")
	})
}

func TestFailedAnnouncementIsFollowedByTheNextOne(t *testing.T) {
	tell(t, func(s *story) {
		defer s.run()()
		s.fake.Fail("announce", errors.New("link is down"))
		s.reconcile(60*second, "192.0.2.113")
		time.Sleep(2 * second)
		s.fake.Fail("announce", nil)
		s.fake.Reset()
		time.Sleep(20 * second)
		const announced = "announce 192.0.2.113 dev eth0"
		s.expect(announced, announced)
	})
}
