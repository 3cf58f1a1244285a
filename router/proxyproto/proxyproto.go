// Package proxyproto reads the PROXY header, versions 1 and 2, with which a load
// balancer says for whom it connects. It reads that header and not one byte more,
// so that the connection can be handed on as it is.
//
// Whom to believe is for the caller: a header is only as true as its sender.
package proxyproto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// Header is what one header says.
type Header struct {
	// Local says that the sender speaks for itself, such as for a health check, or
	// does not know for whom. The addresses are invalid then.
	Local               bool
	Source, Destination netip.AddrPort
}

// ErrNoHeader says that what was read does not begin as a header does.
var ErrNoHeader = errors.New("no PROXY header")

// ErrNothing says that the other side has closed the connection without a word, as
// those do who only look whether a port is open.
var ErrNothing = errors.New("nothing came")

const (
	// firstRead is less than the shortest header, which is "PROXY UNKNOWN\r\n".
	firstRead = 12
	// longestV1 is what the specification grants a line, with its end.
	longestV1 = 107
	// longestV2 bounds the part after the fixed one. It has addresses of at most 216
	// bytes and whatever else a sender adds, such as names and certificates.
	longestV2 = 4096
)

// signature begins version 2: no line of text and no other protocol does.
var signature = []byte("\r\n\r\n\x00\r\nQUIT\n")

// Begins reports whether the first bytes of a connection, four or more, may be those of
// a header. No login of a database client begins so.
func Begins(b []byte) bool {
	return bytes.HasPrefix(b, signature[:4]) || bytes.HasPrefix(b, []byte("PROX"))
}

// Read reads one header. It returns ErrNoHeader (wrapped) when something else
// comes, with ErrNothing when the other side closes without a word, and other errors when a header is broken or too long.
func Read(r io.Reader) (Header, error) {
	buf := make([]byte, firstRead, longestV1)
	n, err := io.ReadFull(r, buf)
	switch {
	case n == 0 && errors.Is(err, io.EOF):
		return Header{}, fmt.Errorf("%w: %w", ErrNoHeader, ErrNothing)
	case err != nil:
		return Header{}, fmt.Errorf("%w: %d bytes, then %w", ErrNoHeader, n, err)
	}
	switch {
	case bytes.Equal(buf, signature):
		return readV2(r)
	case bytes.HasPrefix(buf, []byte("PROXY ")):
		return readV1(r, buf)
	default:
		return Header{}, fmt.Errorf("%w: %q", ErrNoHeader, buf)
	}
}

// readV1 reads to the end of the line, byte by byte: how long it is stands nowhere,
// and what comes after it is not ours.
func readV1(r io.Reader, line []byte) (Header, error) {
	for !bytes.HasSuffix(line, []byte("\r\n")) {
		if len(line) == longestV1 {
			return Header{}, fmt.Errorf("PROXY header, version 1: no end of line in %d bytes", longestV1)
		}
		line = append(line, 0)
		if _, err := io.ReadFull(r, line[len(line)-1:]); err != nil {
			return Header{}, fmt.Errorf("PROXY header, version 1: read: %w", err)
		}
	}
	return parseV1(strings.TrimSuffix(string(line), "\r\n"))
}

func parseV1(line string) (Header, error) {
	broken := func(why string) (Header, error) {
		return Header{}, fmt.Errorf("PROXY header, version 1: %s: %q", why, line)
	}
	words := strings.Split(line, " ")
	if len(words) >= 2 && words[1] == "UNKNOWN" {
		return Header{Local: true}, nil
	}
	if len(words) != 6 {
		return broken("not six words")
	}
	four := words[1] == "TCP4"
	if !four && words[1] != "TCP6" {
		return broken("neither TCP4 nor TCP6 nor UNKNOWN")
	}
	source, err1 := parseEnd(words[2], words[4])
	destination, err2 := parseEnd(words[3], words[5])
	if err := errors.Join(err1, err2); err != nil {
		return broken(err.Error())
	}
	if source.Addr().Is4() != four || destination.Addr().Is4() != four {
		return broken("an address of another family")
	}
	return Header{Source: source, Destination: destination}, nil
}

func parseEnd(address, port string) (netip.AddrPort, error) {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Zone() != "" {
		return netip.AddrPort{}, errors.New("not an address")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || port[0] == '+' {
		return netip.AddrPort{}, errors.New("not a port")
	}
	return netip.AddrPortFrom(a, uint16(n)), nil
}

// The bytes of version 2 that matter here.
const (
	versionTwo   = 0x20
	commandLocal = 0
	commandProxy = 1
	familyTCP4   = 0x11
	familyTCP6   = 0x21
)

func readV2(r io.Reader) (Header, error) {
	var fixed [4]byte
	if _, err := io.ReadFull(r, fixed[:]); err != nil {
		return Header{}, fmt.Errorf("PROXY header, version 2: read: %w", err)
	}
	length := int(binary.BigEndian.Uint16(fixed[2:]))
	switch {
	case fixed[0]&0xf0 != versionTwo:
		return Header{}, fmt.Errorf("PROXY header: version %d after the signature of version 2", fixed[0]>>4)
	case length > longestV2:
		return Header{}, fmt.Errorf("PROXY header, version 2: %d bytes; at most %d are taken", length, longestV2)
	}
	rest := make([]byte, length)
	if _, err := io.ReadFull(r, rest); err != nil {
		return Header{}, fmt.Errorf("PROXY header, version 2: read: %w", err)
	}
	switch fixed[0] & 0x0f {
	case commandLocal:
		return Header{Local: true}, nil
	case commandProxy:
		return parseV2(fixed[1], rest)
	default:
		return Header{}, fmt.Errorf("PROXY header, version 2: unknown command %d", fixed[0]&0x0f)
	}
}

func parseV2(family byte, rest []byte) (Header, error) {
	size := 0
	switch family {
	case familyTCP4:
		size = 4
	case familyTCP6:
		size = 16
	case 0:
		return Header{Local: true}, nil // the sender does not know
	default:
		return Header{}, fmt.Errorf("PROXY header, version 2: family %#x is not TCP", family)
	}
	if len(rest) < 2*size+4 {
		return Header{}, fmt.Errorf("PROXY header, version 2: %d bytes are too few for the addresses", len(rest))
	}
	source, _ := netip.AddrFromSlice(rest[:size])
	destination, _ := netip.AddrFromSlice(rest[size : 2*size])
	ports := rest[2*size:]
	return Header{
		Source:      netip.AddrPortFrom(source.Unmap(), binary.BigEndian.Uint16(ports)),
		Destination: netip.AddrPortFrom(destination.Unmap(), binary.BigEndian.Uint16(ports[2:])),
	}, nil
}
