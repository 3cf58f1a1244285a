package agent

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/election"
	"github.com/mmm-ha/mmm/internal/fence"
	"github.com/mmm-ha/mmm/topology"
)

// R9: read_only is read once more where nobody can change it meanwhile.
func TestPortOpensForReadersOnlyWhenTheServerIsSurelyReadOnly(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(r *rig, j *job)
		opens bool
	}{
		{"a replica", func(*rig, *job) {}, true},
		{"it is writable", func(r *rig, _ *job) { r.db.with(writable) }, false},
		{"somebody waits", func(r *rig, _ *job) { r.db.with(func(p *topology.Probe) { p.Waiting = 1 }) }, false},
		{"nobody knows", func(r *rig, _ *job) { r.fail("observe", errBroken) }, false},
		{"it may yet become writable", func(r *rig, j *job) { r.unsure = j.probe.Incarnation }, false},
		{"another mysqld answers", func(_ *rig, j *job) { j.probe.Incarnation = oddRun }, false},
		{"the host has won meanwhile", func(r *rig, _ *job) { r.reigning.Store(true) }, false},
		{"the host reigns", func(r *rig, j *job) {
			reign, _, _ := r.job(topology.Action{})
			j.term = reign.term
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.run()
			j, _, _ := r.job(topology.Action{Kind: topology.OpenReaders})
			j.term = nil
			tt.spoil(r, &j)
			_, err := r.openReaders(bounded(t), j)
			if got := r.gate.State() == fence.Unlimited; got != tt.opens || (err == nil) != tt.opens {
				t.Errorf("open %t (%v), want %t", got, err, tt.opens)
			}
		})
	}
}

// A reader that loses its lease serves no address any more, and its own clients
// go on reading. A port that is open for a time was a writer's.
func TestReplicaWithoutALeaseKeepsItsReadersAndNothingElse(t *testing.T) {
	for _, reader := range []bool{true, false} {
		r := newRig(t)
		r.run()
		r.serving()
		r.db.with(func(p *topology.Probe) { p.ReadOnly = true })
		if reader {
			if err := r.gate.OpenForReaders(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		j, _, _ := r.job(topology.Action{Kind: topology.Demote})
		j.term = nil
		if _, err := r.demote(bounded(t), j); err != nil {
			t.Fatal(err)
		}
		if up := r.vips.up(t); len(up) > 0 || r.gate.isOpen() != reader {
			t.Errorf("for readers %t: addresses %v, port open %t", reader, up, r.gate.isOpen())
		}
	}
}

// R8: the timed element is there before read_only=0, whatever was there before.
func TestPortOfAReaderGetsAnEndBeforeItsServerBecomesWritable(t *testing.T) {
	r := newRig(t)
	r.run()
	if err := r.gate.OpenForReaders(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.hook("writable", func(context.Context) error {
		if s := r.gate.State(); s != fence.Timed {
			t.Errorf("the server became writable while its port was %s", s)
		}
		return nil
	})
	j, _, _ := r.openJob()
	if _, err := r.openDoor(bounded(t), j); err != nil {
		t.Fatal(err)
	}
}

// R4: the process may be stopped between reading the clock and the kernel's
// doing what was asked.
func TestExtensionThatComesTooLateIsTakenBack(t *testing.T) {
	r := newRig(t)
	r.run()
	r.serving()
	r.reigning.Store(true)
	passed := false
	r.clock = election.Clock{Boot: func() time.Duration {
		if passed {
			return time.Hour
		}
		return 0
	}}
	r.hook("gate-extend", func(context.Context) error { passed = true; return nil })
	r.extend(bounded(t), r.clock.Now().Deadline(time.Minute))
	if r.gate.isOpen() || len(r.vips.up(t)) > 0 {
		t.Errorf("port open %t, addresses %v", r.gate.isOpen(), r.vips.up(t))
	}
}

func TestRenewalOpensNoPort(t *testing.T) {
	r := newRig(t)
	r.reigning.Store(true)
	r.extend(bounded(t), r.clock.Now().Deadline(time.Minute))
	if r.did("gate-extend") > 0 || r.gate.isOpen() {
		t.Error("a port that was not open was extended")
	}
}

func TestUnfenceIsRefusedWhileAnAgentRuns(t *testing.T) {
	dir := t.TempDir()
	lock, err := election.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release() //nolint:errcheck // the test is over
	if err := Unfence(t.Context(), Config{MySQL: MySQLConfig{Datadir: dir}}, newRig(t).log); !errors.Is(err, election.ErrHeld) {
		t.Errorf("Unfence = %v, want %v", err, election.ErrHeld)
	}
}
