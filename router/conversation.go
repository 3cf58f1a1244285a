package router

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/mmm-ha/mmm/router/tally"
)

// Conversation is what talks to clients.
type Conversation interface {
	// Open makes the session of a client that has just connected and has been sent
	// nothing yet. It returns at once. The session owns c: Serve closes it.
	Open(c *net.TCPConn, info ClientInfo) Session
}

// Session is the conversation with one client. Serve is called once; the other
// methods may be called by others at any time, also before it and after it, and
// return at once where nothing else is said.
type Session interface {
	// Serve greets the client, lets it log in, and serves it until one of the two
	// ends. The error says why, and is nil when the client said goodbye. It must end
	// soon after ctx or after Close.
	Serve(ctx context.Context) error
	// State is what the session is doing now.
	State() State
	// KillQuery ends the statement that runs, by KILL QUERY on its server, which
	// answers the client. It waits for the kill, bounded by ctx, and not for the
	// answer. since is the State's Since of the statement that is meant, zero for
	// whichever runs. Without a running statement, or when another one has begun, it
	// does nothing.
	KillQuery(ctx context.Context, since time.Time) error
	// Drain makes the session end at its next moment outside a transaction and a
	// statement, which may be now, with goodbye as its last packet.
	Drain(goodbye *Refusal)
	// Close ends the session now. The client is sent why, when nothing of an answer
	// is on its way.
	Close(why *Refusal)
}

// ClientInfo is what the router knows of a client before it has said a word.
type ClientInfo struct {
	ID       uint32 // which the greeting shows, and KILL names; unique among live sessions, never 0
	Listener string // its address in the file
	Mode     Mode
	Client   netip.AddrPort // where it comes from: the socket's word, or that of a PROXY header
	Via      netip.AddrPort // the load balancer that sent the header; invalid without one

	TLSMode TLSMode
	TLS     func() *tls.Config // the newest; nil exactly when TLSMode is off

	// Admit is called when the client has proven who it is, and again when it has
	// become another user; most bounds the places of that user if it is not 0. It waits
	// for a place among the connections, which is given back when Serve returns. Who has
	// one does not wait. The error is a *Refusal for the client, or ctx's.
	Admit func(ctx context.Context, user string, most int) error
	// Find returns the live session of an id, for KILL.
	Find func(id uint32) (Session, bool)

	Counts *tally.Counts // shared with other sessions
	Board  *tally.Board  // where each statement that has ended is brought, with Counts
}

// Phase is what a session is doing.
type Phase int

// The phases.
const (
	LoggingIn Phase = iota + 1
	Waiting         // in Admit
	Idle            // for the client's next command
	Running         // a statement, on a server
	Held            // a statement, for a writer
)

// String is the word of the pages.
func (p Phase) String() string {
	switch p {
	case LoggingIn:
		return "logging in"
	case Waiting:
		return "waiting"
	case Idle:
		return "idle"
	case Running:
		return "running"
	case Held:
		return "held"
	default:
		return "unknown"
	}
}

// MarshalText makes JSON say the word.
func (p Phase) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the word.
func (p *Phase) UnmarshalText(text []byte) error {
	for one := LoggingIn; one <= Held; one++ {
		if one.String() == string(text) {
			*p = one
			return nil
		}
	}
	return fmt.Errorf("no phase: %q", text)
}

// State is what a session is doing at one moment.
type State struct {
	Phase         Phase     `json:"phase"`
	Since         time.Time `json:"since"` // when the phase began
	User          string    `json:"user"`  // empty until it is known
	Schema        string    `json:"schema"`
	InTransaction bool      `json:"inTransaction"`
	Pins          []string  `json:"pins,omitempty"`   // what ties it to its writer connection
	Writer        string    `json:"writer,omitempty"` // hosts that it has connections to
	Reader        string    `json:"reader,omitempty"`
	Statements    uint64    `json:"statements"`

	Waited time.Duration `json:"-"` // that does not count for LoginTime: in Admit, or as another user
}

// Refusal is an error as a server's error packet has it.
type Refusal struct {
	Code    uint16
	State   string // SQLSTATE, five characters
	Message string // one sentence for the client
}

// Error is one line for the log.
func (r *Refusal) Error() string { return fmt.Sprintf("%d (%s): %s", r.Code, r.State, r.Message) }

// The numbers are those that drivers know for the same cause from a server.
func tooManyConnections(why string) *Refusal {
	return &Refusal{1040, "08004", "Too many connections: " + why}
}

func tooManyOfUser(user string, limit int) *Refusal {
	return &Refusal{1203, "42000", fmt.Sprintf("User %s already has more than 'limits.perUser' active connections (%d) through this router", user, limit)}
}

func tooManyOfAccount(user string, limit int) *Refusal {
	return &Refusal{1226, "42000", fmt.Sprintf("User '%s' has exceeded the 'max_user_connections' resource (current value: %d)", user, limit)}
}

func shutdown() *Refusal {
	return &Refusal{1053, "08S01", "Server shutdown in progress: this router ends; connect again"}
}

func closedFor(why string) *Refusal {
	return &Refusal{1927, "70100", "Connection was killed: " + why}
}
