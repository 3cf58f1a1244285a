package wire

import (
	"encoding/binary"
	"math"
)

// Prepared is a server's good answer to COM_STMT_PREPARE.
type Prepared struct {
	ID       uint32
	Columns  uint16
	Params   uint16
	Warnings uint16
}

// preparedSize is the length of its payload.
const preparedSize = 12

// ParsePrepared reads it.
func ParsePrepared(p []byte) (Prepared, error) {
	if len(p) < preparedSize || p[0] != markOK {
		return Prepared{}, malformed("not the answer to a prepare")
	}
	return Prepared{
		ID:      binary.LittleEndian.Uint32(p[1:]),
		Columns: binary.LittleEndian.Uint16(p[5:]), Params: binary.LittleEndian.Uint16(p[7:]),
		Warnings: binary.LittleEndian.Uint16(p[10:]),
	}, nil
}

// Append appends it.
func (s Prepared) Append(dst []byte) []byte {
	dst = appendUint32(append(dst, markOK), s.ID)
	dst = appendUint16(appendUint16(dst, s.Columns), s.Params)
	return appendUint16(append(dst, 0), s.Warnings)
}

// SetPreparedID writes another id into such a payload.
func SetPreparedID(p []byte, id uint32) { binary.LittleEndian.PutUint32(p[1:], id) }

// StatementID reads the id of a statement from a payload that begins with the
// byte of a command about one.
func StatementID(p []byte) (uint32, bool) {
	if len(p) < 5 {
		return 0, false
	}
	return binary.LittleEndian.Uint32(p[1:]), true
}

// SetStatementID writes another id there.
func SetStatementID(p []byte, id uint32) { binary.LittleEndian.PutUint32(p[1:], id) }

// executeHead is how far COM_STMT_EXECUTE is the same for all: command, id, flags
// and a count that is always one.
const executeHead = 10

// Cursor reports whether a COM_STMT_EXECUTE asks for a cursor.
func Cursor(p []byte) bool { return len(p) > 5 && p[5]&0x07 != 0 }

// named is the flag by which a client with QueryAttributes says that it gives the
// number of parameters, attributes among them, and names.
const named = 0x08

// ExecuteTypes finds, in the payload of a COM_STMT_EXECUTE of a statement with
// that many parameters, the types that it brings: two bytes for each parameter,
// and its name where the client gives names. at is where they stand or would
// stand. none: it brings none, and the server uses those of the execution before.
// It is false for what cannot be read so.
func ExecuteTypes(p []byte, params uint16) (types []byte, at int, none, ok bool) {
	if len(p) < executeHead {
		return nil, 0, false, false
	}
	n, b := int(params), p[executeHead:]
	names := p[5]&named != 0
	if names {
		count, rest, whole := readInt(b)
		if !whole || count < uint64(params) || count > math.MaxUint16 {
			return nil, 0, false, false
		}
		n, b = int(count), rest
	}
	if n == 0 {
		return nil, len(p), false, true
	}
	at = len(p) - len(b) + (n+7)/8 + 1
	if len(p) < at {
		return nil, 0, false, false
	}
	if p[at-1] == 0 {
		return nil, at, true, true
	}
	types, _, ok = readTypes(p[at:], n, names)
	if !ok {
		return nil, 0, false, false
	}
	return types, at, false, true
}

// AppendExecuteWithTypes appends a COM_STMT_EXECUTE that brought no types (at is
// from ExecuteTypes), with these.
func AppendExecuteWithTypes(dst, p []byte, at int, types []byte) []byte {
	dst = append(dst, p[:at-1]...)
	dst = append(append(dst, 1), types...)
	return append(dst, p[at:]...)
}
