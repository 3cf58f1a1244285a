package clients

import (
	"os"
	"strings"
	"testing"
)

// dump is mariadb-dump of the schema "seen" in one way.
func (b *bed) dump(t testing.TB, w way, as, schema string, more ...string) string {
	t.Helper()
	args := append(b.options(w, as), "--skip-comments", "--hex-blob", "--routines", "--triggers", "--events", "--default-character-set=utf8mb4", "--max-allowed-packet=24M")
	out := of("mariadb-dump", append(append(args, more...), schema)...).do(t)
	if !strings.HasSuffix(out, "exit 0\n") {
		t.Fatalf("%s: %s", w.name, last(out))
	}
	return strings.TrimSuffix(out, "exit 0\n")
}

// TestADumpThroughTheRouterIsTheDatabase: it is that of the server itself, comes from
// one server, and loaded through the router again it gives the same rows.
func TestADumpThroughTheRouterIsTheDatabase(t *testing.T) {
	needs(t, "mariadb-dump", "mariadb")
	b := newBed(t)
	b.writer.Exec("CREATE DATABASE copy CHARACTER SET utf8mb4")
	all, err := os.ReadFile("testdata/everything.sql")
	b.must(err)
	if out := b.once(t, string(all), "--default-character-set=utf8mb4", "seen"); out != "exit 0\n" {
		t.Fatal(out)
	}
	b.caughtUp()
	for _, kind := range []struct{ as, options string }{
		{user, "--single-transaction --quick"}, {user, "--lock-tables"}, {user, "--single-transaction --skip-extended-insert --complete-insert --no-tablespaces"},
		{user, "--lock-tables --xml"}, {boss, "--single-transaction --master-data=2 --gtid"}, {boss, "--lock-all-tables --flush-logs"},
	} {
		var direct string
		for i, w := range []way{b.ways()[0], b.ways()[1], b.ways()[4]} {
			b.writer.Exec("SET sql_log_bin=0", "SET GLOBAL general_log=1, log_output='TABLE'", "TRUNCATE mysql.general_log")
			b.reader.Exec("SET sql_log_bin=0", "SET GLOBAL general_log=1, log_output='TABLE'", "TRUNCATE mysql.general_log")
			out := b.dump(t, w, kind.as, "seen", strings.Fields(kind.options)...)
			if i == 0 {
				direct = out
				t.Logf("%s: %d bytes", kind.options, len(direct))
			}
			if where := differ(direct, out); where != "" {
				t.Errorf("%s, %s: %s", kind.options, w.name, where)
			}
			const rows = "SELECT COUNT(*) FROM mysql.general_log WHERE argument LIKE 'SELECT /*!40001 SQL_NO_CACHE */%'"
			if w, r := b.writer.Query(rows), b.reader.Query(rows); w == "0" || r != "0" {
				t.Errorf("%s: %s tables were read from the writer, %s from the reader", kind.options, w, r)
			}
		}
	}
	split := b.ways()[1]
	b.once(t, "INSERT INTO big VALUES (2, REPEAT('y', 9000000))", "seen") // 18 MB of hexadecimal text
	text := b.dump(t, split, user, "seen", "--single-transaction")
	if out := b.once(t, text, "--default-character-set=utf8mb4", "--max-allowed-packet=24M", "copy"); out != "exit 0\n" {
		t.Fatal(out)
	}
	for _, w := range b.ways()[:2] {
		if where := differ(b.dump(t, w, user, "seen", "--single-transaction", "--skip-extended-insert"),
			b.dump(t, w, user, "copy", "--single-transaction", "--skip-extended-insert")); where != "" {
			t.Errorf("%s: the copy: %s", w.name, where)
		}
	}
}
