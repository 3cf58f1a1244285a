package lab

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

func TestMain(m *testing.M) { os.Exit(RunTests(m)) }

// small is a bed of two databases and a client, without etcd and agents.
func small(parts Parts) Options {
	hosts := DefaultHosts()
	return Options{Parts: parts, Hosts: []Host{hosts[0], hosts[1], hosts[4]}}
}

// testContext ends before the test binary's own limit would kill it.
func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// newBed makes a bed that ends with the test.
func newBed(t *testing.T, o Options) *Bed {
	t.Helper()
	o.Progress = func(s string) { t.Log(s) }
	b, err := New(testContext(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("close bed: %v", err)
		}
	})
	return b
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// leftovers is what a bed could leave in this world.
type leftovers struct{ processes, links, mounts, files int }

func countLeftovers(t *testing.T) leftovers {
	t.Helper()
	var l leftovers
	processes, err := filepath.Glob("/proc/[0-9]*")
	must(t, err)
	l.processes = len(processes)
	links, err := netlink.LinkList()
	must(t, err)
	l.links = len(links)
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	l.mounts = strings.Count(string(mounts), "\n")
	files, err := filepath.Glob("/dev/shm/*")
	must(t, err)
	l.files = len(files)
	return l
}

func TestClosedBedLeavesNothing(t *testing.T) {
	Require(t, "netns", "mariadb")
	before := countLeftovers(t)
	b, err := New(testContext(t), small(MySQL))
	must(t, err)
	if during := countLeftovers(t); during.processes < before.processes+5 {
		t.Errorf("a bed with 3 inits and 2 mysqlds shows as %+v, before it %+v", during, before)
	}
	must(t, b.Close())
	if after := countLeftovers(t); after != before {
		t.Errorf("left behind: %+v, before the bed %+v", after, before)
	}
}

func TestServersStartAsEqualReadOnlyReplicasOfNobody(t *testing.T) {
	Require(t, "netns", "mariadb")
	b := newBed(t, small(MySQL))
	for _, host := range []string{"db1", "db2"} {
		db, err := b.DB(host)
		must(t, err)
		var state, gtid string
		var timeout float64
		must(t, db.QueryRow(`SELECT CONCAT_WS(' ', @@read_only, @@gtid_strict_mode, @@rpl_semi_sync_slave_enabled, @@sync_relay_log,
			@@sync_binlog, @@relay_log_recovery, @@extra_max_connections, @@binlog_format, @@rpl_semi_sync_master_wait_point),
			CONCAT(@@gtid_binlog_pos, @@gtid_slave_pos), @@rpl_semi_sync_master_timeout`).Scan(&state, &gtid, &timeout))
		if want := "ON ON OFF 1 1 OFF 30 ROW AFTER_SYNC"; state != want || gtid != "" {
			t.Errorf("%s: settings %q, want %q; GTID state %q, want none", host, state, want, gtid)
		}
		if timeout < 1e9 {
			t.Errorf("%s: semi-sync gives up after %v ms", host, timeout)
		}
	}
}

func TestReplicaFollowsOverTheReplicationListener(t *testing.T) {
	Require(t, "netns", "mariadb")
	b := newBed(t, small(MySQL))
	source, err := b.DB("db1")
	must(t, err)
	replica, err := b.DB("db2")
	must(t, err)
	_, err = replica.Exec(`CHANGE MASTER TO MASTER_HOST='192.0.2.161', MASTER_PORT=3309, MASTER_USER='repl',
		MASTER_PASSWORD='` + ReplicationPassword + `', MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1, MASTER_HEARTBEAT_PERIOD=1`)
	must(t, err)
	_, err = replica.Exec("START SLAVE")
	must(t, err)
	_, err = source.Exec("SET GLOBAL read_only=0")
	must(t, err)

	b1, err := b.AppDB(ClientHost, addrPort("192.0.2.161:3306"))
	must(t, err)
	defer b1.Close()
	for _, statement := range []string{"CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)"} {
		_, err = b1.Exec(statement)
		must(t, err)
	}
	must(t, until(testContext(t), 10*time.Second, "the row is on db2", func() (bool, error) {
		var n int
		err := replica.QueryRow("SELECT COUNT(*) FROM app.t").Scan(&n)
		return n == 1, err
	}))
}

func TestTwoBedsDoNotSeeEachOther(t *testing.T) {
	Require(t, "netns", "mariadb")
	template := filepath.Join(t.TempDir(), "template")
	must(t, MakeTemplate(testContext(t), template))
	o := small(MySQL)
	o.Template = template
	first, second := newBed(t, o), newBed(t, o)
	must(t, first.KillMysqld(testContext(t), "db1", false))
	db, err := second.AppDB(ClientHost, addrPort("192.0.2.161:3306"))
	must(t, err)
	defer db.Close()
	must(t, db.PingContext(testContext(t)))
}

func TestExecRunsInsideTheHost(t *testing.T) {
	Require(t, "netns")
	b := newBed(t, small(Bare))
	out, err := b.Exec(testContext(t), "db2", "sh", "-c", "hostname; ip -br -4 addr show eth0; ls -d /proc/[0-9]* | wc -l")
	must(t, err)
	if s := string(out); !strings.Contains(s, "db2\n") || !strings.Contains(s, "192.0.2.162/24") {
		t.Errorf("db2 says of itself: %s", s)
	}
	ctx, cancel := context.WithTimeout(testContext(t), 50*time.Millisecond)
	defer cancel()
	if _, err := b.Exec(ctx, "db2", "sleep", "60"); err == nil {
		t.Error("a command outlived its context")
	}
	must(t, b.KillHost(testContext(t), "db2"))
	if _, err := b.Exec(testContext(t), "db2", "true"); !errors.Is(err, ErrDown) {
		t.Errorf("command on a dead host: %v, want ErrDown", err)
	}
}

func TestBadOptionsAreRefusedWithTheCause(t *testing.T) {
	hosts := DefaultHosts()
	tests := []struct {
		name string
		o    Options
		want string
	}{
		{"two hosts of one name", Options{Parts: Bare, Hosts: []Host{hosts[0], hosts[0]}}, "is taken"},
		{"name too long for an interface", Options{Parts: Bare, Hosts: []Host{{Name: "database-number-1", Address: hosts[0].Address}}}, "1 to 15 letters"},
		{"no address", Options{Parts: Bare, Hosts: []Host{{Name: "db1"}}}, "not IPv4"},
		{"work directory too deep for a socket", Options{Parts: Bare, Work: filepath.Join(t.TempDir(), strings.Repeat("x", 100))}, "unix socket"},
		{"no binaries", Options{BinDir: t.TempDir()}, "mmmagent"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			Require(t, "netns")
			b, err := New(testContext(t), tt.o)
			if err == nil {
				_ = b.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}
