package live

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mmm-ha/mmm/topology"
)

// release stops the agent of a host with `mmmagent stop --release`, for good.
func (s *stage) release(host string) {
	s.t.Helper()
	if code, out := s.agent(host, "stop", "--release", "--config", filepath.Join(s.Dir(host), "agent.yaml")); code != 0 {
		s.t.Fatalf("stop the agent of %s: exit %d: %s", host, code, out)
	}
	// The bed would start it again, as systemd does with what ends unasked.
	if err := s.StopAgent(s.ctx, host); err != nil && !strings.Contains(err.Error(), "does not run") {
		s.t.Fatal(err)
	}
}

// A whole cluster that was stopped in order starts again from what the last
// writer wrote down: no mysqld is the one that acknowledged.
func TestClusterThatWasStoppedInOrderElectsAWriterWhenItStarts(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, other, epoch := s.writer()
	s.release(writer)
	_, epoch = s.awaitWriter(epoch)
	w.more(30)
	s.release(other)
	c := s.awaitCluster("the last reign is closed", func(c topology.Cluster) error {
		if r := c.Reign.Value; c.Writer.Present() || r.Epoch != epoch || r.Closed == nil {
			return fmt.Errorf("writer %q, reign of epoch %d closed at %v", c.Writer.Value.Name, r.Epoch, r.Closed)
		}
		return nil
	})
	s.release("db3")
	s.release("db4")
	if err := s.nobodyWritable(); err != nil {
		t.Error(err)
	}
	s.onAll(allHosts, func(host string) error { return s.KillHost(s.ctx, host) })
	s.onAll(allHosts, func(host string) error { return s.StartHost(s.ctx, host) })
	s.awaitWriter(c.Reign.Value.Epoch)
	w.more(30)
	s.well()
}

// A cluster that lost its power as a whole, under load: no mysqld is the one that
// acknowledged, and each start has cut off what its run had not finished. What
// prestart kept proves it all the same, and the cluster comes back by itself.
func TestClusterThatLostItsPowerComesBackWithEverything(t *testing.T) {
	s := begin(t)
	w := s.storm()
	for round := range 2 {
		_, _, epoch := s.writer()
		w.more(100)
		s.onAll(allHosts, func(host string) error { return s.KillHost(s.ctx, host) })
		s.onAll(allHosts, func(host string) error { return s.StartHost(s.ctx, host) })
		writer, _ := s.awaitWriter(epoch)
		w.more(30)
		t.Logf("round %d: %s is the writer", round+1, writer)
	}
	s.well()
}

// Without what prestart keeps, nobody can prove which copy is complete: nobody
// opens, and everybody says what is missing.
func TestClusterThatKeptNothingOpensNothingAndSaysWhy(t *testing.T) {
	s := begin(t)
	s.write()
	_, _, epoch := s.writer()
	s.onAll(allHosts, func(host string) error { return s.KillHost(s.ctx, host) })
	for _, w := range s.load {
		w.stop()
	}
	for _, host := range allHosts { // as if prestart had never been set up
		s.must(os.Remove(filepath.Join(s.Dir(host), "data", "mmm-run")))
	}
	s.onAll(allHosts, func(host string) error { return s.StartHost(s.ctx, host) })
	s.until("mmmctl says what is missing", func() error {
		code, out := s.ctl("status", "--check")
		if code != 11 || !strings.Contains(out, "0 of the 3 bids needed are in; not heard: ") || strings.Count(out, "restarted since it acknowledged") != 3 {
			return fmt.Errorf("exit %d: %s", code, out)
		}
		return nil
	})
	c := s.now()
	if c.Writer.Present() {
		t.Errorf("%s is writer (epoch %d, before the power cut %d)", c.Writer.Value.Name, c.Epoch(), epoch)
	}
	held, err := s.held()
	if err = errors.Join(err, s.nobodyWritable()); err != nil {
		t.Error(err)
	}
	if len(held[writerVIP]) > 0 {
		t.Errorf("the writer VIP is on %v", held[writerVIP])
	}
	for _, host := range masters {
		s.awaitSaid(host, "no writer can be proven to hold every acknowledged write")
	}
	// Everybody is there, so nobody is given up: the best that is there goes on.
	s.order("failover", "--to", masters[0], "--accept-loss")
	s.awaitWriter(epoch)
	s.write().more(30)
	s.discard() // its first journal holds writes that were given up
}
