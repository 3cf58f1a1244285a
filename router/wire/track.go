package wire

import "bytes"

// Tracked is what an OK says that changed in the session: a sequence of entries,
// each a kind and its data.
type Tracked []byte

// Track is the kind of an entry.
type Track byte

// The kinds.
const (
	TrackVariable        Track = 0 // names and values
	TrackSchema          Track = 1
	TrackState           Track = 2 // something changed of which nothing is said
	TrackGTIDs           Track = 3 // MySQL
	TrackCharacteristics Track = 4 // the statements that would begin this transaction again
	TrackTransaction     Track = 5 // eight letters about it
)

// Next takes the first entry. It is false at the end and when the rest is broken.
func (t *Tracked) Next() (kind Track, data []byte, ok bool) {
	k, b, ok := readByte(*t)
	if !ok {
		return 0, nil, false
	}
	data, rest, ok := readString(b)
	if !ok {
		*t = nil
		return 0, nil, false
	}
	*t = rest
	return Track(k), data, true
}

// Variable takes the first name and value of the data of a TrackVariable, which
// may hold several.
func Variable(data []byte) (name, value, rest []byte, ok bool) {
	name, b, ok := readString(data)
	if !ok {
		return nil, nil, nil, false
	}
	value, rest, ok = readString(b)
	return name, value, rest, ok
}

// Text takes the one string that the data of TrackSchema, TrackCharacteristics
// and TrackTransaction hold.
func Text(data []byte) []byte {
	s, _, ok := readString(data)
	if !ok {
		return nil
	}
	return s
}

// Untrack rewrites a packet (with its header, of one payload below MaxPayload)
// that is an OK so that it says nothing of the session, for a client that did not
// ask for that. caps are those of the connection to the server, without which the
// form differs from what the client expects. The packet becomes shorter or stays
// as it is; what is returned is a part of it.
func Untrack(packet []byte, caps Capability) []byte {
	if !caps.Has(SessionTrack) || len(packet) < HeaderSize+7 {
		return packet
	}
	ok, err := ParseOK(packet[HeaderSize:], caps)
	if err != nil {
		return packet
	}
	seq := packet[3]
	dst := AppendHeader(packet[:0], 0, seq)
	ok.Tracked = nil
	dst = ok.appendPlain(dst)
	return append(AppendHeader(dst[:0], len(dst)-HeaderSize, seq), dst[HeaderSize:]...)
}

// Retrack rewrites a packet as Untrack does, but leaves what keep says yes to: a
// kind, and for TrackVariable the name of the variable.
func Retrack(packet []byte, caps Capability, keep func(kind Track, name []byte) bool) []byte {
	if !caps.Has(SessionTrack) || len(packet) < HeaderSize+7 {
		return packet
	}
	ok, err := ParseOK(packet[HeaderSize:], caps)
	if err != nil || len(ok.Tracked) == 0 {
		return Untrack(packet, caps)
	}
	kept := ok.Tracked.filter(keep)
	ok.Info, ok.Tracked = bytes.Clone(ok.Info), kept
	seq := packet[3]
	dst := ok.Append(AppendHeader(packet[:0], 0, seq), caps)
	return append(AppendHeader(dst[:0], len(dst)-HeaderSize, seq), dst[HeaderSize:]...)
}

// filter is a copy of the entries that keep says yes to.
func (t Tracked) filter(keep func(kind Track, name []byte) bool) Tracked {
	kept := make(Tracked, 0, len(t))
	for kind, data, more := t.Next(); more; kind, data, more = t.Next() {
		if kind != TrackVariable {
			if keep(kind, nil) {
				kept = appendString(append(kept, byte(kind)), data)
			}
			continue
		}
		var pairs []byte
		for name, value, rest, ok := Variable(data); ok; name, value, rest, ok = Variable(rest) {
			if keep(kind, name) {
				pairs = appendString(appendString(pairs, name), value)
			}
		}
		if len(pairs) > 0 {
			kept = appendString(append(kept, byte(kind)), pairs)
		}
	}
	return kept
}

// appendPlain appends the OK in the form of a connection without SessionTrack.
// It never writes beyond what it has read of the same packet.
func (ok OK) appendPlain(dst []byte) []byte { return ok.Append(dst, 0) }
