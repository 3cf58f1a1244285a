package session

import (
	"bytes"
	"slices"
)

// settings is what the client set on its writer connection, as the server's
// session trackers said it: the value that holds, and in which order the values
// came to hold. Another connection is brought up to date from it.
type settings struct {
	all     []setting // in the order of their last change
	version uint64    // counts changes
}

type setting struct {
	name, value []byte
	version     uint64
	raw         bool // value is all that SET is told: NAMES with a collation, which is more than the variables of the same names
}

// note takes a value that a tracker reported. It reports whether that is news.
func (s *settings) note(name, value []byte) bool {
	i := slices.IndexFunc(s.all, func(e setting) bool { return bytes.Equal(e.name, name) })
	if i >= 0 && bytes.Equal(s.all[i].value, value) && !resets(name) {
		return false
	}
	s.set(setting{name: slices.Clone(name), value: slices.Clone(value)})
	return true
}

// set keeps a value as the one that was set last.
func (s *settings) set(e setting) {
	s.all = slices.DeleteFunc(s.all, func(o setting) bool { return bytes.Equal(o.name, e.name) })
	s.version++
	e.version = s.version
	s.all = append(s.all, e)
}

// since appends the statement that brings a connection from that version to the
// newest; nothing when there is nothing to do.
func (s *settings) since(dst []byte, version uint64) []byte {
	if version >= s.version {
		return dst
	}
	head := len(dst)
	for _, e := range s.all {
		if e.version <= version {
			continue
		}
		if len(dst) == head {
			dst = append(dst, "SET "...)
		} else {
			dst = append(dst, ", "...)
		}
		if e.raw {
			dst = append(dst, e.value...)
			continue
		}
		dst = append(append(append(dst, "SESSION `"...), e.name...), "`="...)
		if len(e.value) == 0 && string(e.name) == "character_set_results" {
			dst = append(dst, "NULL"...) // which servers report as no text
			continue
		}
		dst = appendValue(dst, e.value)
	}
	return dst
}

// collation is the one variable that follows another one unreported: the character
// set of the connection.
const collation = "collation_connection"

// resets reports whether to set a variable again to the value that it has is not
// the same as to leave it: a character set takes its collation with it.
func resets(name []byte) bool { return bytes.HasPrefix(name, []byte("character_set_")) }

// value is what a variable was set to, nil if it was not.
func (s *settings) value(name string) []byte {
	for _, e := range s.all {
		if string(e.name) == name {
			return e.value
		}
	}
	return nil
}

// has reports whether a variable was set.
func (s *settings) has(name string) bool {
	return slices.ContainsFunc(s.all, func(e setting) bool { return string(e.name) == name })
}

// appendValue writes a value as SET takes it: numbers bare, for a variable that
// is a number takes no text; all else quoted, for names of character sets and
// time zones are texts. Quotes are doubled and backslashes too, unless the
// session reads a backslash as itself; since that cannot be known here, a value
// with a backslash is written in hexadecimal, which has one meaning only.
func appendValue(dst, value []byte) []byte {
	switch {
	case number(value):
		return append(dst, value...)
	case bytes.IndexByte(value, '\\') >= 0:
		const digits = "0123456789ABCDEF"
		dst = append(dst, "X'"...)
		for _, b := range value {
			dst = append(dst, digits[b>>4], digits[b&15])
		}
		return append(dst, '\'')
	}
	dst = append(dst, '\'')
	for _, b := range value {
		if b == '\'' {
			dst = append(dst, '\'')
		}
		dst = append(dst, b)
	}
	return append(dst, '\'')
}

// number reports whether value is a number as servers print them.
func number(value []byte) bool {
	digits, dots := 0, 0
	for i, b := range value {
		switch {
		case b >= '0' && b <= '9':
			digits++
		case b == '.':
			dots++
		case b == '-' && i == 0:
		default:
			return false
		}
	}
	return digits > 0 && dots <= 1
}
