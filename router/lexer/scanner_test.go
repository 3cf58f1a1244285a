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
		{"", 0, ""},
	} {
		if got := kinds(c.sql, c.mode); got != c.want {
			t.Errorf("%q: %s, want %s", c.sql, got, c.want)
		}
	}
}

func FuzzScanner(f *testing.F) {
	f.Add("select /*! 'a' */ @@x := `b` -- c", byte(0))
	f.Fuzz(func(t *testing.T, sql string, m byte) {
		var s Scanner
		s.Reset([]byte(sql), Mode(m))
		for n := 0; ; n++ {
			tok := s.Next()
			if tok.Kind == End || tok.Kind == Bad {
				return
			}
			if n > len(sql) || len(tok.Text) == 0 {
				t.Fatal("it does not get on")
			}
		}
	})
}
