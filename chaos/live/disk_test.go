package live

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/topology"
)

// onDisks is a test on a bed whose datadirs are file systems of their own.
func onDisks(t *testing.T) *stage {
	t.Helper()
	return beginOn(t, "disks", func(o *lab.Options) { o.Disks = true })
}

// The disk of the writer takes no writes any more: the server answers, and cannot
// serve. Another host takes over, and the old one comes back by itself.
func TestF11WriterWhoseDiskTakesNoWritesIsReplaced(t *testing.T) {
	s := onDisks(t)
	for _, fault := range []struct {
		name, says string
		idle       bool // nobody writes when it strikes
		strike     func(string) error
		mend       func(string) error
	}{
		{"full", "no space left on device", false, s.FillDisk, s.EmptyDisk},
		{"stalled", "a write takes longer than 1s", false, s.StallDisk, s.ResumeDisk},
		{"read-only", "", false, s.BreakDisk, s.reboot}, // MariaDB that is to write ends by itself
		{"read-only, and nobody writes,", "read-only file system", true, s.BreakDisk, s.reboot},
	} {
		s.sub(fault.name, func(s *stage) {
			w := s.storm()
			writer, _, epoch := s.writer()
			if fault.idle {
				w.stop()
			}
			began := time.Now()
			s.must(fault.strike(writer))
			if err := s.TryDisk(s.ctx, writer, callTime/4); err == nil {
				s.t.Fatal("the disk takes writes: nothing proven")
			}
			next, reign := s.awaitWriter(epoch)
			if fault.idle {
				w = s.storm()
			}
			w.more(30)
			gap := w.journals[0].LongestGap(began, time.Now()).Length()
			s.t.Logf("disk of %s %s: %s is writer after %s, longest gap between two acknowledged writes %s",
				writer, fault.name, next, time.Since(began).Round(time.Millisecond), gap.Round(time.Millisecond))
			if next == writer {
				s.t.Fatalf("%s reigns again", writer)
			}
			s.until(writer+" says "+fault.says, func() error { // MariaDB may end by itself before that
				r, _, _ := s.now().ReportOf(writer)
				if text := s.said(writer) + r.Disk.Failing; !strings.Contains(text, fault.says) {
					return fmt.Errorf("%s says %+v", writer, r.Disk)
				}
				return nil
			})
			s.must(fault.mend(writer))
			s.revive(writer)
			s.well()
			s.reignIs(reign)
		})
	}
}

// A full replica serves no readers and is no candidate; the others go on.
func TestF11ReplicaWhoseDiskIsFullStandsAside(t *testing.T) {
	s := onDisks(t)
	w := s.write()
	_, other, epoch := s.writer()
	s.must(s.FillDisk(other))
	s.awaitCluster(other+" stands aside", func(c topology.Cluster) error {
		// A server that cannot write its relay log soon answers nobody.
		state, why := topology.Classify(c, other, time.Now())
		if state == topology.Online || !strings.Contains(string(why), "no space left on device") {
			return fmt.Errorf("it is %s: %s", state, why)
		}
		return nil
	})
	s.awaitCluster("the readers are spread over the others", func(c topology.Cluster) error { return spread(c, other) })
	s.awaitAckers(2)
	w.more(100)
	if code, out := s.ctl("switchover", "--to", other, "--yes"); code == 0 || !strings.Contains(out, "its disk takes no writes") {
		t.Errorf("a switchover to it: exit %d, %s", code, out)
	}
	s.must(s.EmptyDisk(other))
	s.must(s.KillMysqld(s.ctx, other, true)) // else it looks for room only once a minute
	s.well()
	s.reignIs(epoch)
}

// Nobody is better off: the reign stays where it is, and status says why. Writes
// go on when there is room.
func TestF11FullDisksOfAllHostsMoveNothing(t *testing.T) {
	s := onDisks(t)
	w := s.write()
	writer, _, epoch := s.writer()
	s.onAll(allHosts, s.FillDisk)
	s.until("all say that their disks are full", func() error {
		c := s.now()
		for _, host := range allHosts {
			if r, _, _ := c.ReportOf(host); !r.Disk.Bad {
				return fmt.Errorf("%s says %+v", host, r.Disk)
			}
		}
		return nil
	})
	_, out := s.ctl("status", "--check")
	s.says(out, "CRIT", writer+" is the writer", "its disk takes no writes: no space left on device", "nobody can take over", "has a disk that fails, too")
	s.reignIs(epoch)
	s.onAll(allHosts, s.EmptyDisk)
	s.until("all say that their disks are well", func() error {
		c := s.now()
		for _, host := range allHosts {
			if r, _, _ := c.ReportOf(host); r.Disk != (topology.Disk{}) {
				return fmt.Errorf("%s says %+v", host, r.Disk)
			}
		}
		return nil
	})
	s.reignIs(epoch)
	w.stop()
	s.discard() // whoever waits for room looks for it only once a minute
}

// reboot is the only cure for a file system that has failed.
func (s *stage) reboot(host string) error {
	return errors.Join(s.KillHost(s.ctx, host), s.StartHost(s.ctx, host))
}

// revive starts a mysqld that was given up on while its disk was bad, as its
// supervisor does, if it does not run already.
func (s *stage) revive(host string) {
	s.t.Helper()
	s.until("mysqld of "+host+" runs", func() error {
		if db, err := s.DB(host); err == nil && db.PingContext(s.ctx) == nil {
			return nil
		}
		if err := s.StartMysqld(s.ctx, host); err != nil && !strings.Contains(err.Error(), "runs already") {
			return err
		}
		return errors.New("it does not answer")
	})
}
