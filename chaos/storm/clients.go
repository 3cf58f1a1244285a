package storm

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/mmm-ha/mmm/chaos/history"
	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/chaos/load"
)

// The tables of the clients. A row of rows may be stored twice, so that a write
// that was executed twice can be seen.
var schema = []string{
	`CREATE TABLE IF NOT EXISTS app.rows (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
		client VARCHAR(32) CHARACTER SET ascii NOT NULL, seq BIGINT UNSIGNED NOT NULL, server INT UNSIGNED NOT NULL,
		KEY identity (client, seq)) ENGINE=InnoDB`,
	`CREATE TABLE IF NOT EXISTS app.bank (id INT NOT NULL PRIMARY KEY, balance BIGINT NOT NULL) ENGINE=InnoDB`,
	`CREATE TABLE IF NOT EXISTS app.register (k VARCHAR(32) CHARACTER SET ascii NOT NULL PRIMARY KEY, v BIGINT NOT NULL) ENGINE=InnoDB`,
}

// tables are compared at the end.
var tables = []string{"app.rows", "app.bank", "app.register", "mmm.epoch"}

const (
	accounts = 8
	money    = 100 // on each account at the beginning
	total    = accounts * money

	// opTime limits one operation, connecting included. It is long enough for a
	// loaded machine, short enough that a gap is seen as long as it is.
	opTime = 200 * time.Millisecond
	// A register serves for an epoch of its own, so that a history stays small.
	registers    = 2
	registerLife = 15 * time.Second
)

// client is one application: one session, one kind of work.
type client struct {
	name  string
	route string // as in history.Op
	every time.Duration
	limit time.Duration // of one operation
	work  func(*client, context.Context) history.Op

	session *load.Session
	random  *rand.Rand
	began   time.Time
	seq     uint64
}

// clients are all applications of a run.
func (s *site) clients(seed uint64, began time.Time) ([]*client, error) {
	dialer, err := s.bed.Dialer(lab.ClientHost)
	if err != nil {
		return nil, err
	}
	var all []*client
	add := func(n int, name, route string, vip netip.Addr, every time.Duration, work func(*client, context.Context) history.Op) {
		for i := range n {
			c := &client{name: fmt.Sprintf("%s%d", name, i+1), route: route, every: s.pace(every), limit: opTime, work: work, began: began}
			if route == routerRoute {
				c.limit = routerTime
			}
			// Which account, which register: of no weight for the plan.
			c.random = rand.New(rand.NewPCG(seed, uint64(len(all))))
			c.session, err = load.NewSession(load.SessionOptions{Dial: dialer.DialContext, User: lab.AppUser, Password: lab.AppPassword,
				Address: netip.AddrPortFrom(vip, lab.ClientPort).String()})
			if err != nil {
				return
			}
			all = append(all, c)
		}
	}
	add(3, "insert", writerRoute, writerVIP, 20*time.Millisecond, (*client).insert)
	add(2, "transfer", writerRoute, writerVIP, 50*time.Millisecond, (*client).transfer)
	add(3, "register", writerRoute, writerVIP, 30*time.Millisecond, (*client).register)
	add(1, "total-w", writerRoute, writerVIP, 100*time.Millisecond, (*client).total)
	for i, vip := range readerVIPs {
		add(1, fmt.Sprintf("total-r%d-", i+1), vip.String(), vip, 100*time.Millisecond, (*client).total)
	}
	if len(routers(s.bed)) > 0 {
		add(2, "r-insert", routerRoute, routerVIP, 20*time.Millisecond, (*client).insert)
		add(1, "r-transfer", routerRoute, routerVIP, 50*time.Millisecond, (*client).transfer)
		add(2, "r-own", routerRoute, routerVIP, 10*time.Millisecond, (*client).ownRow)
		add(1, "r-total", routerRoute, routerVIP, 50*time.Millisecond, (*client).total)
		add(2, "r-where", routerRoute, routerVIP, 50*time.Millisecond, (*client).where)
	}
	return all, err
}

// pace is the time between two operations: twice what it is without routers, so that
// two cores carry both kinds of clients, the routers and the servers.
func (s *site) pace(every time.Duration) time.Duration {
	if len(routers(s.bed)) > 0 {
		return 2 * every
	}
	return every
}

const writerRoute = "writer"

// run works until ctx ends; an operation that has begun is carried out.
func (c *client) run(ctx context.Context, out *history.Recorder) error {
	defer c.session.HangUp()
	for next := time.Now(); ; {
		if rest(ctx, time.Until(next)) != nil {
			return nil
		}
		next = time.Now().Add(c.every)
		c.seq++
		o := c.work(c, context.WithoutCancel(ctx))
		o.Client, o.ID, o.Route = c.name, c.seq, c.route
		out.Op(o)
	}
}

// row is the statement that leaves the identity of the operation.
func (c *client) row() string {
	return fmt.Sprintf("INSERT INTO app.rows (client, seq, server) VALUES ('%s', %d, @@server_id)", c.name, c.seq)
}

// write executes statements as one operation.
func (c *client) write(ctx context.Context, do history.Verb, statements ...string) history.Op {
	o := history.Op{Do: do, Call: history.Now()}
	outcome, err := c.session.Exec(ctx, c.limit, statements...)
	o.Return, o.Outcome = history.Now(), outcomes[outcome]
	if err != nil {
		o.Why = err.Error()
	}
	var said *mysql.MySQLError
	if errors.As(err, &said) && said.Number == rolledBack {
		o.Outcome = history.Fail
	}
	return o
}

// rolledBack is the error by which a server, and a router in its place, promises that
// nothing was committed.
const rolledBack = 1213

var outcomes = map[load.Outcome]history.Outcome{load.Acked: history.OK, load.Refused: history.Fail, load.Unknown: history.Unknown}

func (c *client) insert(ctx context.Context) history.Op { return c.write(ctx, history.Insert, c.row()) }

func (c *client) transfer(ctx context.Context) history.Op {
	from, to := c.random.IntN(accounts), c.random.IntN(accounts-1)
	if to >= from {
		to++
	}
	const move = "UPDATE app.bank SET balance = balance %+d WHERE id = %d"
	amount := 1 + c.random.IntN(20)
	first, second := fmt.Sprintf(move, -amount, from), fmt.Sprintf(move, amount, to)
	if to < from { // one order for all: no deadlock
		first, second = second, first
	}
	return c.write(ctx, history.Transfer, "BEGIN", first, second, c.row(), "COMMIT")
}

func (c *client) total(ctx context.Context) history.Op {
	return c.read(ctx, history.Op{Do: history.Total}, "SELECT SUM(balance) FROM app.bank")
}

// register reads or writes one of the registers of the present moment.
func (c *client) register(ctx context.Context) history.Op {
	key := fmt.Sprintf("r%d-%d", c.random.IntN(registers), time.Since(c.began)/registerLife)
	if c.random.IntN(2) == 0 {
		return c.read(ctx, history.Op{Do: history.Get, Key: key}, fmt.Sprintf("SELECT COALESCE(MAX(v), 0) FROM app.register WHERE k = '%s'", key))
	}
	// No other client ever writes this value.
	value := int64(c.seq)*100 + int64(c.name[len(c.name)-1]-'0')
	o := c.write(ctx, history.Set, fmt.Sprintf("INSERT INTO app.register VALUES ('%s', %d) ON DUPLICATE KEY UPDATE v = VALUES(v)", key, value))
	o.Key, o.Value = key, value
	return o
}

func (c *client) read(ctx context.Context, o history.Op, query string) history.Op {
	o.Call = history.Now()
	value, err := c.session.Query(ctx, c.limit, query)
	o.Return, o.Outcome, o.Value = history.Now(), history.OK, value
	if err != nil {
		o.Outcome, o.Why = history.Fail, err.Error()
	}
	return o
}

// prepare makes the tables and fills the accounts, through the writer VIP.
func (s *site) prepare(ctx context.Context) error {
	db, err := s.bed.AppDB(lab.ClientHost, netip.AddrPortFrom(writerVIP, lab.ClientPort))
	if err != nil {
		return err
	}
	defer db.Close()
	var values []string
	for i := range accounts {
		values = append(values, fmt.Sprintf("(%d, %d)", i, money))
	}
	// One statement: no reader may see half of the money.
	fill := "INSERT IGNORE INTO app.bank VALUES " + strings.Join(values, ", ")
	for _, statement := range append(slices.Clone(schema), fill) {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("prepare tables: %w", err)
		}
	}
	return until(ctx, patience, func() error { return s.samePosition(ctx) })
}
