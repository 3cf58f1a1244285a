package lexer

import (
	"bytes"
	"unicode/utf8"
)

// Mode is what of a session changes how its statements are read.
type Mode uint8

// The parts of a Mode.
const (
	AnsiQuotes  Mode = 1 << iota // "x" is a name and no string
	NoBackslash                  // a backslash in a string is itself
	Multibyte                    // a character set in which the second byte of a letter may be a quote or a backslash (gbk, big5, sjis, cp932, gb18030)
	IgnoreSpace                  // a function's name and its parenthesis may stand apart
	MySQL                        // the server is MySQL, not MariaDB
	Newer                        // it is MariaDB 11.8, MySQL 9.0 or later: it has more functions of its own
)

// Kind is what a token is.
type Kind uint8

// The kinds.
const (
	End     Kind = iota // of the text
	Bad                 // something without its end, or what servers may read in more than one way
	Word                // a keyword or a name without quotes
	Name                // a name in quotes
	Text                // a string, with its quotes
	Number              //
	UserVar             // @x
	SysVar              // @@x, @@session.x; its text is all of it
	Assign              // :=
	Mark                // any other single character
)

// Token is a piece of a statement. Text is a part of it, and begins at byte At: no
// server takes a statement of more than 1 GiB. It has four machine words, which a
// compiler keeps in registers; with one more a point select costs a third more to read.
type Token struct {
	Kind Kind
	At   int32
	Text []byte
}

// Is reports whether the token is that mark.
func (t Token) Is(mark byte) bool { return t.Kind == Mark && t.Text[0] == mark }

// Meets reports whether nothing stands between the token and the next one.
func (t Token) Meets(next Token) bool {
	return next.Kind > Bad && int(t.At)+len(t.Text) == int(next.At)
}

// Scanner walks over the tokens of one text. The zero value with Reset is ready.
// A copy of a Scanner looks ahead without moving the original.
type Scanner struct {
	// Executable says that a comment was met which is code for some servers and
	// none for others. Its body is read as code. A comment with nothing but
	// modifiers of SELECT, as dump programs write it, does not count.
	Executable bool
	// Comment is what stands between the last two tokens, from the first comment to
	// the last. It is nil when there is none.
	Comment []byte

	sql    []byte
	at     int
	mode   Mode
	body   bool // inside an executable comment
	broken bool // a Bad was met
	begun  int  // where Comment begins
	named  int  // where the last word ended
	member bool // a dot was met that joins a word to what follows it
}

// Reset begins with another text.
func (s *Scanner) Reset(sql []byte, m Mode) { *s = Scanner{sql: sql, mode: m, named: -1} }

// Next is the next token. After End or Bad it is the same again.
func (s *Scanner) Next() Token {
	s.Comment = nil
	for s.at < len(s.sql) && s.sql[s.at] == ' ' {
		s.at++
	}
	if s.at < len(s.sql) && !s.broken { // nearly all tokens end here
		switch first[s.sql[s.at]] {
		case letter:
			s.member = false
			return s.word()
		case digit:
			if end := s.digits(s.at); !s.member && (end == len(s.sql) || first[s.sql[end]] == plain || s.sql[end] == ' ') {
				return s.until(Number, end)
			}
		case plain:
			return s.take(Mark, 1)
		}
	}
	if s.broken || !s.skip() {
		return s.bad()
	}
	if s.at >= len(s.sql) {
		if s.body {
			return s.bad()
		}
		return Token{Kind: End, At: int32(s.at)}
	}
	c := s.sql[s.at]
	if s.member {
		s.member = false
		return s.word() // even when it begins with a digit
	}
	switch classes[c] {
	case letter:
		return s.word()
	case digit:
		return s.number()
	}
	return s.mark(c)
}

// mark takes what begins with a character that is neither letter nor digit.
func (s *Scanner) mark(c byte) Token {
	switch {
	case c == '\'':
		return s.quoted(s.at, c, Text, s.mode&NoBackslash == 0)
	case c == '"' && s.mode&AnsiQuotes == 0:
		return s.quoted(s.at, c, Text, s.mode&NoBackslash == 0)
	case c == '"' || c == '`':
		return s.quoted(s.at, c, Name, false)
	case c == '@':
		return s.variable()
	case c == ':' && s.peek(1) == '=':
		return s.take(Assign, 2)
	case c == '.' && s.named == s.at && classes[s.peek(1)] != 0:
		s.member = true
	case c == '.' && isDigit(s.peek(1)):
		return s.until(Number, s.fraction(s.at+1))
	case c == 0:
		return s.bad()
	}
	return s.take(Mark, 1)
}

func (s *Scanner) bad() Token {
	s.broken = true
	return Token{Kind: Bad, At: int32(s.at)}
}

func (s *Scanner) take(k Kind, n int) Token { return s.until(k, s.at+n) }

func (s *Scanner) until(k Kind, end int) Token {
	t := Token{Kind: k, At: int32(s.at), Text: s.sql[s.at:end]}
	s.at = end
	return t
}

func (s *Scanner) peek(n int) byte { return s.byteAt(s.at + n) }

// byteAt is a NUL behind the end.
func (s *Scanner) byteAt(i int) byte {
	if i < len(s.sql) {
		return s.sql[i]
	}
	return 0
}

// What names without quotes are made of. A byte above 0x7f is part of a letter.
const (
	letter = iota + 1
	digit
)

var classes = func() (all [256]uint8) {
	for i := range all {
		c := byte(i)
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_', c == '$', c >= 0x80:
			all[i] = letter
		case c >= '0' && c <= '9':
			all[i] = digit
		}
	}
	return all
}()

// plain is a mark that is never the beginning of anything longer, in first.
const plain = digit + 1

// first says of a token's first byte what the token is: what begins no word, no
// number and no plain mark is 0, and needs a closer look.
var first = func() [256]uint8 {
	all := classes
	for _, c := range []byte("=(),;<>+%!?&|^~[]{}") {
		all[c] = plain
	}
	return all
}()

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// word takes a keyword or a name. Beyond ASCII it must be UTF-8: in other
// character sets there are spaces among those bytes, and FOR<0xa0>UPDATE locks
// rows in latin1.
func (s *Scanner) word() Token {
	rest, n, high := s.sql[s.at:], 0, byte(0)
	for n < len(rest) && classes[rest[n]] != 0 {
		high |= rest[n]
		n++
	}
	text, end := rest[:n], s.at+n
	if high >= 0x80 && (s.mode&Multibyte != 0 || !utf8.Valid(text)) {
		return s.bad()
	}
	if text[0] == '$' && bytes.IndexByte(text[1:], '$') >= 0 {
		return s.bad() // the begin of a string, for MySQL 9
	}
	t := Token{Kind: Word, At: int32(s.at), Text: text}
	s.at, s.named = end, end
	return t
}

// number takes a number, or a name that begins with a digit, just as servers tell
// them apart: in 1.lock and in 1e5lock there is the keyword LOCK, in 1lock there
// is none.
func (s *Scanner) number() Token {
	if s.sql[s.at] == '0' && (s.peek(1) == 'x' || s.peek(1) == 'b') {
		end := s.at + 2
		for bits := s.peek(1) == 'b'; digitOf(s.byteAt(end), bits); {
			end++
		}
		if end > s.at+2 && classes[s.byteAt(end)] == 0 {
			return s.until(Number, end)
		}
		return s.word()
	}
	end := s.digits(s.at)
	switch c := s.byteAt(end); {
	case c == '.':
		return s.until(Number, s.fraction(end+1))
	case classes[c] == 0:
		return s.until(Number, end)
	case c == 'e' || c == 'E':
		if exponent := s.exponent(end); exponent > end {
			return s.until(Number, exponent)
		}
	}
	return s.word()
}

// digitOf reports whether c is a digit of a hexadecimal or binary number.
func digitOf(c byte, binary bool) bool {
	if binary {
		return c == '0' || c == '1'
	}
	return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// digits is where the digits end that begin at i.
func (s *Scanner) digits(i int) int {
	for isDigit(s.byteAt(i)) {
		i++
	}
	return i
}

// fraction is where a number ends whose dot stands before i.
func (s *Scanner) fraction(i int) int { return s.exponent(s.digits(i)) }

// exponent is where the exponent at i ends; i when there is none.
func (s *Scanner) exponent(i int) int {
	if c := s.byteAt(i); c != 'e' && c != 'E' {
		return i
	}
	first := i + 1
	if c := s.byteAt(first); c == '+' || c == '-' {
		first++
	}
	if !isDigit(s.byteAt(first)) {
		return i
	}
	return s.digits(first)
}

// quoted takes what stands in quotes, the first of which is at open; what stands
// before it belongs to the token. A quote is written twice within; with escape a
// backslash takes the meaning from what follows it. No byte is looked at more
// than twice.
func (s *Scanner) quoted(open int, quote byte, k Kind, escape bool) Token {
	next := -1 // where the next quote is
	for i := open + 1; ; {
		if next < i {
			n := bytes.IndexByte(s.sql[i:], quote)
			if n < 0 {
				return s.bad()
			}
			next = i + n
		}
		if escape {
			if n := bytes.IndexByte(s.sql[i:next], '\\'); n >= 0 {
				i += n + 2
				continue
			}
		}
		if i = next + 1; s.byteAt(i) == quote && i < len(s.sql) {
			i++
			continue
		}
		if s.mode&Multibyte != 0 && high(s.sql[open:i]) {
			return s.bad()
		}
		return s.until(k, i)
	}
}

// high reports whether there is a byte beyond ASCII.
func high(text []byte) bool {
	for _, c := range text {
		if c >= 0x80 {
			return true
		}
	}
	return false
}

// variable takes @x, @'x', @@x and @@scope.x.
func (s *Scanner) variable() Token {
	i := s.at + 1
	if s.byteAt(i) == '@' {
		return s.systemVariable(i + 1)
	}
	switch c := s.byteAt(i); c {
	case '\'', '"':
		return s.quoted(i, c, UserVar, s.mode&NoBackslash == 0 && (c == '\'' || s.mode&AnsiQuotes == 0))
	case '`':
		return s.quoted(i, c, UserVar, false)
	}
	for classes[s.byteAt(i)] != 0 || s.byteAt(i) == '.' {
		i++
	}
	if high(s.sql[s.at:i]) && (s.mode&Multibyte != 0 || !utf8.Valid(s.sql[s.at:i])) {
		return s.bad()
	}
	return s.until(UserVar, i)
}

// systemVariable takes @@x and @@scope.x; i stands behind the second @.
func (s *Scanner) systemVariable(i int) Token {
	for {
		switch c := s.byteAt(i); {
		case c == '`':
			n := bytes.IndexByte(s.sql[i+1:], '`')
			if n < 0 {
				return s.bad()
			}
			i += n + 2
		case classes[c] != 0 || c == '.':
			i++
		default:
			return s.until(SysVar, i)
		}
	}
}
