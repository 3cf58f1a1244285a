package live

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/topology"
)

// shop makes a table with three rows on the writer, and waits until all have it.
func (s *stage) shop(writer string) (table string) {
	s.t.Helper()
	table = fmt.Sprintf("app.shop%d", time.Now().UnixNano())
	s.exec(writer, "CREATE TABLE "+table+" (id INT PRIMARY KEY, name VARCHAR(50))", "INSERT INTO "+table+" VALUES (1, 'one'), (2, 'two'), (3, 'three')")
	for _, host := range allHosts {
		s.until("the table is on "+host, func() error { return s.rows(host, table, 3) })
	}
	return table
}

// rows complains when a table has another number of rows.
func (s *stage) rows(host, table string, want int) error {
	db, err := s.DB(host)
	if err != nil {
		return err
	}
	n := 0
	if err := db.QueryRowContext(s.ctx, "SELECT COUNT(*) FROM "+table).Scan(&n); err != nil {
		return err
	}
	if n != want {
		return fmt.Errorf("%d rows, want %d", n, want)
	}
	return nil
}

// equalRows fails the test when the hosts' tables differ.
func (s *stage) equalRows(table string) {
	s.t.Helper()
	sums := map[string][]string{}
	for _, host := range allHosts {
		db, err := s.DB(host)
		s.must(err)
		var name, sum string
		s.must(db.QueryRowContext(s.ctx, "CHECKSUM TABLE "+table).Scan(&name, &sum))
		sums[sum] = append(sums[sum], host)
	}
	if len(sums) != 1 {
		s.t.Errorf("%s differs: %v", table, sums)
	}
}

// archived is what a host has archived, as text.
func (s *stage) archived(host string) string {
	s.t.Helper()
	var out strings.Builder
	paths, err := filepath.Glob(filepath.Join(s.Dir(host), "state", "rewound", "*", "*"))
	s.must(err)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		s.must(err)
		out.Write(text)
	}
	return out.String()
}

// R46, R47: what somebody with every privilege wrote on a replica is archived and
// taken back while clients go on writing; then the replica is what its source is.
func TestErrantWritesOnAReplicaAreArchivedAndTakenBack(t *testing.T) {
	s := begin(t)
	writer, _, epoch := s.writer()
	table := s.shop(writer)
	w := s.write()
	s.exec("db3", "INSERT INTO "+table+" VALUES (4, 'errant')", "UPDATE "+table+" SET name='changed' WHERE id=1", "DELETE FROM "+table+" WHERE id=2")
	s.awaitSaid("db3", "cannot follow the writer as it is: DIVERGED")
	s.awaitSaid("db3", "transactions that only it had")
	s.awaitState("db3", topology.Online)
	w.more(100)
	s.well()
	s.equalRows(table)
	s.says(s.archived("db3"), "### INSERT INTO `app`", "'errant'", "sha256", "\"host\": \"db3\"")
	s.inOrder("db3 cannot follow the writer as it is", "took back 3 transactions that only it had", "db3 can follow the writer again")
	s.reignIs(epoch)
}

// The same when the writer is idle: nothing ever meets the errant transaction.
func TestErrantWritesAreFoundAlsoWhenNothingMeetsThem(t *testing.T) {
	s := begin(t)
	writer, _, _ := s.writer()
	table := s.shop(writer)
	s.exec("db4", "DELETE FROM "+table)
	s.awaitSaid("db4", "transactions that only it had")
	s.well()
	s.equalRows(table)
	s.says(s.said("db4"), "it holds 0-")
}

// What no client wrote is nothing that anybody could miss: it goes under every policy.
func TestTheClustersOwnRowsAndHarmlessStatementsGoUnderEveryPolicy(t *testing.T) {
	s := begin(t)
	restore := s.apply("flapDuration: 1h", "flapDuration: 1h, rejoin: manual")
	s.exec("db3", "FLUSH TABLES", "INSERT INTO mmm.epoch (seq, cluster, epoch, host, gtid, base) VALUES (1, 'x', 1, 'nobody', '', '')", "ANALYZE TABLE mmm.nudge")
	s.awaitSaid("db3", "transactions of the cluster's own")
	restore()
	s.well()
}

// An operator decides what is given up, when the cluster file says so.
func TestUnderThePolicyManualAnOperatorOrdersTheRewind(t *testing.T) {
	s := begin(t)
	restore := s.apply("flapDuration: 1h", "flapDuration: 1h, rejoin: manual")
	writer, _, _ := s.writer()
	table := s.shop(writer)
	s.exec("db3", "DELETE FROM "+table)
	s.until("db3 waits with the cause", func() error {
		if why := s.awaitState("db3", topology.AwaitingRecovery); !strings.Contains(why, "more than the cluster's own rows") {
			return errors.New(why)
		}
		return nil
	})
	if err := s.rows("db3", table, 0); err != nil {
		t.Fatalf("it was repaired unasked: %v", err)
	}
	out := s.order("rejoin", "db3")
	s.says(out, "db3")
	s.awaitState("db3", topology.Online)
	restore()
	s.well()
	s.equalRows(table)
}

// What cannot be undone is left alone, archived, with the cause in the state.
func TestWhatCannotBeUndoneAwaitsRecoveryWithTheCause(t *testing.T) {
	s := begin(t)
	writer, _, epoch := s.writer()
	table := s.shop(writer)
	s.exec("db3", "ALTER TABLE "+table+" ADD COLUMN x INT")
	s.exec(writer, "INSERT INTO "+table+" VALUES (9, 'nine')")
	s.until("db3 waits with the cause", func() error {
		if why := s.awaitState("db3", topology.AwaitingRecovery); !strings.Contains(why, "runs `ALTER TABLE") {
			return errors.New(why)
		}
		return nil
	})
	s.says(s.archived("db3"), "ADD COLUMN x INT")
	w := s.write()
	w.more(20)
	s.reignIs(epoch)
	s.recloned("db3", table)
}

// R48: an empty datadir under a known name is a stranger that lacks everything.
// It does not follow from the beginning, for what was never in a binlog would be
// missing, and nobody counts on it.
func TestEmptyDatadirUnderAKnownNameIsShortOfEverything(t *testing.T) {
	s := begin(t)
	_, _, epoch := s.writer()
	w := s.write()
	s.must(s.StopAgent(s.ctx, "db4"))
	s.must(s.StopMysqld(s.ctx, "db4"))
	data := filepath.Join(s.Dir("db4"), "data")
	s.must(os.RemoveAll(data))
	if out, err := exec.CommandContext(s.ctx, "cp", "-a", template, data).CombinedOutput(); err != nil {
		t.Fatalf("copy the empty datadir: %v: %s", err, out)
	}
	s.must(s.StartMysqld(s.ctx, "db4"))
	s.must(s.StartAgent(s.ctx, "db4"))
	s.until("db4 says what it lacks", func() error {
		if why := s.awaitState("db4", topology.AwaitingRecovery); !strings.Contains(why, "SHORT: its datadir is new and empty") {
			return errors.New(why)
		}
		return nil
	})
	w.more(50)
	s.reignIs(epoch)
	c := s.now()
	if r, id, _ := c.ReportOf("db4"); r.Replication.Configured || c.Reign.Value.Ackers[id] != "" {
		t.Errorf("it follows, or is counted on: %+v", r.Replication)
	}
	if code, out := s.ctl("rejoin", "db4", "--yes"); code != 3 || !strings.Contains(out, "db4 is SHORT") {
		t.Errorf("mmmctl rejoin: exit %d: %s", code, out)
	}
	s.recloned("db4")
}

// By its numbers a replica that somebody wrote on may hold most of all, and lack what
// a client was told to be safe: it is out of the race the moment that it is written on,
// although nobody is left who could deny what it has.
func TestReplicaThatSomebodyWroteOnProvesNothing(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, other, epoch := s.writer()
	table := s.shop(writer)
	w.more(20)
	s.must(s.dropReplication(writer, "db3"))
	w.more(10)
	s.must(s.Freeze(s.ctx, "db3", lab.UnitAgent)) // nobody finds it out before the writer is gone
	many := make([]string, 200)
	for i := range many {
		many[i] = fmt.Sprintf("INSERT INTO %s VALUES (%d, 'errant')", table, 1000+i)
	}
	s.exec("db3", many...)
	s.must(s.KillMysqld(s.ctx, writer, false))
	if c := s.now(); len(c.Reign.Value.Ackers) != len(allHosts)-1 {
		t.Fatalf("db3 was let go before the writer died: nothing proven")
	}
	s.must(s.Thaw(s.ctx, "db3", lab.UnitAgent))
	s.awaitSaid(other, "which somebody wrote here while "+writer+" was the writer")
	if c := s.now(); c.Writer.Present() {
		t.Errorf("%s is writer by the numbers of db3", c.Writer.Value.Name)
	}
	s.must(s.passReplication("db3"))
	s.must(s.StartMysqld(s.ctx, writer))
	s.awaitWriter(epoch)
	w.more(30)
	s.awaitSaid("db3", "transactions that only it had")
	s.well()
	s.equalRows(table)
}

// The binlogs that a host needs are gone everywhere: it says so, and nobody waits
// for it. A copy of another host brings it back.
func TestHostThatMissedPurgedBinlogsIsShort(t *testing.T) {
	s := begin(t)
	writer, _, epoch := s.writer()
	table := s.shop(writer)
	s.must(s.StopMysqld(s.ctx, "db4"))
	w := s.write()
	w.more(50)
	others := []string{"db1", "db2", "db3"}
	for _, host := range others {
		s.exec(host, "FLUSH LOCAL BINARY LOGS")
	}
	w.more(20)
	for _, host := range others {
		s.exec(host, "PURGE BINARY LOGS TO '"+s.lastBinlog(host)+"'")
	}
	s.must(s.StartMysqld(s.ctx, "db4"))
	why := s.awaitState("db4", topology.AwaitingRecovery)
	s.until("db4 says what it lacks", func() error {
		if why = s.awaitState("db4", topology.AwaitingRecovery); !strings.Contains(why, "SHORT") || !strings.Contains(why, "purged the binlogs") {
			return errors.New(why)
		}
		return nil
	})
	w.more(20)
	s.reignIs(epoch)
	s.recloned("db4", table)
}

// lastBinlog is the one that a host writes.
func (s *stage) lastBinlog(host string) (last string) {
	s.t.Helper()
	c := s.root(host)
	defer c.close()
	rows, err := c.conn.QueryContext(s.ctx, "SHOW BINARY LOGS")
	s.must(err)
	defer rows.Close()
	for rows.Next() {
		var size string
		s.must(rows.Scan(&last, &size))
	}
	s.must(rows.Err())
	return last
}

// recloned orders a copy of another host for one that nothing else brings back.
func (s *stage) recloned(host string, tables ...string) {
	s.t.Helper()
	s.awaitCluster("everybody's space is measured", func(c topology.Cluster) error {
		for _, h := range allHosts {
			if r, _, _ := c.ReportOf(h); r.Space.Free == 0 || r.Space.Data == 0 && h != host {
				return fmt.Errorf("%s says %+v", h, r.Space)
			}
		}
		return nil
	})
	s.says(s.order("reclone", host), host+" follows")
	s.healed(host, tables...)
}
