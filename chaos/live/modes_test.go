package live

import (
	"fmt"
	"testing"

	"github.com/mmm-ha/mmm/topology"
)

// R35.
func TestManualModeElectsOnlyByOrder(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, other, epoch := s.writer()
	s.order("mode", "manual")
	s.must(s.KillMysqld(s.ctx, writer, false))
	s.awaitCluster("the reign is over and the readers have moved", func(c topology.Cluster) error {
		if c.Writer.Present() {
			return fmt.Errorf("%s is still writer", c.Writer.Value.Name)
		}
		return spread(c, writer)
	})
	_, out := s.ctl("status", "--check")
	s.says(out, "CRIT", "MANUAL", "mmmctl switchover")
	s.nobodyRuns(epoch)
	if err := s.nobodyWritable(); err != nil {
		t.Error(err)
	}
	s.says(s.order("switchover", "--to", other), "writer is "+other)
	if next, _ := s.awaitWriter(epoch); next != other {
		t.Errorf("%s is the writer, want %s", next, other)
	}
	w.more(30)
	s.order("mode", "active")
	s.must(s.StartMysqld(s.ctx, writer))
	s.well()
}

// nobodyRuns complains about a writer, and about bids for the place of the last
// one but its own.
func (s *stage) nobodyRuns(last topology.Rev) {
	s.t.Helper()
	c := s.now()
	if c.Writer.Present() {
		s.t.Errorf("%s is writer", c.Writer.Value.Name)
	}
	for id, bid := range c.Bids {
		if bid.Value.After == last && id != c.Reign.Value.ID {
			s.t.Errorf("%s bids: %+v", bid.Value.Name, bid.Value)
		}
	}
}

// R35: fences go on in every mode.
func TestPassiveModeMovesNothingButFences(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, other, epoch := s.writer()
	s.order("mode", "passive")
	before := s.now().Claims
	// A replica goes: its reader VIP goes with it, nobody takes it.
	s.must(s.KillMysqld(s.ctx, "db4", false))
	s.awaitState("db4", topology.HardOffline)
	s.awaitAckers(2)
	w.more(30)
	code, out := s.ctl("switchover", "--to", other, "--yes")
	if code != exitRefused {
		t.Errorf("a switchover in mode PASSIVE: exit %d: %s", code, out)
	}
	// The writer goes: it is closed, nobody takes over.
	s.must(s.KillMysqld(s.ctx, writer, true))
	s.awaitCluster("the reign is over", func(c topology.Cluster) error {
		if c.Writer.Present() {
			return fmt.Errorf("%s is still writer", c.Writer.Value.Name)
		}
		return nil
	})
	s.inOrder(writer + " gave the writer's place up")
	s.awaitState(writer, topology.AwaitingRecovery) // its mysqld runs again
	s.nobodyRuns(epoch)
	c := s.now()
	for addr, claim := range c.Claims {
		if claim.Value != before[addr].Value {
			t.Errorf("%s moved from %s to %s", addr, before[addr].Value.Name, claim.Value.Name)
		}
	}
	if err := s.nobodyWritable(); err != nil {
		t.Error(err)
	}
	s.must(s.StartMysqld(s.ctx, "db4"))
	s.order("mode", "active")
	s.awaitWriter(epoch)
	w.more(30)
	s.well()
}

func TestReaderSetOfflineServesNothingUntilItIsSetOnline(t *testing.T) {
	s := begin(t)
	w := s.write()
	_, _, epoch := s.writer()
	s.order("set-offline", "db3", "--reason", "new disks")
	s.says(s.noReader("db3", topology.AdminOffline), "new disks")
	s.awaitAckers(2)
	w.more(20)
	s.order("set-online", "db3")
	s.awaitState("db3", topology.Online)
	s.reignIs(epoch)
	s.well()
}

func TestWriterSetOfflineHandsOverFirst(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, other, epoch := s.writer()
	s.order("set-offline", writer)
	if next, _ := s.awaitWriter(epoch); next != other {
		t.Fatalf("%s is the writer, want %s", next, other)
	}
	s.inOrder(writer+" handed the writer's place to "+other, other+" is the writer")
	s.noReader(writer, topology.AdminOffline)
	w.more(30)
	s.order("set-online", writer)
	s.awaitState(writer, topology.Online)
	s.well()
}
