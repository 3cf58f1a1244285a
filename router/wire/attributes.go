package wire

import (
	"encoding/binary"
	"math"
)

// Attributes are the query attributes (QueryAttributes, MySQL) in front of a
// statement's text: names and values that the server does not use itself.
type Attributes struct {
	n      int
	nulls  []byte
	types  []byte // a type of two bytes and a name, for each
	values []byte
	index  int
}

// SkipAttributes finds the text of a COM_QUERY behind its query attributes. p
// begins after the byte of the command.
func SkipAttributes(p []byte) (text []byte, ok bool) {
	_, text, err := SplitAttributes(p)
	return text, err == nil
}

// SplitAttributes splits what follows the byte of a COM_QUERY with QueryAttributes
// into them and the text of the statement. Both are parts of p.
func SplitAttributes(p []byte) (Attributes, []byte, error) {
	var a Attributes
	count, b, ok := readInt(p)
	if !ok || count > math.MaxUint16 {
		return a, nil, malformed("a query whose attributes have no number")
	}
	sets, b, ok := readInt(b)
	if !ok || sets != 1 {
		return a, nil, malformed("a query with other than one set of attributes")
	}
	if count == 0 {
		return a, b, nil
	}
	a.n = int(count)
	nulls := (a.n + 7) / 8
	if len(b) < nulls+1 || b[nulls] != 1 {
		return a, nil, malformed("a query whose attributes have no types")
	}
	a.nulls, b = b[:nulls], b[nulls+1:]
	if a.types, b, ok = readTypes(b, a.n, true); !ok {
		return a, nil, malformed("a query whose attributes' names have no end")
	}
	a.values = b
	for rest := a; ; {
		if _, _, more := rest.Next(); !more {
			if rest.index < rest.n {
				return a, nil, malformed("a query whose attributes' values have no end")
			}
			return a, rest.values, nil
		}
	}
}

// readTypes takes the types of n parameters, which may have names.
func readTypes(b []byte, n int, named bool) (types, rest []byte, ok bool) {
	rest = b
	for range n {
		if len(rest) < 2 {
			return nil, nil, false
		}
		rest = rest[2:]
		if named {
			if _, rest, ok = readString(rest); !ok {
				return nil, nil, false
			}
		}
	}
	return b[:len(b)-len(rest)], rest, true
}

// Next takes the first attribute. The value is as the binary protocol has it, for
// a text that is the text; nil is NULL. It is false at the end and when the rest
// is broken.
func (a *Attributes) Next() (name, value []byte, ok bool) {
	if a.index >= a.n || len(a.types) < 2 {
		return nil, nil, false
	}
	kind := a.types[0]
	name, types, ok := readString(a.types[2:])
	if !ok {
		return nil, nil, false
	}
	rest := a.values
	if a.nulls[a.index/8]&(1<<(a.index%8)) == 0 {
		if value, rest, ok = readValue(rest, kind); !ok {
			return nil, nil, false
		}
	}
	a.types, a.values = types, rest
	a.index++
	return name, value, true
}

// readValue takes a value of the binary protocol. kind is the protocol's number
// of its type.
func readValue(b []byte, kind byte) (value, rest []byte, ok bool) {
	n := 0
	switch kind {
	case 6: // NULL
		return nil, b, true
	case 1: // TINY
		n = 1
	case 2, 13: // SHORT, YEAR
		n = 2
	case 3, 4, 9: // LONG, FLOAT, INT24
		n = 4
	case 5, 8: // DOUBLE, LONGLONG
		n = 8
	case 7, 10, 11, 12: // TIMESTAMP, DATE, TIME, DATETIME
		return readShort(b)
	default:
		return readString(b)
	}
	if len(b) < n {
		return nil, nil, false
	}
	return b[:n], b[n:], true
}

// AppendQuery appends a COM_QUERY for a connection with those capabilities,
// without attributes.
func AppendQuery(dst []byte, text string, caps Capability) []byte {
	dst = append(dst, byte(ComQuery))
	if caps.Has(QueryAttributes) {
		dst = append(dst, 0, 1)
	}
	return append(dst, text...)
}

// KillID reads the id from a COM_PROCESS_KILL.
func KillID(p []byte) (uint32, bool) {
	if len(p) < 5 || Command(p[0]) != ComProcessKill {
		return 0, false
	}
	return binary.LittleEndian.Uint32(p[1:]), true
}
