package price

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Choice is a set of settings, as one would run a pair of servers with them.
type Choice struct {
	Name    string
	Source  []string // statements on the source
	Replica []string // statements on the replica
	Waits   bool     // a commit waits for the replica (semi-sync AFTER_SYNC)
}

var (
	flushed   = []string{"SET GLOBAL sync_binlog=1", "SET GLOBAL innodb_flush_log_at_trx_commit=1"}
	lazy      = []string{"SET GLOBAL sync_binlog=0", "SET GLOBAL innodb_flush_log_at_trx_commit=2"}
	relayed   = []string{"SET GLOBAL sync_relay_log=1, sync_master_info=1, sync_relay_log_info=1"}
	relayOnly = []string{"SET GLOBAL sync_relay_log=1, sync_master_info=10000, sync_relay_log_info=10000"}
	unrelayed = []string{"SET GLOBAL sync_relay_log=10000, sync_master_info=10000, sync_relay_log_info=10000"}
)

// Choices are what is compared. The first is what this project demands.
var Choices = []Choice{
	all:     {"all of it", flushed, relayed, true},
	lazily:  {"source flushes lazily (sync_binlog=0, innodb_flush_log_at_trx_commit=2)", lazy, relayed, true},
	noNotes: {"replica syncs its relay log, not its notes (sync_master_info=10000)", flushed, relayOnly, true},
	noRelay: {"replica syncs neither (sync_relay_log=10000, the default)", flushed, unrelayed, true},
	alone:   {"nobody acknowledges (semi-sync off)", flushed, relayed, false},
	none:    {"none of it", lazy, unrelayed, false},
}

// The places of the choices.
const (
	all = iota
	lazily
	noNotes
	noRelay
	alone
	none
)

// Clients are how many write at the same time.
var Clients = []int{1, 8, 32}

// Cell is what came of one choice with so many clients.
type Cell struct {
	Writes  int // committed in Seconds
	Seconds float64
	P50     time.Duration // of one commit
	P99     time.Duration
}

// PerSecond is the throughput.
func (c Cell) PerSecond() float64 { return float64(c.Writes) / c.Seconds }

// Options say where and how long.
type Options struct {
	Dirs   []string      // of the servers, one pair after the other; each must exist
	Rounds int           // over all choices; the best of each cell counts
	Each   time.Duration // of one cell in one round
	Say    func(string)
}

// warm is how long the clients write before anything counts.
const warm = 300 * time.Millisecond

// Run measures every choice with every number of clients, in each directory.
func Run(ctx context.Context, o Options) (Result, error) {
	out := lookAtMachine()
	for _, dir := range o.Dirs {
		p, err := runPair(ctx, o, dir)
		if err != nil {
			return out, fmt.Errorf("measure in %s: %w", dir, err)
		}
		out.Places = append(out.Places, p)
	}
	return out, nil
}

func runPair(ctx context.Context, o Options, dir string) (_ Place, err error) {
	storage, err := storageOf(dir)
	if err != nil {
		return Place{}, err
	}
	p, err := newPair(ctx, dir)
	if err != nil {
		return Place{}, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	out := Place{Storage: storage, Rows: make([][]Cell, len(Choices))}
	for range o.Rounds {
		for i, c := range Choices {
			row, err := p.row(ctx, o, c)
			if err != nil {
				return out, fmt.Errorf("%s: %w", c.Name, err)
			}
			out.Rows[i] = better(out.Rows[i], row)
		}
	}
	return out, nil
}

// row measures one choice with every number of clients.
func (p *pair) row(ctx context.Context, o Options, c Choice) ([]Cell, error) {
	if err := p.choose(ctx, c); err != nil {
		return nil, err
	}
	var row []Cell
	for _, n := range Clients {
		cell, err := measure(ctx, p.source.db, n, o.Each)
		if err != nil {
			return nil, fmt.Errorf("%d clients: %w", n, err)
		}
		o.Say(fmt.Sprintf("%s, %d clients: %.0f/s, p50 %s, p99 %s", c.Name, n, cell.PerSecond(), cell.P50, cell.P99))
		row = append(row, cell)
	}
	return row, p.stillSo(ctx, c)
}

// better takes of each number of clients the round with the most commits: what
// else the machine does only ever slows.
func better(old, row []Cell) []Cell {
	for i := range old {
		if old[i].PerSecond() > row[i].PerSecond() {
			row[i] = old[i]
		}
	}
	return row
}

// measure lets n clients insert one row after the other.
func measure(ctx context.Context, db *sql.DB, n int, each time.Duration) (Cell, error) {
	ctx, cancel := context.WithTimeout(ctx, each+time.Minute)
	defer cancel()
	from := time.Now().Add(warm)
	end := from.Add(each)
	var mu sync.Mutex
	var took []time.Duration
	var errs []error
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			mine, err := client(ctx, db, from, end)
			mu.Lock()
			defer mu.Unlock()
			took, errs = append(took, mine...), append(errs, err)
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return Cell{}, err
	}
	slices.Sort(took)
	if len(took) == 0 {
		return Cell{}, errors.New("nothing was committed")
	}
	return Cell{Writes: len(took), Seconds: each.Seconds(), P50: took[len(took)/2], P99: took[len(took)*99/100]}, nil
}

// client inserts until end and returns how long each commit took that ended
// between from and end.
func client(ctx context.Context, db *sql.DB, from, end time.Time) ([]time.Duration, error) {
	insert, err := db.PrepareContext(ctx, "INSERT INTO price.t (text) VALUES (?)")
	if err != nil {
		return nil, err
	}
	var took []time.Duration
	for {
		began := time.Now()
		if began.After(end) {
			return took, insert.Close()
		}
		if _, err := insert.ExecContext(ctx, "a row of about a hundred bytes, as an application might write one for an order or for a session........"); err != nil {
			return took, errors.Join(err, insert.Close())
		}
		if now := time.Now(); now.After(from) && now.Before(end) {
			took = append(took, now.Sub(began))
		}
	}
}
