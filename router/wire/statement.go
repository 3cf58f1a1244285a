package wire

import "encoding/binary"

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

// ExecuteTypes finds, in the payload of a COM_STMT_EXECUTE with that many
// parameters, the types that it brings: two bytes for each parameter. at is where
// they stand or would stand. none: it brings none, and the server uses those of
// the execution before. It is false for what cannot be read so, as with query
// attributes.
func ExecuteTypes(p []byte, params uint16) (types []byte, at int, none, ok bool) {
	if params == 0 {
		return nil, len(p), false, len(p) >= executeHead
	}
	at = executeHead + (int(params)+7)/8 + 1
	if len(p) < at {
		return nil, 0, false, false
	}
	if p[at-1] == 0 {
		return nil, at, true, true
	}
	if len(p) < at+2*int(params) {
		return nil, 0, false, false
	}
	return p[at : at+2*int(params)], at, false, true
}

// AppendExecuteWithTypes appends a COM_STMT_EXECUTE that brought no types (at is
// from ExecuteTypes), with these.
func AppendExecuteWithTypes(dst, p []byte, at int, types []byte) []byte {
	dst = append(dst, p[:at-1]...)
	dst = append(append(dst, 1), types...)
	return append(dst, p[at:]...)
}
