package live

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// Every mysqld is killed at once while clients write, again and again. What the
// writer had in its binlog and nobody had applied is cut off by its own restart;
// prestart has kept it, and the cluster comes back by itself with all of it.
func TestEveryMysqldKilledAtOnceLosesNothing(t *testing.T) {
	s := begin(t)
	w := s.storm()
	replays := 0
	for round := range 5 {
		_, _, epoch := s.writer()
		w.more(100)
		s.onAll(allHosts, func(host string) error { return s.KillMysqld(s.ctx, host, true) })
		writer, _ := s.awaitWriter(epoch)
		w.more(50)
		t.Logf("round %d: %s is the writer", round+1, writer)
	}
	for _, host := range allHosts {
		replays += strings.Count(s.said(host), "took in what was kept")
	}
	t.Logf("a tail was taken in %d times", replays)
	if replays == 0 {
		t.Error("no tail was ever taken in: nothing proven of that")
	}
	s.well()
}

// bereave takes the writer and its only acker away together, with a write that
// was acknowledged and that nobody else has. It gives the acker.
func (s *stage) bereave(w *writes, writer, acker string) {
	s.t.Helper()
	for _, host := range allHosts {
		if host != writer && host != acker {
			s.must(s.dropReplication(writer, host))
		}
	}
	w.more(20) // only the acker has them
	for _, host := range []string{writer, acker} {
		s.must(s.KillHost(s.ctx, host))
	}
}

// The writer and the only host that acknowledged its last writes are gone. The
// others stop, and say who holds what is missing. An operator goes on without
// it; the lost hosts come back, and are held until somebody has looked at them.
func TestAcceptedLossGoesOnAndHoldsWhoeverComesBack(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, other, epoch := s.writer()
	s.bereave(w, writer, "db4")
	w.stop()
	s.until("mmmctl names who is missing", func() error {
		code, out := s.ctl("status", "--check")
		if code != 11 || !strings.Contains(out, "not heard: db4 (down)") || !strings.Contains(out, "mmmctl failover") {
			return fmt.Errorf("exit %d: %s", code, out)
		}
		return nil
	})
	code, out := s.ctl("failover", "--to", other, "-o", "json")
	var doc struct {
		OK   bool
		Loss topology.Loss
	}
	if err := json.Unmarshal([]byte(out[:strings.LastIndex(out, "}")+1]), &doc); err != nil || code != 3 || doc.OK || len(doc.Loss.Missing) != 2 {
		t.Fatalf("exit %d, %v: %s", code, err, out)
	}
	if err := s.nobodyWritable(); err != nil {
		t.Error(err)
	}
	if c := s.now(); c.Writer.Present() {
		t.Fatalf("%s opened without the operator's word", c.Writer.Value.Name)
	}
	s.order("failover", "--to", other, "--accept-loss", "--reason", "a fire")
	if next, _ := s.awaitWriter(epoch); next != other {
		t.Fatalf("%s is the writer, want %s", next, other)
	}
	_, out = s.ctl("status")
	s.says(out, "was given up", "a fire", "not back since: ")
	_, out = s.ctl("events")
	s.says(out, "was given up to make "+other+" the writer")
	s.lossesComeBack(writer, "db4")
	s.discard() // its journals hold writes that were given up
}

// lossesComeBack sees that hosts which were given up are held, hold nothing that
// the cluster did not take back, and join again when an operator says so.
func (s *stage) lossesComeBack(hosts ...string) {
	s.t.Helper()
	for _, host := range hosts {
		s.must(s.StartHost(s.ctx, host))
	}
	for _, host := range hosts {
		s.says(s.awaitState(host, topology.AwaitingRecovery), "was given up without it", "mmmctl set-online "+host)
	}
	fresh := s.write()
	fresh.more(100)
	c := s.now()
	for _, host := range hosts {
		r, id, _ := c.ReportOf(host)
		if _, acks := c.Reign.Value.Ackers[id]; acks || r.Replication.Attached || r.EpochRow == c.Epoch() {
			s.t.Errorf("%s came back by itself: acker %t, %+v", host, acks, r.Replication)
		}
	}
	for _, host := range hosts {
		s.order("set-online", host)
		s.awaitState(host, topology.Online)
	}
	s.awaitCluster("nobody is missed any more", func(c topology.Cluster) error {
		if len(c.Tombstones) > 0 {
			return fmt.Errorf("tombstones %+v", c.Tombstones)
		}
		return nil
	})
	fresh.more(50)
	fresh.stop()
	s.awaitCluster("all have received what was written", func(c topology.Cluster) error {
		for _, host := range allHosts {
			if r, _, _ := c.ReportOf(host); !r.Position.Equal(c.Hosts[c.Writer.Value.ID].Value.Position) {
				return fmt.Errorf("%s is at %s", host, r.Position)
			}
		}
		return nil
	})
	s.equalRows(s.tables[len(s.tables)-1].name) // a GTID given twice would leave them different, and all else in order
}

// Both who acknowledge vanish: by `durability: available` writes go on after
// about a lease, and the cluster says so loudly. What the writer wrote alone is
// with it only: when it dies nobody else opens, and when it is back nothing is
// missing.
func TestAvailableWriterGoesOnAloneAndNobodyOpensWithoutIt(t *testing.T) {
	s := begin(t)
	s.policy("lossless", "available")
	defer s.policy("available", "lossless")
	w := s.write()
	writer, other, epoch := s.writer()
	began := time.Now()
	s.onAll([]string{other, "db3", "db4"}, func(host string) error { return s.bereaveOf(host) })
	w.more(20)
	t.Logf("writes went on %s after the last acker was killed", time.Since(began).Round(time.Millisecond))
	s.awaitCluster("nobody acknowledges", func(c topology.Cluster) error {
		if _, alone := topology.Alone(c); !alone {
			return fmt.Errorf("the ackers are %v", c.Reign.Value.Ackers)
		}
		return nil
	})
	_, out := s.ctl("status")
	s.says(out, "WITHOUT ACKNOWLEDGEMENTS since")
	_, out = s.ctl("events")
	s.says(out, writer+" WRITES WITHOUT ACKNOWLEDGEMENTS")
	s.must(s.KillMysqld(s.ctx, writer, false))
	for _, host := range []string{other, "db3", "db4"} {
		s.must(s.StartMysqld(s.ctx, host))
		s.must(s.StartAgent(s.ctx, host))
	}
	s.until("mmmctl says who alone can go on", func() error {
		code, out := s.ctl("status", "--check")
		if code != 11 || !strings.Contains(out, "nobody acknowledged the last reign: only "+writer) {
			return fmt.Errorf("exit %d: %s", code, out)
		}
		return nil
	})
	if err := s.nobodyWritable(); err != nil {
		t.Error(err)
	}
	s.must(s.StartMysqld(s.ctx, writer))
	if next, _ := s.awaitWriter(epoch); next != writer {
		t.Errorf("%s is the writer, want %s", next, writer)
	}
	w.more(30)
	s.well()
}

// policy changes the durability in the cluster file and applies it.
func (s *stage) policy(from, to string) {
	s.t.Helper()
	text, err := os.ReadFile(s.ClusterFile())
	s.must(err)
	s.must(os.WriteFile(s.ClusterFile(), []byte(strings.Replace(string(text), "durability: "+from, "durability: "+to, 1)), 0o644))
	s.order("apply", "-f", s.ClusterFile())
}

// bereaveOf leaves nothing of a host but its etcd member.
func (s *stage) bereaveOf(host string) error {
	return errors.Join(s.KillAgent(s.ctx, host, false), s.KillMysqld(s.ctx, host, false))
}
