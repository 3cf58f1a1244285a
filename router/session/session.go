package session

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mmm-ha/mmm/router"
	"github.com/mmm-ha/mmm/router/auth"
	"github.com/mmm-ha/mmm/router/backend"
	"github.com/mmm-ha/mmm/router/lexer"
	"github.com/mmm-ha/mmm/router/route"
	"github.com/mmm-ha/mmm/router/tally"
	"github.com/mmm-ha/mmm/router/wire"
)

// Conversations makes sessions. It is the router's Conversation.
type Conversations struct {
	opt    Options
	newest atomic.Pointer[string] // position of the last write of any session
	rare   tally.Rare             // what the log says of sessions
	greetings

	mu       sync.Mutex
	sessions map[*Session]struct{} // that are served

	outside  map[backend.Target]time.Time // Sweep's: since when somebody waits for what has no part
	patience time.Duration                // likewise, with a server's greeting
}

// New makes the Conversation of a router.
func New(opt Options) *Conversations {
	return &Conversations{opt: opt, sessions: map[*Session]struct{}{}, outside: map[backend.Target]time.Time{}, patience: silentLimit}
}

// Open makes the session of a client.
func (c *Conversations) Open(conn *net.TCPConn, info router.ClientInfo) router.Session {
	s := &Session{opt: &c.opt, all: c, info: info, listen: modes[info.Mode], client: newLink(conn), opened: time.Now(), statements: map[uint32]*statement{}, state: state{status: wire.Autocommit}}
	s.enter(router.LoggingIn)
	return s
}

// Session is the conversation with one client.
type Session struct {
	opt    *Options
	all    *Conversations
	info   router.ClientInfo
	listen route.Mode // of the listener
	client *link
	opened time.Time
	ctx    context.Context //nolint:containedctx // of Serve: turn is called by the poller, with nothing

	identity

	writer *server
	reader *server
	last   *server // that answered last

	state
	req        request
	statements map[uint32]*statement
	lastID     uint32
	out        []byte       // for answers of the router's own
	errand     func() error // what must be done outside of the poller
	ended      error        // why the conversation ends

	outward
}

// identity is who the client is, as its login has shown.
type identity struct {
	brand  lexer.Mode // which functions the servers have
	caps   wire.Capability
	who    backend.Who
	secret auth.Secret
	salt   []byte // of the greeting
	stale  bool   // what is known of the account may be old
	alone  string // why there can be no reader for this client; empty: there can
}

// state is what a client's session is in.
type state struct {
	status      wire.Status // of the writer, or of a transaction on a reader
	transaction route.Transaction
	pins        route.Pin
	strict      bool   // SERIALIZABLE
	nullIsLast  bool   // sql_auto_is_null: IS NULL finds the row that was inserted last, and only the writer's session knows which
	next        bool   // SET TRANSACTION was said
	coming      []byte // as the server reports it
	ansi        bool   // "x" is a name; on MySQL, for MariaDB's status says it
	spaces      bool   // a function's name and its parenthesis may stand apart
	unheard     bool   // something was set that the server has not reported
	multibyte   bool   // of the client's character set
	settings    settings
	schema      string
	position    string // of the last write
	unsaid      bool   // something may have been written by a statement whose answer had no room for the position
	unplaced    bool   // something was written, and the server has told no position yet
	insertID    uint64
	option      []byte // of COM_SET_OPTION
	asked       asked
	astray      astray
}

// errGoodbye says that the conversation ended as it should.
var errGoodbye = errors.New("goodbye")

// Serve is the conversation.
func (s *Session) Serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, s.wakeUp)
	defer stop()
	ctx, wake := context.WithCancel(ctx)
	defer wake()
	s.ctx = ctx
	s.mu.Lock()
	s.wake = wake
	if s.closing != nil { // already
		wake()
	}
	s.mu.Unlock()
	s.all.serves(s)
	defer s.all.served(s)
	defer s.hangUp()
	if err := s.login(ctx); err != nil {
		s.notIn(err)
		return unlessGoodbye(err)
	}
	return unlessGoodbye(s.converse(ctx))
}

// wakeUp ends whatever the session waits for of its client.
func (s *Session) wakeUp() {
	s.mu.Lock() // the connection becomes another one by TLS
	defer s.mu.Unlock()
	_ = s.client.conn.SetDeadline(time.Unix(1, 0))
}

func (c *Conversations) serves(s *Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sessions[s] = struct{}{}
}

func (c *Conversations) served(s *Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.sessions, s)
}

// unlessGoodbye is the error of Serve: none for a client that left as clients leave.
func unlessGoodbye(err error) error {
	if errors.Is(err, errGoodbye) || errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// converse serves statements until somebody ends it.
func (s *Session) converse(ctx context.Context) error {
	s.enter(router.Idle)
	for {
		if err := s.parting(); err != nil {
			return err
		}
		var err error
		if len(s.client.bytes) == 0 || s.turn() { //nolint:contextcheck // see ctx in Session
			err = s.client.serve(s.turn)
		}
		switch {
		case s.ended != nil:
			return s.ended
		case s.errand != nil:
			if err := s.outside(); err != nil {
				return err
			}
		case err != nil && ctx.Err() == nil && isTimeout(err) && s.parting() == nil:
			_ = s.client.conn.SetReadDeadline(time.Time{}) // somebody only looked whether it is idle
		case err != nil:
			return errors.Join(s.parting(), err)
		}
	}
}

// outside does what must be done outside of the poller. Until all of it is done, what
// comes from the client is no command.
func (s *Session) outside() error {
	for s.errand != nil {
		one := s.errand
		s.errand = nil
		if err := one(); err != nil {
			return err
		}
	}
	return nil
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// parting ends an idle session that was told to end: it says why to the client.
func (s *Session) parting() error {
	s.mu.Lock()
	why := s.told()
	s.mu.Unlock()
	return s.part(why)
}

// part says why to the client, and ends the session; nil: it goes on.
func (s *Session) part(why *router.Refusal) error {
	if why == nil {
		return nil
	}
	_ = s.client.conn.SetDeadline(time.Now().Add(time.Second))
	e := wire.Err{Code: why.Code, State: why.State, Message: why.Message}
	packet, _ := wire.AppendPacket(nil, e.Append(nil), 1) // as the answer to its next command: that is when it is read
	_ = s.client.write(packet)
	return errGoodbye
}

// hangUp closes everything.
func (s *Session) hangUp() {
	s.mu.Lock()
	s.running, s.main, s.side = nil, nil, nil // they may soon be somebody else's
	s.mu.Unlock()
	_ = s.client.conn.Close()
	s.client.drop()
	for _, srv := range []*server{s.writer, s.reader} {
		switch {
		case srv == nil:
		case s.opt.Pool != nil && !srv.broken && srv.link.quiet() && srv.walker.Over() && srv.who.User != "":
			srv.keep(s.ctx, s.opt, s.secret)
		default:
			srv.close()
		}
	}
	s.writer, s.reader, s.last = nil, nil, nil
}

func (s *Session) dropServers() {
	if s.writer != nil {
		s.writer.close()
	}
	if s.reader != nil {
		s.reader.close()
	}
	s.writer, s.reader, s.last = nil, nil, nil
}
