package live

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/topology"
)

// emptied stops the mysqld of a host and removes all that is in its datadir.
func (s *stage) emptied(host string) {
	s.t.Helper()
	s.must(s.StopAgent(s.ctx, host))
	s.must(s.StopMysqld(s.ctx, host))
	data := filepath.Join(s.Dir(host), "data")
	entries, err := os.ReadDir(data)
	s.must(err)
	for _, e := range entries {
		s.must(os.RemoveAll(filepath.Join(data, e.Name())))
	}
	s.must(s.StartAgent(s.ctx, host))
}

// neverCountedEarly watches until stop is called that the acker set never has a
// host that does not follow yet: whose data are being replaced.
func (s *stage) neverCountedEarly(host string) (stop func()) {
	s.t.Helper()
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
			c, err := s.etcd.Load(s.ctx)
			if err != nil {
				continue
			}
			r, id, live := c.ReportOf(host)
			_, acks := c.Reign.Value.Ackers[id]
			if live && acks && r.Repair != nil && r.Repair.Away && !r.MySQL.Up && c.Reign.Value.Ackers[id] == r.Incarnation {
				s.t.Errorf("the acker set counts on %s while its data are replaced: %+v", host, r.Repair)
			}
		}
	}()
	return func() { close(done); <-ended }
}

// healed waits until a host is ONLINE and all hosts have the same rows.
func (s *stage) healed(host string, tables ...string) {
	s.t.Helper()
	s.awaitState(host, topology.Online)
	s.well()
	for _, table := range tables {
		s.equalRows(table)
	}
}

// R48: a host whose disk was replaced becomes a copy of a replica by itself, when
// the cluster file says so, while clients go on writing.
func TestHostThatLostItsDatadirBecomesACopyByItself(t *testing.T) {
	s := begin(t)
	s.becomesACopy(func(string) { s.emptied("db4") })
	s.inOrder("db4 begins to copy db3", "db4 has a whole copy of db3", "db4 stops its mysqld", "db4 is a copy of db3", "db4 follows as a copy of db3")
	s.says(s.said("db3"), "gives db4 a copy", "has given db4 a copy")
}

// R46: what cannot be undone is archived, and then goes with all the rest.
func TestHostThatCannotBeTakenBackBecomesACopyByItself(t *testing.T) {
	s := begin(t)
	s.becomesACopy(func(table string) {
		s.exec("db4", "ALTER TABLE "+table+" ADD COLUMN x INT", "INSERT INTO "+table+" (id, name) VALUES (77, 'errant')")
	})
	s.says(s.archived("db4"), "ADD COLUMN x INT", "'errant'")
}

// becomesACopy lets something befall db4, with a table of the shop, and waits until
// it is a copy of db3, while clients write; nobody counts on it too early.
func (s *stage) becomesACopy(befalls func(table string)) {
	s.t.Helper()
	restore := s.apply("flapDuration: 1h", "flapDuration: 1h, rejoin: reclone")
	writer, _, epoch := s.writer()
	table := s.shop(writer)
	w := s.write()
	stop := s.neverCountedEarly("db4")
	befalls(table)
	s.awaitSaid("db4", "is a copy of db3")
	w.more(100)
	s.healed("db4", table)
	stop()
	s.awaitSaid("db4", "its data from before are removed")
	restore()
	s.well()
	s.equalRows(table)
	s.reignIs(epoch)
}

// A healthy host becomes a copy by an operator's word. It acknowledges until the
// copy is whole.
func TestOperatorOrdersACopy(t *testing.T) {
	s := begin(t)
	writer, _, epoch := s.writer()
	table := s.shop(writer)
	w := s.write()
	if code, out := s.ctl("reclone", writer, "--yes"); code != 3 || !strings.Contains(out, "is the writer") {
		t.Errorf("mmmctl reclone of the writer: exit %d: %s", code, out)
	}
	if code, out := s.ctl("reclone", "db4", "--from", writer, "--yes"); code != 3 || !strings.Contains(out, "only --from-writer allows that") {
		t.Errorf("mmmctl reclone from the writer: exit %d: %s", code, out)
	}
	restore := s.apply("flapDuration: 1h", "flapDuration: 1h, cloneRate: 50")
	s.ballast("db3")
	out := s.order("reclone", "db4", "--from", "db3")
	t.Log(out)
	s.says(out, "db4 follows "+writer+" again", "db4: ", "it copies db3: ", " MiB of about 1", " MiB/s, ", "s left")
	w.more(50)
	s.healed("db4", table)
	for _, host := range []string{"db3", "db4"} {
		s.must(s.rows(host, ballast, ballastRows))
		s.exec(host, "SET sql_log_bin = 0", "DROP TABLE "+ballast, "SET sql_log_bin = 1")
	}
	restore()
	s.well()
	s.reignIs(epoch)
}

// ballast makes a copy of a host take a while: a table that it alone has, 1 MiB a row.
const (
	ballast     = lab.AppDatabase + ".ballast"
	ballastRows = 150
)

func (s *stage) ballast(host string) {
	s.t.Helper()
	s.exec(host, "SET sql_log_bin = 0", "CREATE TABLE "+ballast+" (id INT PRIMARY KEY, x LONGBLOB)",
		fmt.Sprintf("INSERT INTO %s SELECT seq, REPEAT(SHA2(seq, 512), 8192) FROM %s.seq_1_to_%d", ballast, lab.AppDatabase, ballastRows), "SET sql_log_bin = 1")
}

// A donor that is lost amid a copy costs nothing but time: nothing was touched yet.
func TestCopyWhoseDonorIsKilledIsTakenFromAnother(t *testing.T) {
	s := begin(t)
	s.becomesACopyAlthough("cloneRate: 8", func() { s.must(s.KillMysqld(s.ctx, "db3", true)) })
}

// An agent that is killed amid a copy begins again; one that is killed while the
// data are replaced goes on.
func TestAgentThatIsKilledAmidACopyGoesOn(t *testing.T) {
	s := begin(t)
	s.becomesACopyAlthough("cloneRate: 8", func() {
		s.must(s.KillAgent(s.ctx, "db4", true))
		record := filepath.Join(s.Dir("db4"), "state", "clone.json")
		s.until("the data are being replaced", func() error {
			text, err := os.ReadFile(record)
			if err == nil && !strings.Contains(string(text), `"replac`) {
				err = errors.New(string(text))
			}
			return err
		})
		s.must(s.KillAgent(s.ctx, "db4", true))
	})
}

// becomesACopyAlthough empties db4 and lets something happen amid the copy that it
// takes, which comes slowly.
func (s *stage) becomesACopyAlthough(slowly string, happens func()) {
	s.t.Helper()
	restore := s.apply("flapDuration: 1h", "flapDuration: 1h, rejoin: reclone, "+slowly)
	writer, _, _ := s.writer()
	table := s.shop(writer)
	w := s.write()
	s.emptied("db4")
	s.until("the copy comes", func() error {
		r, _, _ := s.now().ReportOf("db4")
		if r.Repair == nil || r.Repair.Bytes == 0 {
			return fmt.Errorf("db4 says %+v", r.Repair)
		}
		return nil
	})
	happens()
	s.awaitSaid("db4", "is a copy of")
	w.more(50)
	s.healed("db4", table)
	restore()
	s.well()
	s.equalRows(table)
}

// With init_rpl_role=SLAVE MariaDB does not start when a statement stands behind what
// it would have to cut off. That ends neither in silence nor in a loss: others go on,
// the host says what it is, and an operator's word makes it whole.
func TestWriterThatCannotStartAfterACrashSaysWhyAndBecomesACopy(t *testing.T) {
	s := begin(t)
	writer, _, epoch := s.writer()
	table := s.shop(writer)
	w := s.write()
	w.more(30)
	var others []string
	for _, host := range allHosts {
		if host != writer {
			others = append(others, host)
			s.must(s.dropReplication(writer, host))
		}
	}
	statement := s.root(writer)
	defer statement.close()
	s.until("somebody waits for an acknowledgement", func() error {
		var name string
		var n int
		if err := statement.conn.QueryRowContext(s.ctx, "SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_master_wait_sessions'").Scan(&name, &n); err != nil || n == 0 {
			return fmt.Errorf("%d wait: %w", n, err)
		}
		return nil
	})
	const behind = "CREATE TABLE app.behind (i INT)"
	go func() { _ = statement.exec(s.ctx, behind) }()
	s.until("the statement is in the binlog", func() error {
		logs, err := filepath.Glob(filepath.Join(s.Dir(writer), "data", "binlog.0*"))
		for _, log := range logs {
			if raw, err := os.ReadFile(log); err == nil && strings.Contains(string(raw), behind) {
				return nil
			}
		}
		return fmt.Errorf("it is in none of %v: %w", logs, err)
	})
	s.must(s.KillMysqld(s.ctx, writer, true))
	for _, host := range others {
		s.must(s.passReplication(host))
	}
	s.awaitWriter(epoch)
	w.more(30)
	s.until("the host says why it is down", func() error {
		r, _, _ := s.now().ReportOf(writer)
		if !strings.Contains(r.MySQL.Why, "CREATE TABLE app.behind") {
			return errors.New(r.MySQL.Why)
		}
		return nil
	})
	if why := s.awaitState(writer, topology.HardOffline); !strings.Contains(why, "Cannot truncate the binary log") {
		t.Error(why)
	}
	log, err := os.ReadFile(s.Log(writer, lab.UnitMySQL))
	s.must(err)
	s.says(string(log), "Cannot truncate the binary log", "unsafe statement")
	s.order("reclone", writer)
	w.more(30)
	s.healed(writer, table)
}
