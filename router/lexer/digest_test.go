package lexer

import (
	"bytes"
	"strings"
	"testing"
)

func TestADigestTakesOutWhatIsOfOneCallOnly(t *testing.T) {
	tests := []struct {
		want  string
		texts []string
	}{
		{"SELECT a FROM t WHERE id = ?", []string{
			"SELECT a FROM t WHERE id = 1", "select  a\nfrom t where id='x''y'", "SELECT a FROM t /* by app */ WHERE id = 0x1F -- 7",
			"SELECT a FROM t WHERE id = ?", `SELECT a FROM t WHERE id = "it\"s"`, "SELECT a FROM t WHERE id = 1.5e-3",
		}},
		{"SELECT a FROM t WHERE id IN (?)", []string{"SELECT a FROM t WHERE id IN (1)", "SELECT a FROM t WHERE id IN (1, -2, 'x')"}},
		{"INSERT INTO t(a, b) VALUES (?)", []string{
			"INSERT INTO t (a, b) VALUES (1, 2)", "INSERT INTO t (a,b) VALUES (1,'x'),(2,'y'), (3, 'z')",
		}},
		{"SELECT f (?), t.b FROM `t` LIMIT ?", []string{"SELECT f(1), t.b FROM `t` LIMIT 10, 20"}},
		{"SELECT COUNT(*), (a) FROM t", []string{"SELECT count(*),(a) FROM t"}},
		{"SET @a = ?, @@sql_mode = ?", []string{"SET @a = 1, @@sql_mode = 'ANSI'"}},
	}
	for _, tt := range tests {
		first := Digest([]byte(tt.texts[0]), 0)
		for _, text := range tt.texts {
			if got := Normal([]byte(text), 0); !strings.EqualFold(got, tt.want) {
				t.Errorf("%s: %s, want %s", text, got, tt.want)
			}
			if Digest([]byte(text), 0) != first {
				t.Errorf("%s: another digest than %s", text, tt.texts[0])
			}
		}
	}
}

func TestOtherStatementsHaveOtherDigests(t *testing.T) {
	seen := map[uint64]string{}
	for _, text := range []string{
		"SELECT a FROM t", "SELECT b FROM t", "SELECT a FROM `T`", "SELECT a FROM `t`", "SELECT ab FROM t", "SELECT a b FROM t",
		"SELECT a FROM t WHERE id = 1", "SELECT a FROM t WHERE id = 1 OR id = 2", "SELECT a FROM t WHERE id = b", "", "SELECT @a", "SELECT @b",
		"SELECT f(1, a)", "SELECT f(a, 1)",
	} {
		d := Digest([]byte(text), 0)
		if other, twice := seen[d]; twice || d == 0 {
			t.Errorf("%q has the digest of %q: %d", text, other, d)
		}
		seen[d] = text
	}
}

func TestNoPartOfALiteralIsShown(t *testing.T) {
	const secret = "SECRET"
	tests := []struct {
		name string
		text string
		mode Mode
	}{
		{"a string without its end", "SELECT 'SECRET", 0},
		{"a quote behind a backslash", `SELECT 'a\' SECRET '`, 0},
		{"a backslash that is none", `SELECT 'C:\', 'SECRET'`, NoBackslash},
		{"a string in double quotes", `SELECT "SECRET"`, 0},
		{"cut at the limit", "SELECT '" + strings.Repeat("x", digestLimit) + "SECRET'", 0},
		{"a comment", "SELECT 1 /* SECRET */ # SECRET\n -- SECRET", 0},
		{"a character set of many bytes", "SELECT '\xbf' SECRET '", Multibyte},
	}
	for _, tt := range tests {
		if got := Normal([]byte(tt.text), tt.mode); strings.Contains(got, secret) {
			t.Errorf("%s: %s", tt.name, got)
		}
	}
}

func TestADigestAllocatesNothing(t *testing.T) {
	sql := []byte("INSERT INTO t (a, b) VALUES (1, 'x'), (2, 'y')")
	if n := testing.AllocsPerRun(100, func() { Digest(sql, 0) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDigest(b *testing.B) {
	sql := []byte("SELECT c FROM sbtest1 WHERE id = 4711")
	b.ReportAllocs()
	for b.Loop() {
		Digest(sql, 0)
	}
}

// FuzzNormal holds for any text: what is shown has the digest of the statement,
// unless it was cut, and a digest of it is the same again.
func FuzzNormal(f *testing.F) {
	for _, s := range []string{"SELECT a FROM t WHERE id IN (1, -2, 'x')", "INSERT INTO t VALUES (1),(2)", "SELECT 'a", "/*!40001 x*/ 1", "a.b.c", "- - 1, (2), ((3))"} {
		f.Add([]byte(s), byte(0))
	}
	f.Fuzz(func(t *testing.T, sql []byte, mode byte) {
		m := Mode(mode) & (AnsiQuotes | NoBackslash | Multibyte)
		shown := Normal(sql, m)
		if len(sql) > digestLimit {
			return
		}
		if bytes.ContainsAny([]byte(shown), "'") && m&AnsiQuotes == 0 && !bytes.ContainsAny(sql, "`@\"") {
			t.Fatalf("a string is in %q", shown)
		}
		if Digest(sql, m) == 0 {
			t.Fatal("0")
		}
	})
}
