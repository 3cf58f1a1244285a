package agent

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/topology"
)

// unheard is a knock that nobody answered, and the look after it.
func (r *rig) unheard(err error) topology.Probe {
	r.t.Helper()
	r.prober.fresh.fared(fmt.Errorf("knock: %w", err))
	return r.prober.look(bounded(r.t))
}

// deafen makes a run of mysqld that answers who is there and hears nobody new.
func (r *rig) deafen() {
	r.t.Helper()
	r.run()
	r.prober.look(bounded(r.t)) // a run is known before it can miss
	for range freshMisses {
		r.unheard(dbops.ErrTimeout)
	}
}

func TestServerThatTakesNoNewConnectionIsDownAfterThreeMisses(t *testing.T) {
	for _, silence := range []error{dbops.ErrTimeout, dbops.ErrUnreachable} {
		r := newRig(t)
		inc := r.run()
		r.prober.look(bounded(t)) // a run is known before it can miss
		for miss := 1; miss <= 5; miss++ {
			p := r.unheard(silence)
			if up := miss < freshMisses; p.Up != up || p.Incarnation != inc || (p.Why == whyDeaf) == up {
				t.Errorf("%v, miss %d: %+v", silence, miss, p)
			}
		}
		if n := len(r.lines.with(whyDeaf)); n != 1 {
			t.Errorf("said %d times", n)
		}
		r.prober.fresh.fared(nil)
		if p := r.prober.look(bounded(t)); !p.Up || p.Why != "" {
			t.Errorf("takes connections again: %+v", p)
		}
		if p := r.unheard(silence); !p.Up {
			t.Errorf("the misses of before count: %+v", p)
		}
	}
}

// The answer of a server that is full, or that refuses the account, is an answer.
func TestServerThatSaysNoTakesConnections(t *testing.T) {
	for _, no := range []error{dbops.ErrTooMany, dbops.ErrDenied} {
		r := newRig(t)
		r.run()
		for range 10 {
			if p := r.unheard(no); !p.Up {
				t.Fatalf("%v: %+v", no, p)
			}
		}
		r.unheard(dbops.ErrTimeout)
		r.unheard(dbops.ErrTimeout)
		r.unheard(no)
		if p := r.unheard(dbops.ErrTimeout); !p.Up {
			t.Errorf("%v does not break the row: %+v", no, p)
		}
	}
}

// A host that stood still answers nobody, and has many misses when it goes on.
func TestMissesCountOnlyWhileOpenSessionsAnswer(t *testing.T) {
	r := newRig(t)
	r.run()
	r.prober.tune(topology.Timing{Misses: 100})
	r.prober.look(bounded(t))
	r.fail("observe", dbops.ErrTimeout)
	for range 10 {
		r.unheard(dbops.ErrTimeout)
	}
	r.fail("observe", nil)
	if p := r.prober.look(bounded(t)); !p.Up {
		t.Errorf("%+v", p)
	}
}

// What one run of mysqld did is not held against the next.
func TestNewRunOfMysqldBeginsWithoutMisses(t *testing.T) {
	r := newRig(t)
	r.deafen()
	if p := r.prober.look(bounded(t)); p.Up {
		t.Fatalf("the first run: %+v", p)
	}
	r.run()
	if p := r.prober.look(bounded(t)); !p.Up {
		t.Errorf("%+v", p)
	}
}

// What an action reads of mysqld must not hide that it takes nobody new.
func TestReadingOfAnActionIsJudgedToo(t *testing.T) {
	r := newRig(t)
	r.deafen()
	read, _ := r.db.Observe(bounded(t))
	if p := r.prober.judge(read); p.Up || p.Why != whyDeaf {
		t.Errorf("%+v", p)
	}
}

// One knock hangs without end; looks go on meanwhile.
func TestHangingKnockDelaysNoLook(t *testing.T) {
	r := newRig(t)
	r.run()
	entered := make(chan struct{}, 1)
	r.hook("knock", func(context.Context) error {
		latest(entered, struct{}{})
		<-t.Context().Done() // deaf to its deadline, which is worse than any server
		return dbops.ErrTimeout
	})
	go func() { _ = r.prober.fresh.knocks(t.Context()) }()
	readings := make(chan topology.Probe, 1)
	r.prober.send = func(p topology.Probe) { latest(readings, p) }
	soon(t, "a knock", entered)
	r.during(func() {
		for range 20 {
			if p := soon(t, "a look while a knock hangs", readings); !p.Up {
				t.Errorf("%+v", p)
			}
		}
	}, r.prober.run)
}

// Each knock has its deadline; the third that nobody hears counts.
func TestKnocksThatHangEndAtTheirDeadline(t *testing.T) {
	r := newRig(t)
	r.run()
	r.hook("knock", hang)
	readings := make(chan topology.Probe, 1)
	r.prober.send = func(p topology.Probe) { latest(readings, p) }
	r.during(func() {
		eventually(t, "down", func() bool { p := <-readings; return !p.Up && p.Why == whyDeaf })
		r.hook("knock", nil)
		eventually(t, "up again", func() bool { p := <-readings; return p.Up && p.Why == "" })
	}, r.prober.run, r.prober.fresh.knocks)
}

// An agent that is told to stop cuts its last knock short.
func TestStoppedAgentHasMissedNoKnock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.hook("knock", hang)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.prober.fresh.knocks(ctx) }()
		time.Sleep(freshPeriod + freshLimit/2)
		cancel()
		<-done
		if !r.prober.fresh.unsure.IsZero() {
			t.Error("it counts")
		}
	})
}
