package live

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

const exitRefused = 3 // of mmmctl

func TestSwitchoverMovesTheWriterAndBack(t *testing.T) {
	s := begin(t)
	w := s.write()
	for range 2 {
		writer, other, epoch := s.writer()
		began := time.Now()
		out := s.order("switchover", "--to", other, "--reason", "test")
		s.says(out, "writer is "+other, "nothing was lost")
		if next, _ := s.awaitWriter(epoch); next != other {
			t.Fatalf("%s is the writer, want %s", next, other)
		}
		w.more(50)
		gap := w.journals[0].LongestGap(began, time.Now())
		t.Logf("from %s to %s: no write was acknowledged for %s", writer, other, gap.Length().Round(time.Millisecond))
		s.inOrder(writer+" stopped writing", writer+" handed the writer's place to "+other, other+" is the writer")
		s.awaitAckers(3)
	}
	s.well()
}

// refusedSwitchover orders one that must fail, and sees that the old reign goes on.
func (s *stage) refusedSwitchover(w *writes, to string, why ...string) {
	s.t.Helper()
	_, _, epoch := s.writer()
	code, out := s.ctl("switchover", "--to", to, "--yes")
	if code != exitRefused {
		s.t.Errorf("exit %d, want %d: %s", code, exitRefused, out)
	}
	s.says(out, why...)
	s.reignIs(epoch)
	w.more(50)
	s.reignIs(epoch)
}

func TestSwitchoverToATargetThatCannotApplyIsUndone(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, other, _ := s.writer()
	blocker := s.root(other)
	defer blocker.close()
	s.must(blocker.exec(s.ctx, "FLUSH TABLES WITH READ LOCK"))
	w.more(20)
	s.refusedSwitchover(w, other, "undone: "+other+" did not catch up", writer+" is writer again")
	s.must(blocker.exec(s.ctx, "UNLOCK TABLES"))
	s.well()
}

func TestSwitchoverAwayFromAWriterThatCannotStopIsUndone(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, other, _ := s.writer()
	blocker, err := s.app(writerVIP)
	s.must(err)
	defer blocker.close()
	s.must(blocker.exec(s.ctx, "CREATE OR REPLACE TABLE app.locked (id INT PRIMARY KEY)", "LOCK TABLES app.locked WRITE"))
	s.refusedSwitchover(w, other, "undone: "+writer+" could not stop writing", writer+" is writer again")
	s.must(blocker.exec(s.ctx, "INSERT INTO app.locked VALUES (1)", "UNLOCK TABLES"))
	s.well()
}

// A transaction that was open when the writer stopped was never acknowledged:
// its client must hear so, and it must be nowhere.
func TestF16TransactionOpenAtASwitchoverFailsAtItsCommit(t *testing.T) {
	s := begin(t)
	w := s.write()
	_, other, epoch := s.writer()
	open := s.ghosts(writerVIP)
	s.must(open.exec(s.ctx, "BEGIN", "INSERT INTO app.ghosts VALUES (1)"))
	s.order("switchover", "--to", other)
	ctx, cancel := context.WithTimeout(s.ctx, callTime)
	defer cancel()
	if err := open.exec(ctx, "COMMIT"); err == nil {
		t.Error("the old writer acknowledged a commit after it had handed over")
	}
	s.awaitWriter(epoch)
	w.more(30)
	s.well()
	s.empty("app.ghosts")
}

// The target dies in the middle: the order must come to an end, and somebody must
// be writer.
func TestSwitchoverWhoseTargetDiesEndsWithAWriter(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, other, _ := s.writer()
	blocker := s.root(other)
	defer blocker.close()
	s.must(blocker.exec(s.ctx, "FLUSH TABLES WITH READ LOCK"))
	w.more(10)
	s.order("switchover", "--to", other, "--no-wait")
	s.awaitCluster("the old writer has stopped", func(c topology.Cluster) error {
		if c.Switchover.Value.Step != topology.Drained {
			return fmt.Errorf("the order is at %q: %s", c.Switchover.Value.Step, c.Switchover.Value.Outcome)
		}
		return nil
	})
	s.must(s.KillHost(s.ctx, other))
	w.more(50)
	if now, _, _ := s.writer(); now != writer {
		t.Errorf("%s is the writer, want %s", now, writer)
	}
	s.must(s.StartHost(s.ctx, other))
	s.well()
}

// The old writer dies in the middle: nothing that it acknowledged may be lost.
func TestSwitchoverWhoseWriterDiesEndsWithAWriter(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, other, epoch := s.writer()
	blocker := s.root(other)
	defer blocker.close()
	s.must(blocker.exec(s.ctx, "FLUSH TABLES WITH READ LOCK"))
	w.more(10)
	s.order("switchover", "--to", other, "--no-wait")
	s.awaitCluster("the old writer has stopped", func(c topology.Cluster) error {
		if c.Switchover.Value.Step != topology.Drained {
			return fmt.Errorf("the order is at %q: %s", c.Switchover.Value.Step, c.Switchover.Value.Outcome)
		}
		return nil
	})
	s.must(s.KillMysqld(s.ctx, writer, true))
	s.must(blocker.exec(s.ctx, "UNLOCK TABLES"))
	s.awaitWriter(epoch)
	w.more(50)
	s.well()
}
