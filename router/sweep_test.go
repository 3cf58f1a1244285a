package router

import (
	"crypto/tls"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/internal/conffile"
)

func TestTheSweeperJudges(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	ago := func(s int) time.Time { return now.Add(-time.Duration(s) * time.Second) }
	l := Limits{Idle: seconds(60), Query: seconds(30), LoginTime: seconds(10)}
	free := Limits{LoginTime: seconds(10)}
	tests := []struct {
		name   string
		state  State
		began  time.Time
		killed killing
		lost   string
		limits Limits
		close  bool
		kill   bool
		reason string
	}{
		{name: "logs in", state: State{Phase: LoggingIn, Since: ago(9)}, began: ago(9), limits: l},
		{name: "logs in for too long, step by step", state: State{Phase: LoggingIn, Since: ago(1)}, began: ago(11), limits: l, close: true, reason: reasonLogin},
		{name: "had to wait before", state: State{Phase: LoggingIn, Since: ago(1), Waited: 5 * time.Second}, began: ago(14), limits: l},
		{name: "waits for a place", state: State{Phase: Waiting, Since: ago(500)}, began: ago(500), limits: l},
		{name: "waits and is gone", state: State{Phase: Waiting, Since: ago(1)}, began: ago(1), lost: reasonGone, limits: l, close: true, reason: reasonGone},
		{name: "idle", state: State{Phase: Idle, Since: ago(60)}, began: ago(600), limits: l},
		{name: "idle for too long", state: State{Phase: Idle, Since: ago(61)}, began: ago(600), limits: l, close: true, reason: reasonIdle},
		{name: "idle, no limit", state: State{Phase: Idle, Since: ago(1e6)}, began: ago(1e6), limits: free},
		{name: "runs", state: State{Phase: Running, Since: ago(30)}, began: ago(600), limits: l},
		{name: "runs for too long", state: State{Phase: Running, Since: ago(31)}, began: ago(600), limits: l, kill: true, reason: reasonQuery},
		{name: "runs for long, no limit", state: State{Phase: Running, Since: ago(1e6)}, began: ago(1e6), limits: free},
		{name: "runs and is gone", state: State{Phase: Running, Since: ago(1)}, began: ago(600), lost: reasonGone, limits: l, kill: true, reason: reasonGone},
		{name: "was killed a moment ago", state: State{Phase: Running, Since: ago(40)}, began: ago(600), killed: killing{ago(40), ago(9)}, lost: reasonGone, limits: l},
		{name: "was killed and does not end", state: State{Phase: Running, Since: ago(50)}, began: ago(600), killed: killing{ago(50), ago(11)}, limits: l, close: true, reason: reasonKill},
		{name: "the one before was killed", state: State{Phase: Running, Since: ago(1)}, began: ago(600), killed: killing{ago(50), ago(11)}, limits: l},
		{name: "held", state: State{Phase: Held, Since: ago(500)}, began: ago(600), limits: l},
		{name: "held and gone", state: State{Phase: Held, Since: ago(5)}, began: ago(600), lost: reasonGone, limits: l, close: true, reason: reasonGone},
		{name: "idle at an address that has left", state: State{Phase: Idle, Since: ago(1)}, began: ago(600), lost: reasonLeft, limits: l, close: true, reason: reasonLeft},
		{name: "runs at an address that has left", state: State{Phase: Running, Since: ago(1)}, began: ago(600), lost: reasonLeft, limits: l, kill: true, reason: reasonLeft},
		{name: "logs in at an address that has left", state: State{Phase: LoggingIn, Since: ago(1)}, began: ago(1), lost: reasonLeft, limits: l, close: true, reason: reasonLeft},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := judge(tt.state, tt.began, tt.killed, tt.lost, tt.limits, now)
			if (v.close != nil) != tt.close || v.kill != tt.kill || v.reason != tt.reason {
				t.Errorf("%+v", v)
			}
		})
	}
}

func TestAStatementOfAClientThatIsGoneIsKilled(t *testing.T) {
	r := run(t, nil)
	c := login(t, r.address, "app")
	c.say("run")
	talk := r.talks.all()[0]
	eventually(t, "it runs", func() bool { return talk.State().Phase == Running })
	c.say("more that nobody will read") // bytes that wait hide nothing
	c.Close()
	<-talk.done
	if talk.kills != 1 {
		t.Errorf("killed %d times", talk.kills)
	}
}

func TestAClientByTLSThatIsGoneIsSeen(t *testing.T) {
	files := writeCert(t, t.TempDir(), "router")
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client := dial(t, l.Addr().String())
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	done := make(chan error, 1)
	secret := tls.Client(client, &tls.Config{InsecureSkipVerify: true})
	go func() { done <- secret.HandshakeContext(t.Context()) }()
	if err := errors.Join(tls.Server(accepted, &tls.Config{Certificates: []tls.Certificate{pair}}).HandshakeContext(t.Context()), <-done); err != nil {
		t.Fatal(err)
	}
	_, _ = secret.Write([]byte("a statement that nobody reads"))
	if raw := rawOf(accepted.(*net.TCPConn)); gone(raw) {
		t.Error("it is there")
	}
	_ = secret.Close()
	eventually(t, "it is gone", func() bool { return gone(rawOf(accepted.(*net.TCPConn))) })
}

func TestAStatementThatTakesTooLongIsKilledAndTheClientStays(t *testing.T) {
	r := run(t, func(c *Config) { c.Limits.Query = conffile.Duration(time.Millisecond) })
	c := login(t, r.address, "app")
	c.say("run")
	c.want("interrupted")
	c.say("hello")
	c.want("ok hello")
}

func TestAClientThatSaysNothingIsClosed(t *testing.T) {
	r := run(t, func(c *Config) { c.Limits.Idle = conffile.Duration(time.Millisecond) })
	c := login(t, r.address, "app")
	c.want("error 1927 (70100): Connection was killed: nothing was asked for 1ms (limits.idle)")
	c.want("end")
}

func TestALoginThatTakesTooLongIsClosed(t *testing.T) {
	r := run(t, func(c *Config) { c.Limits.LoginTime = conffile.Duration(time.Millisecond) })
	c := dial(t, r.address)
	c.want("id ")
	c.want("error 1927 (70100): Connection was killed: the login took longer")
	c.want("end")
}

func TestAClientThatIsGoneWaitsForNoPlace(t *testing.T) {
	r := run(t, func(c *Config) { c.Limits.Connections = 1 })
	login(t, r.address, "app")
	c := dial(t, r.address)
	c.want("id ")
	c.say("user app")
	eventually(t, "it waits", func() bool { _, waiting := r.gate.counts(); return waiting == 1 })
	c.Close()
	eventually(t, "it waits no more", func() bool { _, waiting := r.gate.counts(); return waiting == 0 })
}
