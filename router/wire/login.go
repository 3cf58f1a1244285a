package wire

import "bytes"

// Login is the client's answer to a greeting (HandshakeResponse41).
type Login struct {
	Capabilities Capability
	MaxPacket    uint32
	Charset      byte
	User         string
	Answer       []byte // of the plugin
	Schema       string
	Plugin       string
	Attributes   []byte // as they came, without the length of them all
}

// loginHead is what a request for TLS and a login have in common.
const loginHead = 32

// ParseTLSRequest reads the packet by which a client asks for TLS before it says
// who it is. It is false for every other packet.
func ParseTLSRequest(p []byte) (Login, bool) {
	if len(p) != loginHead {
		return Login{}, false
	}
	l, _ := parseLoginHead(p)
	return l, l.Capabilities.Has(TLS)
}

func parseLoginHead(p []byte) (Login, []byte) {
	caps, b, _ := readUint32(p)
	l := Login{Capabilities: Capability(caps)}
	l.MaxPacket, b, _ = readUint32(b)
	l.Charset = b[0]
	if !l.Capabilities.Has(LongPassword) {
		extended, _, _ := readUint32(b[20:])
		l.Capabilities |= Capability(extended) << 32
	}
	return l, b[24:]
}

// ParseLogin reads a login. Its parts are copies.
func ParseLogin(p []byte) (Login, error) {
	if len(p) < loginHead {
		return Login{}, malformed("a short login")
	}
	l, b := parseLoginHead(p)
	if !l.Capabilities.Has(Protocol41) {
		return l, malformed("a login by the protocol of before 4.1")
	}
	user, b, ok := readNul(b)
	if !ok {
		return l, malformed("a user without end")
	}
	l.User = string(user)
	var answer []byte
	switch {
	case l.Capabilities.Has(PluginAuthLenenc):
		answer, b, ok = readString(b)
	case l.Capabilities.Has(SecureConnection):
		answer, b, ok = readShort(b)
	default:
		answer, b, ok = readNul(b)
	}
	if !ok {
		return l, malformed("an answer without end")
	}
	l.Answer = bytes.Clone(answer)
	if l.Capabilities.Has(ConnectWithDB) && len(b) > 0 {
		schema, rest, ended := readNul(b)
		if !ended {
			schema, rest = b, nil
		}
		l.Schema, b = string(schema), rest
	}
	if l.Capabilities.Has(PluginAuth) && len(b) > 0 {
		plugin, rest, ended := readNul(b)
		if !ended {
			plugin, rest = b, nil
		}
		l.Plugin, b = string(plugin), rest
	}
	if l.Capabilities.Has(ConnectAttrs) && len(b) > 0 {
		attributes, _, whole := readString(b)
		if !whole {
			return l, malformed("attributes without end")
		}
		l.Attributes = bytes.Clone(attributes)
	}
	return l, nil
}

// readShort reads a string with one byte of length.
func readShort(b []byte) (s, rest []byte, ok bool) {
	n, rest, ok := readByte(b)
	if !ok || int(n) > len(rest) {
		return nil, nil, false
	}
	return rest[:n], rest[n:], true
}

// AppendTLSRequest appends the packet that asks for TLS.
func (l Login) AppendTLSRequest(dst []byte) []byte {
	dst = appendUint32(dst, uint32(l.Capabilities))
	dst = append(appendUint32(dst, l.MaxPacket), l.Charset)
	dst = append(dst, make([]byte, 19)...)
	extended := uint32(0)
	if !l.Capabilities.Has(LongPassword) {
		extended = uint32(l.Capabilities >> 32)
	}
	return appendUint32(dst, extended)
}

// Append appends the login.
func (l Login) Append(dst []byte) []byte {
	dst = append(append(l.AppendTLSRequest(dst), l.User...), 0)
	switch {
	case l.Capabilities.Has(PluginAuthLenenc):
		dst = appendString(dst, l.Answer)
	case l.Capabilities.Has(SecureConnection):
		answer := l.Answer[:min(len(l.Answer), 255)] // its length has one byte: a longer one is wrong anyway
		dst = append(append(dst, byte(len(answer))), answer...)
	default:
		dst = append(append(dst, l.Answer...), 0)
	}
	if l.Capabilities.Has(ConnectWithDB) {
		dst = append(append(dst, l.Schema...), 0)
	}
	if l.Capabilities.Has(PluginAuth) {
		dst = append(append(dst, l.Plugin...), 0)
	}
	if l.Capabilities.Has(ConnectAttrs) {
		dst = appendString(dst, l.Attributes)
	}
	return dst
}

// ParseChangeUser reads what follows the command byte of COM_CHANGE_USER, by the
// capabilities of the connection.
func ParseChangeUser(p []byte, caps Capability) (Login, error) {
	l := Login{Capabilities: caps}
	user, b, ok := readNul(p)
	if !ok {
		return l, malformed("a user without end")
	}
	l.User = string(user)
	answer, b, ok := readShort(b)
	if !ok {
		return l, malformed("an answer without end")
	}
	l.Answer = bytes.Clone(answer)
	schema, b, ok := readNul(b)
	if !ok {
		return l, malformed("a schema without end")
	}
	l.Schema = string(schema)
	if len(b) >= 2 {
		l.Charset, b = b[0], b[2:]
	}
	if caps.Has(PluginAuth) && len(b) > 0 {
		plugin, rest, ended := readNul(b)
		if !ended {
			plugin, rest = b, nil
		}
		l.Plugin, b = string(plugin), rest
	}
	if caps.Has(ConnectAttrs) && len(b) > 0 {
		if attributes, _, whole := readString(b); whole {
			l.Attributes = bytes.Clone(attributes)
		}
	}
	return l, nil
}

// AppendChangeUser appends a COM_CHANGE_USER with its byte, by the capabilities
// of the connection.
func (l Login) AppendChangeUser(dst []byte, caps Capability) []byte {
	dst = append(append(append(dst, byte(ComChangeUser)), l.User...), 0)
	answer := l.Answer[:min(len(l.Answer), 255)] // its length has one byte: a longer one is wrong anyway
	dst = append(append(dst, byte(len(answer))), answer...)
	dst = append(append(dst, l.Schema...), 0, l.Charset, 0)
	if caps.Has(PluginAuth) {
		dst = append(append(dst, l.Plugin...), 0)
	}
	if caps.Has(ConnectAttrs) {
		dst = appendString(dst, l.Attributes)
	}
	return dst
}
