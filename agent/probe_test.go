package agent

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/internal/process"
	"github.com/mmm-ha/mmm/topology"
)

// end kills the process under the fake mysqld.
func end(t *testing.T, inc topology.Incarnation) {
	t.Helper()
	if err := process.Kill(bounded(t), inc); err != nil {
		t.Fatal(err)
	}
}

func TestDeadMysqldIsDeadAtOnce(t *testing.T) {
	r := newRig(t)
	inc := r.run()
	if p := r.prober.look(bounded(t)); !p.Up || p.Incarnation != inc {
		t.Fatalf("%+v", p)
	}
	end(t, inc)
	if p := r.prober.look(bounded(t)); p.Up || p.Incarnation != "" || p.Why == "" {
		t.Errorf("%+v", p)
	}
}

// Its last good reading stands for the misses that it has, and no longer; the
// process keeps its name, so that it can be killed.
func TestHungMysqldIsDownAfterItsMisses(t *testing.T) {
	r := newRig(t)
	inc := r.run()
	r.prober.tune(topology.Timing{Misses: 3})
	r.prober.look(bounded(t))
	r.fail("observe", dbops.ErrTimeout)
	for miss := 1; miss <= 4; miss++ {
		p := r.prober.look(bounded(t))
		if want := miss < 3; p.Up != want || p.Incarnation != inc || (p.Why == "") != want || !p.Missed {
			t.Errorf("miss %d: %+v", miss, p)
		}
	}
	r.fail("observe", nil)
	if p := r.prober.look(bounded(t)); !p.Up || p.Missed {
		t.Errorf("answers again: %+v", p)
	}
	r.fail("observe", dbops.ErrTimeout)
	if p := r.prober.look(bounded(t)); !p.Up {
		t.Errorf("the misses of before count: %+v", p)
	}
}

func TestFullServerIsNotDead(t *testing.T) {
	r := newRig(t)
	r.run()
	r.prober.look(bounded(t))
	r.fail("observe", dbops.ErrTooMany)
	for range 20 {
		if p := r.prober.look(bounded(t)); !p.Up {
			t.Fatalf("%+v", p)
		}
	}
}

// R13: a server that hung before this agent came is not a dead one.
func TestServerThatNeverAnsweredKeepsItsName(t *testing.T) {
	r := newRig(t)
	inc := r.run()
	r.fail("observe", dbops.ErrTimeout)
	p := r.prober.look(bounded(t))
	if p.Up || p.Incarnation != inc {
		t.Fatalf("%+v", p)
	}
	if err := r.shut(bounded(t), p, patienceLate); err != nil || alive(inc) {
		t.Errorf("err %v, alive %t", err, alive(inc))
	}
}

// A server that is started again and again is down with a cause.
func TestServerThatCannotStartIsDownWithTheCause(t *testing.T) {
	r := newRig(t)
	r.fail("observe", dbops.ErrUnreachable)
	r.db.with(func(p *topology.Probe) { *p = topology.Probe{} })
	note := func(text string) {
		dir := filepath.Join(r.prober.datadir, dbops.KeptDir)
		if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "starts.json"), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	note(`{"copy": "x", "count": 2, "behind": "0-1-7 (FLUSH TABLES)"}`)
	if p := r.prober.look(bounded(t)); p.Up || strings.Contains(p.Why, "again") {
		t.Errorf("after one start: %+v", p)
	}
	note(`{"copy": "x", "count": 9, "behind": "0-1-7 (FLUSH TABLES)"}`)
	if p := r.prober.look(bounded(t)); p.Up || !strings.Contains(p.Why, "0-1-7 (FLUSH TABLES)") {
		t.Errorf("after eight starts: %+v", p)
	}
	note(`{"copy": "x", "count": 9}`)
	if p := r.prober.look(bounded(t)); strings.Contains(p.Why, "truncate") || !strings.Contains(p.Why, "its error log says why") {
		t.Errorf("for another cause: %+v", p)
	}
}

func TestOlderReadingForgivesNoMiss(t *testing.T) {
	r := newRig(t)
	r.run()
	r.prober.look(bounded(t))
	older, _ := r.db.Observe(bounded(t))
	r.fail("observe", dbops.ErrTimeout)
	r.prober.look(bounded(t))
	r.prober.judge(older)
	if p := r.prober.look(bounded(t)); p.Up {
		t.Error("two misses in a row, and an answer from before them: still up")
	}
}

func TestReadingsTellOfTheSettings(t *testing.T) {
	r := newRig(t)
	r.run()
	r.prober.settings([]string{"log_bin is off"})
	if p := r.prober.look(bounded(t)); len(p.Problems) != 1 {
		t.Errorf("%+v", p)
	}
}

// The kernel tells of a death; nobody waits for the next look.
func TestDeathCutsTheRestShort(t *testing.T) {
	r := newRig(t)
	inc := r.run()
	readings := make(chan topology.Probe, 100)
	r.prober.send = func(p topology.Probe) { readings <- p }
	r.prober.every(time.Hour)
	r.during(func() {
		if p := <-readings; !p.Up {
			t.Fatalf("%+v", p)
		}
		end(t, inc)
		if p := soon(t, "the death", readings); p.Up {
			t.Errorf("%+v", p)
		}
	}, r.prober.run)
}

func TestProberLooksMoreOftenWhenAsked(t *testing.T) {
	r := newRig(t)
	r.run()
	readings := make(chan topology.Probe, 1000)
	r.prober.send = func(p topology.Probe) { latest(readings, p) }
	r.prober.every(time.Hour)
	r.during(func() {
		<-readings
		r.prober.every(time.Millisecond)
		for range 3 {
			soon(t, "the next look", readings)
		}
	}, r.prober.run)
}

// An agent that is told to stop cuts its last look short. To take that for a
// hung mysqld would make each upgrade of the agent a failover.
func TestStoppedAgentSaysNothingOfMysqld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.prober.tune(topology.Timing{Misses: 1})
		r.prober.look(t.Context())
		r.prober.send = func(p topology.Probe) { t.Errorf("sent %+v", p) }
		r.hook("observe", hang)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.prober.run(ctx) }()
		synctest.Wait()
		cancel()
		<-done
	})
}

func TestAliveIsKnownOrAssumed(t *testing.T) {
	inc := sleeper(t)
	for in, want := range map[topology.Incarnation]bool{inc: true, goneRun: false, oddRun: true, "": true} {
		if got := alive(in); got != want {
			t.Errorf("%q: %t", in, got)
		}
	}
	pid, _ := process.PID(inc)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if !alive(inc) {
		t.Error("a stopped process is not dead")
	}
	end(t, inc)
	if alive(inc) {
		t.Error("a killed process is")
	}
}

func TestMysqldIsLookedAtOftenBetweenReignsAndBeforeOneByOrder(t *testing.T) {
	reigns := topology.Entry[topology.Writer]{Rev: 1}
	ready := topology.Entry[topology.Phase]{Rev: 1, Value: topology.Phase{Step: topology.Ready}}
	order := func(s topology.SwitchStep) topology.Entry[topology.Switchover] {
		return topology.Entry[topology.Switchover]{Rev: 2, Value: topology.Switchover{Step: s}}
	}
	for _, tt := range []struct {
		name    string
		cluster topology.Cluster
		want    time.Duration
	}{
		{"a writer reigns", topology.Cluster{Writer: reigns, Phase: ready}, probePeriod},
		{"there is none", topology.Cluster{}, probeRushed},
		{"one opens", topology.Cluster{Writer: reigns, Phase: topology.Entry[topology.Phase]{Rev: 1, Value: topology.Phase{Step: topology.Opening}}}, probeRushed},
		{"the writer is ordered away", topology.Cluster{Writer: reigns, Phase: ready, Switchover: order(topology.Drained)}, probeRushed},
		{"an order was carried out", topology.Cluster{Writer: reigns, Phase: ready, Switchover: order(topology.Done)}, probePeriod},
	} {
		a := &Agent{prober: newProber(nil, "", slog.New(slog.DiscardHandler), nil)}
		a.pace(&state{State: &step.State{Cluster: tt.cluster}})
		if a.prober.period != tt.want {
			t.Errorf("%s: looks every %s, want %s", tt.name, a.prober.period, tt.want)
		}
	}
}
