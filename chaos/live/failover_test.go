package live

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/topology"
)

func TestWriterThatLosesItsMysqldIsReplacedWithoutWaitingForTheLease(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, other, epoch := s.writer()
	before, id, _ := s.now().ReportOf(writer)
	s.must(s.KillMysqld(s.ctx, writer, false))
	next, reign := s.awaitWriter(epoch)
	if next != other {
		t.Fatalf("%s is the writer, want %s", next, other)
	}
	w.more(50)
	c := s.awaitCluster("the readers are spread over who is left", func(c topology.Cluster) error { return spread(c, writer) })
	if after, sameID, live := c.ReportOf(writer); !live || sameID != id || after.Lease != before.Lease {
		t.Errorf("%s lost its lease (%d, now %d): the failover may have waited for that", writer, before.Lease, after.Lease)
	}
	if strings.Contains(s.said(writer), "the lease is gone") {
		t.Errorf("the agent of %s lost its lease", writer)
	}
	s.inOrder(writer+" gave the writer's place up", fmt.Sprintf("%s is the writer (epoch %d)", next, reign))
	s.must(s.StartMysqld(s.ctx, writer))
	s.well()
}

// The tail of a killed writer's binlog is cut off when its mysqld starts again,
// acknowledged or not. The host must take it back from the others, although it
// wrote it itself: a server skips without a word what bears its own server_id.
func TestF01KilledWriterTakesBackTheWritesThatItsRestartCutOff(t *testing.T) {
	s := begin(t)
	const rounds, most = 3, 10 // what a restart finds unfinished is chance
	w := s.storm()
	for n := 0; n < rounds || n < most && s.cutOff() == 0; n++ {
		writer, _, epoch := s.writer()
		s.must(s.KillMysqld(s.ctx, writer, false))
		s.awaitWriter(epoch)
		w.more(100)
		s.must(s.StartMysqld(s.ctx, writer)) // when the next reign has long been open
		s.well()
		w = s.storm()
	}
	if s.cutOff() == 0 {
		t.Errorf("none of %d restarts cut anything off: nothing proven", most)
	}
	s.well()
}

// cutOff is how often a restart of a mysqld has cut off the tail of its binlog.
func (s *stage) cutOff() (times int) {
	s.t.Helper()
	for _, host := range masters {
		text, err := os.ReadFile(s.Log(host, lab.UnitMySQL))
		s.must(err)
		times += strings.Count(string(text), "to remove transactions starting from GTID")
	}
	return times
}

// R19: a reign belongs to one run of mysqld, however short the gap.
func TestWriterWhoseMysqldRestartsAtOnceHasLostItsReignAllTheSame(t *testing.T) {
	s := begin(t)
	w := s.storm()
	writer, _, epoch := s.writer()
	before := s.mysqldOf(writer)
	s.must(s.KillMysqld(s.ctx, writer, true))
	next, reign := s.awaitWriter(epoch)
	w.more(500)
	s.inOrder(writer+" gave the writer's place up", fmt.Sprintf("%s is the writer (epoch %d)", next, reign))
	s.well()
	if s.mysqldOf(writer) == before {
		t.Errorf("the mysqld of %s never restarted: nothing proven", writer)
	}
}

// The same when the agent sees nothing of it: it hangs while mysqld dies and
// comes back, and its lease outlives both.
func TestReignEndsWithItsMysqldAlsoWhenNobodySawItDie(t *testing.T) {
	const tries = 5 // the lease leaves a second; a busy machine may need more than that
	for range tries {
		s := begin(t)
		w := s.storm()
		writer, _, epoch := s.writer()
		s.must(s.Freeze(s.ctx, writer, lab.UnitAgent))
		s.must(s.KillMysqld(s.ctx, writer, true))
		s.until("the new mysqld answers", func() error {
			ctx, cancel := context.WithTimeout(s.ctx, callTime)
			defer cancel()
			_, err := s.serverFacts(ctx, writer)
			return err
		})
		s.must(s.Thaw(s.ctx, writer, lab.UnitAgent))
		s.awaitWriter(epoch)
		w.more(100)
		s.well()
		if said := s.said(writer); !strings.Contains(said, "no renewal of the lease") && !strings.Contains(said, "the lease is gone") {
			s.inOrder(writer + " gave the writer's place up")
			s.says(s.said(writer), "mysqld was restarted under the reign")
			return
		}
	}
	t.Errorf("the lease ran out in all of %d tries: nothing proven", tries)
}

func TestF14VanishedHostComesBackAsReaderAndTheWriterStays(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, other, epoch := s.writer()
	s.must(s.KillHost(s.ctx, writer))
	next, reign := s.awaitWriter(epoch)
	if next != other {
		t.Fatalf("%s is the writer, want %s", next, other)
	}
	s.awaitState(writer, topology.HardOffline)
	s.awaitCluster("the readers are spread over who is left", func(c topology.Cluster) error { return spread(c, writer) })
	w.more(50)
	s.must(s.StartHost(s.ctx, writer))
	s.says(s.awaitState(writer, topology.AwaitingRecovery), "mysqld was restarted", "mmmctl set-online "+writer)
	s.awaitState(writer, topology.Online) // by itself
	s.awaitCluster("the readers are spread over all", func(c topology.Cluster) error { return spread(c) })
	w.more(20)
	s.reignIs(reign)
	s.well()
}

func TestF07FrozenMysqldOfTheWriterIsKilledAndReplaced(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, other, epoch := s.writer()
	before := s.mysqldOf(writer)
	s.must(s.Freeze(s.ctx, writer, lab.UnitMySQL))
	if next, _ := s.awaitWriter(epoch); next != other {
		t.Fatalf("%s is the writer, want %s", next, other)
	}
	w.more(50)
	s.well()
	if s.mysqldOf(writer) == before {
		t.Errorf("%s still runs the mysqld that froze", writer)
	}
}

// A host that nothing reaches closes by itself before anybody else opens.
func TestF06WriterCutOffFromAllClosesBeforeTheNextOpens(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, other, epoch := s.writer()
	s.must(s.Unplug(writer))
	s.until("the next writer is writable", func() error {
		if s.readOnly(other) {
			return fmt.Errorf("%s is read-only", other)
		}
		return nil
	})
	if !s.readOnly(writer) {
		t.Errorf("%s is writable when %s is", writer, other)
	}
	if held, err := s.held(); err != nil {
		t.Error(err)
	} else if got := held[writerVIP]; len(got) > 1 {
		t.Errorf("the writer VIP is on %v", got)
	}
	s.awaitWriter(epoch)
	w.more(50)
	s.must(s.Plug(writer))
	s.well()
}

// While the agent of a writer is frozen or dead there is nothing on its host to
// close mysqld: the VIP goes with its lifetime, but who knows the host's own
// address can still send writes there. None of them may be acknowledged once the
// next reign has begun.
func TestWriterWithoutItsAgentAcknowledgesNothingAfterItsReign(t *testing.T) {
	tests := []struct {
		name        string
		fault, heal func(*stage, string) error
	}{
		{"frozen, then thawed",
			func(s *stage, host string) error { return s.Freeze(s.ctx, host, lab.UnitAgent) },
			func(s *stage, host string) error { return s.Thaw(s.ctx, host, lab.UnitAgent) }},
		{"killed, then started",
			func(s *stage, host string) error { return s.KillAgent(s.ctx, host, false) },
			func(s *stage, host string) error { return s.StartAgent(s.ctx, host) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := begin(t)
			w := s.write()
			writer, other, epoch := s.writer()
			ghosts := s.ghosts(s.addressOf(writer))
			s.must(tt.fault(s, writer))
			if next, _ := s.awaitWriter(epoch); next != other {
				t.Fatalf("%s is the writer, want %s", next, other)
			}
			s.until("the VIP has left the old writer", func() error {
				held, err := s.held()
				if got := held[writerVIP]; err != nil || len(got) != 1 || got[0] != other {
					return fmt.Errorf("it is on %v (%w)", got, err)
				}
				return nil
			})
			ctx, cancel := context.WithTimeout(s.ctx, callTime)
			defer cancel()
			if err := ghosts.exec(ctx, "INSERT INTO app.ghosts VALUES (1)"); err == nil {
				t.Errorf("%s acknowledged a write after its reign", writer)
			}
			w.more(30)
			s.must(tt.heal(s, writer))
			s.until("the old writer is read-only", func() error {
				if !s.readOnly(writer) {
					return fmt.Errorf("%s is writable", writer)
				}
				return nil
			})
			s.well()
			s.empty("app.ghosts")
		})
	}
}

// ghosts makes a table for writes that must not be, and a session that can make them.
func (s *stage) ghosts(address netip.Addr) *session {
	s.t.Helper()
	a, err := s.app(address)
	s.must(err)
	s.t.Cleanup(a.close)
	s.must(a.exec(s.ctx, "CREATE OR REPLACE TABLE app.ghosts (id INT PRIMARY KEY)"))
	return a
}

// empty complains about rows that are on any server.
func (s *stage) empty(table string) {
	s.t.Helper()
	for _, host := range allHosts {
		db, err := s.DB(host)
		s.must(err)
		var n int
		s.must(db.QueryRowContext(s.ctx, "SELECT COUNT(*) FROM "+table).Scan(&n))
		if n > 0 {
			s.t.Errorf("%s has %d rows in %s", host, n, table)
		}
	}
}

func TestAgentOfTheWriterRestartedWithinTheLeaseGoesOnWithItsReign(t *testing.T) {
	tests := []struct {
		name string
		stop func(*stage, string) error
	}{
		{"killed", func(s *stage, host string) error { return s.KillAgent(s.ctx, host, false) }},
		{"told to stop", func(s *stage, host string) error { return s.StopAgent(s.ctx, host) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := begin(t)
			w := s.write()
			writer, _, epoch := s.writer()
			s.must(tt.stop(s, writer))
			s.must(s.StartAgent(s.ctx, writer))
			s.awaitSaid(writer, "resumes its lease")
			s.inOrder(writer + " resumed its reign")
			w.more(50)
			s.reignIs(epoch)
			s.well()
			s.reignIs(epoch)
		})
	}
}

// The two that may write take turns: what the second one acknowledged must be on
// the first when it is writer again.
func TestTenKillsInARowLoseNothing(t *testing.T) {
	s := begin(t)
	w := s.storm()
	began := time.Now()
	for i := range 10 {
		writer, _, epoch := s.writer()
		s.must(s.KillMysqld(s.ctx, writer, i%2 == 0))
		s.awaitWriter(epoch)
		w.more(100)
		if i%2 == 1 {
			s.must(s.StartMysqld(s.ctx, writer))
		}
		s.awaitCluster(writer+" acknowledges again", func(c topology.Cluster) error {
			s.clear(c)
			rep, id, _ := c.ReportOf(writer)
			if inc, acks := c.Reign.Value.Ackers[id]; c.Writer.Value.Name != writer && (!acks || inc != rep.Incarnation || !rep.Replication.Attached) {
				return fmt.Errorf("ackers are %v; %s runs as %q, replication %+v", c.Reign.Value.Ackers, writer, rep.Incarnation, rep.Replication)
			}
			return nil
		})
	}
	t.Logf("ten failovers and as many returns in %s", time.Since(began).Round(time.Millisecond))
	s.well()
}
