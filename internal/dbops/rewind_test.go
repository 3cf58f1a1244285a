package dbops_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

// reign writes an epoch row on a source and returns its history.
func (h host) reign(t *testing.T, epoch topology.Rev) gtid.Line {
	t.Helper()
	before := h.observe(t).Position
	after, err := h.ops.WriteEpochRow(patiently(t), "", topology.EpochRow{Cluster: "shop", Epoch: epoch, ID: "h"}, before.Highest()+1_000_000)
	must(t, err)
	return gtid.Line{Joints: []gtid.Joint{{Before: before, After: after}}, State: h.state(t)}
}

func (h host) state(t *testing.T) gtid.State {
	t.Helper()
	s, err := gtid.ParseState(h.Query("SELECT @@gtid_binlog_state"))
	must(t, err)
	return s
}

// checksum is of all tables that the tests use.
func (h host) checksum(t *testing.T) string {
	t.Helper()
	var out []string
	for _, table := range []string{"app.t", "app.u", "mmm.epoch"} {
		if h.Query("SELECT COUNT(*) FROM information_schema.TABLES WHERE CONCAT(TABLE_SCHEMA, '.', TABLE_NAME)='"+table+"'") == "1" {
			rows, err := h.Root().QueryContext(patiently(t), "CHECKSUM TABLE "+table)
			must(t, err)
			for rows.Next() {
				var name, sum string
				must(t, rows.Scan(&name, &sum))
				out = append(out, name+"="+sum)
			}
			must(t, rows.Close())
		}
	}
	return strings.Join(out, " ")
}

// becomesEqual follows the source and ends with the same position and rows.
func (h host) becomesEqual(t *testing.T, source host) {
	t.Helper()
	must(t, h.ops.Follow(patiently(t), source.source()))
	source.Exec("INSERT INTO app.t VALUES (7777, 'after')")
	h.caughtUp(t, source)
	p := h.observe(t)
	if p.Replication.Error != "" || !p.Replication.SQL || p.Replication.IO != "Yes" {
		t.Fatalf("replication is broken: %+v", p.Replication)
	}
	if mine, theirs := h.checksum(t), source.checksum(t); mine != theirs || mine == "" {
		t.Fatalf("rows differ:\n%s\n%s", mine, theirs)
	}
	if mine, theirs := h.observe(t).Position, source.observe(t).Position; !mine.Equal(theirs) {
		t.Fatalf("positions differ: %s and %s", mine, theirs)
	}
	if n := h.Query("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_NAME='rewind'"); n != "0" {
		t.Fatal("the mark is still there")
	}
}

// pair is a source in its reign and a replica of it that is up to date.
func pair(t *testing.T) (w, r host, line gtid.Line) {
	t.Helper()
	w = writer(t)
	w.Exec("CREATE TABLE app.u (a INT PRIMARY KEY, x TEXT, y DECIMAL(10,2), z TIMESTAMP(6) NULL, j BLOB) ENGINE=InnoDB",
		"INSERT INTO app.t VALUES (1, 'one'), (2, 'two'), (3, 'three')",
		"INSERT INTO app.u VALUES (1, 'x', 1.25, '2026-01-01 00:00:00.123456', x'00ff'), (2, NULL, NULL, NULL, NULL)")
	r = replica(t, w)
	line = w.reign(t, 10)
	r.caughtUp(t, w)
	return w, r, line
}

// errant makes the host write what its source never had: several transactions in
// two binlog files, all kinds of changes.
func (h host) errant() {
	h.Exec("FLUSH TABLES", "INSERT INTO app.t VALUES (100, 'errant')",
		"UPDATE app.t SET b=CONCAT(b, ' changed') WHERE id IN (1, 2)",
		"FLUSH BINARY LOGS",
		"DELETE FROM app.u WHERE a=1", "BEGIN", "INSERT INTO app.u VALUES (9, 'it''s \\\\ odd', 3, NULL, x'27')",
		"UPDATE app.u SET x='again', y=4 WHERE a=9", "UPDATE app.t SET id=200 WHERE id=3",
		"UPDATE app.t SET b='changed again' WHERE id=1", "COMMIT") // in this order only: undone, too
}

func TestErrantWritesAreArchivedAndRewound(t *testing.T) {
	w, r, line := pair(t)
	r.errant()
	w.Exec("INSERT INTO app.t VALUES (4, 'four')") // meets the errant number: 1950
	state := t.TempDir()
	got, err := r.ops.Rewind(patiently(t), dbops.Rewind{Line: line, State: state, Manifest: dbops.Manifest{Host: "db2", Source: "db1", Epoch: 10}})
	must(t, err)
	if len(got.GTIDs) != 5 || got.Own || got.Archive == "" {
		t.Fatalf("rewound %+v", got)
	}
	list, err := dbops.Archives(state)
	must(t, err)
	m := list[got.Archive]
	text, err := os.ReadFile(filepath.Join(got.Archive, m.File))
	must(t, err)
	for _, want := range append(m.GTIDs, "errant", "### DELETE FROM `app`.`u`", "BINLOG '") {
		if !strings.Contains(string(text), want) {
			t.Errorf("the archive lacks %q", want)
		}
	}
	if m.Host != "db2" || m.Epoch != 10 || len(m.SHA256) != 64 || int64(len(text)) != m.Bytes {
		t.Errorf("manifest %+v", m)
	}
	r.becomesEqual(t, w)
}

func TestRewindMayBeInterruptedAnywhere(t *testing.T) {
	steps := []string{"archive", "begin", "undo", "half-undone", "commit", "undone", "forget-source", "empty-binlog", "set-state", "set-applied", "unmark", "finish"}
	w, r, line := pair(t)
	for i, at := range steps {
		for _, crash := range []bool{false, true} {
			if testing.Short() && crash == (i%2 == 0) {
				continue
			}
			r.errant()
			state := t.TempDir()
			fault, reached := errors.New("interrupted"), false
			what := dbops.Rewind{Line: line, State: state}
			_, err := r.ops.Rewind(patiently(t), what.At(func(step string) error {
				if step != at {
					return nil
				}
				reached = true
				if crash {
					r.Kill()
				}
				return fault
			}))
			if !reached || !errors.Is(err, fault) {
				t.Fatalf("interrupted at %s: %v, reached %t", at, err, reached)
			}
			if crash {
				r.Restart()
			}
			if begun := i >= 2; dbops.Unfinished(state) != begun {
				t.Fatalf("interrupted at %s: unfinished is %t", at, !begun)
			}
			_, err = r.ops.Rewind(patiently(t), what)
			must(t, err)
			if dbops.Unfinished(state) {
				t.Fatalf("interrupted at %s: still unfinished", at)
			}
			// A crash may take the last transaction away by itself (init_rpl_role=SLAVE).
			if list, err := dbops.Archives(state); err != nil || len(list) == 0 || len(list) > 1 && !crash {
				t.Fatalf("interrupted at %s: archives %v, %v", at, list, err)
			}
			w.Exec("DELETE FROM app.t WHERE id=7777")
			r.becomesEqual(t, w)
		}
	}
}

func TestAnAbandonedEpochRowIsUndoneInPlace(t *testing.T) {
	w, r, _ := pair(t)
	tip := w.observe(t).Position
	// r was elected once, wrote its row, and was never heard of again.
	r.Exec("STOP SLAVE", "RESET SLAVE ALL")
	r.reign(t, 11)
	line := w.reign(t, 12)
	if got := line.ForeignIn(r.state(t)); len(got) != 1 {
		t.Fatalf("foreign: %v", got)
	}
	got, err := r.ops.Rewind(patiently(t), dbops.Rewind{Line: line, State: t.TempDir(), OnlyOwn: true})
	must(t, err)
	if !got.Own || len(got.GTIDs) != 1 || !got.To.Equal(tip) {
		t.Fatalf("rewound %+v, not to %s", got, tip)
	}
	r.becomesEqual(t, w)
}

func TestWhereReignsMetIsReadFromTheRowsOfThisCluster(t *testing.T) {
	w, _, line := pair(t)
	line.Joints = append(line.Joints, w.reign(t, 11).Joints...)
	w.Exec("INSERT INTO mmm.epoch (seq, cluster, epoch, host, gtid, base) VALUES (7, 'another', 3, 'h', '0-9-7', '0-9-5')")
	got := w.observe(t).Joints
	if len(got) != 2 || !got[0].After.Equal(line.Joints[1].After) || !got[1].Before.Equal(line.Joints[0].Before) || !got[0].Before.Contains(got[1].After) {
		t.Errorf("joints %v, want %v", got, line.Joints)
	}
}

func TestANumberThatWasGivenTwiceIsFoundAndRewound(t *testing.T) {
	w, r, line := pair(t)
	must(t, r.ops.SetSemiReplica(patiently(t), false))
	w.Exec("SET GLOBAL rpl_semi_sync_master_wait_no_slave=1", "SET GLOBAL rpl_semi_sync_master_timeout=1000000000", "SET GLOBAL rpl_semi_sync_master_enabled=1")
	done := w.insert(t, 50) // nobody acknowledges it, r has it
	r.eventually(t, "r has received and applied it", func(topology.Probe) bool { return r.Query("SELECT COUNT(*) FROM app.t WHERE id=50") == "1" })
	hangs(t, done)
	w.Kill()
	w.Restart()
	if w.Query("SELECT COUNT(*) FROM app.t WHERE id=50") != "0" {
		t.Fatal("the killed source kept what nobody acknowledged")
	}
	must(t, w.ops.SetWritable(patiently(t), ""))
	second := w.reign(t, 11)
	w.Exec("INSERT INTO app.t VALUES (51, 'x')")
	second.State = w.state(t)
	line.Joints = append(line.Joints, second.Joints...)
	line.State = second.State
	p := r.eventually(t, "the source denies it", func(p topology.Probe) bool { return topology.Diverged(p.Replication.Error) })
	if got := line.ForeignIn(r.state(t)); len(got) != 1 {
		t.Fatalf("foreign: %v; %s", got, p.Replication.Error)
	}
	if theirs := gtid.Errant(r.state(t), line.State); len(theirs) != 0 {
		t.Fatalf("states alone do not show it, but here they do: %v", theirs)
	}
	_, err := r.ops.Rewind(patiently(t), dbops.Rewind{Line: line, State: t.TempDir()})
	must(t, err)
	r.becomesEqual(t, w)
}

func TestRewindRefusesWhatItCannotUndo(t *testing.T) {
	w, r, line := pair(t)
	w.Exec("CREATE TABLE app.parent (a INT PRIMARY KEY) ENGINE=InnoDB",
		"CREATE TABLE app.child (a INT, FOREIGN KEY (a) REFERENCES app.parent (a) ON DELETE CASCADE) ENGINE=InnoDB",
		"CREATE TABLE app.plain (a INT PRIMARY KEY) ENGINE=MyISAM", "INSERT INTO app.parent VALUES (1)", "INSERT INTO app.child VALUES (1)")
	r.caughtUp(t, w)
	back := r.state(t)
	for _, c := range []struct {
		name, want string
		do         []string
	}{
		{"a change of a table's shape", "runs `CREATE TABLE app.v", []string{"CREATE TABLE app.v (a INT)", "DROP TABLE app.v"}},
		{"a table that does not roll back", "app.plain does not roll back", []string{"INSERT INTO app.plain VALUES (1)"}},
		{"a cascade", "cascade to app/child", []string{"DELETE FROM app.parent"}},
		{"rows without all columns", "without all their columns", []string{"SET binlog_row_image=MINIMAL", "UPDATE app.t SET b='?' WHERE id=1"}},
		{"statements instead of rows", "runs `UPDATE app.t", []string{"SET binlog_format=STATEMENT", "UPDATE app.t SET b='?' WHERE id=2"}},
	} {
		r.Exec(c.do...)
		before := r.observe(t).Position
		state := t.TempDir()
		got, err := r.ops.Rewind(patiently(t), dbops.Rewind{Line: line, State: state})
		if !errors.Is(err, dbops.ErrIrreversible) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		if list, _ := dbops.Archives(state); got.Archive == "" || len(list) != 1 {
			t.Errorf("%s: it is not archived: %+v", c.name, got)
		}
		if after := r.observe(t).Position; !after.Equal(before) || dbops.Unfinished(state) {
			t.Errorf("%s: something was changed: %s to %s", c.name, before, after)
		}
		r.Exec("RESET SLAVE ALL", "RESET MASTER", "SET GLOBAL gtid_binlog_state='"+back.String()+"'")
	}
	r.Exec("INSERT INTO app.t VALUES (300, 'not ours')")
	if _, err := r.ops.Rewind(patiently(t), dbops.Rewind{Line: line, State: t.TempDir(), OnlyOwn: true}); !errors.Is(err, dbops.ErrOthers) {
		t.Errorf("somebody's row when only the cluster's own may go: %v", err)
	}
	r.Exec("FLUSH BINARY LOGS", "INSERT INTO app.t VALUES (301, 'not ours')", "FLUSH BINARY LOGS")
	r.Exec("PURGE BINARY LOGS TO '" + lastLog(t, r) + "'")
	if _, err := r.ops.Rewind(patiently(t), dbops.Rewind{Line: line, State: t.TempDir()}); !errors.Is(err, dbops.ErrPurged) {
		t.Errorf("purged: %v", err)
	}
	must(t, r.ops.SetWritable(patiently(t), ""))
	if _, err := r.ops.Rewind(patiently(t), dbops.Rewind{Line: line, State: t.TempDir()}); !errors.Is(err, dbops.ErrWritable) {
		t.Errorf("a writable server: %v", err)
	}
}

func lastLog(t *testing.T, h host) string {
	t.Helper()
	rows, err := h.Root().QueryContext(patiently(t), "SHOW BINARY LOGS")
	must(t, err)
	defer rows.Close()
	name, size := "", 0
	for rows.Next() {
		must(t, rows.Scan(&name, &size))
	}
	return name
}

// TestRewindUndoesNothingBesideAWriter: somebody with privileges writes in the
// middle of it. His transaction would be neither archived nor in any binlog.
func TestRewindUndoesNothingBesideAWriter(t *testing.T) {
	w, r, line := pair(t)
	r.errant()
	rewind, written := dbops.Rewind{Line: line, State: t.TempDir()}, false
	_, err := r.ops.Rewind(patiently(t), rewind.At(func(step string) error {
		if step == "half-undone" && !written {
			written = true
			r.Exec("INSERT INTO app.t VALUES (300, 'meanwhile')")
		}
		return nil
	}))
	if err == nil || !strings.Contains(err.Error(), "somebody writes here") {
		t.Errorf("%v, want a refusal that says why", err)
	}
	if n := r.Query("SELECT COUNT(*) FROM app.t WHERE id IN (100, 300)"); n != "2" {
		t.Errorf("%s of the 2 rows are there: it was not rolled back", n)
	}
	must(t, func() error { _, err := r.ops.Rewind(patiently(t), rewind); return err }())
	r.becomesEqual(t, w)
}
