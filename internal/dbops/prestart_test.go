package dbops_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/topology"
)

func (h host) keep(t *testing.T, at int) string {
	t.Helper()
	dir, err := dbops.KeepTails(dbops.Tails{Datadir: h.Datadir, Now: time.Unix(int64(at), 0)})
	must(t, err)
	return dir
}

func TestCleanStopKeepsNothing(t *testing.T) {
	w := writer(t)
	w.Stop()
	if dir := w.keep(t, 1); dir != "" {
		t.Fatalf("kept %s after a clean stop", dir)
	}
}

// Fact (rows 5, 6): a killed writer takes its unacknowledged tail off at the next
// start. The copy that was made before has it.
// R14: before a mysqld that was not stopped cleanly starts again.
func TestCrashKeepsWhatTheRestartThrowsAway(t *testing.T) {
	w := writer(t)
	must(t, w.ops.BecomeSource(patiently(t)))
	done := w.insert(t, 1)
	tail := w.eventually(t, "a waiter", func(p topology.Probe) bool { return p.Waiting == 1 }).Position
	w.Kill()
	if ended(t, done) == nil {
		t.Fatal("acknowledged by nobody")
	}
	dir := w.keep(t, 1)
	kept, err := os.ReadFile(filepath.Join(dir, "binlog.000001"))
	must(t, err)
	if same := w.keep(t, 2); same != dir {
		t.Errorf("the same files were kept twice: %s, %s", dir, same)
	}
	w.Restart()
	if p := w.observe(t); p.Position.Contains(tail) {
		t.Fatalf("the restart kept %s: init_rpl_role=SLAVE does not cut any more", tail)
	}
	cut, err := os.Stat(filepath.Join(w.Datadir, "binlog.000001"))
	must(t, err)
	if int64(len(kept)) <= cut.Size() {
		t.Fatalf("kept %d bytes, the file has %d: the copy lacks the tail", len(kept), cut.Size())
	}
	if dbs := w.Query("SHOW DATABASES LIKE '%kept%'"); dbs != "" {
		t.Errorf("the copies show as database %s", dbs)
	}
}

func TestCrashOfAReplicaKeepsItsRelayLog(t *testing.T) {
	w := writer(t)
	r := replica(t, w)
	_ = r.stall(t)
	must(t, ended(t, w.insert(t, 1)))
	end := w.observe(t).Position
	r.eventually(t, "received", func(p topology.Probe) bool { return p.Received.Contains(end) })
	r.Kill()
	dir := r.keep(t, 1)
	for _, pattern := range []string{"relay-bin.0*", "relay-log.info", "master.info", "binlog.0*"} {
		if found, _ := filepath.Glob(filepath.Join(dir, pattern)); len(found) == 0 {
			t.Errorf("kept no %s", pattern)
		}
	}
}

func TestThreeCopiesAreKept(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "b.index"), []byte("./b.000001\n\n./gone.000002\n"), 0o600))
	inUse := append([]byte("\xfebin"), make([]byte, 19)...)
	inUse[4+17] = 1
	for i := range 5 {
		// Each crash finds other files.
		must(t, os.WriteFile(filepath.Join(dir, "b.000001"), append(inUse, make([]byte, i)...), 0o600))
		_, err := dbops.KeepTails(dbops.Tails{Datadir: dir, Now: time.Unix(int64(i), 0)})
		must(t, err)
	}
	copies, err := os.ReadDir(filepath.Join(dir, dbops.KeptDir))
	must(t, err)
	var names []string
	for _, c := range copies {
		names = append(names, c.Name()[13:15])
	}
	if got := fmt.Sprint(names); got != "[02 03 04]" {
		t.Fatalf("kept the crashes at seconds %s, want the last three", got)
	}
}

func TestTornHeadIsACrash(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "b.index"), []byte("./b.000001\n./b.000002\n"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "b.000001"), append([]byte("\xfebin"), make([]byte, 19)...), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "b.000002"), nil, 0o600))
	kept, err := dbops.KeepTails(dbops.Tails{Datadir: dir, Now: time.Unix(1, 0)})
	must(t, err)
	if _, err := os.Stat(filepath.Join(kept, "b.000001")); kept == "" || err != nil {
		t.Fatalf("kept %q, %v", kept, err)
	}
}

func TestNoDatadirIsAnError(t *testing.T) {
	_, err := dbops.KeepTails(dbops.Tails{Datadir: filepath.Join(t.TempDir(), "none"), Now: time.Unix(1, 0)})
	if err == nil {
		t.Fatal("a datadir that does not exist passed for cleanly stopped")
	}
}
