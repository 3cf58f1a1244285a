package load

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Options say where and how fast a client writes.
type Options struct {
	// Dial opens connections, for example lab.Dialer.DialContext. Nil: the
	// network of this process.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Address is the VIP (or router) and its port.
	Address        string
	User, Password string
	// Table is database.table, "app.journal" by default; made when absent.
	Table string
	// Every is the time from the start of one attempt to that of the next, 10 ms
	// by default; an attempt that takes longer delays the next.
	Every time.Duration
	// Timeout limits one attempt, connecting included, 150 ms by default.
	Timeout time.Duration
	// Transactions makes each row three statements: BEGIN, INSERT, COMMIT.
	Transactions bool
	// KeepAfterNo keeps the connection when the server says no.
	KeepAfterNo bool
	// Journal takes what happens and may be read meanwhile.
	Journal *Journal
	// Reads, if not nil, takes what becomes of a read after each attempt, which
	// looks for the newest row of this client.
	Reads *Journal
}

const (
	defaultTable   = "app.journal"
	defaultEvery   = 10 * time.Millisecond
	defaultTimeout = 150 * time.Millisecond
	// createTimeout is longer than that of an insert: a table is several fsyncs.
	createTimeout = 5 * time.Second
	createAgain   = 50 * time.Millisecond
)

// schema lets a row be stored twice, so that a write that was executed twice can be seen.
const schema = `CREATE TABLE IF NOT EXISTS %s (
	id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
	client VARCHAR(32) CHARACTER SET ascii NOT NULL,
	seq BIGINT UNSIGNED NOT NULL,
	server INT UNSIGNED NOT NULL,
	KEY identity (client, seq)) ENGINE=InnoDB`

// Run writes rows one after the other until ctx ends, which is no error. It
// first waits until the table exists. It returns an error only when it cannot
// go on at all: bad options, or lines of the journal that cannot be written.
func Run(ctx context.Context, o Options) error {
	w, err := newWriter(o)
	if err != nil {
		return err
	}
	defer w.HangUp()
	if !w.create(ctx) {
		return nil
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	newest := uint64(0) // that was acknowledged
	for seq := o.Journal.nextSeq(); ; seq++ {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		a := w.attempt(ctx, seq)
		timer.Reset(time.Until(a.Start.Add(w.o.Every)))
		if err := o.Journal.add(a); err != nil {
			return err
		}
		if a.Outcome == Acked {
			newest = seq
		}
		if o.Reads == nil {
			continue
		}
		if err := o.Reads.add(w.look(ctx, seq, newest)); err != nil {
			return err
		}
	}
}

// writer is a client and its connection.
type writer struct {
	*Session
	o Options
}

func newWriter(o Options) (*writer, error) {
	if o.Journal == nil {
		return nil, errors.New("start load: it needs a journal")
	}
	if o.Table == "" {
		o.Table = defaultTable
	}
	if o.Every == 0 {
		o.Every = defaultEvery
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	session, err := NewSession(SessionOptions{Dial: o.Dial, Address: o.Address, User: o.User, Password: o.Password, KeepAfterNo: o.KeepAfterNo})
	if err != nil {
		return nil, fmt.Errorf("start load: %w", err)
	}
	return &writer{Session: session, o: o}, nil
}

// create makes the table, however long it takes; false: ctx ended first.
func (w *writer) create(ctx context.Context) bool {
	for {
		if outcome, _ := w.Exec(ctx, createTimeout, fmt.Sprintf(schema, w.o.Table)); outcome == Acked {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(createAgain):
		}
	}
}

// attempt inserts one row. It does not end with the caller's context: an insert
// cut short by our own end would only add to the unknown ones.
func (w *writer) attempt(ctx context.Context, seq uint64) Attempt {
	a := Attempt{Seq: seq, Start: time.Now()}
	insert := fmt.Sprintf("INSERT INTO %s (client, seq, server) VALUES ('%s', %d, @@server_id)", w.o.Table, w.o.Journal.client, seq)
	statements := []string{insert}
	if w.o.Transactions {
		statements = []string{"BEGIN", insert, "COMMIT"}
	}
	outcome, err := w.Exec(context.WithoutCancel(ctx), w.o.Timeout, statements...)
	a.End, a.Outcome = time.Now(), outcome
	if err != nil {
		a.Why = err.Error()
	}
	return a
}

// certainNo are the server's errors that come before a statement changes anything.
var certainNo = map[uint16]bool{
	1040: true, // too many connections
	1044: true, // no access to the database
	1045: true, // no access at all
	1049: true, // no such database
	1142: true, // no right to insert
	1146: true, // no such table
	1203: true, // too many connections of this user
	1290: true, // read_only
	1836: true, // read-only mode
}

// look reads the newest row of this client, which must be that one or a newer one.
func (w *writer) look(ctx context.Context, seq, newest uint64) Attempt {
	a := Attempt{Seq: seq, Start: time.Now()}
	found, err := w.Query(context.WithoutCancel(ctx), w.o.Timeout,
		fmt.Sprintf("SELECT COALESCE(MAX(seq), 0) FROM %s WHERE client = '%s'", w.o.Table, w.o.Journal.client))
	a.End = time.Now()
	switch {
	case err != nil:
		a.Outcome, a.Why = outcomeOf(err), err.Error()
	case uint64(found) < newest:
		a.Outcome, a.Why = Stale, fmt.Sprintf("row %d is the newest, not %d", found, newest)
	default:
		a.Outcome = Acked
	}
	return a
}

// outcomeOf sorts the error of a statement. What is not certainly a no is Unknown:
// a killed or interrupted commit may well be in the binlog.
func outcomeOf(err error) Outcome {
	var said *mysql.MySQLError
	switch {
	case errors.As(err, &said) && certainNo[said.Number]:
		return Refused
	case errors.Is(err, driver.ErrBadConn):
		return Refused // the driver's word for: no byte was written
	default:
		return Unknown
	}
}
