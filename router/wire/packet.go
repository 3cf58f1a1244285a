package wire

import (
	"errors"
	"fmt"
	"io"
)

// HeaderSize is the length of a packet's header: three bytes of length, the
// lowest first, and one that counts packets.
const HeaderSize = 4

// MaxPayload is the longest payload of one packet. A longer message goes on in
// the next packet; one of exactly this length is followed by an empty one.
const MaxPayload = 1<<24 - 1

// ErrMalformed says that a packet is not what the protocol allows.
var ErrMalformed = errors.New("malformed packet")

func malformed(what string) error { return fmt.Errorf("%w: %s", ErrMalformed, what) }

// Header reads the header at the beginning of b: the length of the payload and
// the packet's number. It is false when b is too short.
func Header(b []byte) (n int, seq byte, ok bool) {
	if len(b) < HeaderSize {
		return 0, 0, false
	}
	return int(b[0]) | int(b[1])<<8 | int(b[2])<<16, b[3], true
}

// AppendHeader appends the header of a payload of n bytes.
func AppendHeader(dst []byte, n int, seq byte) []byte {
	return append(dst, byte(n), byte(n>>8), byte(n>>16), seq)
}

// AppendPacket appends a message, in as many packets as it needs, and returns
// the number of the packet after it.
func AppendPacket(dst, payload []byte, seq byte) ([]byte, byte) {
	for len(payload) >= MaxPayload {
		dst = append(AppendHeader(dst, MaxPayload, seq), payload[:MaxPayload]...)
		payload = payload[MaxPayload:]
		seq++
	}
	return append(AppendHeader(dst, len(payload), seq), payload...), seq + 1
}

// Message is the payload of a whole message with its headers, in one piece: a part of b,
// or, when it has several packets, a copy.
func Message(b []byte) []byte {
	n, _, _ := Header(b)
	if n < MaxPayload {
		return b[HeaderSize:]
	}
	payload := make([]byte, 0, len(b))
	for len(b) >= HeaderSize {
		n, _, _ := Header(b)
		n = min(n, len(b)-HeaderSize)
		payload = append(payload, b[HeaderSize:HeaderSize+n]...)
		b = b[HeaderSize+n:]
	}
	return payload
}

// Reader reads whole packets of a dialogue such as a login. It never reads
// further than the packet it returns.
type Reader struct {
	from io.Reader
	most int
}

// NewReader returns a Reader that refuses payloads of more than most bytes.
func NewReader(from io.Reader, most int) *Reader { return &Reader{from: from, most: most} }

// firstPiece is how much memory a packet gets before any of it is there: who has said
// nothing yet but how long it is costs little.
const firstPiece = 4096

// Next reads a packet and returns its payload, which is the caller's, and its number.
func (r *Reader) Next() ([]byte, byte, error) {
	var head [HeaderSize]byte
	if _, err := io.ReadFull(r.from, head[:]); err != nil {
		return nil, 0, err
	}
	return r.body(head)
}

// Unexpected is what comes instead of a packet with a certain number.
type Unexpected struct {
	Head [HeaderSize]byte // its first bytes; it may be of another protocol
}

// Error is one line for the log.
func (u *Unexpected) Error() string {
	return fmt.Sprintf("packets out of order: one begins with %q", u.Head[:])
}

// Numbered is Next for a packet that must have that number. With another one it reads
// no further than the header, and fails with an *Unexpected.
func (r *Reader) Numbered(seq byte) ([]byte, error) {
	var head [HeaderSize]byte
	if _, err := io.ReadFull(r.from, head[:]); err != nil {
		return nil, err
	}
	if head[HeaderSize-1] != seq {
		return nil, &Unexpected{head}
	}
	p, _, err := r.body(head)
	return p, err
}

// body reads what comes after a header.
func (r *Reader) body(head [HeaderSize]byte) ([]byte, byte, error) {
	n, seq, _ := Header(head[:])
	if n > r.most {
		return nil, seq, malformed(fmt.Sprintf("a packet of %d bytes, where %d are the most", n, r.most))
	}
	payload := make([]byte, min(n, firstPiece))
	for read := 0; ; {
		k, err := io.ReadFull(r.from, payload[read:])
		if read += k; err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, seq, err
		}
		if read == n {
			return payload, seq, nil
		}
		payload = append(payload, make([]byte, min(n-read, read))...)
	}
}

// The parts of packets. Each reader returns what is left, and false when b is too
// short or not of that form.

func readByte(b []byte) (byte, []byte, bool) {
	if len(b) < 1 {
		return 0, nil, false
	}
	return b[0], b[1:], true
}

func readUint32(b []byte) (uint32, []byte, bool) {
	if len(b) < 4 {
		return 0, nil, false
	}
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24, b[4:], true
}

// readInt reads a length-encoded number.
func readInt(b []byte) (uint64, []byte, bool) {
	if len(b) == 0 {
		return 0, nil, false
	}
	n := 0
	switch b[0] {
	case 0xfb, 0xff: // NULL, and the mark of an error
		return 0, nil, false
	case 0xfc:
		n = 2
	case 0xfd:
		n = 3
	case 0xfe:
		n = 8
	default:
		return uint64(b[0]), b[1:], true
	}
	if len(b) < 1+n {
		return 0, nil, false
	}
	v := uint64(0)
	for i := n; i > 0; i-- {
		v = v<<8 | uint64(b[i])
	}
	return v, b[1+n:], true
}

// readString reads a length-encoded string.
func readString(b []byte) (s, rest []byte, ok bool) {
	n, rest, ok := readInt(b)
	if !ok || n > uint64(len(rest)) {
		return nil, nil, false
	}
	return rest[:n], rest[n:], true
}

// readNul reads a string that ends with a NUL.
func readNul(b []byte) (s, rest []byte, ok bool) {
	for i, c := range b {
		if c == 0 {
			return b[:i], b[i+1:], true
		}
	}
	return nil, nil, false
}

// appendInt appends a length-encoded number.
func appendInt(dst []byte, v uint64) []byte {
	switch {
	case v < 0xfb:
		return append(dst, byte(v))
	case v < 1<<16:
		return append(dst, 0xfc, byte(v), byte(v>>8))
	case v < 1<<24:
		return append(dst, 0xfd, byte(v), byte(v>>8), byte(v>>16))
	}
	dst = append(dst, 0xfe)
	for range 8 {
		dst = append(dst, byte(v))
		v >>= 8
	}
	return dst
}

// appendString appends a length-encoded string.
func appendString(dst, s []byte) []byte { return append(appendInt(dst, uint64(len(s))), s...) }

func appendUint16(dst []byte, v uint16) []byte { return append(dst, byte(v), byte(v>>8)) }

func appendUint32(dst []byte, v uint32) []byte {
	return append(dst, byte(v), byte(v>>8), byte(v>>16), byte(v>>24))
}
