package dbops

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// The commands under which the server lists sessions.
const (
	commandSleep = "Sleep"
	commandDump  = "Binlog Dump"
)

// killPoll is how often we look whether a killed session has gone.
const killPoll = 5 * time.Millisecond

// session is one line of the server's list.
type session struct {
	id      uint64
	user    string
	host    string // address:port, or name:port when the server resolves names
	command string
}

func (s *Server) sessions(ctx context.Context, d *dialect, db *sql.DB) ([]session, error) {
	set, err := s.query(ctx, db, "list the sessions", d.sessions)
	if err != nil {
		return nil, err
	}
	out := make([]session, 0, len(set))
	for _, line := range set {
		r := &reader{row: line}
		one := session{
			id: r.number("id", 64), user: r.text("user"), host: r.text("host"), command: r.text("command"),
		}
		if r.err != nil {
			return nil, r.err
		}
		out = append(out, one)
	}
	return out, nil
}

func (s *Server) hasSession(ctx context.Context, d *dialect, id uint64) (bool, error) {
	list, err := s.sessions(ctx, d, s.work)
	for _, one := range list {
		if one.id == id {
			return true, err
		}
	}
	return false, err
}

// KillIdleClients ends the sessions of clients that do nothing at this moment,
// and says how many. An open transaction of theirs is rolled back. Sessions that
// run a statement, replicas, and the accounts of the agent and of replication are
// spared: to kill one that waits for an acknowledgement would commit what nobody
// acknowledged (R12). For the same reason it refuses a writable server
// (ErrWritable): an idle session could begin to wait just before it is hit.
func (s *Server) KillIdleClients(ctx context.Context) (int, error) {
	const do = "end idle clients"
	ctx, cancel, d, err := s.begin(ctx, s.fence)
	if err != nil {
		return 0, err
	}
	defer cancel()
	f, err := s.readFacts(ctx, d, s.fence)
	if err != nil {
		return 0, err
	}
	if !f.readOnly {
		return 0, fmt.Errorf("%s: %w", do, ErrWritable)
	}
	list, err := s.sessions(ctx, d, s.fence)
	if err != nil {
		return 0, err
	}
	killed := 0
	for _, one := range list {
		if one.command != commandSleep || one.user == s.opt.User || one.user == s.opt.ReplicationUser {
			continue
		}
		gone, err := s.killSession(ctx, d, s.fence, do, one.id)
		if err != nil {
			return killed, err
		}
		if !gone {
			killed++
		}
	}
	return killed, nil
}

// DisconnectReplica ends the connections by which the replica at that address
// takes our binlog, waits until they are gone, and says how many there were.
// A replica connects again after a second: close its admission first (R21, R23).
func (s *Server) DisconnectReplica(ctx context.Context, addr netip.Addr) (int, error) {
	do := "disconnect the replica at " + addr.String()
	ctx, cancel, d, err := s.begin(ctx, s.work)
	if err != nil {
		return 0, err
	}
	defer cancel()
	list, err := s.sessions(ctx, d, s.work)
	if err != nil {
		return 0, err
	}
	killed := map[uint64]bool{}
	for _, one := range list {
		if !strings.HasPrefix(one.command, commandDump) || !comesFrom(ctx, one.host, addr) {
			continue
		}
		if _, err := s.killSession(ctx, d, s.work, do, one.id); err != nil {
			return len(killed), err
		}
		killed[one.id] = true
	}
	return len(killed), s.untilGone(ctx, d, do, killed)
}

func (s *Server) untilGone(ctx context.Context, d *dialect, do string, killed map[uint64]bool) error {
	for len(killed) > 0 {
		list, err := s.sessions(ctx, d, s.work)
		if err != nil {
			return err
		}
		left := 0
		for _, one := range list {
			if killed[one.id] {
				left++
			}
		}
		if left == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return s.explain(do, ctx.Err())
		case <-time.After(killPoll):
		}
	}
	return nil
}

// killSession reports gone when the session had ended by itself.
func (s *Server) killSession(ctx context.Context, d *dialect, db *sql.DB, do string, id uint64) (gone bool, err error) {
	err = s.exec(ctx, db, do, d.kill, id)
	if isNumber(err, errUnknownThread) {
		return true, nil
	}
	return false, err
}

// comesFrom compares the server's word for a client's end with an address. A
// server without skip_name_resolve says a name; then the name is looked up.
func comesFrom(ctx context.Context, host string, addr netip.Addr) bool {
	cut := strings.LastIndexByte(host, ':')
	if cut < 0 {
		return false // the unix socket
	}
	name := strings.Trim(host[:cut], "[]")
	if got, err := netip.ParseAddr(name); err == nil {
		return got.Unmap() == addr.Unmap()
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	if err != nil {
		return false // Problems asks for skip_name_resolve
	}
	for _, got := range found {
		if got.Unmap() == addr.Unmap() {
			return true
		}
	}
	return false
}
