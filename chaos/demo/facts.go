package demo

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
)

// facts is the cluster as it is seen from outside at one moment.
type facts struct {
	show    string              // what mmmctl show printed
	shown   map[string]shown    // the same, by host
	carries map[string][]string // address without prefix length: hosts whose interface carries it
	servers map[string]server   // by host
	reads   map[string]time.Duration
	lately  map[int64]int // by server_id: reads through the router VIP that it answered in the last second
}

// shown is one line of show.
type shown struct {
	state string
	roles []string // "reader(192.0.2.111)"
}

// server is what a mysqld says of itself over its socket.
type server struct {
	err      error // it did not answer; the rest is unknown
	readOnly bool
	id       int64         // server_id
	inserts  map[int64]int // of its last rows of the journal, by the server_id that wrote them
	source   string        // Master_Host; empty: replicates from nobody
	io, sql  string        // Slave_IO_Running, Slave_SQL_Running
}

// String is the server in a few words.
func (s server) String() string {
	switch {
	case s.err != nil:
		return "no answer: " + s.err.Error()
	case s.source == "":
		return "replicates from nobody"
	default:
		return fmt.Sprintf("Master_Host: %s, Slave_IO_Running: %s, Slave_SQL_Running: %s", s.source, s.io, s.sql)
	}
}

// showLine is a line of `mmm_control show`, which mysql-mmm's users know.
var showLine = regexp.MustCompile(`^\s*(\S+)\((\S+)\) \S+/(\w+)\. Roles: (.*)$`)

// parseShow reads the output of show. A line that it does not know is an error:
// the format is a promise.
func parseShow(text string) (map[string]shown, error) {
	hosts := make(map[string]shown)
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		m := showLine.FindStringSubmatch(line)
		if m == nil {
			return nil, fmt.Errorf("read show: unknown line %q", line)
		}
		h := shown{state: m[3]}
		for role := range strings.SplitSeq(m[4], ",") {
			if role = strings.TrimSpace(role); role != "" {
				h.roles = append(h.roles, role)
			}
		}
		hosts[m[1]] = h
	}
	return hosts, nil
}

// serverAnswers is how long a mysqld may take to say how it is.
const serverAnswers = 2 * time.Second

// gather looks at everything once. What a server does not answer is a fact, not an error.
func gather(ctx context.Context, bed *lab.Bed, readers *readers, app *application) (facts, error) {
	f := facts{carries: make(map[string][]string), servers: make(map[string]server), reads: readers.ages(time.Now()), lately: app.lately(time.Now())}
	out, err := bed.Ctl(ctx, "show")
	if err != nil {
		return f, fmt.Errorf("%w: %s", err, out)
	}
	f.show = string(out)
	if f.shown, err = parseShow(f.show); err != nil {
		return f, err
	}
	status, err := bed.Status(ctx)
	if err != nil {
		return f, fmt.Errorf("look at interfaces: %w", err)
	}
	for _, h := range status.Hosts {
		for _, a := range h.Addresses {
			plain, _, _ := strings.Cut(a, "/")
			f.carries[plain] = append(f.carries[plain], h.Name)
		}
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, h := range bed.Hosts() {
		if !h.Database() {
			continue
		}
		wg.Go(func() {
			s := look(ctx, bed, h.Name)
			mu.Lock()
			defer mu.Unlock()
			f.servers[h.Name] = s
		})
	}
	wg.Wait()
	return f, ctx.Err()
}

// look asks the mysqld of a host.
func look(ctx context.Context, bed *lab.Bed, host string) server {
	ctx, cancel := context.WithTimeout(ctx, serverAnswers)
	defer cancel()
	db, err := bed.DB(host)
	if err != nil {
		return server{err: err}
	}
	var s server
	if err := db.QueryRowContext(ctx, "SELECT @@read_only, @@server_id").Scan(&s.readOnly, &s.id); err != nil {
		return server{err: err}
	}
	if s.inserts, err = lastInserts(ctx, db); err != nil {
		return server{err: err}
	}
	row, err := slaveStatus(ctx, db)
	if err != nil {
		return server{err: err}
	}
	s.source, s.io, s.sql = row["Master_Host"], row["Slave_IO_Running"], row["Slave_SQL_Running"]
	return s
}

// lastRows is how many rows of the journal are looked at.
const lastRows = 50

// lastInserts counts the last rows of the journal by the server that they were written on.
func lastInserts(ctx context.Context, db *sql.DB) (map[int64]int, error) {
	const query = "SELECT server, COUNT(*) FROM (SELECT server FROM %s.journal ORDER BY id DESC LIMIT %d) AS last GROUP BY server"
	rows, err := db.QueryContext(ctx, fmt.Sprintf(query, lab.AppDatabase, lastRows))
	if err != nil {
		return nil, fmt.Errorf("read the last inserts: %w", err)
	}
	defer rows.Close()
	count := map[int64]int{}
	for rows.Next() {
		var id int64
		var n int
		if err := rows.Scan(&id, &n); err != nil {
			return nil, fmt.Errorf("read the last inserts: %w", err)
		}
		count[id] = n
	}
	return count, rows.Err()
}

// slaveStatus is the row of SHOW SLAVE STATUS by column, nil when there is none.
func slaveStatus(ctx context.Context, db *sql.DB) (map[string]string, error) {
	rows, err := db.QueryContext(ctx, "SHOW SLAVE STATUS")
	if err != nil {
		return nil, fmt.Errorf("read replication: %w", err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil || !rows.Next() {
		return nil, errors.Join(err, rows.Err())
	}
	values := make([]sql.NullString, len(columns))
	into := make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	if err := rows.Scan(into...); err != nil {
		return nil, fmt.Errorf("read replication: %w", err)
	}
	row := make(map[string]string, len(columns))
	for i, c := range columns {
		row[c] = values[i].String
	}
	return row, nil
}

// holders are the hosts that show gives a role to, sorted.
func (f facts) holders(role string) []string {
	var hosts []string
	for name, h := range f.shown {
		if slices.Contains(h.roles, role) {
			hosts = append(hosts, name)
		}
	}
	slices.Sort(hosts)
	return hosts
}
