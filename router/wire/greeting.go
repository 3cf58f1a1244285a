package wire

import "strings"

// SaltSize is the length of a greeting's salt.
const SaltSize = 20

// Greeting is the server's first packet (HandshakeV10).
type Greeting struct {
	Version      string // as it is sent: MariaDB up to 10 says 5.5.5- in front
	Connection   uint32 // the id that KILL takes
	Salt         [SaltSize]byte
	Capabilities Capability
	Charset      byte
	Status       Status
	Plugin       string // how the server would like the client to log in
}

// ParseGreeting reads a greeting. A server that refuses before it greets sends an
// ERR, for which IsErr is true; ask that first.
func ParseGreeting(p []byte) (Greeting, error) {
	var g Greeting
	v, b, ok := readByte(p)
	if !ok || v != 10 {
		return g, malformed("not a greeting of protocol 10")
	}
	version, b, ok := readNul(b)
	if !ok || len(b) < 31 {
		return g, malformed("a short greeting")
	}
	g.Version = string(version)
	g.Connection, b, _ = readUint32(b)
	copy(g.Salt[:8], b)
	lower := Capability(b[9]) | Capability(b[10])<<8
	g.Charset = b[11]
	g.Status = Status(b[12]) | Status(b[13])<<8
	g.Capabilities = lower | Capability(b[14])<<16 | Capability(b[15])<<24
	length := int(b[16])
	if !lower.Has(LongPassword) { // MariaDB: the bit says that what follows is not filler
		extended, _, _ := readUint32(b[23:])
		g.Capabilities |= Capability(extended) << 32
	}
	b = b[27:]
	rest := max(13, length-8) // with the NUL that ends it
	if !g.Capabilities.Has(SecureConnection) || len(b) < SaltSize-8 {
		return g, malformed("a greeting without a salt of 20 bytes")
	}
	copy(g.Salt[8:], b[:SaltSize-8])
	b = b[min(rest, len(b)):]
	if g.Capabilities.Has(PluginAuth) {
		name, _, ended := readNul(b)
		if !ended { // some old servers forget the NUL
			name = b
		}
		g.Plugin = string(name)
	}
	return g, nil
}

// Append appends the greeting.
func (g Greeting) Append(dst []byte) []byte {
	dst = append(append(append(dst, 10), g.Version...), 0)
	dst = append(appendUint32(dst, g.Connection), g.Salt[:8]...)
	dst = append(dst, 0, byte(g.Capabilities), byte(g.Capabilities>>8), g.Charset, byte(g.Status), byte(g.Status>>8),
		byte(g.Capabilities>>16), byte(g.Capabilities>>24), SaltSize+1)
	dst = append(dst, make([]byte, 6)...)
	extended := uint32(0)
	if !g.Capabilities.Has(LongPassword) {
		extended = uint32(g.Capabilities >> 32)
	}
	dst = append(append(appendUint32(dst, extended), g.Salt[8:]...), 0)
	if g.Capabilities.Has(PluginAuth) {
		dst = append(append(dst, g.Plugin...), 0)
	}
	return dst
}

// MariaDB reports whether the greeting is MariaDB's.
func (g Greeting) MariaDB() bool { return strings.Contains(g.Version, "MariaDB") }
