package live

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/internal/certs"
	"github.com/mmm-ha/mmm/internal/certs/certstest"
	"github.com/mmm-ha/mmm/topology"
)

// Everything that speaks with etcd, etcd's members among themselves and the agents
// among themselves show certificates. The cluster does what it does without.
func TestClusterWithCertificatesEverywhere(t *testing.T) {
	s := beginOn(t, "TLS", func(o *lab.Options) { o.TLS = true })
	s.sub("fails over, and switches over", (*stage).failsOverAndSwitchesOver)
	s.sub("says what is wrong with certificates", (*stage).saysWhatIsWrongWithCertificates)
	s.sub("takes renewed certificates without a restart", (*stage).takesRenewedCertificates)
	s.sub("goes on without etcd, but not without a promise", (*stage).goesOnByPromisesWithCertificates)
}

func (s *stage) failsOverAndSwitchesOver() {
	w := s.write()
	writer, other, epoch := s.writer()
	s.must(s.KillMysqld(s.ctx, writer, true))
	next, _ := s.awaitWriter(epoch)
	if next != other {
		s.t.Errorf("%s opened", next)
	}
	w.more(50)
	s.well()
	w = s.write()
	s.order("switchover", "--to", writer)
	w.more(50)
	if now, _, _ := s.writer(); now != writer {
		s.t.Errorf("%s reigns after the switchover to %s", now, writer)
	}
	s.well()
}

// mistake is one thing wrong with what a client of etcd is told to use.
type mistake struct {
	name     string
	files    certs.Files
	endpoint string
	want     []string
}

func (s *stage) saysWhatIsWrongWithCertificates() {
	_, _, epoch := s.writer()
	// One member comes with a certificate of another address: whoever must connect anew
	// is told, and the other members suffice.
	elsewhere := mistake{"etcd member with another address", s.Certificates("db4"), "https://192.0.2.162:2379",
		[]string{"https://192.0.2.162:2379", "its certificate is not for 192.0.2.162 but for 192.0.2.99", "subjectAltName"}}
	s.must(s.Certify(certstest.Want{Name: "db2", Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.99")}}))
	mistakes := append(s.mistakes(), elsewhere)
	type answer struct {
		code int
		out  string
	}
	agent, ctl := make([]answer, len(mistakes)), make([]answer, len(mistakes))
	var all sync.WaitGroup
	for i, m := range mistakes { // at once: each is patient with etcd
		file := s.agentFile(m)
		all.Go(func() { agent[i].code, agent[i].out = s.agent("db4", "preflight", "--config", file) })
		all.Go(func() { ctl[i].code, ctl[i].out = s.ctlBy(m, "status") })
	}
	code, out := s.agent("db4", "preflight", "--config", filepath.Join(s.Dir("db4"), "agent.yaml"))
	s.says(out, elsewhere.want...)
	if code != 0 {
		s.t.Errorf("preflight with two members: exit %d: %s", code, out)
	}
	all.Wait()
	s.must(s.Certify(certstest.Want{Name: "db2"}))
	if code, out = s.agent("db4", "preflight", "--config", s.agentFile(elsewhere)); code != 0 {
		s.t.Errorf("preflight after the certificate was mended: exit %d: %s", code, out)
	}
	s.reignIs(epoch)
	for i, m := range mistakes {
		s.sub(m.name, func(s *stage) {
			s.refuses(agent[i].code, agent[i].out, m.want...)
			s.brief(agent[i].out)
			s.says(ctl[i].out, m.want...)
			s.calm(ctl[i].out)
			s.brief(ctl[i].out)
			if code := ctl[i].code; code != 2 && code != 4 {
				s.t.Errorf("mmmctl: exit %d", code)
			}
		})
	}
	s.sub("key that the user may not read", func(s *stage) {
		s.must(os.Chmod(s.work(), 0o755))
		out, err := s.Exec(s.ctx, lab.ClientHost, append([]string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}, s.ctlWords(mistake{files: s.Certificates(lab.ClientHost), endpoint: s.Endpoints("db4")[0]}, "status")...)...)
		if code := s.code(err); code != 2 {
			s.t.Errorf("exit %d", code)
		}
		s.says(string(out), "--key: this user (uid 65534) may not read "+s.Certificates(lab.ClientHost).Key, "chown or chmod")
		s.brief(string(out))
	})
}

func (s *stage) mistakes() []mistake {
	dir := filepath.Join(s.work(), "wrong")
	s.must(os.MkdirAll(dir, 0o755))
	other, err := certstest.New(dir, "other")
	s.must(err)
	strange := s.signed(other, certstest.Want{Name: "stranger"})
	mine := s.Certificates("db4")
	here := s.Endpoints("db4")[0]
	change := func(f func(*certs.Files)) certs.Files { c := mine; f(&c); return c }
	garbage := filepath.Join(dir, "garbage.key")
	s.must(os.WriteFile(garbage, []byte("no key"), 0o600))
	late := filepath.Join(s.work(), "bed", "tls")
	s.must(s.Certify(certstest.Want{Name: lab.ClientHost, Until: time.Now().Add(-time.Hour)}))
	expired := change(func(f *certs.Files) { f.Cert, f.Key = s.copyOf(late, lab.ClientHost, dir, "late") })
	s.must(s.Certify(certstest.Want{Name: lab.ClientHost}))
	return []mistake{
		{"another CA", change(func(f *certs.Files) { f.CA = other.File }), here, []string{here, "not signed by the CA in " + other.File, "put the CA there that signed it"}},
		{"certificate of another CA", strange, here, []string{here, "does not trust the CA that signed our certificate in " + strange.Cert}},
		{"certificate that has expired", expired, here, []string{here, expired.Cert, "has expired: renew it", "no restart is needed"}},
		{"no certificate", change(func(f *certs.Files) { f.Cert, f.Key = "", "" }), here, []string{here, "it wants to see a certificate: give"}},
		{"certificate that is not there", change(func(f *certs.Files) { f.Cert = "/nowhere/c.pem" }), here, []string{"cert", "there is no file /nowhere/c.pem"}},
		{"key that is none", change(func(f *certs.Files) { f.Key = garbage }), here, []string{"key", garbage, "is not the key of the certificate in " + mine.Cert}},
		{"plain client", certs.Files{}, strings.Replace(here, "https:", "http:", 1), []string{"hangs up on plain http", "write https:// here"}},
		{"certificates for plain http", mine, strings.Replace(here, "https:", "http:", 1), []string{"plain http", "certificates are no use"}},
		{"plain server", mine, strings.Replace(s.plainEtcd(dir), "http:", "https:", 1), []string{"TLS", "as one does that speaks none", "http:// here"}},
	}
}

// signed are the files of a certificate.
func (s *stage) signed(by *certstest.Authority, w certstest.Want) certs.Files {
	s.t.Helper()
	dir := filepath.Dir(by.File)
	cert, key, err := by.Sign(dir, w)
	s.must(err)
	return certs.Files{CA: s.Certificates("db4").CA, Cert: cert, Key: key}
}

// copyOf copies a certificate and its key under another name.
func (s *stage) copyOf(from, name, to, as string) (cert, key string) {
	s.t.Helper()
	cert, key = filepath.Join(to, as+".pem"), filepath.Join(to, as+".key")
	for path, old := range map[string]string{cert: ".pem", key: ".key"} {
		text, err := os.ReadFile(filepath.Join(from, name+old))
		s.must(err)
		s.must(os.WriteFile(path, text, 0o600))
	}
	return cert, key
}

// plainEtcd runs a member without TLS on the host of the client, for as long as
// the test runs, and gives its endpoint.
func (s *stage) plainEtcd(dir string) string {
	s.t.Helper()
	const client, peer = "http://192.0.2.10:2379", "http://192.0.2.10:2380"
	file := filepath.Join(dir, "plain.yaml")
	s.must(os.WriteFile(file, fmt.Appendf(nil, "name: plain\ndataDir: %s/plain\nclientURL: %s\npeerURL: %s\ninitialCluster: {plain: %q}\ninsecure: true\n", dir, client, peer, peer), 0o644))
	ctx, stop := context.WithCancel(s.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = s.Exec(ctx, lab.ClientHost, filepath.Join(os.Getenv(binEnv), "mmmagent"), "etcd", "--config", file) // it ends by being killed
	}()
	s.t.Cleanup(func() { stop(); <-done })
	s.until("the plain member serves", func() error {
		_, err := s.Exec(s.ctx, lab.ClientHost, filepath.Join(os.Getenv(binEnv), "mmmagent"), "etcd", "members", "--config", file)
		return err
	})
	return client
}

// agentFile is a copy of db4's agent.yaml with a mistake in it.
func (s *stage) agentFile(m mistake) string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.Dir("db4"), "agent.yaml"))
	s.must(err)
	var lines []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "etcd:") {
			line = fmt.Sprintf("etcd: {endpoints: [%q], insecure: true, ca: %q, cert: %q, key: %q}\n", m.endpoint, m.files.CA, m.files.Cert, m.files.Key)
		}
		lines = append(lines, line)
	}
	path := filepath.Join(s.work(), strings.ReplaceAll(m.name, " ", "-")+".yaml")
	s.must(os.WriteFile(path, []byte(strings.Join(lines, "")), 0o600))
	return path
}

func (s *stage) ctlWords(m mistake, args ...string) []string {
	words := []string{filepath.Join(os.Getenv(binEnv), "mmmctl"), "--cluster", clusterName, "--endpoints", m.endpoint}
	for flag, file := range map[string]string{"--cacert": m.files.CA, "--cert": m.files.Cert, "--key": m.files.Key} {
		if file != "" {
			words = append(words, flag, file)
		}
	}
	return append(words, args...)
}

func (s *stage) ctlBy(m mistake, args ...string) (int, string) {
	s.t.Helper()
	out, err := s.Exec(s.ctx, lab.ClientHost, s.ctlWords(m, args...)...)
	return s.code(err), string(out)
}

// excerpt is what a mistake in a file is shown with: the file's name above it, the
// lines around it and the mark below.
var excerpt = regexp.MustCompile(`^\s*(>?\s*\d+ \|.*|\^)$|^\S+: \S+\.yaml:$`)

// brief complains about a refusal that is longer than the one sentence, not counting
// an excerpt of the file.
func (s *stage) brief(out string) {
	s.t.Helper()
	lines := slices.DeleteFunc(strings.Split(strings.TrimSpace(out), "\n"), excerpt.MatchString)
	if len(lines) != 1 || strings.Count(lines[0], "rpc error")+strings.Count(lines[0], "transport:") > 0 {
		s.t.Errorf("it is not one sentence for an operator: %s", out)
	}
	s.t.Log(lines[len(lines)-1])
}

func (s *stage) takesRenewedCertificates() {
	w := s.write()
	_, _, epoch := s.writer()
	pid := func() int {
		status, err := s.Status(s.ctx)
		s.must(err)
		for _, h := range status.Hosts {
			for _, u := range h.Units {
				if h.Name == "db4" && u.Name == lab.UnitAgent {
					return u.PID
				}
			}
		}
		return 0
	}
	before, logged := pid(), map[string]int{}
	for host, log := range s.etcdSaid(nil) {
		logged[host] = len(log)
	}
	s.must(s.Certify(certstest.Want{Name: "db4", Until: time.Now().Add(-time.Minute)}))
	w.more(50) // connections that stand go on
	s.reignIs(epoch)
	s.must(s.CutEtcd(s.ctx, "db4", true))
	s.awaitState("db4", topology.HardOffline)
	time.Sleep(3 * time.Second) // longer than TCP believes in a connection that is silent
	s.must(s.CutEtcd(s.ctx, "db4", false))
	s.awaitSaid("db4", "db4.pem (`etcd.cert`) has expired: renew it")
	time.Sleep(3 * time.Second) // to see how much all say
	said := s.etcdSaid(logged)
	said["agent of db4"] = s.said("db4")
	for who, log := range said {
		if n := strings.Count(log, "\n"); n > 20 {
			s.t.Errorf("%s said %d lines:\n%s", who, n, log)
		}
	}
	s.must(s.Certify(certstest.Want{Name: "db4"}))
	s.well()
	if now := pid(); now != before || now == 0 {
		s.t.Errorf("the agent of db4 was process %d and is %d", before, now)
	}
	s.reignIs(epoch)
}

// etcdSaid is what each member has logged beyond what it had logged before; nil: all.
func (s *stage) etcdSaid(before map[string]int) map[string]string {
	s.t.Helper()
	said := map[string]string{}
	for _, host := range etcdHosts {
		text, err := os.ReadFile(s.Log(host, lab.UnitEtcd))
		s.must(err)
		said[host] = string(text[before[host]:])
	}
	return said
}

func (s *stage) goesOnByPromisesWithCertificates() {
	w := s.write()
	writer, _, epoch := s.writer()
	began := time.Now()
	s.onAll(etcdHosts, func(host string) error { return s.KillEtcd(s.ctx, host) })
	s.awaitSaid(writer, "goes on by the promises of all others")
	time.Sleep(5*ttl - time.Since(began))
	gap, acked := w.longestGap(began)
	s.t.Logf("etcd away for %s: %d writes acknowledged, longest gap %s", time.Since(began).Round(time.Millisecond), acked, gap.Round(time.Millisecond))
	if gap > time.Second || acked < 50 {
		s.t.Errorf("%d writes acknowledged, longest gap %s", acked, gap)
	}
	s.onAll(etcdHosts, func(host string) error { return s.StartEtcd(s.ctx, host) })
	s.awaitSaid(writer, "etcd answers again")
	w.more(50)
	s.well()
	s.reignIs(epoch)
}
