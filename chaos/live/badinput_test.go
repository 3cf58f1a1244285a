package live

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/topology"
)

// agent runs mmmagent on a host and gives its exit code and what it said.
func (s *stage) agent(host string, args ...string) (int, string) {
	s.t.Helper()
	out, err := s.Exec(s.ctx, host, append([]string{filepath.Join(os.Getenv(binEnv), "mmmagent")}, args...)...)
	return s.code(err), string(out)
}

// config writes a copy of a host's agent.yaml with something replaced.
func (s *stage) config(host, old, new string) string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.Dir(host), "agent.yaml"))
	s.must(err)
	if !bytes.Contains(text, []byte(old)) {
		s.t.Fatalf("agent.yaml has no %q:\n%s", old, text)
	}
	path := filepath.Join(s.work(), "agent.yaml")
	s.must(os.WriteFile(path, bytes.Replace(text, []byte(old), []byte(new), 1), 0o600))
	return path
}

// refuses complains unless a program ended with an error whose last line, or the
// few that a file's problem takes, says all of this.
func (s *stage) refuses(code int, out string, want ...string) {
	s.t.Helper()
	if code == 0 {
		s.t.Errorf("it ended with 0: %s", out)
	}
	i := strings.LastIndex(out, "mmmagent: ")
	if i < 0 {
		s.t.Fatalf("it does not say why: %s", out)
	}
	s.says(out[i:], want...)
	s.calm(out)
}

// calm complains about a program that panicked, or told a password.
func (s *stage) calm(out string) {
	s.t.Helper()
	for _, bad := range []string{"goroutine ", "canary-"} {
		if strings.Contains(out, bad) {
			s.t.Errorf("it says %q: %s", bad, out)
		}
	}
}

func TestAgentRefusesWhatItCannotWorkWith(t *testing.T) {
	s := begin(t)
	_, _, epoch := s.writer()
	s.must(os.WriteFile(filepath.Join(s.work(), "wrong.pw"), []byte("canary-wrong\n"), 0o600))
	tests := []struct {
		name, old, new string
		want           []string
	}{
		{"unknown key", "\nrun:", "\nrum: /x\nrun:", []string{"agent.yaml", "rum", "^"}},
		{"etcd out of reach", "etcd: {endpoints: [", `etcd: {endpoints: ["http://192.0.2.99:2379"], insecure: true} # [`, []string{"etcd", "192.0.2.99"}},
		{"wrong password", filepath.Join(s.Dir("db4"), "agent.pw"), filepath.Join(s.work(), "wrong.pw"), []string{"mmm_agent", "denied"}},
		{"host that the cluster file does not name", "host: db4", "host: db9", []string{`does not name host "db9"`, "mmmctl apply"}},
		{"cluster that nobody made", "cluster: shop", "cluster: sh/op", []string{"cluster", "slash"}},
	}
	code, out := s.agent("db4", "run", "--config", filepath.Join(s.Dir("db4"), "agent.yaml"))
	s.refuses(code, out, "another agent") // a second one on the host
	s.must(s.StopAgent(s.ctx, "db4"))
	for _, tt := range tests {
		s.sub(tt.name, func(s *stage) {
			path := s.config("db4", tt.old, tt.new)
			code, out := s.agent("db4", "preflight", "--config", path)
			s.refuses(code, out, tt.want...)
		})
	}
	s.must(s.StartAgent(s.ctx, "db4"))
	s.reignIs(epoch)
	s.well()
}

// settings of my.cnf without which a guarantee would be broken silently.
func TestAgentRefusesAServerThatMustNotBeManaged(t *testing.T) {
	s := begin(t)
	w := s.write()
	_, _, epoch := s.writer()
	cnf := filepath.Join(s.Dir("db4"), "my.cnf")
	good, err := os.ReadFile(cnf)
	s.must(err)
	config := filepath.Join(s.Dir("db4"), "agent.yaml")
	restart := func(text string) {
		t.Helper()
		s.must(s.StopMysqld(s.ctx, "db4"))
		s.must(os.WriteFile(cnf, []byte(text), 0o644))
		s.must(s.StartMysqld(s.ctx, "db4"))
	}
	s.must(s.StopAgent(s.ctx, "db4"))
	tests := []struct{ name, old, new string }{
		{"log_bin", "log_bin = binlog\n", "skip_log_bin\n"},
		{"gtid_strict_mode", "gtid_strict_mode = 1\n", "gtid_strict_mode = 0\n"},
		{"read_only", "read_only = 1\n", "\n"},
	}
	for _, tt := range tests {
		s.sub(tt.name, func(s *stage) {
			bad := strings.Replace(string(good), tt.old, tt.new, 1)
			if bad == string(good) {
				s.t.Fatalf("my.cnf has no %q", tt.old)
			}
			restart(bad)
			code, out := s.agent("db4", "preflight", "--config", config)
			s.refuses(code, out, "my.cnf gives "+tt.name, "because", tt.name+" = ")
		})
	}
	restart(string(good))
	s.must(s.StartAgent(s.ctx, "db4"))
	w.more(10)
	s.reignIs(epoch)
	s.well()
}

// The same under a running agent: the host is there, and says why it is no use.
func TestServerRestartedWithASettingThatForbidsItIsNoReader(t *testing.T) {
	s := begin(t)
	w := s.write()
	_, _, epoch := s.writer()
	cnf := filepath.Join(s.Dir("db4"), "my.cnf")
	good, err := os.ReadFile(cnf)
	s.must(err)
	s.must(s.StopMysqld(s.ctx, "db4"))
	s.must(os.WriteFile(cnf, bytes.Replace(good, []byte("gtid_strict_mode = 1"), []byte("gtid_strict_mode = 0"), 1), 0o644))
	s.must(s.StartMysqld(s.ctx, "db4"))
	s.says(s.noReader("db4", topology.ReplicationFail), "gtid_strict_mode")
	s.must(s.StopMysqld(s.ctx, "db4"))
	s.must(os.WriteFile(cnf, good, 0o644))
	s.must(s.StartMysqld(s.ctx, "db4"))
	w.more(10)
	s.reignIs(epoch)
	s.well()
}

func TestAgentRefusesAVIPThatAStrangerHolds(t *testing.T) {
	s := begin(t)
	_, _, epoch := s.writer()
	s.order("mode", "passive") // nobody claims the new VIP
	restore := s.apply("192.0.2.115]", "192.0.2.115, 192.0.2.116]")
	_, err := s.Exec(s.ctx, lab.ClientHost, "ip", "addr", "add", "192.0.2.116/24", "dev", "eth0")
	s.must(err)
	s.must(s.StopAgent(s.ctx, "db4"))
	code, out := s.agent("db4", "preflight", "--config", filepath.Join(s.Dir("db4"), "agent.yaml"))
	s.refuses(code, out, "VIP 192.0.2.116 is held by somebody else", "02:00:c0:00:02:0a", "take the address off it")
	_, err = s.Exec(s.ctx, lab.ClientHost, "ip", "addr", "del", "192.0.2.116/24", "dev", "eth0")
	s.must(err)
	if code, out := s.agent("db4", "preflight", "--config", filepath.Join(s.Dir("db4"), "agent.yaml")); code != 0 {
		t.Errorf("preflight after the address is gone: exit %d: %s", code, out)
	}
	bare, err := s.Exec(s.ctx, "db4", "env", "PATH=/nowhere", filepath.Join(os.Getenv(binEnv), "mmmagent"), "preflight", "--config", filepath.Join(s.Dir("db4"), "agent.yaml"))
	s.must(err) // a host without the tools of copies is fit for all the rest
	s.says(string(bare), "neither give nor take a copy", "install the package mariadb-backup", "OK")
	restore()
	s.order("mode", "active")
	s.must(s.StartAgent(s.ctx, "db4"))
	s.reignIs(epoch)
	s.well()
}

func TestOrdersThatMustNotBeCarriedOutChangeNothing(t *testing.T) {
	s := begin(t)
	writer, other, epoch := s.writer()
	text, err := os.ReadFile(s.ClusterFile())
	s.must(err)
	bad := filepath.Join(s.work(), "bad.yaml")
	s.must(os.WriteFile(bad, bytes.Replace(text, []byte("mode: slave"), []byte("moed: slave"), 1), 0o644))
	before := s.now()
	tests := []struct {
		name string
		args []string
		exit int
		want []string
	}{
		{"apply a file with a wrong word", []string{"apply", "-f", bad}, 1, []string{"bad.yaml", "moed", "mode"}},
		{"apply a file that is not there", []string{"apply", "-f", "/nowhere"}, 2, []string{"/nowhere"}},
		{"init a cluster that has a writer", []string{"init", "--writer", other}, exitRefused, []string{"refused", writer}},
		{"switchover to a host that may not write", []string{"switchover", "--to", "db3"}, exitRefused, []string{"db3", "may not be writer"}},
		{"switchover to nobody", []string{"switchover", "--to", "db9"}, 7, []string{"db9"}},
		{"set-offline nobody", []string{"set-offline", "db9"}, 7, []string{"db9"}},
		{"set-ip in mode ACTIVE", []string{"set-ip", "192.0.2.111", "db3"}, exitRefused, []string{"PASSIVE"}},
		{"a mode that is none", []string{"mode", "lazy"}, 2, []string{"lazy"}},
	}
	for _, tt := range tests {
		s.sub(tt.name, func(s *stage) {
			code, out := s.ctl(append(tt.args, "--yes")...)
			if code != tt.exit {
				s.t.Errorf("exit %d, want %d: %s", code, tt.exit, out)
			}
			s.says(out, tt.want...)
			s.calm(out)
		})
	}
	out, err := s.Exec(s.ctx, lab.ClientHost, filepath.Join(os.Getenv(binEnv), "mmmctl"), "--cluster", clusterName, "--endpoints", "http://192.0.2.99:2379", "status")
	if code := s.code(err); code != 4 {
		t.Errorf("without etcd: exit %d, want 4: %s", code, out)
	}
	s.says(string(out), "cannot reach etcd", "192.0.2.99", "--endpoints")
	after := s.now()
	if got, want := facts(after), facts(before); got != want {
		t.Errorf("something changed: %s, before %s", got, want)
	}
	s.reignIs(epoch)
	s.well()
}

// facts are the revisions of what an operator can change.
func facts(c topology.Cluster) string {
	return fmt.Sprint(c.Spec.Rev, c.Mode.Rev, c.Intents, c.Pins, c.Switchover.Rev, c.Epoch())
}
