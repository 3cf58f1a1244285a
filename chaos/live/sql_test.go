package live

import (
	"context"
	"database/sql"
	"errors"
	"net/netip"

	"github.com/mmm-ha/mmm/chaos/lab"
)

// session is one connection to a server, until it is closed.
type session struct {
	db   *sql.DB // nil: not ours to close
	conn *sql.Conn
}

// app opens a connection of an application on the client host. The caller closes it.
func (s *stage) app(address netip.Addr) (*session, error) {
	db, err := s.AppDB(lab.ClientHost, netip.AddrPortFrom(address, lab.ClientPort))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(s.ctx, callTime)
	defer cancel()
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &session{db, conn}, nil
}

// root opens a connection of the host's own administrator. The caller closes it.
func (s *stage) root(host string) *session {
	s.t.Helper()
	db, err := s.DB(host)
	s.must(err)
	conn, err := db.Conn(s.ctx)
	s.must(err)
	return &session{conn: conn}
}

// exec runs statements; the first error ends it.
func (c *session) exec(ctx context.Context, statements ...string) error {
	for _, statement := range statements {
		if _, err := c.conn.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

func (c *session) close() {
	_ = c.conn.Close()
	if c.db != nil {
		_ = c.db.Close()
	}
}

// exec runs statements as the administrator of a host.
func (s *stage) exec(host string, statements ...string) {
	s.t.Helper()
	c := s.root(host)
	defer c.close()
	s.must(c.exec(s.ctx, statements...))
}

// addressOf is the own address of a host.
func (s *stage) addressOf(host string) netip.Addr {
	s.t.Helper()
	for _, h := range s.Hosts() {
		if h.Name == host {
			return h.Address
		}
	}
	s.t.Fatalf("there is no host %s", host)
	return netip.Addr{}
}
