package lexer

import (
	"strings"
	"testing"
)

func kinds(sql string, m Mode) string {
	var s Scanner
	s.Reset([]byte(sql), m)
	var out []string
	for {
		t := s.Next()
		switch t.Kind {
		case End:
			return strings.Join(out, " ")
		case Bad:
			return strings.Join(append(out, "BAD"), " ")
		default:
		}
		out = append(out, string([]byte{"ebwnt0us=."[t.Kind]})+":"+string(t.Text))
	}
}

func TestTokens(t *testing.T) {
	for _, c := range []struct {
		sql  string
		mode Mode
		want string
	}{
		{"select 1", 0, "w:select 0:1"},
		{"a -- b\nc # d\n/* e */f", 0, "w:a w:c w:f"},
		{"a--b", 0, "w:a .:- .:- w:b"},
		{"'it''s' 'a\\'b' \"x\"", 0, `t:'it''s' t:'a\'b' t:"x"`},
		{`'a\' 'b'`, NoBackslash, `t:'a\' t:'b'`},
		{`"a" "b""c"`, AnsiQuotes, `n:"a" n:"b""c"`},
		{"`a``b`.c", 0, "n:`a``b` .:. w:c"},
		{"@a @'b c' @@x @@global.y := 1", 0, "u:@a u:@'b c' s:@@x s:@@global.y =::= 0:1"},
		{"1e-5-2 .5 0x1F-1 1.5e10", 0, "0:1e-5 .:- 0:2 0:.5 0:0x1F .:- 0:1 0:1.5e10"},
		{"select /*!40001 sql_cache */ 1", 0, "w:select w:sql_cache 0:1"},
		{"/*M!100100 a */ /*! b */", 0, "w:a w:b"},
		{"select /* 'x */ 1", 0, "w:select 0:1"},
		{"a * / b", 0, "w:a .:* .:/ w:b"},
		{"'open", 0, "BAD"}, {"/* open", 0, "BAD"}, {"/*! open", 0, "w:open BAD"}, {"`open", 0, "BAD"}, {"a\x00b", 0, "w:a BAD"},
		{"'\xbf\\' or 1 -- '", Multibyte, "BAD"},
		{"ä", 0, "w:ä"},
		{"_utf8'x'", 0, "w:_utf8 t:'x'"},
		{"select--\n1", 0, "w:select 0:1"},
		{"select--\x7f x\n1", 0, "w:select 0:1"}, {"select -- \x00\n1", 0, "w:select BAD"}, {"select --\xa0 x", 0, "w:select BAD"},
		{"1.lock", 0, "0:1. w:lock"}, {"1e5lock", 0, "0:1e5 w:lock"}, {".5lock", 0, "0:.5 w:lock"}, {"1lock", 0, "w:1lock"}, {"1e", 0, "w:1e"}, {"1e+a", 0, "w:1e .:+ w:a"},
		{"0x1g 0x1F 0b12 0b1 0x", 0, "w:0x1g 0:0x1F w:0b12 0:0b1 w:0x"}, {"t.5abs(1)", 0, "w:t .:. w:5abs .:( 0:1 .:)"}, {"t.1e5lock t.0x1", 0, "w:t .:. w:1e5lock w:t .:. w:0x1"}, {"t .5abs", 0, "w:t 0:.5 w:abs"}, {"`t`.5abs", 0, "n:`t` 0:.5 w:abs"},
		{"for\xa0update", 0, "BAD"}, {"for\u00a0update", 0, "w:for\u00a0update"}, {"'\xa0'", 0, "t:'\xa0'"}, {"@\xa0", 0, "BAD"},
		{"@@`a b` 1", 0, "s:@@`a b` 0:1"}, {"@@session.`x`=1", 0, "s:@@session.`x` .:= 0:1"}, {"@@`a", 0, "BAD"},
		{`@"a\"b"`, 0, `u:@"a\"b"`}, {`@"a\" b`, AnsiQuotes, `u:@"a\" w:b`}, {"@`a\\` b", 0, "u:@`a\\` w:b"},
		{"/*! a /* b */ c */", 0, "w:a BAD"}, {"/*!50000 a */ */", 0, "w:a .:* .:/"}, {"select /*+ QB_NAME(`a*/`) */ 1", 0, "w:select BAD"}, {"select /*+ NO_ICP(t) */ 1", 0, "w:select 0:1"},
		{"$$a", 0, "BAD"}, {"$a", 0, "w:$a"}, {`'\\' 'b\'c'`, 0, `t:'\\' t:'b\'c'`}, {`'a''`, 0, "BAD"}, {`''`, 0, "t:''"}, {`'a\`, 0, "BAD"},
		{"", 0, ""},
	} {
		if got := kinds(c.sql, c.mode); got != c.want {
			t.Errorf("%q: %s, want %s", c.sql, got, c.want)
		}
	}
}

func FuzzScanner(f *testing.F) {
	for _, sql := range []string{"select /*! 'a' */ @@x := `b` -- c", "1.5e3.lock t.5a '\\''", "/*+ a */ @'x' @@`y`.z $$"} {
		for m := range byte(8) {
			f.Add(sql, m)
		}
	}
	f.Fuzz(func(t *testing.T, sql string, m byte) {
		var s Scanner
		s.Reset([]byte(sql), Mode(m))
		for end := 0; ; {
			tok := s.Next()
			if tok.Kind == End || tok.Kind == Bad {
				if again := s.Next(); again.Kind != tok.Kind {
					t.Fatalf("after the end there is %v", again)
				}
				return
			}
			if len(tok.Text) == 0 || int(tok.At) < end || sql[tok.At:int(tok.At)+len(tok.Text)] != string(tok.Text) {
				t.Fatalf("%q does not stand at %d, or overlaps what ended at %d", tok.Text, tok.At, end)
			}
			end = int(tok.At) + len(tok.Text)
		}
	})
}

func TestCommentsBetweenTokensAreOnePiece(t *testing.T) {
	var s Scanner
	s.Reset([]byte("/* a */ -- b\n select/* c */1"), 0)
	for _, want := range []string{"/* a */ -- b\n", "/* c */", ""} {
		if s.Next(); string(s.Comment) != want {
			t.Errorf("%q, want %q", s.Comment, want)
		}
	}
}

func TestModifiersInAnExecutableCommentMakeNoDifference(t *testing.T) {
	for sql, want := range map[string]bool{
		"select /*!40001 SQL_NO_CACHE */ 1": false, "select /*! straight_join high_priority*/ 1": false, "select /*! */ 1": false,
		"select /*!40001 SQL_NO_CACHE, */ 1": true, "select /*!50000 x */ 1": true, "select /*M! 'a' */ 1": true, "/*! open": true, "select 1": false,
	} {
		var s Scanner
		s.Reset([]byte(sql), 0)
		for tok := s.Next(); tok.Kind > Bad; tok = s.Next() {
		}
		if s.Executable != want {
			t.Errorf("%s: %v", sql, s.Executable)
		}
	}
}

// TestALongStringIsReadOnce holds the scanner to a limit of work: 4 MB of
// backslashes before one quote took hours when each looked for the quote anew.
func TestALongStringIsReadOnce(t *testing.T) {
	sql := []byte("'" + strings.Repeat("\\\\", 1<<21) + "'")
	var s Scanner
	s.Reset(sql, 0)
	if tok := s.Next(); tok.Kind != Text || len(tok.Text) != len(sql) {
		t.Errorf("kind %d of %d bytes", tok.Kind, len(tok.Text))
	}
}
