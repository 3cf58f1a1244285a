package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/topology"
)

const (
	// patience bounds every wait for a fact. It is far longer than anything takes
	// even on a machine that is busy; it only ends a wait that would never end.
	patience = 30 * time.Second
	lookEach = 20 * time.Millisecond
	callTime = 2 * time.Second // one look
)

// stage is one test on the shared bed.
type stage struct {
	*bed
	t     *testing.T
	ctx   context.Context
	began time.Time
	logs  map[string]int64 // where each agent's log ended when the test began
	load  []*writes
}

// begin takes the shared bed for a test and sees that it is well.
func begin(t *testing.T) *stage {
	t.Helper()
	return beginOn(t, "")
}

// beginOn is begin on a bed that is not like the others, made with changed options.
// Tests of the same kind that follow each other share it.
func beginOn(t *testing.T, kind string, changes ...func(*lab.Options)) *stage {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIPPED, NOTHING PROVEN: it starts servers, and the tests run with -short")
	}
	lab.Require(t, "netns", "mariadb", "etcd")
	if f, ok := failureOf(t.Name()); ok {
		t.Logf("F%d: %s", f.number, f.here)
	}
	s := &stage{bed: takeBed(t, kind, changes...), t: t, ctx: t.Context(), began: time.Now(), logs: map[string]int64{}}
	t.Cleanup(s.end)
	for _, host := range allHosts {
		if info, err := os.Stat(s.Log(host, lab.UnitAgent)); err == nil {
			s.logs[host] = info.Size()
		}
	}
	s.well()
	return s
}

// end stops what the test left running; after a failure it keeps the logs, tells
// the last of them, and throws the bed away.
func (s *stage) end() {
	for _, w := range s.load {
		w.stop()
	}
	if !s.t.Failed() || shared != s.bed {
		return
	}
	// The test's own context is over.
	s.ctx = context.Background()
	if c, err := s.read(); err == nil {
		text, _ := json.MarshalIndent(c, "", " ")
		_ = os.WriteFile(filepath.Join(filepath.Dir(s.Log("db1", "agent")), "etcd.json"), text, 0o644)
	}
	s.t.Logf("logs and the content of etcd: %s\nthe last of the agents' logs:\n%s", keepLogs(s.t, filepath.Dir(s.Log("db1", "agent"))), s.lastLines(60))
	s.discard()
}

// discard throws the shared bed away: the next test makes another.
func (s *stage) discard() {
	shared = nil
	if err := s.close(); err != nil {
		s.t.Errorf("close the bed: %v", err)
	}
}

// sub runs a part of the test under a name of its own.
func (s *stage) sub(name string, f func(*stage)) {
	s.t.Run(name, func(t *testing.T) {
		part := *s
		part.t = t
		f(&part)
	})
}

// must ends the test on an error.
func (s *stage) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// until waits until check finds nothing to complain about.
func (s *stage) until(what string, check func() error) {
	s.t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(lookEach) {
		if err = check(); err == nil {
			return
		}
	}
	s.t.Fatalf("waited %s until %s: %v", patience, what, err)
}

// read is the whole content of etcd.
func (s *stage) read() (topology.Cluster, error) {
	ctx, cancel := context.WithTimeout(s.ctx, callTime)
	defer cancel()
	return s.etcd.Load(ctx)
}

// now is the content of etcd; a test that cannot read it is over.
func (s *stage) now() topology.Cluster {
	s.t.Helper()
	var c topology.Cluster
	s.until("etcd can be read", func() (err error) {
		c, err = s.read()
		return err
	})
	return c
}

// awaitCluster waits until the content of etcd is as wanted, and gives it.
func (s *stage) awaitCluster(what string, check func(topology.Cluster) error) topology.Cluster {
	s.t.Helper()
	var c topology.Cluster
	s.until(what, func() (err error) {
		if c, err = s.read(); err != nil {
			return err
		}
		return check(c)
	})
	return c
}

// awaitWriter waits until a reign later than an epoch is ready, and names its host.
func (s *stage) awaitWriter(after topology.Rev) (string, topology.Rev) {
	s.t.Helper()
	c := s.awaitCluster(fmt.Sprintf("there is a writer after epoch %d", after), func(c topology.Cluster) error {
		if c.Epoch() <= after || c.Phase.Value.Step != topology.Ready {
			return fmt.Errorf("epoch %d, phase %q, proof: %s", c.Epoch(), c.Phase.Value.Step, topology.Prove(c).Why)
		}
		return nil
	})
	return c.Writer.Value.Name, c.Epoch()
}

// awaitState waits until a host is in a state, and gives the reason.
func (s *stage) awaitState(host string, want topology.State) string {
	s.t.Helper()
	var why topology.Reason
	s.awaitCluster(host+" is "+string(want), func(c topology.Cluster) error {
		var state topology.State
		if state, why = topology.Classify(c, host, time.Now()); state != want {
			return fmt.Errorf("it is %s: %s", state, why)
		}
		return nil
	})
	return string(why)
}

// writer is who reigns now, other the second host that may, and the epoch.
func (s *stage) writer() (writer, other string, epoch topology.Rev) {
	s.t.Helper()
	c := s.now()
	writer, other = c.Writer.Value.Name, masters[0]
	if writer == other {
		other = masters[1]
	}
	return writer, other, c.Epoch()
}

// readersOf counts the reader VIPs of each host, by the claims.
func readersOf(c topology.Cluster) map[string]int {
	n := map[string]int{}
	for _, claim := range c.Claims {
		n[claim.Value.Name]++
	}
	return n
}

// ctl runs mmmctl and gives its exit code and what it said.
func (s *stage) ctl(args ...string) (int, string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	out, err := s.Ctl(ctx, args...)
	return s.code(err), string(out)
}

// order runs mmmctl without questions; anything but exit code 0 ends the test.
func (s *stage) order(args ...string) string {
	s.t.Helper()
	code, out := s.ctl(append(args, "--yes")...)
	if code != 0 {
		s.t.Fatalf("mmmctl %s: exit %d: %s", strings.Join(args, " "), code, out)
	}
	return out
}

// code is the exit code that an error of Exec stands for.
func (s *stage) code(err error) int {
	s.t.Helper()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	default:
		s.t.Fatal(err)
		return -1
	}
}

// said is what the agent of a host has logged since the test began.
func (s *stage) said(host string) string {
	s.t.Helper()
	text, err := os.ReadFile(s.Log(host, lab.UnitAgent))
	s.must(err)
	return string(text[min(s.logs[host], int64(len(text))):])
}

// awaitSaid waits until the agent of a host has logged a text.
func (s *stage) awaitSaid(host, text string) {
	s.t.Helper()
	s.awaitSaidAgain(host, text, 1)
}

// awaitSaidAgain waits until the agent of a host has logged a text so many times
// since the test began.
func (s *stage) awaitSaidAgain(host, text string, times int) {
	s.t.Helper()
	s.until(fmt.Sprintf("the agent of %s says %q, %d times in all", host, text, times), func() error {
		if n := strings.Count(s.said(host), text); n < times {
			return fmt.Errorf("%d times", n)
		}
		return nil
	})
}

// lastLines are the newest lines of all agents' logs, by time.
func (s *stage) lastLines(n int) string {
	var lines []string
	for _, host := range allHosts {
		text, _ := os.ReadFile(s.Log(host, lab.UnitAgent))
		for line := range strings.Lines(string(text)) {
			lines = append(lines, strings.TrimRight(line, "\n"))
		}
	}
	sort.SliceStable(lines, func(i, j int) bool { return clockOf(lines[i]) < clockOf(lines[j]) })
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// clockOf is the time at the beginning of a log line.
func clockOf(line string) string { return line[:min(len(line), len("15:04:05.000"))] }
