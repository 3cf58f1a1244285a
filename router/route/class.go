package route

// Kind is what a statement is for the session that it runs in.
type Kind uint8

// The kinds.
const (
	Unknown       Kind = iota // nothing is known of it
	Read                      // it only reads, and any server gives the same answer
	Write                     // it may change something
	Ask                       // it asks for, or changes, what only the session on the writer or that server knows
	Last                      // it asks for what the statement before left behind
	Set                       // it sets variables of the session
	Use                       // it changes the schema
	Begin                     // it begins a transaction
	BeginReadOnly             // it begins one that only reads
	Commit                    //
	Rollback                  // not to a savepoint
	Kill                      // it ends a session or a statement
)

// Pin is what ties a session to its connection to the writer: a set of things
// that exist there and cannot be made anew elsewhere.
type Pin uint16

// The pins.
const (
	UserVariables Pin = 1 << iota
	TemporaryTables
	NamedLocks
	TableLocks
	GlobalLock
	Handlers
	TextPrepared
	OpaqueSettings // set in a way that servers do not report
	XA
	OpaqueState // something changed of which the server does not say what
	LongData
	Cursor
	BackupLock
)

var pinNames = []string{"user variables", "temporary tables", "named locks", "table locks", "a global lock", "handlers",
	"statements prepared by SQL", "settings that servers do not report", "an XA transaction", "a change of state without a name",
	"long data sent", "an open cursor", "a backup that others wait for"}

// Names are the pins in words.
func (p Pin) Names() []string {
	var names []string
	for i, name := range pinNames {
		if p&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// notForReaders are the pins that a transaction on a reader cannot take: what
// they stand for would exist on the wrong server.
const notForReaders = NamedLocks | TableLocks | GlobalLock | Handlers | TextPrepared | XA | BackupLock

// Hint is what a comment asks for. It can only make a statement go to the writer,
// or confirm that it reads.
type Hint uint8

// The hints.
const (
	NoHint Hint = iota
	ToWriter
	ToReader
)

// Class is what the text of a statement says about it.
type Class struct {
	Kind  Kind
	Rule  RuleID
	Pins  Pin // that it takes, if it succeeds
	Frees Pin // that it gives back, if it succeeds
	Hint  Hint

	Commits      bool // when it is lost on its way, something may have been committed
	SetStatement bool // SET STATEMENT: what the server reports of settings is not so
	Opaque       bool // it may change the state of the session in ways that cannot be seen in it
	Multi        bool // several statements
	Changes      bool // with Multi: one of them writes, or nothing is known of it
	Next         bool // SET TRANSACTION: for the next transaction
	Chain        bool // the next transaction begins with it
	Releases     bool // COMMIT RELEASE: the server closes the connection after it
	Ends         bool // it ends an open transaction, even one that only reads, before it does its own
	LoadLocal    bool // LOAD DATA LOCAL: the server asks the client for a file
	Collates     bool // it sets a collation that the server does not report
	Names        bool // SET NAMES
	Diagnoses    bool // GET DIAGNOSTICS: of the statement before, into what only the writer keeps

	KillQuery bool   // of Kill: the statement only
	KillID    uint64 // of Kill; 0: not a plain number, or one of several statements
}

// InParts reports whether it may commit more than once: when a server refuses it, a
// part of it may have happened.
func (c Class) InParts() bool { return c.Multi || c.Kind == Unknown || c.Rule == RuleCall }

// Unseen reports whether it may have written though its answer counts no rows.
func (c Class) Unseen() bool { return c.Opaque || c.Multi || c.Rule == RuleDefine }

// MayWrite reports whether anything may have been written, in its text or behind it.
func (c Class) MayWrite() bool {
	return c.Kind == Write || c.Kind == Unknown || c.Opaque || c.Multi
}

// MayEnd reports whether a transaction that is open may be over, committed or not,
// once the statement has run: it ends it, begins another one, ends it unasked as
// the changing of tables does, or does what cannot be seen in its text.
func (c Class) MayEnd() bool {
	switch c.Kind {
	case Begin, BeginReadOnly, Commit, Rollback, Set, Unknown:
		return true
	default:
		return c.Ends || c.Opaque || c.Multi || c.Rule == RuleXA || c.Rule == RuleDefine || c.Rule == RuleSetGlobal
	}
}
