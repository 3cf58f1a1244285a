package binlog_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mmm-ha/mmm/internal/binlog"
	"github.com/mmm-ha/mmm/internal/dbops/dbopstest"
)

// written is a binlog of a real server with all kinds of transactions, and the
// state that the server says it is in.
func written(t *testing.T, lines ...string) (path string) {
	t.Helper()
	s := dbopstest.Start(t, lines...)
	s.Exec("SET GLOBAL gtid_binlog_state='0-7-40,0-8-41,3-7-2'", "CREATE DATABASE app",
		"CREATE TABLE app.`we''ird table` (a INT PRIMARY KEY, b TEXT) ENGINE=InnoDB", "CREATE TABLE app.u (a INT) ENGINE=InnoDB",
		"BEGIN", "INSERT INTO app.`we''ird table` VALUES (1, 'x'), (2, 'y')", "SAVEPOINT p", "INSERT INTO app.u VALUES (1)", "COMMIT",
		"SET binlog_row_image=MINIMAL", "UPDATE app.`we''ird table` SET b='z' WHERE a=1", "SET binlog_row_image=FULL",
		"FLUSH TABLES", "SET binlog_format=STATEMENT", "DELETE FROM app.u", "SET binlog_format=ROW", "SET gtid_domain_id=3", "INSERT INTO app.u VALUES (5)")
	s.Stop()
	return filepath.Join(s.Datadir, "binlog.000001")
}

func read(t *testing.T, path string) (list []binlog.Transaction) {
	t.Helper()
	if _, err := binlog.Read(path, func(x binlog.Transaction) error { list = append(list, x); return nil }); err != nil {
		t.Fatal(err)
	}
	return list
}

func TestTransactionsOfARealBinlog(t *testing.T) {
	for _, checksum := range []string{"CRC32", "NONE"} {
		list := read(t, written(t, "binlog-checksum="+checksum))
		want := []struct {
			tables     string
			statements string
			rows       int
			partial    bool
		}{
			{"", "CREATE DATABASE app", 0, false},
			{"", "CREATE TABLE app.`we''ird table` (a INT PRIMARY KEY, b TEXT) ENGINE=InnoDB", 0, false},
			{"", "CREATE TABLE app.u (a INT) ENGINE=InnoDB", 0, false},
			{"app.we'ird table app.u", "SAVEPOINT `p`", 2, false},
			{"app.we'ird table", "", 1, true},
			{"", "FLUSH TABLES", 0, false},
			{"", "DELETE FROM app.u", 0, false},
			{"app.u", "", 1, false},
		}
		if len(list) != len(want) {
			t.Fatalf("%s: %d transactions: %+v", checksum, len(list), list)
		}
		for i, x := range list {
			w := want[i]
			tables := strings.ReplaceAll(strings.Join(x.Tables, " "), "we''ird", "we'ird")
			if tables != w.tables || strings.Join(x.Statements, ";") != w.statements || x.Rows != w.rows || x.Partial != w.partial || x.Opaque != "" {
				t.Errorf("%s: %s is %+v, want %+v", checksum, x.GTID, x, w)
			}
			if i > 0 && x.Start < list[i-1].End || x.End <= x.Start {
				t.Errorf("%s: %s lies at %d to %d", checksum, x.GTID, x.Start, x.End)
			}
		}
		if first, last := list[0].GTID.String(), list[7].GTID.String(); !strings.HasSuffix(first, "-42") || !strings.HasPrefix(last, "3-") || !strings.HasSuffix(last, "-3") {
			t.Errorf("%s: from %s to %s", checksum, first, last)
		}
	}
}

func TestWhatCannotBeReadIsSaid(t *testing.T) {
	list := read(t, written(t, "log-bin-compress=1", "log-bin-compress-min-len=10"))
	if !slices.ContainsFunc(list, func(x binlog.Transaction) bool { return x.Opaque != "" }) {
		t.Errorf("compressed events are taken for read: %+v", list)
	}
	none := filepath.Join(t.TempDir(), "none")
	if err := os.WriteFile(none, []byte("no binlog at all"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := binlog.Read(none, nil); err == nil {
		t.Error("any file is a binlog")
	}
}

// A server that is killed leaves a file that ends anywhere.
func TestFileThatEndsAnywhereHasItsWholeTransactions(t *testing.T) {
	whole, err := os.ReadFile(written(t))
	if err != nil {
		t.Fatal(err)
	}
	all := len(read(t, write(t, whole)))
	last := 0
	for n := 4; n <= len(whole); n += 7 {
		got := 0
		if _, err := binlog.Read(write(t, whole[:n]), func(x binlog.Transaction) error {
			got++
			if x.End > int64(n) {
				t.Fatalf("cut at %d: a transaction goes on to %d", n, x.End)
			}
			return nil
		}); err != nil {
			t.Fatalf("cut at %d: %v", n, err)
		}
		if got < last || got > all {
			t.Fatalf("cut at %d: %d transactions, %d before, %d in all", n, got, last, all)
		}
		last = got
	}
}

func write(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestVisitorEndsTheReading(t *testing.T) {
	stop, n := errors.New("enough"), 0
	head, err := binlog.Read(written(t), func(binlog.Transaction) error { n++; return stop })
	if !errors.Is(err, stop) || n != 1 {
		t.Errorf("visited %d: %v", n, err)
	}
	if len(head.State.String()) == 0 && n == 0 {
		t.Error("nothing was read")
	}
}
