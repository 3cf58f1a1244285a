package lexer

// Mode is what of a session changes how its statements are read.
type Mode uint8

// The parts of a Mode.
const (
	AnsiQuotes  Mode = 1 << iota // "x" is a name and no string
	NoBackslash                  // a backslash in a string is itself
	Multibyte                    // a character set in which the second byte of a letter may be a quote or a backslash (gbk, big5, sjis, cp932, gb18030)
)

// Kind is what a token is.
type Kind uint8

// The kinds.
const (
	End     Kind = iota // of the text
	Bad                 // something without its end, or a byte that no statement has
	Word                // a keyword or a name without quotes
	Name                // a name in quotes
	Text                // a string
	Number              //
	UserVar             // @x
	SysVar              // @@x, @@session.x; its text is all of it
	Assign              // :=
	Mark                // any other single character
)

// Token is a piece of a statement. Text is a part of it.
type Token struct {
	Kind Kind
	Text []byte
}

// Is reports whether the token is that mark.
func (t Token) Is(mark byte) bool { return t.Kind == Mark && t.Text[0] == mark }

// Scanner walks over the tokens of one text. The zero value with Reset is ready.
type Scanner struct {
	Executable bool   // a comment was met whose body some servers execute
	Comment    []byte // the first comment before the first or the second token, with its marks

	sql    []byte
	at     int
	mode   Mode
	body   bool // inside an executable comment
	tokens int
}

// Reset begins with another text.
func (s *Scanner) Reset(sql []byte, m Mode) { *s = Scanner{sql: sql, mode: m} }

// Rest is what has not been looked at.
func (s *Scanner) Rest() []byte { return s.sql[s.at:] }

// Next is the next token. After End or Bad it is the same again.
func (s *Scanner) Next() Token {
	if !s.skip() {
		return Token{Kind: Bad}
	}
	if s.at >= len(s.sql) {
		if s.body {
			return Token{Kind: Bad}
		}
		return Token{Kind: End}
	}
	s.tokens++
	c := s.sql[s.at]
	switch {
	case letter(c):
		return s.word()
	case c >= '0' && c <= '9':
		return s.number()
	case c == '\'':
		return s.quoted(c, Text, s.mode&NoBackslash == 0)
	case c == '"' && s.mode&AnsiQuotes == 0:
		return s.quoted(c, Text, s.mode&NoBackslash == 0)
	case c == '"' || c == '`':
		return s.quoted(c, Name, false)
	case c == '@':
		return s.variable()
	case c == ':' && s.peek(1) == '=':
		return s.take(Assign, 2)
	case c == '.' && digit(s.peek(1)):
		return s.number()
	case c == 0:
		return Token{Kind: Bad}
	}
	return s.take(Mark, 1)
}

func (s *Scanner) take(k Kind, n int) Token {
	t := Token{Kind: k, Text: s.sql[s.at : s.at+n]}
	s.at += n
	return t
}

func (s *Scanner) peek(n int) byte {
	if s.at+n < len(s.sql) {
		return s.sql[s.at+n]
	}
	return 0
}

// letter tells what names without quotes are made of, but for digits. A byte
// above 0x7f is part of a letter.
func letter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$' || c >= 0x80
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func space(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func (s *Scanner) word() Token {
	n := 1
	for s.at+n < len(s.sql) && (letter(s.sql[s.at+n]) || digit(s.sql[s.at+n])) {
		n++
	}
	return s.take(Word, n)
}

// number takes a number, or a name that begins with a digit: nothing that is
// asked of a token needs to tell them apart.
func (s *Scanner) number() Token {
	n := 1
	for s.at+n < len(s.sql) {
		c := s.sql[s.at+n]
		if !letter(c) && !digit(c) && c != '.' {
			before := s.sql[s.at+n-1] | 0x20
			if (c != '+' && c != '-') || before != 'e' || n+1 >= len(s.sql)-s.at || !digit(s.sql[s.at+n+1]) || s.sql[s.at] == '0' && s.peek(1)|0x20 == 'x' {
				break
			}
		}
		n++
	}
	return s.take(Number, n)
}

// quoted takes what stands in quotes. A quote is written twice within; with escape
// a backslash takes the meaning from what follows it.
func (s *Scanner) quoted(quote byte, k Kind, escape bool) Token {
	for i := s.at + 1; i < len(s.sql); i++ {
		switch c := s.sql[i]; {
		case c >= 0x80 && s.mode&Multibyte != 0:
			return Token{Kind: Bad}
		case c == '\\' && escape:
			i++
		case c == quote && i+1 < len(s.sql) && s.sql[i+1] == quote:
			i++
		case c == quote:
			return s.take(k, i+1-s.at)
		}
	}
	return Token{Kind: Bad}
}

// variable takes @x, @'x', @@x and @@scope.x.
func (s *Scanner) variable() Token {
	begin := s.at
	if s.peek(1) == '@' {
		s.at += 2
		for s.at < len(s.sql) && (letter(s.sql[s.at]) || digit(s.sql[s.at]) || s.sql[s.at] == '.' || s.sql[s.at] == '`') {
			s.at++
		}
		return Token{Kind: SysVar, Text: s.sql[begin:s.at]}
	}
	s.at++
	if c := s.peek(0); c == '\'' || c == '"' || c == '`' {
		if t := s.quoted(c, UserVar, c != '`' && s.mode&NoBackslash == 0); t.Kind == Bad {
			return t
		}
		return Token{Kind: UserVar, Text: s.sql[begin:s.at]}
	}
	for s.at < len(s.sql) && (letter(s.sql[s.at]) || digit(s.sql[s.at]) || s.sql[s.at] == '.') {
		s.at++
	}
	return Token{Kind: UserVar, Text: s.sql[begin:s.at]}
}
