package live

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// R17: etcd is restored from an old copy while the cluster runs under load. All
// close and say HALT, for good, also after a restart of an agent; nothing opens
// until the operator has looked; then the epoch goes on upwards.
func TestEtcdRestoredFromAnOldCopyIsNotBelieved(t *testing.T) {
	s := begin(t)
	old := t.TempDir()
	data := func(host string) string { return filepath.Join(s.Dir(host), "etcd") }
	s.onAll(etcdHosts, func(host string) error { return s.KillEtcd(s.ctx, host) })
	s.onAll(etcdHosts, func(host string) error { return os.CopyFS(filepath.Join(old, host), os.DirFS(data(host))) })
	s.onAll(etcdHosts, func(host string) error { return s.StartEtcd(s.ctx, host) })
	s.well()
	w := s.write()
	_, other, before := s.writer()
	s.order("switchover", "--to", other)
	writer, epoch := s.awaitWriter(before)
	w.more(50)
	s.onAll(etcdHosts, func(host string) error { return s.KillEtcd(s.ctx, host) })
	w.more(20)
	s.onAll(etcdHosts, func(host string) error {
		return errors.Join(os.RemoveAll(data(host)), os.CopyFS(data(host), os.DirFS(filepath.Join(old, host))))
	})
	s.onAll(etcdHosts, func(host string) error { return s.StartEtcd(s.ctx, host) })
	for _, host := range allHosts {
		s.awaitSaid(host, "HALT: etcd went back")
	}
	s.until("nobody is writable", s.nobodyWritable)
	s.must(s.KillAgent(s.ctx, writer, true))
	for end := time.Now().Add(outage); time.Now().Before(end); time.Sleep(lookEach) {
		s.must(s.nobodyWritable())
	}
	if code, out := s.ctl("status", "--check"); code != 11 || !strings.Contains(out, "HALT") {
		t.Errorf("exit %d: %s", code, out)
	}
	if c := s.now(); c.Writer.Present() && c.Epoch() > before {
		t.Errorf("epoch %d of %s while nobody may open", c.Epoch(), c.Writer.Value.Name)
	}
	t.Log(s.order("recover-etcd", "--reason", "restored from an old copy"))
	next, after := s.awaitWriter(epoch)
	t.Logf("%s in epoch %d, then HALT, then %s in epoch %d", writer, epoch, next, after)
	w.more(50)
	s.well()
}
