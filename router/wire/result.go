package wire

import (
	"bytes"
	"fmt"
)

// The first bytes of packets that end something.
const (
	markOK    = 0x00
	markLocal = 0xfb
	markEOF   = 0xfe
	markErr   = 0xff
)

// OK is the good end of an answer; with DeprecateEOF also that of rows.
type OK struct {
	EOF      bool // it ends rows: the mark is 0xfe
	Affected uint64
	InsertID uint64
	Status   Status
	Warnings uint16
	Info     []byte  // a part of the packet
	Tracked  Tracked // likewise
}

// ParseOK reads an OK. Info and Tracked are parts of p. Info has its length in
// front also without SessionTrack: what the manuals say of that is not so.
func ParseOK(p []byte, caps Capability) (OK, error) {
	var ok OK
	if len(p) == 0 || p[0] != markOK && p[0] != markEOF {
		return ok, malformed("not an OK")
	}
	ok.EOF = p[0] == markEOF
	affected, b, good := readInt(p[1:])
	if !good {
		return ok, malformed("a short OK")
	}
	insert, b, good := readInt(b)
	if !good || len(b) < 4 {
		return ok, malformed("a short OK")
	}
	ok.Affected, ok.InsertID = affected, insert
	ok.Status = Status(b[0]) | Status(b[1])<<8
	ok.Warnings = uint16(b[2]) | uint16(b[3])<<8
	b = b[4:]
	if len(b) == 0 {
		return ok, nil
	}
	info, b, good := readString(b)
	if !good {
		return ok, malformed("an OK's text without end")
	}
	ok.Info = info
	if caps.Has(SessionTrack) && ok.Status.Has(SessionStateChanged) {
		tracked, _, whole := readString(b)
		if !whole {
			return ok, malformed("a session's changes without end")
		}
		ok.Tracked = tracked
	}
	return ok, nil
}

// Append appends the OK.
func (ok OK) Append(dst []byte, caps Capability) []byte {
	mark := byte(markOK)
	if ok.EOF {
		mark = markEOF
	}
	dst = appendInt(appendInt(append(dst, mark), ok.Affected), ok.InsertID)
	status := ok.Status
	if len(ok.Tracked) == 0 || !caps.Has(SessionTrack) {
		status &^= SessionStateChanged
	} else {
		status |= SessionStateChanged
	}
	dst = appendUint16(appendUint16(dst, uint16(status)), ok.Warnings)
	tracked := status.Has(SessionStateChanged)
	if len(ok.Info) > 0 || tracked {
		dst = appendString(dst, ok.Info)
	}
	if tracked {
		dst = appendString(dst, ok.Tracked)
	}
	return dst
}

// EOF is the end of column descriptions or rows without DeprecateEOF.
type EOF struct {
	Warnings uint16
	Status   Status
}

// ParseEOF reads an EOF.
func ParseEOF(p []byte) (EOF, bool) {
	if len(p) != 5 || p[0] != markEOF {
		return EOF{}, false
	}
	return EOF{Warnings: uint16(p[1]) | uint16(p[2])<<8, Status: Status(p[3]) | Status(p[4])<<8}, true
}

// Append appends the EOF.
func (e EOF) Append(dst []byte) []byte {
	return appendUint16(appendUint16(append(dst, markEOF), e.Warnings), uint16(e.Status))
}

// Err is an ERR packet: a server's refusal. It is an error.
type Err struct {
	Code    uint16
	State   string // SQLSTATE; empty in a refusal before the greeting
	Message string
}

// Error is the text as clients print it.
func (e *Err) Error() string {
	if e.State == "" {
		return fmt.Sprintf("ERROR %d: %s", e.Code, e.Message)
	}
	return fmt.Sprintf("ERROR %d (%s): %s", e.Code, e.State, e.Message)
}

// IsErr reports whether a payload is an ERR.
func IsErr(p []byte) bool { return len(p) >= 3 && p[0] == markErr }

// ParseErr reads an ERR.
func ParseErr(p []byte) (*Err, error) {
	if !IsErr(p) {
		return nil, malformed("not an ERR")
	}
	e := &Err{Code: uint16(p[1]) | uint16(p[2])<<8}
	b := p[3:]
	if len(b) >= 6 && b[0] == '#' {
		e.State, b = string(b[1:6]), b[6:]
	}
	e.Message = string(bytes.TrimRight(b, "\x00"))
	return e, nil
}

// Append appends the ERR.
func (e *Err) Append(dst []byte) []byte {
	dst = appendUint16(append(dst, markErr), e.Code)
	if e.State != "" {
		dst = append(append(dst, '#'), e.State...)
	}
	return append(dst, e.Message...)
}
