package route

// Target is where a statement goes.
type Target uint8

// The targets.
const (
	Writer     Target = iota + 1
	Reader            // any reader, or the writer if there is none
	SameAsLast        // the connection that answered last
	Refused           // nowhere; Decision.Why says why
)

// String is the target in a word.
func (t Target) String() string {
	switch t {
	case Writer:
		return "writer"
	case Reader:
		return "reader"
	case SameAsLast:
		return "last"
	case Refused:
		return "refused"
	default:
		return "unknown"
	}
}

// Mode says what a listener is for.
type Mode uint8

// The modes.
const (
	Split Mode = iota
	WriterOnly
	ReaderOnly
)

// Transaction is what a session is in.
type Transaction uint8

// The states of a transaction.
const (
	NoTransaction Transaction = iota
	OnWriter
	OnReader // it only reads
)

// Session is what the router knows of a session.
type Session struct {
	Mode        Mode
	Transaction Transaction
	Autocommit  bool
	Strict      bool // SERIALIZABLE, or the next transaction has settings of its own: reads belong to the writer
	Pins        Pin
}

// Decision is where a statement goes, and why.
type Decision struct {
	Target Target
	Why    string // one clause: "it locks rows"
}

// Decide says where a statement of that class goes in that session.
func Decide(c Class, s Session) Decision {
	switch {
	case s.Mode == ReaderOnly:
		return readerOnly(c)
	case s.Mode == WriterOnly:
		return Decision{Writer, "the listener is for the writer only"}
	case s.Transaction == OnReader:
		return Decision{Reader, "its transaction runs on a reader"}
	case s.Transaction == OnWriter:
		return Decision{Writer, "its transaction runs on the writer"}
	case c.Kind == Last:
		return Decision{SameAsLast, c.Rule.Rule().Doc}
	case s.Pins != 0:
		return Decision{Writer, "the session is pinned to the writer"}
	case c.Hint == ToReader && c.Kind != Read && c.Kind != BeginReadOnly:
		return Decision{Refused, "the hint asks for a reader, but " + c.Rule.Rule().Doc}
	case c.Hint == ToWriter:
		return Decision{Writer, "a hint asks for the writer"}
	case c.Kind != Read && c.Kind != BeginReadOnly:
		return Decision{c.Rule.Rule().Target, c.Rule.Rule().Doc}
	case !s.Autocommit:
		return Decision{Writer, "autocommit is off, so it belongs to a transaction"}
	case s.Strict:
		return Decision{Writer, "the isolation of the session asks for the writer"}
	}
	return Decision{Reader, c.Rule.Rule().Doc}
}

// readerOnly is Decide on a listener for readers: what only a writer can do is
// refused. Settings stay on the one connection that there is.
func readerOnly(c Class) Decision {
	switch {
	case c.Kind == Write && c.Rule != RuleUnknownWord && c.Rule != RuleMulti && c.Rule != RuleExecutable:
		return Decision{Refused, "the listener is for readers only, and " + c.Rule.Rule().Doc}
	case c.Kind == Last:
		return Decision{SameAsLast, c.Rule.Rule().Doc}
	default:
		return Decision{Reader, "the listener is for readers only"}
	}
}
