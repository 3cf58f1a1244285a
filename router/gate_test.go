package router

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/internal/conffile"

	"pgregory.net/rapid"
)

func limits(connections, perUser, queue int) Limits {
	return Limits{Connections: connections, PerUser: perUser, Queue: queue, QueueTime: conffile.Duration(time.Hour)}
}

// line asks for a place in the background; the channel says how that ended.
func line(ctx context.Context, g *gate, user string) <-chan error {
	done := make(chan error, 1)
	_, before := g.counts()
	go func() { done <- g.enter(ctx, user, 0) }()
	for {
		if _, now := g.counts(); now > before {
			return done
		}
		select {
		case err := <-done:
			done <- err
			return done
		default:
		}
	}
}

func granted(done <-chan error) bool {
	select {
	case err := <-done:
		return err == nil
	default:
		return false
	}
}

func TestUsersTakeTurnsAndLoginsOfOneUserKeepTheirOrder(t *testing.T) {
	g := newGate(limits(1, 0, 10))
	if err := g.enter(t.Context(), "first", 0); err != nil {
		t.Fatal(err)
	}
	names := []string{"greedy", "greedy", "greedy", "modest", "third", "modest"}
	queue := make([]<-chan error, len(names))
	for i, name := range names {
		queue[i] = line(t.Context(), g, name)
	}
	holder := "first"
	for _, next := range []int{0, 3, 4, 1, 5, 2} {
		g.leave(holder)
		if err := <-queue[next]; err != nil {
			t.Fatalf("%d: %v", next, err)
		}
		holder = names[next]
	}
	g.leave(holder)
	if taken, waiting := g.counts(); taken != 0 || waiting != 0 || len(g.users) != 0 {
		t.Errorf("%d taken, %d waiting, %d users known", taken, waiting, len(g.users))
	}
}

func TestWhoComesLaterDoesNotPassThoseWhoWait(t *testing.T) {
	g := newGate(limits(1, 0, 1))
	_ = g.enter(t.Context(), "a", 0)
	waits := line(t.Context(), g, "b")
	g.tune(limits(1, 0, 0))
	g.leave("a")
	if err := <-waits; err != nil {
		t.Fatal(err)
	}
	var r *Refusal
	if err := g.enter(t.Context(), "c", 0); !errors.As(err, &r) || r.Code != 1040 {
		t.Errorf("without a queue: %v", err)
	}
}

func TestAFullQueueRefuses(t *testing.T) {
	g := newGate(limits(1, 0, 2))
	_ = g.enter(t.Context(), "a", 0)
	line(t.Context(), g, "b")
	line(t.Context(), g, "b")
	var r *Refusal
	if err := g.enter(t.Context(), "c", 0); !errors.As(err, &r) || r.Code != 1040 || r.State != "08004" {
		t.Errorf("%v", err)
	}
}

func TestNobodyWaitsLongerThanTheQueueTime(t *testing.T) {
	l := limits(1, 0, 2)
	l.QueueTime = conffile.Duration(time.Millisecond)
	g := newGate(l)
	_ = g.enter(t.Context(), "a", 0)
	var r *Refusal
	if err := g.enter(t.Context(), "b", 0); !errors.As(err, &r) || r.Code != 1040 {
		t.Errorf("%v", err)
	}
	if _, waiting := g.counts(); waiting != 0 {
		t.Errorf("%d wait", waiting)
	}
}

func TestOneUserHasNoMoreThanItsShare(t *testing.T) {
	g := newGate(limits(3, 2, 10))
	_ = g.enter(t.Context(), "a", 0)
	_ = g.enter(t.Context(), "a", 0)
	var r *Refusal
	if err := g.enter(t.Context(), "a", 0); !errors.As(err, &r) || r.Code != 1203 || r.State != "42000" {
		t.Errorf("a third: %v", err)
	}
	if err := g.enter(t.Context(), "b", 0); err != nil {
		t.Errorf("another user: %v", err)
	}
	g.leave("a")
	if err := g.enter(t.Context(), "a", 0); err != nil {
		t.Errorf("after one left: %v", err)
	}
}

func TestAnAccountHasNoMoreThanItsOwnLimit(t *testing.T) {
	g := newGate(limits(9, 5, 10))
	_ = g.enter(t.Context(), "a", 1)
	var r *Refusal
	if err := g.enter(t.Context(), "a", 1); !errors.As(err, &r) || r.Code != 1226 || r.State != "42000" ||
		r.Message != "User 'a' has exceeded the 'max_user_connections' resource (current value: 1)" {
		t.Errorf("a second: %v", err)
	}
	if err := g.enter(t.Context(), "b", 0); err != nil {
		t.Errorf("another user: %v", err)
	}
}

func TestWhoBecomesAnotherUserTakesHisPlaceAlong(t *testing.T) {
	g := newGate(limits(2, 1, 0))
	_ = g.enter(t.Context(), "a", 0)
	if err := g.move("a", "b", 0); err != nil {
		t.Fatal(err)
	}
	if err := g.enter(t.Context(), "a", 0); err != nil {
		t.Errorf("the place of the first user is taken still: %v", err)
	}
	var r *Refusal
	if err := g.move("b", "a", 0); !errors.As(err, &r) || r.Code != 1203 {
		t.Errorf("the second of one user: %v", err)
	}
	if err := g.move("b", "c", 0); err != nil {
		t.Errorf("who was refused has lost his place: %v", err)
	}
	if err := g.move("c", "c", 1); err != nil {
		t.Errorf("the same user again: %v", err)
	}
	g.leave("c")
	g.leave("a")
	if taken, waiting := g.counts(); taken != 0 || waiting != 0 || len(g.users) != 0 {
		t.Errorf("%d taken, %d waiting, %d users known", taken, waiting, len(g.users))
	}
}

func TestAHigherLimitLetsThoseWhoWaitIn(t *testing.T) {
	g := newGate(limits(1, 0, 10))
	_ = g.enter(t.Context(), "a", 0)
	b, c := line(t.Context(), g, "b"), line(t.Context(), g, "c")
	g.tune(limits(2, 0, 10))
	if err := <-b; err != nil {
		t.Fatal(err)
	}
	if granted(c) {
		t.Error("one too many")
	}
}

func TestWhoGivesUpLeavesNothingBehind(t *testing.T) {
	g := newGate(limits(1, 0, 10))
	_ = g.enter(t.Context(), "a", 0)
	ctx, cancel := context.WithCancel(t.Context())
	b, c := line(ctx, g, "b"), line(t.Context(), g, "c")
	cancel()
	if err := <-b; !errors.Is(err, context.Canceled) {
		t.Fatalf("%v", err)
	}
	g.leave("a")
	if err := <-c; err != nil {
		t.Fatal(err)
	}
}

// TestTheGateKeepsItsPromises: never more than the limits say, no place lost, and
// after everybody has left it is empty, whatever happened in which order.
func TestTheGateKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := limits(rapid.IntRange(1, 3).Draw(t, "connections"), rapid.IntRange(0, 2).Draw(t, "perUser"), rapid.IntRange(0, 4).Draw(t, "queue"))
		g := newGate(l)
		type login struct {
			user   string
			done   <-chan error
			cancel context.CancelFunc
		}
		var inside []string
		var waiting []login
		settle := func() {
			kept := waiting[:0]
			for _, w := range waiting {
				select {
				case err := <-w.done:
					if err == nil {
						inside = append(inside, w.user)
					}
					w.cancel()
				default:
					kept = append(kept, w)
				}
			}
			waiting = kept
		}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.IntRange(0, 2).Draw(t, "what") {
			case 0:
				user := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "user")
				ctx, cancel := context.WithCancel(context.Background())
				waiting = append(waiting, login{user, line(ctx, g, user), cancel})
			case 1:
				if len(inside) > 0 {
					i := rapid.IntRange(0, len(inside)-1).Draw(t, "who leaves")
					g.leave(inside[i])
					inside = append(inside[:i], inside[i+1:]...)
				}
			case 2:
				if len(waiting) > 0 {
					w := waiting[rapid.IntRange(0, len(waiting)-1).Draw(t, "who gives up")]
					w.cancel()
					err := <-w.done // it may have been granted at the same moment
					again := make(chan error, 1)
					again <- err
					waiting = slices.DeleteFunc(waiting, func(o login) bool { return o.done == w.done })
					waiting = append(waiting, login{w.user, again, w.cancel})
				}
			}
			settle()
			if taken, queued := g.counts(); taken > l.Connections || queued > l.Queue {
				t.Fatalf("%d taken, %d wait; limits %+v", taken, queued, l)
			}
		}
		for len(inside)+len(waiting) > 0 {
			for _, w := range waiting {
				w.cancel()
			}
			for _, user := range inside {
				g.leave(user)
			}
			inside = nil
			settle()
		}
		if taken, queued := g.counts(); taken != 0 || queued != 0 || len(g.users) != 0 || len(g.turns) != 0 {
			t.Fatalf("left behind: %d taken, %d wait, users %v", taken, queued, g.users)
		}
	})
}
