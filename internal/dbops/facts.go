package dbops

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

// facts is what one round trip says of the server.
type facts struct {
	version     string
	serverID    uint32
	readOnly    bool
	position    gtid.Set // the binlog's end
	state       gtid.State
	applied     gtid.Set // from where replication goes on, as the server says: stale on an ex-writer
	semiSource  bool
	semiReplica bool
	channel     channel
}

// channel is the replica side.
type channel struct {
	configured bool
	source     string // address:port
	io         string
	sql        bool
	beats      uint64 // heartbeats that came from the source
	sqlRests   bool   // the SQL thread has nothing on its way
	usingGTID  bool
	received   gtid.Set // Gtid_IO_Pos as the server says, which may be stale
	file       string   // of the source's binlog
	filePos    uint64
	relayBytes uint64 // size of the relay log, all files
	delay      time.Duration
	doneFile   string // of the source's binlog, up to where all is applied: between two transactions
	donePos    uint64
	ioError    string
	sqlError   string
	others     int // named channels, which this system does not manage
}

// done is everything that the server has, applied.
func (f facts) done() gtid.Set { return f.applied.Union(f.position) }

// got is everything that the server has, applied or only received.
//
// What the IO thread says it received (Gtid_IO_Pos) counts only while the name
// of the source's log file is known. CHANGE MASTER with a host, RESET SLAVE and
// a new channel delete the relay log, clear that name, and leave Gtid_IO_Pos
// standing at its old, high value; the name comes back with the first event of
// the new connection, after Gtid_IO_Pos was set anew. After a restart of the
// server the name is kept and Gtid_IO_Pos is empty, which is harmless. A stopped
// IO thread keeps both: a frozen position can be read.
func (f facts) got() gtid.Set {
	if !f.channel.configured || f.channel.file == "" {
		return f.done()
	}
	return f.done().Union(f.channel.received)
}

// unapplied reports whether the relay log holds what is nowhere else here. Of a
// channel that goes by file and position the server does not say: applyRest.
func (f facts) unapplied() bool { return !f.done().Contains(f.got()) }

// idle reports that the IO thread does nothing.
func (c channel) idle() bool { return !c.configured || c.io == "No" }

// readFacts reads facts in two statements of the work pool; Observe reads the
// same in one round trip of its own.
func (s *Server) readFacts(ctx context.Context, d *dialect, db *sql.DB) (facts, error) {
	general, err := s.query(ctx, db, "read the server's state", d.facts)
	if err != nil {
		return facts{}, err
	}
	channels, err := s.query(ctx, db, "read the replication status", d.replication)
	if err != nil {
		return facts{}, err
	}
	f, err := d.parseFacts(general, channels)
	if err == nil {
		s.attached.see(f.channel)
	}
	return f, err
}

func (d *dialect) parseFacts(general, channels []row) (facts, error) {
	if len(general) != 1 {
		return facts{}, fmt.Errorf("read the server's state: %d rows instead of one", len(general))
	}
	r := &reader{row: general[0]}
	f := facts{
		version:     r.text(d.facet.version),
		serverID:    uint32(r.number(d.facet.serverID, 32)),
		readOnly:    r.truth(d.facet.readOnly),
		position:    r.set(d.facet.position),
		state:       r.state(d.facet.state),
		applied:     r.set(d.facet.applied),
		semiSource:  r.truth(d.facet.semiSource),
		semiReplica: r.truth(d.facet.semiReplica),
	}
	for _, c := range channels {
		ch := &reader{row: c}
		if ch.text(d.channel.name) != "" {
			f.channel.others++
			continue
		}
		others := f.channel.others
		f.channel = d.parseChannel(ch)
		f.channel.others = others
		if r.err == nil {
			r.err = ch.err
		}
	}
	return f, r.err
}

func (d *dialect) parseChannel(r *reader) channel {
	col := d.channel
	c := channel{
		configured: true,
		source:     net.JoinHostPort(r.text(col.host), r.text(col.port)),
		io:         r.text(col.io),
		sql:        r.truth(col.sql),
		usingGTID:  r.text(col.usingGTID) == col.usingGTIDYes,
		received:   r.set(col.receivedGTID),
		file:       r.text(col.file),
		filePos:    r.number(col.filePosition, 64),
		relayBytes: r.number(col.relayBytes, 64),
		beats:      r.number(col.beats, 64),
		delay:      time.Duration(r.number(col.delay, 32)) * time.Second,
		doneFile:   r.text(col.doneFile),
		donePos:    r.number(col.donePosition, 64),
	}
	state := r.text(col.sqlState)
	c.sqlRests = slices.ContainsFunc(col.sqlRests, func(begins string) bool { return strings.HasPrefix(state, begins) })
	if n := r.text(col.ioErrno); n != "0" {
		c.ioError = "IO thread: error " + n + ": " + r.text(col.ioError)
	}
	if n := r.text(col.sqlErrno); n != "0" {
		c.sqlError = "SQL thread: error " + n + ": " + r.text(col.sqlError)
	}
	return c
}

// report is the channel in the cluster's words.
func (f facts) report(attached bool) topology.Replication {
	c := f.channel
	out := topology.Replication{
		Configured: c.configured, Source: c.source, IO: c.io, SQL: c.sql,
		Semi: f.semiReplica, Attached: attached, Error: c.ioError,
		Delay: topology.Duration(c.delay),
	}
	if c.sqlError != "" {
		out.Error = joinWords(out.Error, c.sqlError)
	}
	if c.others > 0 {
		out.Error = joinWords(out.Error, fmt.Sprintf(
			"%d named replication channels run beside; only the unnamed one is managed", c.others))
	}
	return out
}

func joinWords(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}
