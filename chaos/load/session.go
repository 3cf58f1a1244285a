package load

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/go-sql-driver/mysql"
)

// SessionOptions say where a session leads.
type SessionOptions struct {
	// Dial opens connections, for example lab.Dialer.DialContext. Nil: the
	// network of this process.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Address is a VIP (or router, or host) and its port.
	Address        string
	User, Password string
	// KeepAfterNo keeps the connection when the server says no. Without it every
	// error ends the connection: where it leads may have changed.
	KeepAfterNo bool
}

// Session is the only connection of a client, opened when it is needed. It
// works on the driver itself: database/sql would retry behind our back. One
// goroutine at a time may use it.
type Session struct {
	o         SessionOptions
	connector driver.Connector
	conn      driver.Conn // nil: not connected
}

// NewSession prepares a session; nothing is sent yet.
func NewSession(o SessionOptions) (*Session, error) {
	c := mysql.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr = o.User, o.Password, "tcp", o.Address
	c.DialFunc = o.Dial
	c.Logger = &mysql.NopLogger{} // errors are in the history
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, fmt.Errorf("prepare session: %w", err)
	}
	return &Session{o: o, connector: connector}, nil
}

// Exec connects if need be and runs the statements one after the other within a
// limit. Of several, the last must be the COMMIT of a transaction: when one
// before it fails the transaction is Refused, whatever the error.
func (s *Session) Exec(ctx context.Context, limit time.Duration, statements ...string) (Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := s.connect(ctx); err != nil {
		return Refused, err // nothing of ours was sent
	}
	for i, statement := range statements {
		_, err := s.conn.(driver.ExecerContext).ExecContext(ctx, statement, nil)
		if err == nil {
			continue
		}
		outcome := s.after(err)
		if i < len(statements)-1 {
			s.HangUp() // rolls back
			outcome = Refused
		}
		return outcome, err
	}
	return Acked, nil
}

// Query connects if need be and gives the first column of the first row, which
// must be a number.
func (s *Session) Query(ctx context.Context, limit time.Duration, query string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := s.connect(ctx); err != nil {
		return 0, err
	}
	value, err := s.first(ctx, query)
	if err != nil {
		s.after(err)
	}
	return value, err
}

func (s *Session) first(ctx context.Context, query string) (int64, error) {
	rows, err := s.conn.(driver.QueryerContext).QueryContext(ctx, query, nil)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	row := make([]driver.Value, len(rows.Columns()))
	if err := rows.Next(row); errors.Is(err, io.EOF) {
		return 0, errors.New("no row")
	} else if err != nil {
		return 0, err
	}
	var value int64
	text, isText := row[0].([]byte)
	if !isText {
		text = fmt.Append(nil, row[0])
	}
	if _, err := fmt.Sscan(string(text), &value); err != nil {
		return 0, fmt.Errorf("read %q as a number: %w", text, err)
	}
	return value, nil
}

func (s *Session) connect(ctx context.Context) error {
	if s.conn != nil {
		return nil
	}
	conn, err := s.connector.Connect(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	s.conn = conn
	return nil
}

// after sorts an error and ends the connection unless it is to be kept.
func (s *Session) after(err error) Outcome {
	outcome := outcomeOf(err)
	var said *mysql.MySQLError
	if !s.o.KeepAfterNo || outcome != Refused || !errors.As(err, &said) {
		s.HangUp()
	}
	return outcome
}

// HangUp ends the connection; the next call opens another.
func (s *Session) HangUp() {
	if s.conn != nil {
		_ = s.conn.Close() // it was of no use any more
		s.conn = nil
	}
}
