package lexer

import "bytes"

// skip goes over space and comments. It is false when one has no end, or when
// servers differ in where it ends.
func (s *Scanner) skip() bool {
	for s.at < len(s.sql) {
		c := s.sql[s.at]
		if isSpace(c) {
			s.at++
			continue
		}
		if s.member {
			return true // nothing may stand between a dot and its name
		}
		switch {
		case c == '#' || c == '-' && s.peek(1) == '-' && s.dashes():
			if !s.line() {
				return false
			}
		case c == '-' && s.peek(1) == '-' && s.peek(2) >= 0x80:
			return false // a space in some character sets
		case c == '/' && s.peek(1) == '*':
			if !s.comment() {
				return false
			}
		case s.body && c == '*' && s.peek(1) == '/':
			s.at += 2
			s.body = false
		default:
			return true
		}
	}
	return true
}

// dashes reports whether the two dashes begin a comment: a space or a control
// character must follow them, or nothing.
func (s *Scanner) dashes() bool {
	c := s.peek(2)
	return c <= ' ' || c == 0x7f
}

// line goes over a comment to the end of its line. A NUL within ends it earlier
// for some servers.
func (s *Scanner) line() bool {
	begin := s.at
	n := bytes.IndexByte(s.sql[s.at:], '\n')
	if n < 0 {
		s.at = len(s.sql)
	} else {
		s.at += n + 1
	}
	s.noted(begin)
	return bytes.IndexByte(s.sql[begin:s.at], 0) < 0
}

// comment goes over a comment in slashes, or enters one whose body is executed.
// Servers differ in what a comment within an executed one means, so there is
// none.
func (s *Scanner) comment() bool {
	begin := s.at
	if s.body {
		return false
	}
	executable := s.at + 2
	if s.peek(2) == 'M' {
		executable++
	}
	if s.byteAt(executable) == '!' {
		s.at = executable + 1
		for isDigit(s.peek(0)) {
			s.at++
		}
		s.body = true
		s.Executable = s.Executable || !s.modifiers()
		return true
	}
	n := bytes.Index(s.sql[begin+2:], []byte("*/"))
	if n < 0 {
		return false
	}
	body := s.sql[begin+2 : begin+2+n]
	if s.peek(2) == '+' && bytes.ContainsAny(body, "`'\"") {
		return false // for MySQL a hint with a name in quotes, which may hold the end of the comment
	}
	s.at += n + 4
	s.noted(begin)
	return true
}

// modifiers reports whether the body of an executable comment that begins here
// holds nothing but modifiers of SELECT, which mean the same to routing whether
// they are read or not.
func (s *Scanner) modifiers() bool {
	n := bytes.Index(s.sql[s.at:], []byte("*/"))
	if n < 0 {
		return false
	}
	body := s.sql[s.at : s.at+n]
	for len(body) > 0 {
		if isSpace(body[0]) {
			body = body[1:]
			continue
		}
		end := 0
		for end < len(body) && classes[body[end]] != 0 {
			end++
		}
		if !modifier(body[:end]) {
			return false
		}
		body = body[end:]
	}
	return true
}

var modifierWords = [...]string{"SQL_NO_CACHE", "SQL_CACHE", "SQL_BUFFER_RESULT", "SQL_BIG_RESULT", "SQL_SMALL_RESULT", "STRAIGHT_JOIN", "HIGH_PRIORITY"}

func modifier(word []byte) bool {
	for _, m := range modifierWords {
		if len(m) == len(word) && bytes.EqualFold(word, []byte(m)) {
			return true
		}
	}
	return false
}

// noted keeps the comments between two tokens as one piece.
func (s *Scanner) noted(begin int) {
	if s.Comment == nil {
		s.begun = begin
	}
	s.Comment = s.sql[s.begun:s.at]
}
