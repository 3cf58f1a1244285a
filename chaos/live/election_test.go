package live

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

// A host that may never be writer can hold what no candidate has: the candidate
// fetches it before it opens.
func TestWriterToBeFetchesWhatOnlyAnotherHostHolds(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, other, epoch := s.writer()
	s.must(s.dropReplication(writer, other))
	w.more(50)
	s.awaitCluster(other+" has received less than db3", func(c topology.Cluster) error {
		behind, _, _ := c.ReportOf(other)
		ahead, _, _ := c.ReportOf("db3")
		if gtid.Distance(ahead.Received, behind.Received) < 20 {
			return fmt.Errorf("db3 received %s, %s received %s", ahead.Received, other, behind.Received)
		}
		return nil
	})
	s.must(s.KillMysqld(s.ctx, writer, false))
	if next, _ := s.awaitWriter(epoch); next != other {
		t.Fatalf("%s is the writer, want %s", next, other)
	}
	s.inOrder(other+" fetched from db", other+" is the writer")
	w.more(30)
	s.must(s.passReplication(other))
	s.must(s.StartMysqld(s.ctx, writer))
	s.well()
}

// dropReplication makes a host lose what another one's replication listener
// sends to it, and only that: etcd and the agents see no fault.
func (s *stage) dropReplication(from, at string) error {
	rules := fmt.Sprintf("add table ip live; add chain ip live in { type filter hook input priority -300; }; add rule ip live in ip saddr %s tcp sport %d drop",
		s.addressOf(from), lab.ReplicationPort)
	out, err := s.Exec(s.ctx, at, "nft", rules)
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

func (s *stage) passReplication(at string) error {
	out, err := s.Exec(s.ctx, at, "nft", "delete table ip live")
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// W is 1: one acker is enough for a write, so each acker may hold what no other
// has, and without its bid nobody can know. A write must not be lost for want
// of patience.
func TestElectionWaitsForAnAckerThatIsMissing(t *testing.T) {
	for _, what := range []string{lab.WholeHost, lab.UnitMySQL} {
		t.Run(what, func(t *testing.T) {
			s := begin(t)
			w := s.write()
			writer, other, epoch := s.writer()
			// Both at once: a writer that lives lets a missing acker go.
			s.must(s.Freeze(s.ctx, "db3", what))
			s.must(s.KillMysqld(s.ctx, writer, false))
			if c := s.now(); len(c.Reign.Value.Ackers) != len(allHosts)-1 {
				t.Fatalf("db3 was let go before the writer died: nothing proven")
			}
			s.until("mmmctl names who is missing", func() error {
				code, out := s.ctl("status", "--check")
				if code != 11 || !strings.Contains(out, "not heard: db3") {
					return fmt.Errorf("exit %d: %s", code, out)
				}
				return nil
			})
			s.awaitSaid(other, "not heard: db3")
			if err := s.nobodyWritable(); err != nil {
				t.Error(err)
			}
			if c := s.now(); c.Writer.Present() {
				t.Errorf("%s is writer without the bid of db3", c.Writer.Value.Name)
			}
			s.must(s.Thaw(s.ctx, "db3", what))
			if next, _ := s.awaitWriter(epoch); next != other {
				t.Errorf("%s is the writer, want %s", next, other)
			}
			w.more(30)
			s.must(s.StartMysqld(s.ctx, writer))
			s.well()
		})
	}
}

// An acker whose agent hangs is let go while the writer lives; then it is missed
// by nobody.
func TestF04HungAgentOfAnAckerHoldsUpNoElection(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, _, epoch := s.writer()
	s.must(s.Freeze(s.ctx, "db3", lab.UnitAgent))
	s.awaitAckers(2)
	w.more(20)
	s.must(s.KillMysqld(s.ctx, writer, true))
	s.awaitWriter(epoch)
	w.more(30)
	s.must(s.Thaw(s.ctx, "db3", lab.UnitAgent))
	s.well()
}

// awaitAckers waits until the acker set has a size.
func (s *stage) awaitAckers(n int) {
	s.t.Helper()
	s.awaitCluster(fmt.Sprintf("%d hosts acknowledge", n), func(c topology.Cluster) error {
		if len(c.Reign.Value.Ackers) != n {
			return fmt.Errorf("the ackers are %v", c.Reign.Value.Ackers)
		}
		return nil
	})
}

// What a candidate received and cannot apply is data that it would hide from
// everybody as a writer.
func TestF13CandidateThatCannotApplyItsRelayLogIsNotElected(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, other, epoch := s.writer()
	broken := s.breakReplica(other, writer)
	s.awaitAckers(2)
	w.more(30)
	s.must(s.KillMysqld(s.ctx, writer, false))
	s.until("mmmctl says why nobody takes over", func() error {
		code, out := s.ctl("status", "--check")
		if code != 11 || !strings.Contains(out, "no host can take over") || !strings.Contains(out, "1062") {
			return fmt.Errorf("exit %d: %s", code, out)
		}
		return nil
	})
	if err := s.nobodyWritable(); err != nil {
		t.Error(err)
	}
	// The one that was writer lost nothing that the bids hold: it fetches the rest.
	s.must(s.StartMysqld(s.ctx, writer))
	if next, _ := s.awaitWriter(epoch); next != writer {
		t.Errorf("%s is the writer, want %s", next, writer)
	}
	w.more(30)
	s.says(s.awaitState(other, topology.ReplicationFail), "1062")
	s.mendReplica(other, broken)
	s.well()
}

// STOP SLAVE and START SLAVE, which every administrator has typed in despair,
// make MariaDB delete a relay log that is not applied. In an election that log
// may be the only copy of what was acknowledged: who dropped it proves nothing.
func TestAckerThatDroppedItsRelayLogProvesNothing(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, other, _ := s.writer()
	for _, host := range []string{"db3", "db4"} {
		s.must(s.dropReplication(writer, host))
	}
	blocker := s.root(other)
	defer blocker.close()
	s.must(blocker.exec(s.ctx, "FLUSH TABLES WITH READ LOCK"))
	w.more(30) // acknowledged by one host, and not applied there
	s.must(s.KillMysqld(s.ctx, writer, false))
	s.awaitCluster(other+" has won and catches up", func(c topology.Cluster) error {
		if c.Writer.Value.Name != other {
			return fmt.Errorf("the writer is %q, proof: %s", c.Writer.Value.Name, topology.Prove(c).Why)
		}
		return nil
	})
	hands := s.root(other)
	defer hands.close()
	stopped := make(chan error, 1)
	go func() { stopped <- hands.exec(s.ctx, "STOP SLAVE") }() // waits for the SQL thread, which waits for the lock
	s.until("the SQL thread is being stopped", func() error {
		c := s.root(other)
		defer c.close()
		var n int
		if err := c.conn.QueryRowContext(s.ctx, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO='STOP SLAVE'").Scan(&n); err != nil || n == 0 {
			return errors.Join(fmt.Errorf("%d sessions stop it", n), err)
		}
		return nil
	})
	s.must(blocker.exec(s.ctx, "UNLOCK TABLES"))
	s.must(<-stopped)
	s.must(hands.exec(s.ctx, "START SLAVE"))
	s.awaitSaid(other, "dropped its relay log in an election")
	s.until("mmmctl says who is missing", func() error {
		code, out := s.ctl("status", "--check")
		if code != 11 || !strings.Contains(out, "not heard: "+other) {
			return fmt.Errorf("exit %d: %s", code, out)
		}
		return nil
	})
	if err := s.nobodyWritable(); err != nil {
		t.Error(err)
	}
	s.discard() // what was acknowledged is gone, and the cluster says so
}

// breakReplica stops a replica's SQL thread with an error: a row is there that
// its source is about to insert. It gives the table.
func (s *stage) breakReplica(replica, writer string) (table string) {
	s.t.Helper()
	table = fmt.Sprintf("app.broken%d", time.Now().UnixNano())
	s.exec(writer, "CREATE TABLE "+table+" (id INT PRIMARY KEY)")
	s.until("the table is on "+replica, func() error {
		c := s.root(replica)
		defer c.close()
		return c.exec(s.ctx, "SET sql_log_bin = 0", "INSERT INTO "+table+" VALUES (1)", "SET sql_log_bin = 1")
	})
	s.exec(writer, "INSERT INTO "+table+" VALUES (1)")
	s.awaitCluster("the SQL thread of "+replica+" is stopped", func(c topology.Cluster) error {
		if r, _, _ := c.ReportOf(replica); r.Replication.SQL || !strings.Contains(r.Replication.Error, "1062") {
			return fmt.Errorf("replication is %+v", r.Replication)
		}
		return nil
	})
	return table
}

// mendReplica does what an operator would do: take the row away, go on.
func (s *stage) mendReplica(replica, table string) {
	s.t.Helper()
	s.exec(replica, "SET sql_log_bin = 0", "DELETE FROM "+table, "SET sql_log_bin = 1", "START SLAVE")
}

// A candidate that lags opens only when everything that it received is applied:
// what it threw away or hid would be lost, what it opened with would be stale.
func TestF02WriterToBeAppliesAllThatItReceivedBeforeItOpens(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, other, epoch := s.writer()
	for _, host := range []string{"db3", "db4"} { // or one of them may hold a write more, and the winner fetches it first
		s.must(s.dropReplication(writer, host))
	}
	blocker := s.root(other)
	defer blocker.close()
	s.must(blocker.exec(s.ctx, "FLUSH TABLES WITH READ LOCK"))
	w.more(50)
	s.must(s.KillMysqld(s.ctx, writer, false))
	for _, host := range []string{"db3", "db4"} {
		s.must(s.passReplication(host))
	}
	s.awaitCluster(other+" has won and catches up", func(c topology.Cluster) error {
		if c.Writer.Value.Name != other {
			return fmt.Errorf("the writer is %q, proof: %s", c.Writer.Value.Name, topology.Prove(c).Why)
		}
		return nil
	})
	// Its own rules look again and again; give a wrong one the time to show itself.
	for range 50 {
		if err := s.nobodyWritable(); err != nil {
			t.Fatal(err)
		}
		if c := s.now(); c.Phase.Present() && c.Phase.Value.Step != topology.CatchingUp {
			t.Fatalf("the reign is %s with a relay log that is not applied", c.Phase.Value.Step)
		}
	}
	_, out := s.ctl("status", "--check")
	s.says(out, "CRIT", other+" won epoch", "nobody can write yet")
	s.must(blocker.exec(s.ctx, "UNLOCK TABLES"))
	s.awaitWriter(epoch)
	w.more(30)
	s.must(s.StartMysqld(s.ctx, writer))
	s.well()
}

// A full server answers nobody new; it is not dead, and no other host would be
// less full.
func TestF11WriterWithoutAFreeConnectionStaysWriter(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, _, epoch := s.writer()
	var held []*session
	defer func() {
		for _, c := range held {
			c.close()
		}
	}()
	s.until("the writer has no free connection", func() error {
		for {
			c, err := s.app(writerVIP)
			if err != nil && strings.Contains(err.Error(), "Too many connections") {
				return nil
			}
			if err != nil {
				return err
			}
			if held = append(held, c); len(held) > 1000 {
				return errors.New("it took a thousand")
			}
		}
	})
	w.more(100)
	if _, out := s.ctl("status"); !strings.Contains(out, writer+" is the writer") {
		t.Errorf("mmmctl status: %s", out)
	}
	s.reignIs(epoch)
	for _, c := range held {
		c.close()
	}
	held = nil
	s.well()
	s.reignIs(epoch)
}

// A host that applies later on purpose acknowledges like any other and has the
// better priority; while another candidate is there it is neither elected nor the
// target of an order, and mmmctl says why.
func TestDelayedReplicaIsElectedOnlyIfThereIsNoOther(t *testing.T) {
	s := begin(t)
	restore := s.apply("name: db3, address: 192.0.2.164, mode: slave", "name: db3, address: 192.0.2.164, mode: master, priority: 9")
	w := s.write()
	writer, late, epoch := s.writer()
	s.order("set-offline", late)
	s.exec(late, "STOP SLAVE", "CHANGE MASTER TO MASTER_DELAY=5", "START SLAVE")
	s.order("set-online", late)
	s.awaitCluster(late+" acknowledges, and applies late", func(c topology.Cluster) error {
		r, id, _ := c.ReportOf(late)
		if c.Reign.Value.Ackers[id] != r.Incarnation || !r.Replication.Attached || topology.Late(r.Replication) == "" || !slices.Contains(c.Reign.Value.Voters, idOf(c, "db3")) {
			return fmt.Errorf("acker set %v, voters %v, %+v", c.Reign.Value.Ackers, c.Reign.Value.Voters, r.Replication)
		}
		return nil
	})
	w.more(30)
	const why = "it applies what it receives 5s later on purpose (MASTER_DELAY)"
	_, out := s.ctl("status")
	s.says(out, late+" is elected only if there is no other: "+why)
	code, out := s.ctl("switchover", "--to", late, "--yes")
	if code != exitRefused {
		t.Errorf("an order to move the writer there: exit %d", code)
	}
	s.says(out, why)
	s.must(s.KillMysqld(s.ctx, writer, false))
	if next, _ := s.awaitWriter(epoch); next != "db3" {
		t.Errorf("%s is the writer, want db3", next)
	}
	w.more(30)
	s.must(s.StartMysqld(s.ctx, writer))
	s.awaitCluster(late+" follows db3, late no more", func(c topology.Cluster) error {
		if r, _, _ := c.ReportOf(late); topology.Late(r.Replication) != "" || !r.Replication.Attached {
			return fmt.Errorf("%+v", r.Replication)
		}
		return nil
	})
	s.awaitState(writer, topology.Online)
	s.order("switchover", "--to", writer)
	restore()
	s.well()
}

// idOf is the id of a live host.
func idOf(c topology.Cluster, name string) topology.HostID {
	_, id, _ := c.ReportOf(name)
	return id
}
