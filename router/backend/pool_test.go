package backend_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/internal/dbops/dbopstest"
	"github.com/mmm-ha/mmm/router/auth"
	"github.com/mmm-ha/mmm/router/backend"
	"github.com/mmm-ha/mmm/router/wire"
)

// pooled is a server with users, and a pool before it.
type pooled struct {
	*dbopstest.Server
	*backend.Pool
	t *testing.T
}

func startPooled(t *testing.T, lines ...string) *pooled {
	t.Helper()
	s := dbopstest.Start(t, append([]string{"read_only=0"}, lines...)...)
	s.Exec("CREATE DATABASE d", "CREATE DATABASE e", "CREATE TABLE d.t (id INT) ENGINE=InnoDB")
	for _, user := range []string{"app", "other"} {
		s.Exec("CREATE USER "+user+"@'%' IDENTIFIED BY 'secret'", "GRANT ALL ON *.* TO "+user+"@'%'")
	}
	p := &pooled{Server: s, Pool: backend.NewPool(3, time.Hour), t: t}
	t.Cleanup(p.Pool.Close)
	return p
}

func (p *pooled) dial(w backend.Who) *backend.Conn {
	p.t.Helper()
	c, err := p.Pool.Dial(within(p.t), target(p.Server), w, auth.ClearSecret("secret"), backend.TLS{})
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

func (p *pooled) keep(c *backend.Conn, w backend.Who) {
	p.t.Helper()
	before := p.Idle()
	p.Keep(within(p.t), c, w, auth.ClearSecret("secret"), backend.TLS{})
	if p.Idle() != before+1 {
		p.t.Fatalf("%d connections are kept, %d were", p.Idle(), before)
	}
}

func in(schema string, w backend.Who) backend.Who {
	w.Schema = schema
	return w
}

func TestPooledConnectionHoldsNothingAndIsLikeANewOne(t *testing.T) {
	p := startPooled(t)
	app := in("d", who("app"))
	first := p.dial(app)
	for _, sql := range []string{"SET sql_mode='ANSI_QUOTES', @a=1", "CREATE TEMPORARY TABLE x (id INT)", "SET @b=GET_LOCK('l', 0)", "USE e", "BEGIN", "INSERT INTO d.t VALUES (1)"} {
		query(t, first, sql)
	}
	p.keep(first, app)
	p.Exec("SET SESSION lock_wait_timeout=1", "LOCK TABLES d.t WRITE") // nobody's transaction has it
	if p.Query("SELECT IS_FREE_LOCK('l')") != "1" {
		t.Error("a lock is held for nobody")
	}
	second := p.dial(app)
	defer second.Quit()
	if second.Greeting.Connection != first.Greeting.Connection || p.Idle() != 0 {
		t.Fatalf("thread %d after %d, %d are kept", second.Greeting.Connection, first.Greeting.Connection, p.Idle())
	}
	if !second.OK.Status.Has(wire.Autocommit) || second.OK.Status.Has(wire.InTransaction) {
		t.Errorf("%+v", second.OK)
	}
	// Each of these fails where something of the first client is left.
	query(t, second, "INSERT INTO t SELECT 2 FROM d.t RIGHT JOIN (SELECT 1) o ON FALSE WHERE @a IS NULL AND DATABASE()='d' AND @@sql_mode NOT LIKE '%ANSI%'")
	query(t, second, "CREATE TEMPORARY TABLE x (id INT)")
	if got := p.Query("SELECT GROUP_CONCAT(id) FROM d.t"); got != "2" {
		t.Errorf("rows %q", got)
	}
	if got := variables(query(t, second, "SET SESSION sort_buffer_size=300000")); got["sort_buffer_size"] != "300000" {
		t.Errorf("nothing is reported: %v", got)
	}
}

func TestServerJudgesEveryClientOfAPool(t *testing.T) {
	p := startPooled(t)
	for _, step := range []struct {
		sql  string
		code uint16
	}{
		{"ALTER USER app@'%' IDENTIFIED BY 'another'", 1045},
		{"ALTER USER app@'%' IDENTIFIED BY 'secret' ACCOUNT LOCK", 4151},
		{"DROP USER app@'%'", 1045},
	} {
		p.keep(p.dial(who("app")), who("app"))
		p.Exec(step.sql)
		_, err := p.Pool.Dial(within(t), target(p.Server), who("app"), auth.ClearSecret("secret"), backend.TLS{})
		var refusal *backend.Server
		if !errors.As(err, &refusal) || refusal.Number != step.code {
			t.Errorf("%s: %v", step.sql, err)
		}
		p.Exec("CREATE OR REPLACE USER app@'%' IDENTIFIED BY 'secret'")
	}
}

func TestPoolGivesAConnectionToItsOwnUserOnlyOfItsReignAndItsCapabilities(t *testing.T) {
	p := startPooled(t)
	c := p.dial(who("app"))
	p.keep(c, who("app"))
	old := target(p.Server)
	next := old
	next.Epoch++
	fewer := who("app")
	fewer.Capabilities &^= wire.DeprecateEOF
	for name, d := range map[string]struct {
		target backend.Target
		who    backend.Who
		secret string
	}{"user": {old, who("other"), "secret"}, "reign": {next, who("app"), "secret"}, "capabilities": {old, fewer, "secret"}, "secret": {old, who("app"), "another"}} {
		got, err := p.Pool.Dial(within(t), d.target, d.who, auth.ClearSecret(d.secret), backend.TLS{})
		if err == nil {
			if got.Greeting.Connection == c.Greeting.Connection {
				t.Errorf("another %s got it", name)
			}
			got.Quit()
		}
		if p.Idle() != 1 {
			t.Fatalf("another %s: %d are kept", name, p.Idle())
		}
	}
	p.Sweep(old.Epoch)
	if p.Idle() != 1 {
		t.Error("a connection of this reign is swept out")
	}
	p.Sweep(next.Epoch)
	if p.Idle() != 0 {
		t.Error("a connection of an old reign is kept")
	}
}

func TestPoolIsBoundedInNumberAndAge(t *testing.T) {
	p := startPooled(t)
	var all []*backend.Conn
	for range 4 {
		all = append(all, p.dial(who("app")))
	}
	for _, c := range all {
		p.Keep(within(t), c, who("app"), auth.ClearSecret("secret"), backend.TLS{})
	}
	if p.Idle() != 3 {
		t.Errorf("%d of 4 are kept, 3 are the most", p.Idle())
	}
	if got := p.dial(who("app")); got.Greeting.Connection != all[3].Greeting.Connection {
		t.Error("not the one that came last")
	}
	p.Later(time.Hour)
	if got := p.dial(who("app")); got.Greeting.Connection == all[2].Greeting.Connection {
		t.Error("it is given although it is too old")
	}
	if p.Sweep(7); p.Idle() != 0 {
		t.Errorf("%d too old ones are kept", p.Idle())
	}
}

func TestSchemaThatIsNotThereCostsOneKeptConnection(t *testing.T) {
	p := startPooled(t)
	app := who("app")
	for _, c := range []*backend.Conn{p.dial(app), p.dial(app), p.dial(app)} {
		p.keep(c, app)
	}
	_, err := p.Pool.Dial(within(t), target(p.Server), in("nowhere", app), auth.ClearSecret("secret"), backend.TLS{})
	var said *backend.Server
	if !errors.As(err, &said) || said.Number != 1049 {
		t.Errorf("%v, want 1049", err)
	}
	if p.Idle() != 2 {
		t.Errorf("%d of 3 connections are left for others", p.Idle())
	}
}

func TestConnectionThatTheServerHasClosedIsReplaced(t *testing.T) {
	p := startPooled(t)
	c := p.dial(who("app"))
	p.keep(c, who("app"))
	p.Exec("KILL " + p.Query("SELECT id FROM information_schema.processlist WHERE user='app'"))
	d := p.dial(who("app"))
	defer d.Quit()
	query(t, d, "DO 1")
	if d.Greeting.Connection == c.Greeting.Connection || p.Idle() != 0 {
		t.Error("the dead one is in use")
	}
}

func TestConnectionToAHangingServerIsNotKept(t *testing.T) {
	hangs, end := net.Pipe()
	defer end.Close()
	p := backend.NewPool(3, time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	p.Keep(ctx, &backend.Conn{Conn: hangs}, who("app"), auth.ClearSecret("secret"), backend.TLS{})
	if p.Idle() != 0 {
		t.Error("it is kept")
	}
}

// COM_SET_OPTION outlives COM_RESET_CONNECTION and COM_CHANGE_USER.
func TestWhatSetOptionChangedIsTakenBack(t *testing.T) {
	p := startPooled(t)
	for name, more := range map[string]wire.Capability{"EOF": 0, "no EOF": wire.DeprecateEOF} {
		w := who("app")
		w.Capabilities = w.Capabilities&^(wire.MultiStatements|wire.DeprecateEOF) | more
		c := p.dial(w)
		setOption(t, c)
		several(t, c, true)
		p.keep(c, w)
		again := p.dial(w)
		if again.Greeting.Connection != c.Greeting.Connection {
			t.Fatalf("%s: it was not kept", name)
		}
		several(t, again, false)
		again.Quit()
	}
}

// command runs a command and returns the packets that the walker stopped at.
func command(t *testing.T, c *backend.Conn, kind wire.Command, text string) (packets [][]byte) {
	t.Helper()
	p, _ := wire.AppendPacket(nil, append([]byte{byte(kind)}, text...), 0)
	if _, err := c.Write(p); err != nil {
		t.Fatal(err)
	}
	var w wire.Walker
	w.Start(kind, c.Capabilities)
	b := make([]byte, 4096)
	for have := []byte(nil); ; {
		n, e := w.Walk(have)
		if len(w.Packet) > 0 {
			packets = append(packets, w.Packet[wire.HeaderSize:])
		}
		have = have[n+len(w.Packet):]
		if e == wire.End {
			return packets
		}
		if e != wire.More {
			continue
		}
		k, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		have = append(have, b[:k]...)
	}
}

func setOption(t *testing.T, c *backend.Conn) {
	t.Helper()
	if p := command(t, c, wire.ComSetOption, "\x00\x00"); wire.IsErr(p[0]) {
		t.Fatalf("%q", p)
	}
}

// several looks whether the server takes two statements in one.
func several(t *testing.T, c *backend.Conn, want bool) {
	t.Helper()
	p := command(t, c, wire.ComQuery, "DO 1; DO 2")
	if got := !wire.IsErr(p[len(p)-1]); got != want {
		t.Errorf("two statements in one are taken: %v, want %v", got, want)
	}
}

// A kept connection is not like a new one where a server runs statements for
// everybody who connects: it does not run them for who comes to a connection.
func TestServerWithInitConnectGetsNewConnections(t *testing.T) {
	p := startPooled(t, "init_connect='SET @i=7'")
	p.Exec("REVOKE ALL ON *.* FROM app@'%'", "GRANT ALL ON d.* TO app@'%'")
	for range 2 {
		c := p.dial(in("d", who("app")))
		query(t, c, "INSERT INTO t VALUES (@i)")
		p.keep(c, in("d", who("app")))
	}
	if got := p.Query("SELECT GROUP_CONCAT(id) FROM d.t"); got != "7,7" {
		t.Errorf("rows %q", got)
	}
}

func TestNoPoolKeepsNothing(t *testing.T) {
	p := startPooled(t)
	p.Pool = nil
	c := p.dial(who("app"))
	p.Keep(within(t), c, who("app"), auth.ClearSecret("secret"), backend.TLS{})
	if _, err := c.Write([]byte{1, 0, 0, 0, byte(wire.ComPing)}); err == nil || p.Idle() != 0 {
		t.Error("the connection is open")
	}
	p.Sweep(1)
}

func TestResetTakesBackWhatWasSetAndReportsGoOn(t *testing.T) {
	p := startPooled(t)
	c := p.dial(in("d", who("app")))
	defer c.Quit()
	query(t, c, "SET sql_mode='ANSI_QUOTES'")
	query(t, c, "BEGIN")
	if err := c.Reset(within(t)); err != nil {
		t.Fatal(err)
	}
	ok := query(t, c, "SET sql_mode='ANSI_QUOTES'")
	if ok.Status.Has(wire.InTransaction) || variables(ok)["sql_mode"] == "" {
		t.Errorf("%+v", ok)
	}
}
