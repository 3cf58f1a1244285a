package election

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/mmm-ha/mmm/topology"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// leftAt returns what is left of the session's deadline now.
func leftAt(s *Session, clock Clock) time.Duration { return s.Deadline().Left(clock.Now()) }

// R1.
func TestDeadlineCountsFromBeforeTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, fakes, members := newFakes(2*time.Second, 1)
		fakes[0].always(path{out: 100 * time.Millisecond, back: 50 * time.Millisecond})
		clock := newBootClock().clock()
		s := open(t, Options{Members: members, TTL: 2 * time.Second, Clock: clock})
		want := 2*time.Second - Margin(2*time.Second) - 150*time.Millisecond
		if got := leftAt(s, clock); got != want {
			t.Errorf("after the grant %s are left, want %s", got, want)
		}
		run(t, s)
		<-s.Renewed() // of the grant
		<-s.Renewed()
		if got := leftAt(s, clock); got != want {
			t.Errorf("after a renewal %s are left, want %s", got, want)
		}
	})
}

func TestGrantedTTLCountsNotTheAskedOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, members := newFakes(3*time.Second, 1)
		clock := newBootClock().clock()
		s := open(t, Options{Members: members, TTL: time.Second, Clock: clock})
		if s.TTL() != 3*time.Second {
			t.Errorf("ttl is %s, want the granted 3s", s.TTL())
		}
		if got, want := leftAt(s, clock), 3*time.Second-Margin(3*time.Second)-2*time.Millisecond; got != want {
			t.Errorf("%s are left, want %s", got, want)
		}
	})
}

func TestRenewalsComeFiveTimesInOneTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, fakes, members := newFakes(2*time.Second, 3)
		s := open(t, Options{Members: members, TTL: 2 * time.Second})
		run(t, s)
		time.Sleep(20*time.Second + 10*time.Millisecond)
		if got := fakes[0].count(); got != 1+50 {
			t.Errorf("the nearest member had %d calls, want the grant and 50 renewals", got)
		}
		if fakes[1].count()+fakes[2].count() != 0 {
			t.Error("a member that was not needed was asked")
		}
		if s.Err() != nil {
			t.Errorf("error is %v", s.Err())
		}
	})
}

func TestNextMemberIsAskedAfter200msOfSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, fakes, members := newFakes(time.Second, 3)
		clock := newBootClock().clock()
		s := open(t, Options{Members: members, TTL: time.Second, Clock: clock})
		fakes[0].always(path{lost: true})
		<-s.Renewed()
		run(t, s)
		<-s.Renewed()
		if got := fakes[1].lastCall().Sub(fakes[0].lastCall()); got != 200*time.Millisecond {
			t.Errorf("the second member was asked %s after the first", got)
		}
		if got, want := leftAt(s, clock), time.Second-Margin(time.Second)-2*time.Millisecond; got != want {
			t.Errorf("%s are left, want %s: counted from the second request", got, want)
		}
		asked := fakes[0].count()
		time.Sleep(5 * time.Second)
		if fakes[0].count() != asked {
			t.Error("the silent member is still asked first")
		}
		if s.Err() != nil {
			t.Errorf("error is %v though renewals are answered", s.Err())
		}
	})
}

func TestMemberThatRefusesCostsNoTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, fakes, members := newFakes(time.Second, 3)
		s := open(t, Options{Members: members, TTL: time.Second})
		fakes[0].always(path{refused: true})
		fakes[1].always(path{refused: true})
		<-s.Renewed()
		run(t, s)
		<-s.Renewed()
		if got := fakes[2].lastCall().Sub(fakes[0].lastCall()); got != 0 {
			t.Errorf("the third member was asked %s after the first", got)
		}
	})
}

func TestTriesGoOnWhileAllMembersAreSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, fakes, members := newFakes(time.Second, 3)
		s := open(t, Options{Members: members, TTL: time.Second})
		for _, m := range fakes {
			m.always(path{lost: true})
		}
		run(t, s)
		// Asked at 200 and 400; at 500, when the first try ends; and again at 700.
		time.Sleep(690 * time.Millisecond)
		fakes[0].always(path{})
		time.Sleep(20 * time.Millisecond)
		if got := s.Deadline().Left(s.opt.Clock.Now()); got < 800*time.Millisecond {
			t.Errorf("%s are left: the member that came back was not asked in time", got)
		}
	})
}

func TestLateReplyExtendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		etcd, fakes, members := newFakes(time.Second, 1)
		clock := newBootClock().clock()
		s := open(t, Options{Members: members, TTL: time.Second, Clock: clock})
		before := s.Deadline()
		// The answer is back after TTL - margin: what it yields has just passed.
		fakes[0].always(path{back: time.Second - Margin(time.Second), deaf: true})
		<-s.Renewed()
		stop := run(t, s)
		time.Sleep(199 * time.Millisecond)
		for range 30 {
			time.Sleep(100 * time.Millisecond)
			if d := s.Deadline(); d != before {
				t.Fatalf("deadline moved by %s", d.mono.Sub(before.mono))
			}
		}
		if time.Now().After(etcd.expires()) {
			t.Error("the lease ended at etcd; the test proves nothing")
		}
		if !errors.Is(s.Err(), ErrUnreachable) {
			t.Errorf("error is %v, want ErrUnreachable", s.Err())
		}
		// A good answer counts again: the lease has lived all the time.
		fakes[0].always(path{})
		<-s.Renewed()
		if leftAt(s, clock) <= 0 || s.Err() != nil {
			t.Errorf("%s are left and error is %v after a good answer", leftAt(s, clock), s.Err())
		}
		if err := stop(); err != nil {
			t.Errorf("run returned %v", err)
		}
	})
}

func TestOvertakenReplyMovesNothingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, members := newFakes(2*time.Second, 1)
		s := open(t, Options{Members: members, TTL: 2 * time.Second})
		early := s.opt.Clock.Now()
		time.Sleep(100 * time.Millisecond)
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := s.extend(0, s.opt.Clock.Now(), 2*time.Second); err != nil {
			t.Fatal(err)
		}
		want := s.deadline
		if err := s.extend(0, early, 2*time.Second); !errors.Is(err, errLate) {
			t.Errorf("error is %v, want errLate", err)
		}
		if s.deadline != want {
			t.Error("deadline moved")
		}
		s.noteFailure(0, early, errRefused)
		if s.err != nil {
			t.Errorf("error is %v though a later request was answered", s.err)
		}
	})
}

func TestGoneStaysGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		etcd, fakes, members := newFakes(time.Second, 3)
		s := open(t, Options{Members: members, TTL: time.Second})
		stop := run(t, s)
		etcd.revoke()
		<-s.Gone()
		if !s.Deadline().IsZero() {
			t.Error("a lease that is gone has a deadline")
		}
		if err := stop(); !errors.Is(err, ErrGone) {
			t.Errorf("run returned %v, want ErrGone", err)
		}
		select {
		case d := <-s.Renewed():
			t.Errorf("a deadline is offered: %v", d)
		default:
		}
		s.mu.Lock()
		err := s.extend(0, s.opt.Clock.Now(), time.Second)
		s.mu.Unlock()
		if !errors.Is(err, ErrGone) {
			t.Errorf("a good answer gave %v, want ErrGone", err)
		}
		asked := fakes[0].count()
		if err := s.Run(t.Context()); !errors.Is(err, ErrGone) {
			t.Errorf("second run returned %v, want ErrGone", err)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		for range 50 { // select picks at random
			if err := s.Run(ended); !errors.Is(err, ErrGone) {
				t.Fatalf("run with an ended context returned %v, want ErrGone", err)
			}
		}
		if fakes[0].count() != asked || !s.Deadline().IsZero() || !errors.Is(s.Err(), ErrGone) {
			t.Error("a lease that was gone came back")
		}
	})
}

func TestUnansweredIsNotGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, fakes, members := newFakes(time.Second, 3)
		clock := newBootClock().clock()
		s := open(t, Options{Members: members, TTL: time.Second, Clock: clock})
		for _, m := range fakes {
			m.always(path{refused: true})
		}
		run(t, s)
		time.Sleep(250 * time.Millisecond)
		if !errors.Is(s.Err(), ErrUnreachable) || errors.Is(s.Err(), ErrGone) {
			t.Errorf("error is %v, want ErrUnreachable", s.Err())
		}
		if leftAt(s, clock) <= 0 {
			t.Error("a refused renewal shortened the deadline")
		}
		asked := fakes[0].count()
		time.Sleep(10 * time.Second)
		select {
		case <-s.Gone():
			t.Error("nobody said that the lease is gone")
		default:
		}
		if got := fakes[0].count() - asked; got < 49 || got > 51 {
			t.Errorf("%d rounds in 10 s, want one every 200 ms", got)
		}
	})
}

func TestSuspendEndsTheDeadlineThoughMonotonicStoodStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, members := newFakes(2*time.Second, 1)
		boot := newBootClock()
		s := open(t, Options{Members: members, TTL: 2 * time.Second, Clock: boot.clock()})
		before := leftAt(s, boot.clock())
		boot.suspend(time.Second)
		if got := before - leftAt(s, boot.clock()); got != time.Second {
			t.Errorf("a second of suspend took %s", got)
		}
		boot.suspend(time.Second)
		if !s.Deadline().Passed(boot.clock().Now()) {
			t.Error("the deadline outlived a suspend of one TTL")
		}
	})
}

func TestResume(t *testing.T) {
	tests := []struct {
		name string
		etcd func(*fakeLessor, []*fakeMember)
		id   int64
		want error
	}{
		{name: "a lease that lives", etcd: func(*fakeLessor, []*fakeMember) {}, id: 1},
		{name: "nearest member is silent", etcd: func(_ *fakeLessor, m []*fakeMember) { m[0].always(path{lost: true}) }, id: 1},
		{name: "another lease", etcd: func(*fakeLessor, []*fakeMember) {}, id: 7, want: ErrGone},
		{name: "no id kept", etcd: func(*fakeLessor, []*fakeMember) {}, want: ErrGone},
		{name: "a revoked lease", etcd: func(l *fakeLessor, _ []*fakeMember) { l.revoke() }, id: 1, want: ErrGone},
		{name: "expired meanwhile", etcd: func(*fakeLessor, []*fakeMember) { time.Sleep(2 * time.Second) }, id: 1, want: ErrGone},
		{name: "nobody answers", etcd: func(_ *fakeLessor, m []*fakeMember) {
			m[0].always(path{refused: true})
			m[1].always(path{lost: true})
		}, id: 1, want: ErrUnreachable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				etcd, fakes, members := newFakes(2*time.Second, 2)
				opt := Options{Members: members, TTL: 2 * time.Second, Clock: newBootClock().clock()}
				first := open(t, opt)
				time.Sleep(time.Second / 2)
				tt.etcd(etcd, fakes)
				s, err := Resume(t.Context(), opt, topology.LeaseID(tt.id))
				if !errors.Is(err, tt.want) {
					t.Fatalf("error is %v, want %v", err, tt.want)
				}
				if errors.Is(err, ErrGone) && errors.Is(err, ErrUnreachable) {
					t.Error("gone and unreachable at once")
				}
				if err == nil && (s.ID() != first.ID() || !s.Deadline().After(first.Deadline())) {
					t.Error("not resumed")
				}
			})
		})
	}
}

func TestOpenSaysThatNobodyAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, fakes, members := newFakes(2*time.Second, 2)
		fakes[0].always(path{lost: true})
		fakes[1].always(path{refused: true})
		if _, err := Open(t.Context(), Options{Members: members, TTL: 2 * time.Second}); !errors.Is(err, ErrUnreachable) {
			t.Errorf("error is %v, want ErrUnreachable", err)
		}
	})
}

func TestOpenRefusesWhatCannotWork(t *testing.T) {
	_, _, members := newFakes(time.Second, 1)
	tests := []struct {
		name string
		opt  Options
	}{
		{name: "no members", opt: Options{TTL: time.Second}},
		{name: "no ttl", opt: Options{Members: members}},
		{name: "half a second", opt: Options{Members: members, TTL: 1500 * time.Millisecond}},
		{name: "margin above the ttl", opt: Options{Members: members, TTL: time.Second,
			Margin: func(time.Duration) time.Duration { return time.Second }}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if _, err := Open(t.Context(), tt.opt); err == nil {
					t.Error("opened")
				}
			})
		})
	}
}

func TestRevokeEndsTheSessionWhateverComesOfIt(t *testing.T) {
	tests := []struct {
		name string
		path path
		want error
	}{
		{name: "answered"},
		{name: "lost", path: path{lost: true}, want: ErrUnreachable},
		{name: "refused", path: path{refused: true}, want: ErrUnreachable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, fakes, members := newFakes(time.Second, 1)
				s := open(t, Options{Members: members, TTL: time.Second})
				stop := run(t, s)
				fakes[0].always(tt.path)
				time.Sleep(250 * time.Millisecond) // a renewal is in flight, or has failed
				err := s.Revoke(t.Context())
				if !errors.Is(err, tt.want) {
					t.Errorf("error is %v, want %v", err, tt.want)
				}
				if !s.Deadline().IsZero() || !errors.Is(s.Err(), ErrGone) {
					t.Error("something may still be counted on")
				}
				if err := stop(); !errors.Is(err, ErrGone) && err != nil {
					t.Errorf("run returned %v", err)
				}
			})
		})
	}
}

func TestEndOfContextLeavesTheLeaseToItsTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		etcd, fakes, members := newFakes(2*time.Second, 1)
		s := open(t, Options{Members: members, TTL: 2 * time.Second})
		stop := run(t, s)
		time.Sleep(3 * time.Second)
		if err := stop(); err != nil {
			t.Errorf("run returned %v", err)
		}
		asked := fakes[0].count()
		if left := s.Deadline().Left(s.opt.Clock.Now()); left <= 0 {
			t.Error("the deadline went with the context")
		}
		time.Sleep(3 * time.Second)
		if fakes[0].count() != asked || etcd.revoked || !s.Deadline().Passed(s.opt.Clock.Now()) {
			t.Error("the lease did not simply run out")
		}
	})
}

func TestSlowReaderGetsTheLatestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, members := newFakes(time.Second, 1)
		s := open(t, Options{Members: members, TTL: time.Second})
		run(t, s)
		time.Sleep(10*time.Second + 50*time.Millisecond)
		if d := <-s.Renewed(); d != s.Deadline() {
			t.Error("an old deadline was kept for the reader")
		}
	})
}

func TestRaceWaitsForAllTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var started, ended atomic.Int32
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		r := round{members: 3, limit: time.Second, hedge: 100 * time.Millisecond}
		_, err := race(ctx, r, func(ctx context.Context, _ int) error {
			started.Add(1)
			<-ctx.Done()
			time.Sleep(time.Second)
			ended.Add(1)
			return ctx.Err()
		})
		if !errors.Is(err, context.DeadlineExceeded) || started.Load() != 3 || ended.Load() != 3 {
			t.Errorf("%d started, %d ended, error %v", started.Load(), ended.Load(), err)
		}
	})
}
