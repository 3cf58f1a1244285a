package auth

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

const localhost = "localhost"

// HostPattern is the host of an account: an address, a network, a pattern of
// LIKE over addresses, or localhost. A name is a pattern that never matches.
type HostPattern struct {
	text string
	kind patternKind
	addr netip.Addr // of address
	mask []byte     // of network, as long as addr
	net  netip.Addr // of network
	like string     // of like, in lower case
}

type patternKind uint8

const (
	kindAddress patternKind = iota + 1
	kindLocal
	kindNetwork
	kindLike
	kindName
)

var errMask = errors.New("the mask of a network must be ones and then zeros, as 255.255.255.0")

// ParseHostPattern reads what servers know as an account's host: "192.0.2.7",
// "192.0.2.0/24", "192.0.2.0/255.255.255.0", "192.0.2.%", "%", "localhost". The
// empty pattern is "%".
func ParseHostPattern(text string) (HostPattern, error) {
	p := HostPattern{text: text}
	low := strings.ToLower(text)
	switch {
	case low == localhost:
		p.kind = kindLocal
	case strings.Contains(low, "/"):
		return parseNetwork(p, low)
	case low == "":
		p.kind, p.like = kindLike, "%"
	default:
		a, err := netip.ParseAddr(low)
		switch {
		case err == nil:
			p.kind, p.addr = kindAddress, a.Unmap()
		case strings.ContainsAny(low, "%_"):
			p.kind, p.like = kindLike, low
		default:
			p.kind = kindName
		}
	}
	return p, nil
}

func parseNetwork(p HostPattern, text string) (HostPattern, error) {
	base, mask, _ := strings.Cut(text, "/")
	net, err := netip.ParseAddr(base)
	if err != nil {
		return p, fmt.Errorf("read the network %q: %w", text, err)
	}
	p.kind, p.net = kindNetwork, net.Unmap()
	if m, err := netip.ParseAddr(mask); err == nil {
		p.mask = m.AsSlice()
		if bits, ok := maskBits(p.mask); !ok || len(p.mask) != p.net.BitLen()/8 {
			return p, fmt.Errorf("read the network %q: %w", text, errMask)
		} else if bits == p.net.BitLen() {
			p.kind, p.addr = kindAddress, p.net
		}
		return p, nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return p, fmt.Errorf("read the network %q: %w", text, err)
	}
	p.mask = make([]byte, p.net.BitLen()/8)
	for i := range prefix.Bits() {
		p.mask[i/8] |= 0x80 >> (i % 8)
	}
	return p, nil
}

func maskBits(mask []byte) (bits int, ok bool) {
	ended := false
	for i := range len(mask) * 8 {
		one := mask[i/8]&(0x80>>(i%8)) != 0
		if one && ended {
			return 0, false
		}
		if one {
			bits++
		} else {
			ended = true
		}
	}
	return bits, true
}

// String is the pattern as it was written.
func (p HostPattern) String() string { return p.text }

// Matches tells whether a client at that address is meant. An address that is
// not valid is a client on a unix socket.
func (p HostPattern) Matches(client netip.Addr) bool {
	client = client.Unmap().WithZone("")
	switch p.kind {
	case kindLocal:
		return !client.IsValid()
	case kindAddress:
		return client == p.addr
	case kindNetwork:
		return client.IsValid() && client.BitLen() == p.net.BitLen() && p.holds(client)
	case kindLike:
		return like(hostOf(client), p.like)
	case kindName:
		return false
	default:
		return false // the zero pattern is nobody's
	}
}

func (p HostPattern) holds(client netip.Addr) bool {
	a, n := client.AsSlice(), p.net.AsSlice()
	for i, m := range p.mask {
		if (a[i]^n[i])&m != 0 {
			return false
		}
	}
	return true
}

// rank orders patterns as servers do: the account with the highest that matches
// is the one that counts. Addresses come first, then networks from narrow to
// wide, then patterns by how much stands before their first wildcard.
// TestTheAccountThatCountsIsTheServers holds it against a server.
func (p HostPattern) rank() int {
	const address, network = 1000, 500
	switch p.kind {
	case kindAddress, kindLocal:
		return address
	case kindNetwork:
		bits, _ := maskBits(p.mask)
		return network + bits
	case kindLike:
		return min(strings.IndexAny(p.like, "%_\\"), network-1)
	case kindName:
		return -1
	default:
		return -1
	}
}

// like is SQL's LIKE: '%' is any text, '_' any one character, '\' takes the next
// as it is. It takes time in proportion to both lengths multiplied.
func like(text, pattern string) bool {
	row := make([]bool, len(text)+1) // row[i]: the pattern so far matches text[:i]
	row[0] = true
	for i := 0; i < len(pattern); i++ {
		next := make([]bool, len(text)+1)
		c, literal := pattern[i], false
		if c == '\\' && i+1 < len(pattern) {
			i++
			c, literal = pattern[i], true
		}
		for j := range next {
			switch {
			case c == '%' && !literal:
				next[j] = row[j] || j > 0 && next[j-1]
			case j > 0:
				next[j] = row[j-1] && (c == '_' && !literal || c == text[j-1])
			}
		}
		row = next
	}
	return row[len(text)]
}
