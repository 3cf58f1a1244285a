package wire

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

// appendPlain appends the OK in the form of a connection without SessionTrack.
// It never writes beyond what it has read of the same packet.
func (ok OK) appendPlain(dst []byte) []byte { return ok.Append(dst, 0) }
