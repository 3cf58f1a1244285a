package lab

import (
	"context"
	"net/netip"
	"testing"
	"time"
)

func addrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// answers reports whether a client can log in to the mysqld of a host.
func answers(t *testing.T, b *Bed, address string) bool {
	t.Helper()
	db, err := b.AppDB(ClientHost, addrPort(address+":3306"))
	must(t, err)
	defer db.Close()
	ctx, cancel := context.WithTimeout(testContext(t), 500*time.Millisecond)
	defer cancel()
	return db.PingContext(ctx) == nil
}

// expect fails the test unless db1 answers a client as wanted.
func expect(t *testing.T, b *Bed, when string, want bool) {
	t.Helper()
	if got := answers(t, b, "192.0.2.161"); got != want {
		t.Fatalf("%s: mysqld of db1 answers: %t, want %t", when, got, want)
	}
}

func unitOf(t *testing.T, b *Bed, host, name string) UnitStatus {
	t.Helper()
	s, err := b.Status(testContext(t))
	must(t, err)
	for _, h := range s.Hosts {
		for _, u := range h.Units {
			if h.Name == host && u.Name == name {
				return u
			}
		}
	}
	t.Fatalf("no %s on %s in %+v", name, host, s)
	return UnitStatus{}
}

func TestEachFaultBitesAndHeals(t *testing.T) {
	Require(t, "netns", "mariadb")
	ctx := testContext(t)
	b := newBed(t, small(MySQL))
	tests := []struct {
		name        string
		fault, heal func() error
	}{
		{"kill mysqld", func() error { return b.KillMysqld(ctx, "db1", false) }, func() error { return b.StartMysqld(ctx, "db1") }},
		{"stop mysqld", func() error { return b.StopMysqld(ctx, "db1") }, func() error { return b.StartMysqld(ctx, "db1") }},
		{"freeze mysqld", func() error { return b.Freeze(ctx, "db1", UnitMySQL) }, func() error { return b.Thaw(ctx, "db1", UnitMySQL) }},
		{"freeze host", func() error { return b.Freeze(ctx, "db1", WholeHost) }, func() error { return b.Thaw(ctx, "db1", WholeHost) }},
		{"cut from client", func() error { return b.Cut(ctx, "db1", ClientHost, BothWays) }, func() error { return b.Heal(ctx, ClientHost, "db1") }},
		{"cut from client, one way", func() error { return b.Cut(ctx, "db1", ClientHost, OneWay) }, func() error { return b.Heal(ctx, "db1", ClientHost) }},
		{"cut from everyone", func() error { return b.Cut(ctx, "db1", Everyone, BothWays) }, func() error { return b.Heal(ctx, "", "") }},
		{"unplug", func() error { return b.Unplug("db1") }, func() error { return b.Plug("db1") }},
		{"kill host", func() error { return b.KillHost(ctx, "db1") }, func() error { return b.StartHost(ctx, "db1") }},
	}
	expect(t, b, "at the start", true)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			must(t, tt.fault())
			expect(t, b, "under the fault", false)
			must(t, tt.heal())
			must(t, until(ctx, 10*time.Second, "db1 answers again", func() (bool, error) { return answers(t, b, "192.0.2.161"), nil }))
			if !answers(t, b, "192.0.2.162") {
				t.Error("db2 suffered too")
			}
		})
	}
}

func TestKilledMysqldStaysDownUnlessAskedToRestart(t *testing.T) {
	Require(t, "netns", "mariadb")
	ctx := testContext(t)
	b := newBed(t, small(MySQL))
	before := unitOf(t, b, "db1", UnitMySQL)

	must(t, b.KillMysqld(ctx, "db1", true))
	must(t, until(ctx, 10*time.Second, "the host started mysqld again", func() (bool, error) {
		now := unitOf(t, b, "db1", UnitMySQL)
		return now.PID != 0 && now.PID != before.PID && now.Restarts == 1, nil
	}))
	must(t, until(ctx, 10*time.Second, "it answers", func() (bool, error) { return answers(t, b, "192.0.2.161"), nil }))

	must(t, b.KillMysqld(ctx, "db1", false))
	if u := unitOf(t, b, "db1", UnitMySQL); u.PID != 0 || !u.Held {
		t.Errorf("after the kill: %+v, want it held down", u)
	}
	if err := b.KillMysqld(ctx, "db1", false); err == nil {
		t.Error("a kill of a mysqld that does not run was called a success")
	}
	must(t, b.StartMysqld(ctx, "db1"))
	if err := b.StartMysqld(ctx, "db1"); err == nil {
		t.Error("a second start of mysqld was called a success")
	}
}

func TestRestartedHostComesBackWithEmptyNetworkAndItsFiles(t *testing.T) {
	Require(t, "netns", "mariadb")
	ctx := testContext(t)
	b := newBed(t, small(MySQL))
	db, err := b.DB("db1")
	must(t, err)
	for _, statement := range []string{"CREATE TABLE app.kept (id INT PRIMARY KEY)", "INSERT INTO app.kept VALUES (7)"} {
		_, err := db.Exec(statement)
		must(t, err)
	}
	_, err = b.Exec(ctx, "db1", "sh", "-c", "ip addr add 192.0.2.113/32 dev eth0 && nft add table inet leftover")
	must(t, err)
	must(t, b.KillHost(ctx, "db1"))
	if err := b.KillHost(ctx, "db1"); err == nil {
		t.Error("a dead host was killed again with success")
	}
	must(t, b.StartHost(ctx, "db1"))
	out, err := b.Exec(ctx, "db1", "sh", "-c", "ip addr; nft list tables")
	must(t, err)
	if s := string(out); contains(s, "192.0.2.113") || contains(s, "leftover") {
		t.Errorf("the network outlived the host: %s", s)
	}
	var id int
	must(t, db.QueryRow("SELECT id FROM app.kept").Scan(&id))
}

func TestFrozenHostAnswersNothingAndRunsOnWhenThawed(t *testing.T) {
	Require(t, "netns", "mariadb")
	ctx := testContext(t)
	b := newBed(t, small(MySQL))
	before := unitOf(t, b, "db1", UnitMySQL)
	must(t, b.Freeze(ctx, "db1", WholeHost))
	if err := b.KillMysqld(ctx, "db1", false); err == nil {
		t.Error("the init of a frozen host served a request")
	}
	must(t, b.Thaw(ctx, "db1", WholeHost))
	if after := unitOf(t, b, "db1", UnitMySQL); after.PID != before.PID || after.Restarts != 0 {
		t.Errorf("after the thaw %+v, before the freeze %+v", after, before)
	}
	if err := b.Freeze(ctx, "db1", UnitAgent); err == nil {
		t.Error("a freeze of an agent that does not run was called a success")
	}
}

func TestOneWayCutDropsOnlyOneDirection(t *testing.T) {
	Require(t, "netns")
	ctx := testContext(t)
	b := newBed(t, small(Bare))
	must(t, b.Cut(ctx, "db1", "db2", OneWay))
	for _, tt := range []struct {
		name string
		p    pair
		want bool
	}{
		{"db1 to db2", pair{"db1", "db2"}, false},
		{"db2 to db1", pair{"db2", "db1"}, true},
		{"db1 to client", pair{"db1", ClientHost}, true},
	} {
		got, err := b.reaches(ctx, tt.p, time.Second)
		must(t, err)
		if got != tt.want {
			t.Errorf("%s: passes %t, want %t", tt.name, got, tt.want)
		}
	}
}

func TestCutThatDoesNotBiteIsAnError(t *testing.T) {
	Require(t, "netns")
	ctx := testContext(t)
	b := newBed(t, small(Bare))
	must(t, b.net.filter(ctx, "delete chain bridge cut forward\n"))
	if err := b.Cut(ctx, "db1", "db2", BothWays); err == nil {
		t.Error("a cut without effect was called a success")
	}
}
