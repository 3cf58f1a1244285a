package router

import (
	"net"
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

func TestWhoIsAcceptedLastIsToldToo(t *testing.T) {
	r := run(t, func(c *Config) { c.Drain.Linger = conffile.Duration(time.Second) })
	r.stop()
	eventually(t, "it leaves", r.leaving.Load)
	c := login(t, r.address, "app") // it lingers: new clients are served
	c.say("hello")
	c.want("ok hello")
	r.sessions.drain(shutdown())
	c.want("error 1053")
	late := dial(t, r.address)
	late.want("id ")
	late.say("user app")
	late.want("welcome")
	late.want("error 1053")
}
