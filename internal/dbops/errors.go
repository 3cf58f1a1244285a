package dbops

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/go-sql-driver/mysql"
)

// What a verb can fail with. Every error of this package is one of these, a
// context's cancellation, or a server's error that has no rule (a bug, or news).
var (
	// ErrUnreachable: nobody answers at the socket. Nothing was carried out, or
	// the server died of it; a dead server is a matter for Observe.
	ErrUnreachable = errors.New("database server is unreachable")
	// ErrTimeout: no answer in time. Don't know: it may have happened, or happen
	// later. Read before acting on either.
	ErrTimeout = errors.New("database server did not answer in time")
	// ErrOtherRun: mysqld was restarted since it was decided what to write.
	// Nothing was written.
	ErrOtherRun = errors.New("mysqld was restarted meanwhile")
	// ErrDenied: account, password or a privilege is wrong. A person must look.
	ErrDenied = errors.New("database server refuses the account")
	// ErrTooMany: all connections are in use. The server lives; that is NOT a death.
	ErrTooMany = errors.New("database server has no free connection")
	// ErrLockWait: somebody holds what the statement needs; nothing was changed.
	ErrLockWait = errors.New("somebody holds the lock")
	// ErrReadOnly: the server is read-only, nothing was written.
	ErrReadOnly = errors.New("database server is read-only")
	// ErrUnsupported: the server speaks no dialect that is known here.
	ErrUnsupported = errors.New("database server is not supported")
	// ErrUnapplied: the verb would throw away received transactions that are not
	// applied yet. Nothing was thrown away; wait until they are applied.
	ErrUnapplied = errors.New("relay log is not applied")
	// ErrRelayLost: the server threw away received transactions after all. The
	// host must count as a new incarnation (R40).
	ErrRelayLost = errors.New("relay log was lost")
	// ErrNotTold: the server does not know yet where in the source's log it is.
	// Nothing was changed; it knows with the next heartbeat, within a second or two.
	ErrNotTold = errors.New("the source has not told yet where in its log this server is")
	// ErrTorn: the server cannot read what it wrote down of its replication
	// (master.info, relay-log.info), as after a power cut. Follow mends it.
	ErrTorn = errors.New("the server's notes of its replication are unreadable")
	// ErrSQLStopped: nothing is applied because the SQL thread does not run.
	ErrSQLStopped = errors.New("SQL thread is stopped")
	// ErrWaiting: somebody waits for an acknowledgement, so nothing was changed.
	ErrWaiting = errors.New("somebody waits for an acknowledgement")
	// ErrWritable: the verb is for a server with read_only=1; nothing was changed.
	ErrWritable = errors.New("database server is writable")
	// ErrReplica: the verb is not for a server that replicates; nothing was changed.
	ErrReplica = errors.New("database server is a replica")
	// ErrOutstanding: the nudge before this one has not returned (R27); nothing
	// was written.
	ErrOutstanding = errors.New("a nudge is outstanding")
	// ErrByHand: what was kept holds more than changes of rows, which the agent's
	// account may not repeat. An administrator can: mariadb-binlog FILE | mariadb.
	ErrByHand = errors.New("only an administrator can repeat this")
	// ErrUnverified: the statement succeeded, yet reading back shows otherwise.
	ErrUnverified = errors.New("the effect cannot be seen")
)

// Error numbers of the server, the same in MariaDB and MySQL.
const (
	errTooManyConnections = 1040
	errDatabaseDenied     = 1044
	errAccessDenied       = 1045
	errUnknownDatabase    = 1049
	errShutdown           = 1053
	errUnknownThread      = 1094
	errTableDenied        = 1142
	errNoSuchTable        = 1146
	errMasterInfo         = 1201
	errUserConnections    = 1203
	errLockWait           = 1205
	errUserLimit          = 1226
	errPrivilege          = 1227
	errReadOnly           = 1290
	errKilled             = 1317
	errDeniedNoPassword   = 1698
	errConnectionKilled   = 1927
)

var sentinelOf = map[uint16]error{
	errTooManyConnections: ErrTooMany,
	errUserConnections:    ErrTooMany,
	errUserLimit:          ErrTooMany,
	errAccessDenied:       ErrDenied,
	errDeniedNoPassword:   ErrDenied,
	errPrivilege:          ErrDenied,
	errDatabaseDenied:     ErrDenied,
	errTableDenied:        ErrDenied,
	errMasterInfo:         ErrTorn,
	errLockWait:           ErrLockWait,
	errReadOnly:           ErrReadOnly,
	errShutdown:           ErrUnreachable,
	errKilled:             ErrTimeout,     // don't know how far it came
	errConnectionKilled:   ErrUnreachable, // the session ended before it could
}

// explain puts an error of the driver under its sentinel and says for an
// operator what can be done. do is the verb in words.
func (s *Server) explain(do string, err error) error {
	switch {
	case err == nil:
		return nil
	case isNumber(err, errAccessDenied, errDeniedNoPassword):
		return fmt.Errorf("%s: %w at %s: user %q, %w; put the right password into the agent's "+
			"own file, or run ALTER USER %s@localhost IDENTIFIED BY '...' on the server",
			do, ErrDenied, s.opt.Socket, s.opt.User, err, s.opt.User)
	case isNumber(err, errPrivilege, errDatabaseDenied, errTableDenied):
		return fmt.Errorf("%s: %w: %w; grant %q the privileges that the manual lists for the agent",
			do, ErrDenied, err, s.opt.User)
	}
	if sentinel := sentinelFor(err); sentinel != nil {
		return fmt.Errorf("%s: %w (%s): %w", do, sentinel, s.opt.Socket, err)
	}
	return fmt.Errorf("%s: %w", do, err)
}

// sentinelFor is nil for an error that is one of ours already, and for one that
// has no rule.
func sentinelFor(err error) error {
	var server *mysql.MySQLError
	var network net.Error
	switch {
	case errors.As(err, &server):
		return sentinelOf[server.Number]
	case errors.Is(err, context.DeadlineExceeded):
		return ErrTimeout
	case errors.Is(err, context.Canceled):
		return nil
	case errors.Is(err, syscall.EAGAIN):
		// The queue of a unix socket is full: there is a process, it accepts nobody.
		return ErrTimeout
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOENT),
		errors.Is(err, mysql.ErrInvalidConn), errors.Is(err, driver.ErrBadConn),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return ErrUnreachable
	case errors.As(err, &network):
		if network.Timeout() {
			return ErrTimeout
		}
		return ErrUnreachable
	default:
		return nil
	}
}

func isNumber(err error, numbers ...uint16) bool {
	var server *mysql.MySQLError
	if !errors.As(err, &server) {
		return false
	}
	for _, n := range numbers {
		if server.Number == n {
			return true
		}
	}
	return false
}
