package router

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/internal/conffile"
)

func TestADrainClosesTheIdleAtOnceAndOthersWhenTheirTransactionEnds(t *testing.T) {
	r := run(t, nil)
	idle, busy := login(t, r.address, "app"), login(t, r.address, "app")
	busy.say("begin")
	busy.want("ok begin")
	r.stop()
	idle.want("error 1053 (08S01): Server shutdown in progress")
	idle.want("end")
	busy.say("hello")
	busy.want("ok hello")
	busy.say("commit")
	busy.want("ok commit")
	busy.want("error 1053 (08S01)")
	if err := r.wait(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if c, err := net.DialTimeout("tcp", r.address, time.Second); err == nil {
		c.Close()
		t.Error("connections are still accepted")
	}
}

func TestADrainEndsWhenItsTimeIsOver(t *testing.T) {
	r := run(t, func(c *Config) { c.Drain.Time = conffile.Duration(50 * time.Millisecond) })
	busy, stuck := login(t, r.address, "app"), login(t, r.address, "app")
	busy.say("begin")
	busy.want("ok begin")
	stuck.say("sleep")
	eventually(t, "it runs", func() bool { return r.talks.all()[1].State().Phase == Running })
	if err := r.wait(); err != nil {
		t.Errorf("Run: %v", err)
	}
	busy.want("error 1053")
	busy.want("end")
}

func TestALingeringRouterServesNewClients(t *testing.T) {
	r := run(t, func(c *Config) { c.Drain.Linger = conffile.Duration(time.Second) })
	r.stop()
	eventually(t, "it leaves", r.leaving.Load)
	c := login(t, r.address, "app")
	c.say("hello")
	c.want("ok hello")
	c.want("error 1053")
}

func TestAClientAtWorkIsToldGoodbyeWhenItPausesOrHalfOfTheTimeIsOver(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for _, tt := range []struct {
		name  string
		state State
		want  bool
	}{
		{"idle for long", State{Phase: Idle, Since: now.Add(-time.Minute)}, true},
		{"between two statements", State{Phase: Idle, Since: now.Add(-time.Millisecond)}, false},
		{"in a transaction", State{Phase: Idle, Since: now.Add(-time.Minute), InTransaction: true}, false},
		{"runs a statement", State{Phase: Running, Since: now.Add(-time.Minute)}, false},
		{"logs in", State{Phase: LoggingIn, Since: now.Add(-time.Minute)}, false},
	} {
		if pauses(tt.state, now) != tt.want {
			t.Errorf("%s: told to end: %v", tt.name, !tt.want)
		}
	}

	r := run(t, func(c *Config) { c.Drain.Time = conffile.Duration(400 * time.Millisecond) })
	busy := login(t, r.address, "app")
	r.stop()
	heard := ""
	for heard == "" {
		busy.say("hello")
		if line := busy.hear(); line != "ok hello" {
			heard = line
		}
	}
	// What it said meanwhile was not read: its kernel may throw the goodbye away.
	if !strings.HasPrefix(heard, "error 1053") && heard != "end" {
		t.Errorf("heard %q", heard)
	}
}
