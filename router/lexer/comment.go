package lexer

import "bytes"

// skip goes over space and comments. It is false when one has no end.
func (s *Scanner) skip() bool {
	for s.at < len(s.sql) {
		c := s.sql[s.at]
		switch {
		case space(c):
			s.at++
		case c == '#' || c == '-' && s.peek(1) == '-' && s.dashes():
			s.line()
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

// dashes reports whether the two dashes begin a comment: something that is no
// letter must follow them, or nothing.
func (s *Scanner) dashes() bool {
	c := s.peek(2)
	return space(c) || c < ' '
}

// line goes over a comment to the end of its line.
func (s *Scanner) line() {
	begin := s.at
	n := bytes.IndexByte(s.sql[s.at:], '\n')
	if n < 0 {
		s.at = len(s.sql)
	} else {
		s.at += n + 1
	}
	s.noted(begin)
}

// comment goes over a comment in slashes, or enters one whose body is executed.
func (s *Scanner) comment() bool {
	begin := s.at
	s.at += 2
	if s.peek(0) == '!' || s.peek(0) == 'M' && s.peek(1) == '!' {
		if s.body {
			return false // servers differ in what that means
		}
		s.at = begin + 3
		if s.sql[begin+2] == 'M' {
			s.at++
		}
		for digit(s.peek(0)) {
			s.at++
		}
		s.body, s.Executable = true, true
		return true
	}
	n := bytes.Index(s.sql[s.at:], []byte("*/"))
	if n < 0 {
		return false
	}
	s.at += n + 2
	s.noted(begin)
	return true
}

// noted keeps the first comment, if it stands near the beginning.
func (s *Scanner) noted(begin int) {
	if s.Comment == nil && s.tokens <= 1 {
		s.Comment = s.sql[begin:s.at]
	}
}
