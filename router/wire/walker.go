package wire

// Event is why Walk stopped.
type Event uint8

// The events.
const (
	More   Event = iota // the answer goes on; nothing to look at
	Middle              // Packet ends a result, after which another one comes
	End                 // Packet is the last one, good or bad; empty where an answer ends with descriptions
	Local               // Packet asks for a file of the client; the answer goes on after it
	Ready               // Packet is the first of a good answer to a prepare, which goes on unless Over
)

// stage is what the next packet is.
type stage uint8

const (
	over    stage = iota
	first         // of a result
	columns       // descriptions, then rows
	rows
	params   // descriptions of a prepared statement, then those of its columns
	prepared // descriptions of its columns, then the end
	text     // the whole answer is one packet of text
)

// mostColumns is what no result has more of: servers end at 4096.
const mostColumns = 1 << 16

// Walker finds where the answer to a command ends, without looking into rows. Use
// Start first; before that it is over. It allocates nothing.
type Walker struct {
	Packet []byte // of the last event, with its header: a part of what Walk was given
	Status Status // of the last OK or EOF
	Passed bool   // something of the answer was passed on
	Broken bool   // with End: this is no answer; what comes next on this connection belongs to nothing

	caps    Capability
	command Command
	stage   stage
	fenced  bool   // the descriptions were all seen; their EOF comes next
	outs    bool   // the result is of OUT parameters; an OK comes after it
	left    uint64 // descriptions to come
	columns uint64 // of a prepared statement
	skip    int    // bytes of a payload to pass over
	goesOn  bool   // the packet passed over continues in the next one
}

// Start prepares for the answer to a command on a connection with those
// capabilities. It reports false for commands that are not answered.
func (w *Walker) Start(c Command, caps Capability) bool {
	*w = Walker{caps: caps, command: c, Status: w.Status}
	switch c {
	case ComStatistics:
		w.stage = text
	case ComStmtFetch, ComFieldList: // descriptions end as rows do
		w.stage = rows
	case ComStmtClose, ComStmtLongData, ComQuit:
		w.stage = over
	default:
		w.stage = first
	}
	return w.stage != over
}

// Over reports whether the answer has ended.
func (w *Walker) Over() bool { return w.stage == over && w.skip == 0 }

// Walk goes over the next bytes of an answer. The first n may be passed on as they
// are (see takeEOF for the one bit that it changes in them). With More, what is left of b is the beginning of a packet and must stand in
// front of what is given next; with any other event Packet begins at b[n], and
// what follows it is to be given next.
func (w *Walker) Walk(b []byte) (n int, e Event) {
	w.Packet = nil
	for {
		k := min(w.skip, len(b)-n)
		n += k
		w.skip -= k
		if w.skip > 0 {
			break
		}
		if w.stage == over {
			return w.passed(n), End
		}
		size, _, ok := Header(b[n:])
		if !ok {
			break
		}
		p := b[n+HeaderSize:]
		if !w.goesOn && size > 0 && len(p) == 0 {
			break // the first byte says what it is
		}
		if w.goesOn || !w.telling(p, size) {
			w.describe()
			w.skip, w.goesOn = size, size == MaxPayload
			n += HeaderSize
			continue
		}
		if len(p) < size {
			break
		}
		if e := w.judge(p[:size]); e != More {
			w.Packet = b[n : n+HeaderSize+size]
			return w.passed(n), e
		}
		n += HeaderSize + size
	}
	return w.passed(n), More
}

func (w *Walker) passed(n int) int {
	w.Passed = w.Passed || n > 0
	return n
}

// telling reports whether the packet says something about the answer, so that all
// of it must be there before it is passed on. p is at least its first byte.
func (w *Walker) telling(p []byte, size int) bool {
	if w.stage == first || w.stage == text || w.fenced {
		return true
	}
	if size == 0 {
		return false
	}
	switch p[0] {
	case markErr: // neither a row nor a description begins so
		return true
	case markEOF: // a row may, if it is long
		return w.stage == rows && (size < 9 || w.caps.Has(DeprecateEOF) && size < MaxPayload)
	}
	return false
}

// describe counts a description.
func (w *Walker) describe() {
	if w.goesOn || w.stage != columns && w.stage != params && w.stage != prepared {
		return
	}
	if w.left--; w.left == 0 {
		w.undescribed()
	}
}

// undescribed is after the last description.
func (w *Walker) undescribed() {
	if w.fenced = !w.caps.Has(DeprecateEOF); !w.fenced {
		w.described()
	}
}

// described goes on after the last description, or the EOF after it.
func (w *Walker) described() {
	w.fenced = false
	switch {
	case w.stage == columns:
		w.stage = rows
	case w.stage == params && w.columns > 0:
		w.stage, w.left = prepared, w.columns
	default:
		w.stage = over
	}
}

// judge takes a packet that tells something.
func (w *Walker) judge(p []byte) Event {
	switch {
	case IsErr(p) && w.caps.Has(MariaProgress) && p[1] == 0xff && p[2] == 0xff:
		return More // a report of progress
	case IsErr(p) || w.stage == text:
		w.stage = over
		return End
	case len(p) == 0:
		return w.breaks()
	case w.fenced:
		return w.fence(p)
	case w.stage == rows:
		return w.ended(p)
	case w.command == ComStmtPrepare:
		return w.ready(p)
	}
	switch p[0] {
	case markOK:
		return w.ended(p)
	case markEOF:
		return w.ended(p)
	case markLocal:
		return Local
	}
	count, rest, ok := readInt(p)
	if !ok || count == 0 || count > mostColumns {
		return w.breaks()
	}
	w.stage, w.left = columns, count
	if w.caps.Has(MariaCacheMetadata) && len(rest) == 1 && rest[0] == 0 { // the client has the descriptions
		w.left = 0
		w.undescribed()
	}
	return More
}

// breaks ends what is not an answer.
func (w *Walker) breaks() Event {
	w.stage, w.Broken = over, true
	return End
}

// fence takes the EOF after descriptions. A cursor's answer ends there.
func (w *Walker) fence(p []byte) Event {
	eof, ok := takeEOF(p)
	if !ok {
		return w.breaks()
	}
	if w.stage == columns && eof.Status.Has(CursorExists) {
		return w.ended(p)
	}
	w.outs = w.stage == columns && eof.Status.Has(OutParameters|MoreResults)
	w.described()
	if w.stage == over {
		return End
	}
	return More
}

// ended takes the end of a result.
func (w *Walker) ended(p []byte) Event {
	if eof, ok := takeEOF(p); ok {
		w.Status = eof.Status
	} else if ok, err := ParseOK(p, w.caps); err == nil {
		w.Status = ok.Status
	} else {
		return w.breaks()
	}
	if w.outs { // MySQL says so after the descriptions only
		w.Status |= MoreResults
		w.outs = false
	}
	if w.Status.Has(MoreResults) {
		w.stage = first
		return Middle
	}
	w.stage = over
	return End
}

// takeEOF reads an EOF. It says there, in place, that nothing of the session has
// changed: an EOF has no room to say what, and a server sets the bit for changes
// that the router asked to be told of and the client did not.
func takeEOF(p []byte) (EOF, bool) {
	eof, ok := ParseEOF(p)
	if ok {
		p[4] &^= byte(SessionStateChanged >> 8)
		eof.Status &^= SessionStateChanged
	}
	return eof, ok
}

// ready takes the good answer to a prepare.
func (w *Walker) ready(p []byte) Event {
	s, err := ParsePrepared(p)
	switch {
	case err != nil:
		return w.breaks()
	case s.Params == 0 && s.Columns == 0:
		w.stage = over
	case s.Params > 0:
		w.stage, w.left, w.columns = params, uint64(s.Params), uint64(s.Columns)
	default:
		w.stage, w.left = prepared, uint64(s.Columns)
	}
	return Ready
}
