package session

import "sync"

// A read asks for this much. More gains nothing for small answers; what is long
// is read in big pieces.
const (
	bufferSize = 16 << 10
	bigBuffer  = 64 << 10
)

var (
	buffers    = sync.Pool{New: func() any { return new([bufferSize]byte) }}
	bigBuffers = sync.Pool{New: func() any { return new([bigBuffer]byte) }}
)

// inbox holds the bytes that were read from a connection and not used yet. An
// empty one has no buffer, so that a connection on which nothing happens costs
// no memory.
type inbox struct {
	bytes []byte // not used yet; a part of what one of the next three holds
	small *[bufferSize]byte
	big   *[bigBuffer]byte
	own   []byte // for a packet that is bigger than a buffer
	long  bool   // much is coming: read it in big pieces
}

// used says that the first n bytes are done with.
func (i *inbox) used(n int) {
	i.bytes = i.bytes[n:]
	if len(i.bytes) == 0 {
		i.bytes, i.own = nil, nil
	}
}

// room is where the next bytes go, after those that are there.
func (i *inbox) room() []byte {
	if i.own == nil {
		buf := i.buffer()
		if len(i.bytes) <= len(buf)/2 {
			n := copy(buf, i.bytes)
			i.bytes = buf[:n]
			return buf[n:]
		}
	}
	if cap(i.bytes)-len(i.bytes) < bufferSize/2 {
		i.own = append(make([]byte, 0, 2*len(i.bytes)+bigBuffer), i.bytes...)
		i.bytes = i.own
	}
	return i.bytes[len(i.bytes):cap(i.bytes)]
}

// buffer is the pooled buffer in use; one is fetched when there is none.
func (i *inbox) buffer() []byte {
	switch {
	case i.big != nil:
		return i.big[:]
	case i.long && i.small == nil:
		i.big, _ = bigBuffers.Get().(*[bigBuffer]byte)
		return i.big[:]
	case i.small == nil:
		i.small, _ = buffers.Get().(*[bufferSize]byte)
	}
	return i.small[:]
}

// took says that n bytes were read into room.
func (i *inbox) took(n int) { i.bytes = i.bytes[:len(i.bytes)+n] }

// idle gives the buffers back if nothing is in them.
func (i *inbox) idle() {
	if len(i.bytes) == 0 {
		i.drop()
	}
}

// drop gives the buffers back with all that is in them.
func (i *inbox) drop() {
	if i.small != nil {
		buffers.Put(i.small)
	}
	if i.big != nil {
		bigBuffers.Put(i.big)
	}
	*i = inbox{long: i.long}
}
