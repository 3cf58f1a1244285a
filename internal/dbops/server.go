package dbops

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/mmm-ha/mmm/internal/process"
	"github.com/mmm-ha/mmm/topology"
)

// Options say how to reach the local server.
type Options struct {
	Socket              string // unix socket
	User                string // the agent's account at localhost
	Password            string
	ReplicationUser     string // account by which replicas attach to a source
	ReplicationPassword string
	Log                 *slog.Logger // nil: nothing is logged
}

const (
	// dialLimit bounds a connect: a local server that takes longer hangs.
	dialLimit = 2 * time.Second
	// verbLimit bounds a verb whose context has no deadline of its own.
	verbLimit = 30 * time.Second
	// workIdle sessions of work are kept: one for a verb that hangs, one to see it.
	workIdle = 2
)

// Server is one local database server. Its methods may be called at the same
// time; each call of Observe waits for the one before.
type Server struct {
	opt     Options
	log     *slog.Logger
	dialect atomic.Pointer[dialect]

	watch  *sql.DB
	fence  *sql.DB
	work   *sql.DB
	logged *sql.DB
	knock  *sql.DB
	usher  *sql.DB

	turn   chan struct{} // one Observe at a time: what the watch session says belongs to peer
	mu     sync.Mutex    // guards peer
	peer   peer          // whom the watch session talks to
	warmed topology.Incarnation
	absent absence // guarded by turn

	attached attachment

	nudge atomic.Uint64 // session of the last nudge that did not return
}

type peer struct {
	inc topology.Incarnation
	pid int
}

// Open checks the options and connects to nothing: the server may be down. The
// first verb connects, and finds out whether account and dialect fit.
func Open(opt Options) (*Server, error) {
	if opt.Socket == "" || opt.User == "" {
		return nil, errors.New("open the database server: socket and user must be named")
	}
	for _, word := range []string{opt.User, opt.ReplicationUser} {
		if word != "" && !isAccount(word) {
			return nil, fmt.Errorf("open the database server: %q is no name for an account", word)
		}
	}
	s := &Server{opt: opt, log: opt.Log, turn: make(chan struct{}, 1)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	var errs [6]error
	s.watch, errs[0] = s.pool(quietSession, 1, s.dialWatch, true)
	s.fence, errs[1] = s.pool(quietSession, 1, s.dial, false)
	s.work, errs[2] = s.pool(quietSession, workIdle, s.dial, false)
	// A session of logged may hang in a wait for days; none is kept for reuse.
	s.logged, errs[3] = s.pool(loggedSession, 0, s.dial, false)
	s.knock, errs[4] = s.pool(quietSession, 0, s.dial, false)
	s.usher, errs[5] = s.pool(quietSession, 1, s.dial, false)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("open the database server: %w", err)
	}
	return s, nil
}

// Dial is Open and a first contact. It fails when the server refuses the account
// (ErrDenied) or speaks no known dialect (ErrUnsupported). When the server only
// could not answer now (ErrUnreachable, ErrTimeout, ErrTooMany), the Server comes
// back WITH the error: it is good, and connects when the server can.
func Dial(ctx context.Context, opt Options) (*Server, error) {
	s, err := Open(opt)
	if err != nil {
		return nil, err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	if _, err = s.speak(ctx, s.work); err == nil {
		err = s.explain("connect", s.fence.PingContext(ctx))
	}
	switch {
	case err == nil:
		return s, nil
	case errors.Is(err, ErrUnreachable), errors.Is(err, ErrTimeout), errors.Is(err, ErrTooMany):
		return s, err
	default:
		s.Close()
		return nil, err
	}
}

// Close ends all sessions. A verb that runs meanwhile fails. That the farewell to
// a server which is gone fails is no news, so there is no error.
func (s *Server) Close() {
	for _, db := range []*sql.DB{s.watch, s.fence, s.work, s.logged, s.knock, s.usher} {
		_ = db.Close()
	}
}

type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// pool opens no more sessions than there are callers. It sets no maximum on
// purpose: with one, database/sql dials from a goroutine of its own, without
// the caller's deadline, and hangs with a frozen server.
func (s *Server) pool(session map[string]string, idle int, dial dialFunc, multi bool) (*sql.DB, error) {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd = s.opt.User, s.opt.Password
	cfg.Net, cfg.Addr = "unix", s.opt.Socket
	cfg.DialFunc = dial
	cfg.Params = session
	cfg.MultiStatements = multi
	cfg.InterpolateParams = true // one round trip, and no prepared statement left behind
	cfg.ConnectionAttributes = "program_name:mmmagent"
	cfg.Logger = quiet{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	if idle == 0 {
		idle = -1 // database/sql: zero means its default of two
	}
	db.SetMaxIdleConns(idle)
	return db, nil
}

func (s *Server) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	return (&net.Dialer{Timeout: dialLimit}).DialContext(ctx, "unix", s.opt.Socket)
}

// dialWatch also takes down who is at the other end, so that what Observe reads
// belongs to that process for certain.
func (s *Server) dialWatch(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := s.dial(ctx, network, addr)
	if err != nil {
		if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT) {
			s.setPeer(peer{})
		}
		return nil, err
	}
	inc, pid, err := process.FromSocket(conn)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	s.setPeer(peer{inc, pid})
	return conn, nil
}

func (s *Server) setPeer(p peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.peer = p
}

// livePeer is the process that the watch session talks to, or last talked to
// and that still runs. Zero: there is none.
func (s *Server) livePeer() peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.peer.pid != 0 {
		if inc, err := process.Of(s.peer.pid); errors.Is(err, process.ErrGone) || err == nil && inc != s.peer.inc {
			s.peer = peer{}
		}
	}
	return s.peer
}

// speak finds out the dialect at the first call.
func (s *Server) speak(ctx context.Context, db *sql.DB) (*dialect, error) {
	if d := s.dialect.Load(); d != nil {
		return d, nil
	}
	var version string
	if err := db.QueryRowContext(ctx, askVersion).Scan(&version); err != nil {
		return nil, s.explain("ask for the version", err)
	}
	d, err := detect(version)
	if err != nil {
		return nil, err
	}
	s.dialect.Store(d)
	return d, nil
}

// begin is how every verb starts: with a deadline and a dialect.
func (s *Server) begin(ctx context.Context, db *sql.DB) (context.Context, context.CancelFunc, *dialect, error) {
	ctx, cancel := bounded(ctx)
	d, err := s.speak(ctx, db)
	if err != nil {
		cancel()
		return nil, nil, nil, err
	}
	return ctx, cancel, d, nil
}

func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, verbLimit)
}

// exec carries out one statement of a verb.
func (s *Server) exec(ctx context.Context, db *sql.DB, do, text string, args ...any) error {
	_, err := db.ExecContext(ctx, text, args...)
	return s.explain(do, err)
}

// quiet drops the driver's own log lines: each is also an error that we return.
type quiet struct{}

func (quiet) Print(...any) {}
