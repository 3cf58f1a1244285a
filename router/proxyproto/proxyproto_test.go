package proxyproto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
)

func v2(versionCommand, family byte, rest []byte) string {
	out := append(bytes.Clone(signature), versionCommand, family)
	out = binary.BigEndian.AppendUint16(out, uint16(len(rest)))
	return string(append(out, rest...))
}

func ends(source, destination string) []byte {
	s, d := netip.MustParseAddrPort(source), netip.MustParseAddrPort(destination)
	out := append(s.Addr().AsSlice(), d.Addr().AsSlice()...)
	out = binary.BigEndian.AppendUint16(out, s.Port())
	return binary.BigEndian.AppendUint16(out, d.Port())
}

const four, six = "192.0.2.7:4711", "[2001:db8::7]:4711"

func TestHeadersThatAreTaken(t *testing.T) {
	tests := []struct {
		name, text, source string // no source: local
	}{
		{"version 1, TCP4", "PROXY TCP4 192.0.2.7 192.0.2.100 4711 3306\r\n", four},
		{"version 1, TCP6", "PROXY TCP6 2001:db8::7 2001:db8::1 4711 3306\r\n", six},
		{"version 1, the shortest", "PROXY UNKNOWN\r\n", ""},
		{"version 1, unknown with addresses", "PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", ""},
		{"version 2, TCP4", v2(0x21, 0x11, ends(four, "192.0.2.100:3306")), four},
		{"version 2, TCP6", v2(0x21, 0x21, ends(six, "[2001:db8::1]:3306")), six},
		{"version 2, with more after the addresses", v2(0x21, 0x11, append(ends(four, "192.0.2.100:3306"), 4, 0, 1, 9)), four},
		{"version 2, LOCAL", v2(0x20, 0, nil), ""},
		{"version 2, LOCAL with addresses", v2(0x20, 0x11, ends(four, "192.0.2.100:3306")), ""},
		{"version 2, family not known", v2(0x21, 0, nil), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := strings.NewReader(tt.text + "rest")
			h, err := Read(r)
			if err != nil || h.Local != (tt.source == "") {
				t.Fatalf("%+v, %v", h, err)
			}
			if !h.Local && h.Source.String() != tt.source {
				t.Errorf("source %s, want %s", h.Source, tt.source)
			}
			if split, err := Read(iotest.OneByteReader(strings.NewReader(tt.text))); err != nil || split != h {
				t.Errorf("byte by byte: %+v, %v", split, err)
			}
			if rest, _ := io.ReadAll(r); string(rest) != "rest" {
				t.Errorf("after the header comes %q: a byte too many or too few was read", rest)
			}
		})
	}
}

func TestWhatIsNoHeaderIsSaidToBeNone(t *testing.T) {
	for _, text := range []string{"", "PROX", "GET / HTTP/1.1\r\n", "\x4a\x00\x00\x01\x8d\xa6\x3f\x20rest of a login"} {
		if _, err := Read(strings.NewReader(text)); !errors.Is(err, ErrNoHeader) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := Read(strings.NewReader("")); !errors.Is(err, ErrNothing) {
		t.Errorf("nothing: %v", err)
	}
	if _, err := Read(strings.NewReader("P")); errors.Is(err, ErrNothing) {
		t.Errorf("one byte: %v", err)
	}
}

func TestBrokenHeadersAreRefused(t *testing.T) {
	tests := []struct{ name, text string }{
		{"five words", "PROXY TCP4 192.0.2.7 192.0.2.100 4711\r\n"},
		{"two blanks", "PROXY TCP4  192.0.2.7 192.0.2.100 4711 3306\r\n"},
		{"another protocol", "PROXY UDP4 192.0.2.7 192.0.2.100 4711 3306\r\n"},
		{"a name for an address", "PROXY TCP4 client 192.0.2.100 4711 3306\r\n"},
		{"a zone", "PROXY TCP6 fe80::1%eth0 2001:db8::1 4711 3306\r\n"},
		{"the other family", "PROXY TCP4 2001:db8::7 192.0.2.100 4711 3306\r\n"},
		{"a port too high", "PROXY TCP4 192.0.2.7 192.0.2.100 65536 3306\r\n"},
		{"a port with a sign", "PROXY TCP4 192.0.2.7 192.0.2.100 +711 3306\r\n"},
		{"no port", "PROXY TCP4 192.0.2.7 192.0.2.100  3306\r\n"},
		{"no end of line", "PROXY TCP4 " + strings.Repeat("x", 200)},
		{"a line that is too long", "PROXY UNKNOWN " + strings.Repeat("x", 100) + "\r\n"},
		{"cut in the line", "PROXY TCP4 192.0.2.7"},
		{"version 3", v2(0x31, 0x11, ends(four, four))},
		{"an unknown command", v2(0x22, 0x11, ends(four, four))},
		{"UDP", v2(0x21, 0x12, ends(four, four))},
		{"too short for its addresses", v2(0x21, 0x21, ends(four, four))},
		{"too long", v2(0x21, 0x11, make([]byte, longestV2+1))},
		{"cut in the addresses", v2(0x21, 0x11, ends(four, four))[:20]},
		{"cut after the signature", string(signature)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if h, err := Read(strings.NewReader(tt.text)); err == nil || errors.Is(err, ErrNoHeader) {
				t.Errorf("%+v, %v", h, err)
			}
		})
	}
}

// FuzzRead holds for any bytes: no panic, no more read than the bounds allow, and
// what is taken has valid addresses or none.
func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"PROXY TCP4 192.0.2.7 192.0.2.100 4711 3306\r\n", "PROXY UNKNOWN\r\n",
		v2(0x21, 0x11, ends(four, four)), v2(0x21, 0x21, ends(six, six)), v2(0x20, 0, nil),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		h, err := Read(r)
		if read := len(data) - r.Len(); read > len(signature)+4+longestV2 {
			t.Fatalf("%d bytes were read", read)
		}
		if err == nil && !h.Local && (!h.Source.IsValid() || !h.Destination.IsValid()) {
			t.Fatalf("taken without addresses: %+v", h)
		}
		if err == nil && h.Local && h.Source.IsValid() {
			t.Fatalf("local with an address: %+v", h)
		}
	})
}
