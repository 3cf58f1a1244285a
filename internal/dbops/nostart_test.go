package dbops_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/topology"
)

// waitsBefore leaves a crashed writer whose binlog ends with a change of rows that
// nobody acknowledged, and a statement behind it.
func waitsBefore(t *testing.T, statement string) (w host, end string) {
	t.Helper()
	w = writer(t)
	must(t, w.ops.BecomeSource(patiently(t)))
	done := w.insert(t, 1)
	w.eventually(t, "a waiter", func(p topology.Probe) bool { return p.Waiting == 1 })
	before := w.observe(t).Position
	behind := make(chan error, 1)
	ctx := t.Context()
	go func() {
		_, err := w.Root().ExecContext(ctx, statement)
		behind <- err
	}()
	end = w.eventually(t, "the statement in the binlog", func(p topology.Probe) bool {
		raw, err := os.ReadFile(filepath.Join(w.Datadir, "binlog.000001"))
		must(t, err)
		return !before.Contains(p.Position) && strings.Contains(strings.ToLower(string(raw)), strings.ToLower(statement))
	}).Position.String()
	w.Kill()
	if ended(t, done) == nil || ended(t, behind) == nil {
		t.Fatal("acknowledged by nobody")
	}
	return w, end
}

// Fact: with init_rpl_role=SLAVE MariaDB does not start when it would have to cut off
// what a statement stands behind that is no change of rows. That is no loop without a
// word: after three starts the cause and the ways out are told.
func TestServerThatCannotCutItsTailOffSaysSo(t *testing.T) {
	for _, statement := range []string{"CREATE TABLE app.behind (i INT)", "FLUSH TABLES"} {
		w, end := waitsBefore(t, statement)
		for at := 1; at <= 3; at++ {
			if why := dbops.NoStart(w.Datadir); why != "" {
				t.Errorf("said before start %d: %s", at, why)
			}
			w.keep(t, at)
			w.FailToStart()
		}
		if !strings.Contains(w.Log(), "Cannot truncate the binary log") {
			t.Fatalf("the server said nothing of the kind:\n%s", w.Log())
		}
		why := dbops.NoStart(w.Datadir)
		for _, part := range []string{"again and again", end + " (" + statement + ")", "mmmctl reclone", "--init-rpl-role=MASTER"} {
			if !strings.Contains(why, part) {
				t.Errorf("after %s it says %q, not %q", statement, why, part)
			}
		}
		w.keep(t, 4)
		w.Restart("init-rpl-role=MASTER")
		if got := w.observe(t).Position.String(); got != end {
			t.Errorf("started by hand it has %s, not %s", got, end)
		}
		w.Kill()
		w.keep(t, 5)
		if why := dbops.NoStart(w.Datadir); why != "" {
			t.Errorf("after it had run: %s", why)
		}
	}
}

// What keeps a server from starting may be anything: then the log is pointed at.
func TestServerThatDoesNotComeUpIsToldOf(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "b.index"), []byte("./b.000001\n"), 0o600))
	inUse := append([]byte("\xfebin"), make([]byte, 19)...)
	inUse[4+17] = 1
	must(t, os.WriteFile(filepath.Join(dir, "b.000001"), inUse, 0o600))
	keep := func(at int) {
		_, err := dbops.KeepTails(dbops.Tails{Datadir: dir, Now: time.Unix(int64(at), 0)})
		must(t, err)
	}
	for at := range 4 {
		keep(at)
	}
	if why := dbops.NoStart(dir); why != "it was started again and again since it crashed and does not come up: its error log says why" {
		t.Errorf("%q", why)
	}
	must(t, os.WriteFile(filepath.Join(dir, "b.000001"), append(inUse, 0), 0o600)) // another crash
	keep(9)
	if why := dbops.NoStart(dir); why != "" {
		t.Errorf("the starts after another crash count: %s", why)
	}
}
