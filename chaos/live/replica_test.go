package live

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/topology"
)

// noReader waits until a host is in a state and serves no reader, and the others
// serve all of them; it gives the reason for the state.
func (s *stage) noReader(host string, state topology.State) string {
	s.t.Helper()
	why := s.awaitState(host, state)
	s.awaitCluster("the readers are spread over the others", func(c topology.Cluster) error { return spread(c, host) })
	s.until("no reader VIP is on an interface of "+host, func() error {
		held, err := s.held()
		for vip, hosts := range held {
			if vip != writerVIP && slices.Contains(hosts, host) {
				return fmt.Errorf("it has %s", vip)
			}
		}
		return err
	})
	return why
}

// lagOf is what mmmctl says of a host's lag; nil: it does not know.
func (s *stage) lagOf(host string) *float64 {
	s.t.Helper()
	_, out := s.ctl("status", "-o", "json")
	var doc struct {
		Hosts []struct {
			Name string   `json:"name"`
			Lag  *float64 `json:"lagSeconds"`
		} `json:"hosts"`
	}
	s.must(json.Unmarshal([]byte(out[strings.Index(out, "{"):]), &doc))
	for _, h := range doc.Hosts {
		if h.Name == host {
			return h.Lag
		}
	}
	s.t.Fatalf("mmmctl does not speak of %s: %s", host, out)
	return nil
}

func TestReplicaThatCannotApplyServesNoReaders(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, _, epoch := s.writer()
	broken := s.breakReplica("db4", writer)
	s.says(s.noReader("db4", topology.ReplicationFail), "1062")
	if lag := s.lagOf("db4"); lag != nil {
		t.Errorf("the lag of a replica that applies nothing is %.1f s, want unknown", *lag)
	}
	s.mendReplica("db4", broken)
	s.awaitState("db4", topology.Online)
	w.more(10)
	s.reignIs(epoch)
	s.well()
}

func TestF12ReplicaThatCannotReachTheWriterServesNoReaders(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, _, epoch := s.writer()
	s.must(s.Cut(s.ctx, writer, "db4", lab.BothWays))
	s.says(s.noReader("db4", topology.ReplicationFail), "the IO thread is not connected")
	if lag := s.lagOf("db4"); lag != nil {
		t.Errorf("the lag of a replica that receives nothing is %.1f s, want unknown", *lag)
	}
	w.more(10)
	s.must(s.Heal(s.ctx, writer, "db4"))
	s.awaitState("db4", topology.Online)
	s.reignIs(epoch)
	s.well()
}

func TestReplicaThatLagsServesNoReadersUntilItHasCaughtUp(t *testing.T) {
	s := begin(t)
	restore := s.apply("backlogMax: 10s, backlogFor: 3", "backlogMax: 1s, backlogFor: 2")
	w := s.write()
	_, _, epoch := s.writer()
	blocker := s.root("db4")
	defer blocker.close()
	s.must(blocker.exec(s.ctx, "FLUSH TABLES WITH READ LOCK"))
	s.says(s.noReader("db4", topology.ReplicationDelay), "lag", "limit 1s")
	w.more(10)
	s.must(blocker.exec(s.ctx, "UNLOCK TABLES"))
	s.awaitState("db4", topology.Online)
	s.reignIs(epoch)
	restore()
	s.well()
}

// A thread that somebody stopped without an error is started again.
func TestStoppedThreadsOfAReplicaAreStartedAgain(t *testing.T) {
	s := begin(t)
	w := s.write()
	_, _, epoch := s.writer()
	for _, statement := range []string{"STOP SLAVE SQL_THREAD", "STOP SLAVE IO_THREAD"} {
		s.exec("db4", statement)
		w.more(10)
		s.well()
		w = s.write()
	}
	s.reignIs(epoch)
	s.well()
}

// apply changes the cluster file; the result puts the old one back.
func (s *stage) apply(old, new string) (restore func()) {
	s.t.Helper()
	text, err := os.ReadFile(s.ClusterFile())
	s.must(err)
	changed := strings.Replace(string(text), old, new, 1)
	if changed == string(text) {
		s.t.Fatalf("the cluster file has no %q", old)
	}
	path := filepath.Join(s.work(), "changed.yaml")
	s.must(os.WriteFile(path, []byte(changed), 0o644))
	s.order("apply", "-f", path)
	return func() {
		s.t.Helper()
		s.order("apply", "-f", s.ClusterFile())
	}
}
