package auth

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
)

// The first byte of what a server sends while somebody logs in.
const (
	headOK     = 0x00
	headMore   = 0x01
	headSwitch = 0xfe // alone: mysql_old_password is asked for
	headERR    = 0xff
)

// Numbers of errors, the servers' own.
const (
	errAccessDenied  = 1045
	errNotSupported  = 1251 // ER_NOT_SUPPORTED_AUTH_MODE
	errSecureNeeded  = 3159 // MySQL's ER_SECURE_TRANSPORT_REQUIRED
	errBadHandshake  = 1043
	stateDenied      = "28000"
	stateBad         = "08S01"
	stateUnsupported = "08004"
	stateGeneral     = "HY000"
)

// parseSwitch reads an AuthSwitchRequest. The salt is all that follows: some
// plugins have a NUL behind theirs (see bare), and the nonce of Ed25519 may end
// with one that belongs to it.
func parseSwitch(payload []byte) (plugin string, salt []byte, ok bool) {
	name, data, found := bytes.Cut(payload[1:], []byte{0})
	if !found {
		return "", nil, false
	}
	return string(name), bytes.Clone(data), true
}

func more(data ...byte) []byte { return append([]byte{headMore}, data...) }

// refusal is a payload of ERR.
func refusal(number uint16, state, text string) []byte {
	out := binary.LittleEndian.AppendUint16([]byte{headERR}, number)
	out = append(append(out, '#'), state...)
	return append(out, text...)
}

// denied is what a server says to a wrong password. It is only said where there
// is no server's own error to pass on.
func denied(c Client, answered bool) []byte {
	using := map[bool]string{true: "YES", false: "NO"}[answered]
	return refusal(errAccessDenied, stateDenied,
		fmt.Sprintf("Access denied for user '%s'@'%s' (using password: %s)", c.User, hostOf(c.Address), using))
}

func hostOf(a netip.Addr) string {
	if !a.IsValid() {
		return localhost
	}
	return a.Unmap().WithZone("").String()
}

// ServerError is the error by which a server refused a login.
type ServerError struct {
	Number  uint16
	State   string // SQLSTATE, "" when the server named none
	Text    string
	Payload []byte // the packet's payload, to be passed on as it is
}

// Error has the form that clients of SQL print.
func (e *ServerError) Error() string {
	return fmt.Sprintf("ERROR %d (%s): %s", e.Number, e.State, e.Text)
}

func parseError(payload []byte) *ServerError {
	e := &ServerError{Payload: bytes.Clone(payload)}
	if len(payload) < 3 {
		return e
	}
	e.Number = binary.LittleEndian.Uint16(payload[1:])
	e.Text = string(payload[3:])
	if strings.HasPrefix(e.Text, "#") && len(e.Text) >= 6 {
		e.State, e.Text = e.Text[1:6], e.Text[6:]
	}
	return e
}
