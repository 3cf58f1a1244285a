package lab

import (
	"context"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// withDisks is a small bed whose hosts have disks and control groups of their own.
func withDisks() Options {
	o := small(MySQL)
	o.Disks, o.Cgroups = true, true
	return o
}

// inserts reports whether the server of db1 commits a row within a while.
func inserts(t *testing.T, b *Bed) bool {
	t.Helper()
	db, err := b.DB("db1")
	must(t, err)
	ctx, cancel := context.WithTimeout(testContext(t), 500*time.Millisecond)
	defer cancel()
	_, err = db.ExecContext(ctx, "INSERT INTO app.rows VALUES (NULL)")
	return err == nil
}

func TestFaultsOfADiskBiteAndHeal(t *testing.T) {
	Require(t, "netns", "mariadb")
	ctx := testContext(t)
	b := newBed(t, withDisks())
	db, err := b.DB("db1")
	must(t, err)
	_, err = db.Exec("CREATE TABLE app.rows (id INT AUTO_INCREMENT PRIMARY KEY)")
	must(t, err)
	boot := func() error { // a new start of the host, which is read-only
		if err := b.KillHost(ctx, "db1"); err != nil {
			return err
		}
		return b.StartHost(ctx, "db1")
	}
	tests := []struct {
		name        string
		fault, heal func() error
	}{
		{"disk full", func() error { return b.FillDisk("db1") }, func() error { return b.EmptyDisk("db1") }},
		{"disk stalls", func() error { return b.StallDisk("db1") }, func() error { return b.ResumeDisk("db1") }},
		{"disk breaks", func() error { return b.BreakDisk("db1") }, boot},
		{"host frozen", func() error { return b.FreezeHost(ctx, "db1") }, func() error { return b.ThawHost(ctx, "db1") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			must(t, b.TryDisk(ctx, "db1", time.Second))
			must(t, tt.fault())
			if tt.name != "host frozen" && b.TryDisk(ctx, "db1", 300*time.Millisecond) == nil {
				t.Error("the disk can be written to under the fault")
			}
			if tt.name != "disk full" && inserts(t, b) { // small files grow within their blocks
				t.Error("a row was committed under the fault")
			}
			must(t, tt.heal())
			must(t, until(ctx, 20*time.Second, "rows are committed again", func() (bool, error) { return inserts(t, b), nil }))
			must(t, b.TryDisk(ctx, "db1", time.Second))
		})
	}
}

func TestPowerLossForgetsWhatWasNotFlushedAndKeepsWhatWas(t *testing.T) {
	Require(t, "netns", "mariadb")
	ctx := testContext(t)
	b := newBed(t, withDisks())
	db, err := b.DB("db1")
	must(t, err)
	_, err = db.Exec("CREATE TABLE app.rows (id INT AUTO_INCREMENT PRIMARY KEY)")
	must(t, err)
	// sync_binlog and flush_log_at_trx_commit are 1. The very last transaction is
	// cut off at the next start, because init_rpl_role is SLAVE: it stands in the
	// binlog, but its commit in the engine is flushed only with the next one.
	for _, id := range []string{"7", "8"} {
		_, err = db.Exec("INSERT INTO app.rows VALUES (" + id + ")")
		must(t, err)
	}
	out, err := b.Exec(ctx, "db1", "sh", "-c", "echo lost >"+filepath.Join(b.Dir("db1"), "data", "unflushed"))
	if err != nil {
		t.Fatal(err, string(out))
	}
	must(t, b.LosePower(ctx, "db1"))
	must(t, b.StartHost(ctx, "db1"))
	var rows int
	must(t, db.QueryRowContext(ctx, "SELECT COUNT(*) FROM app.rows WHERE id = 7").Scan(&rows))
	if rows != 1 {
		t.Error("a committed row is gone")
	}
	if out, err := b.Exec(ctx, "db1", "cat", filepath.Join(b.Dir("db1"), "data", "unflushed")); err == nil && len(out) > 0 {
		t.Errorf("a file that was never flushed came through: %q", out)
	}
}

func TestStalledDiskHoldsUpNoEnd(t *testing.T) {
	Require(t, "netns", "mariadb")
	b := newBed(t, withDisks())
	must(t, b.StallDisk("db1"))
	inserts(t, b) // a thread of mysqld waits in the kernel
	must(t, b.KillHost(testContext(t), "db1"))
	must(t, b.StartHost(testContext(t), "db1"))
	must(t, b.StallDisk("db2")) // Close must get along with it
}

func TestAskerAndWatchSeeAddressesMove(t *testing.T) {
	Require(t, "netns")
	ctx := testContext(t)
	o := small(Bare)
	o.Cgroups = true
	b := newBed(t, o)
	vip := netip.MustParseAddr("192.0.2.113")
	asker, err := b.NewAsker(ClientHost)
	must(t, err)
	defer asker.Close()
	who := func() []string {
		got, err := asker.Ask(ctx, []netip.Addr{vip}, 50*time.Millisecond)
		must(t, err)
		return got[vip]
	}
	changes := make(chan AddressChange, 16)
	watch, stop := context.WithCancel(ctx)
	ended := make(chan error)
	go func() {
		ended <- b.WatchAddresses(watch, "db1", func(c AddressChange) {
			if c.Address == vip {
				changes <- c
			}
		})
	}()
	add := func(host string) {
		if out, err := b.Exec(ctx, host, "ip", "addr", "replace", "192.0.2.113/32", "dev", "eth0"); err != nil {
			t.Fatal(err, string(out))
		}
	}
	if got := who(); len(got) != 0 {
		t.Errorf("nobody has it, %v answer", got)
	}
	add("db1")
	if c := <-changes; c.Gone {
		t.Error("it went before it came")
	}
	if got := who(); !slices.Equal(got, []string{"db1"}) {
		t.Errorf("db1 has it, %v answer", got)
	}
	add("db2")
	if got := who(); !slices.Equal(got, []string{"db1", "db2"}) {
		t.Errorf("two have it, %v answer", got)
	}
	must(t, b.LoseARP(ctx, "db2", true))
	if got := who(); !slices.Equal(got, []string{"db1"}) {
		t.Errorf("db2 is mute, %v answer", got)
	}
	must(t, b.LoseARP(ctx, "db2", false))
	must(t, b.KillHost(ctx, "db1"))
	if c := <-changes; !c.Gone {
		t.Error("a host without power kept its address")
	}
	if got := who(); !slices.Equal(got, []string{"db2"}) {
		t.Errorf("only db2 has power, %v answer", got)
	}
	must(t, b.StartHost(ctx, "db1"))
	add("db1")
	if c := <-changes; c.Gone {
		t.Error("the second life was not watched")
	}
	stop()
	must(t, <-ended)
}

func TestSwitchDropsOnlyWhatIsMarked(t *testing.T) {
	Require(t, "netns")
	ctx := testContext(t)
	b := newBed(t, small(Bare))
	from, err := b.Dialer("db2")
	must(t, err)
	to, err := b.Dialer("db1")
	must(t, err)
	must(t, to.inside(func() error {
		for _, port := range []string{"2379", "3306"} {
			l, err := net.Listen("tcp4", "192.0.2.161:"+port)
			if err != nil {
				return err
			}
			t.Cleanup(func() { _ = l.Close() })
		}
		return nil
	}))
	dial := func(port string, within time.Duration) error {
		ctx, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		conn, err := from.DialContext(ctx, "tcp4", "192.0.2.161:"+port)
		if err == nil {
			_ = conn.Close()
		}
		return err
	}
	must(t, dial("2379", serverStarts))           // the first question who has an address may be lost while the switch comes up
	for _, host := range []string{"db1", "db2"} { // both directions
		must(t, b.CutEtcd(ctx, host, true))
		before, err := b.Dropped(ctx)
		must(t, err)
		if dial("2379", 300*time.Millisecond) == nil {
			t.Errorf("a cut of the etcd of %s lets it pass", host)
		}
		if after, err := b.Dropped(ctx); err != nil || after == before {
			t.Errorf("a cut of the etcd of %s: %d frames dropped, then %d, %v", host, before, after, err)
		}
		must(t, dial("3306", serverStarts)) // however busy the machine is: only the end of a wait
		must(t, b.CutEtcd(ctx, host, false))
		must(t, dial("2379", serverStarts))
	}
}

func TestLostAnnouncementLeavesNeighboursWithTheOldAnswer(t *testing.T) {
	Require(t, "netns")
	ctx := testContext(t)
	b := newBed(t, small(Bare))
	run := func(host string, argv ...string) string {
		out, err := b.Exec(ctx, host, argv...)
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	run("db1", "ip", "addr", "replace", "192.0.2.113/32", "dev", "eth0")
	learns := func() bool {
		run("db2", "ip", "neigh", "replace", "192.0.2.113", "lladdr", "02:00:00:00:00:01", "dev", "eth0", "nud", "stale")
		_, _ = b.Exec(ctx, "db1", "arping", "-U", "-c", "1", "-w", "1", "-I", "eth0", "192.0.2.113")
		return strings.Contains(run("db2", "ip", "neigh", "show", "192.0.2.113"), "02:00:c0:00:02:a1")
	}
	if !learns() {
		t.Fatal("an announcement taught nobody")
	}
	must(t, b.LoseAnnouncements(ctx, "db1", true))
	if learns() {
		t.Error("the announcement was not lost")
	}
	if ok, err := b.reaches(ctx, pair{"db1", "db2"}, time.Second); err != nil || !ok {
		t.Error("more than announcements is lost", err)
	}
	must(t, b.LoseAnnouncements(ctx, "db1", false))
	if !learns() {
		t.Error("announcements stay lost")
	}
}
