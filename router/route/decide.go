package route

import "strings"

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
	Strict      bool // SERIALIZABLE, the next transaction has settings of its own, or sql_auto_is_null: reads belong to the writer
	Pins        Pin
}

// Decision is where a statement goes, and why.
type Decision struct {
	Target Target
	Rule   string // the name of the row that decided, of SessionRules or of Rules
	Why    string // one clause: "it locks rows"
	// Leave says that a transaction is open on the reader which the statement would
	// end, were there one server only: it has to be ended there first.
	Leave bool
}

// SessionRule is a row of SessionRules: it says what the state of a session makes
// of a statement, whatever the row of Rules that the statement fell under.
type SessionRule struct {
	Name   string
	Target Target
	Why    string // with what Rules say of the statement behind it when it ends in "and" or "but"
	Leave  bool
	When   func(Class, Session) bool
}

// SessionRules is walked from top to bottom; the first row that holds decides. When
// none does, the row of Rules decides.
var SessionRules = []SessionRule{
	{"kill-among-others", Refused, "KILL must be sent alone, for its number is the router's and has to be translated", false,
		func(c Class, _ Session) bool { return c.Kind == Kill && c.Multi }},
	{"reader-listener-refuses", Refused, "the listener is for readers only, and", false,
		func(c Class, s Session) bool {
			return s.Mode == ReaderOnly && c.Kind == Write && (c.Rule != RuleMulti || c.Changes)
		}},
	{"last-answer", SameAsLast, "it asks for what the statement before left behind", false,
		func(c Class, s Session) bool {
			return c.Kind == Last && s.Mode != WriterOnly && s.Transaction == NoTransaction
		}},
	{"reader-listener", Reader, "the listener is for readers only", false,
		func(_ Class, s Session) bool { return s.Mode == ReaderOnly }},
	{"writer-listener", Writer, "the listener is for the writer only", false,
		func(_ Class, s Session) bool { return s.Mode == WriterOnly }},
	{"hint-refused", Refused, "a hint asks for a reader, but", false,
		func(c Class, _ Session) bool { return c.Hint == ToReader && !c.reads() && c.Kind != Last }},
	{"leaves-reader", Writer, "it ends the transaction on the reader, and what it begins is the writer's", true,
		func(c Class, s Session) bool { return s.Transaction == OnReader && c.Ends && c.Kind != BeginReadOnly }},
	{"lock-on-reader", Refused, "its transaction only reads and runs on a reader, but", false,
		func(c Class, s Session) bool { return s.Transaction == OnReader && c.Pins&notForReaders != 0 }},
	{"reader-transaction", Reader, "its transaction only reads and runs on a reader", false,
		func(_ Class, s Session) bool { return s.Transaction == OnReader }},
	{"writer-transaction", Writer, "its transaction runs on the writer", false,
		func(_ Class, s Session) bool { return s.Transaction == OnWriter }},
	{"pinned", Writer, "the session is pinned to the writer", false,
		func(_ Class, s Session) bool { return s.Pins != 0 }},
	{"hint-writer", Writer, "a hint asks for the writer", false,
		func(c Class, _ Session) bool { return c.Hint == ToWriter }},
	{"autocommit-off", Writer, "autocommit is off, so it belongs to a transaction that may write", false,
		func(c Class, s Session) bool { return c.reads() && !s.Autocommit }},
	{"strict", Writer, "the isolation of the session or of its next transaction, or sql_auto_is_null, asks for the writer", false,
		func(c Class, s Session) bool { return c.reads() && s.Strict }},
}

// reads reports whether a reader may answer the statement.
func (c Class) reads() bool { return c.Kind == Read || c.Kind == BeginReadOnly }

// Decide says where a statement of that class goes in that session. It allocates
// nothing.
func Decide(c Class, s Session) Decision {
	for i := range SessionRules {
		r := &SessionRules[i]
		if r.When(c, s) {
			return Decision{r.Target, r.Name, reasons[i][c.Rule], r.Leave}
		}
	}
	r := c.Rule.Rule()
	return Decision{r.Target, r.Name, r.Doc, false}
}

// reasons are the sentences of SessionRules for each rule, made beforehand.
var reasons = func() [][]string {
	all := make([][]string, len(SessionRules))
	for i, s := range SessionRules {
		all[i] = make([]string, len(Rules)+1)
		for id := range all[i] {
			all[i][id] = s.Why
			if strings.HasSuffix(s.Why, " and") || strings.HasSuffix(s.Why, " but") {
				all[i][id] += " " + RuleID(id).Rule().Doc
			}
		}
	}
	return all
}()
