package agent

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mmm-ha/mmm/election"
	"github.com/mmm-ha/mmm/internal/peer"
)

// slow are others that take their time with each answer.
type slow struct {
	*others
	takes  time.Duration
	during func()    // while a question is on its way
	began  time.Time // when the last question was asked that was answered with a promise
}

func (s *slow) Ask(ctx context.Context, to peer.Host, q peer.Question) (string, error) {
	began := time.Now()
	time.Sleep(s.takes)
	if s.during != nil {
		s.during()
	}
	why, err := s.others.Ask(ctx, to, q)
	if why == "" && err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.began = began
	}
	return why, err
}

// TestPromisesCountFromBeforeTheFirstQuestion: who promised did so at some moment
// after that, and binds itself for one TTL by its own clock (R50).
func TestPromisesCountFromBeforeTheFirstQuestion(t *testing.T) {
	outageOf(t, func(r *rig, l *lessor, o *others) {
		s := &slow{others: o, takes: defaultTTL / (askPart + 1)}
		r.failsafe.client = s
		l.set(true, false)
		time.Sleep(time.Minute)
		r.mustBeOpen()
		o.set("", peer.ErrNoAnswer)
		time.Sleep(s.takes) // whoever was asked before has answered
		o.mu.Lock()
		end := s.began.Add(defaultTTL - election.Margin(defaultTTL))
		o.mu.Unlock()
		time.Sleep(time.Until(end) + time.Millisecond)
		synctest.Wait()
		r.mustBeClosed()
	})
}

// TestRoundEndsForTheListItWasBegunFor: others must be asked since, so nobody
// knows whether all have promised.
func TestRoundEndsForTheListItWasBegunFor(t *testing.T) {
	outageOf(t, func(r *rig, l *lessor, o *others) {
		r.failsafe.client = &slow{others: o, takes: time.Millisecond, during: func() {
			again := *r.failsafe.wanted.Load()
			r.failsafe.wanted.Store(&again)
		}}
		l.set(true, false)
		time.Sleep(2 * defaultTTL)
		if o.times() == 0 {
			t.Fatal("nobody was asked: nothing proven")
		}
		r.mustBeClosed()
	})
}

// TestOutageThatEndsWithAGoneLeaseIsOver: etcd was silent, then said that the
// lease is gone. From then on nobody is asked for it (R49).
func TestOutageThatEndsWithAGoneLeaseIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, l := bubble(t)
		s := r.session(l)
		r.failsafe.session.Store(s)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		l.set(true, false)
		time.Sleep(defaultTTL)
		if _, lost := r.failsafe.lost(); !lost {
			t.Fatalf("etcd is silent and not lost: %v", s.Err())
		}
		l.set(false, true)
		if err := <-ended; !errors.Is(err, election.ErrGone) {
			t.Fatal(err)
		}
		if _, lost := r.failsafe.lost(); lost {
			t.Errorf("others would be asked for a lease that is gone: %v", s.Err())
		}
	})
}
