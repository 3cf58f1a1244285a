package load

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"
)

// Server is one database that must hold every acknowledged row.
type Server struct {
	Name string
	DB   *sql.DB
}

// Report is what Verify counted. It proves something only when Acked is not small.
type Report struct {
	Acked     int // rows that must be there
	Refused   int // rows that must not be there
	Unknown   int // rows that may be there
	Recovered int // of the unknown ones, how many are there (on the first server)
	// Violations are sentences, at most maxViolations, sorted. Empty: all is well.
	Violations []string
	// More counts the violations beyond those listed.
	More int
}

// OK reports whether nothing was violated and there was something to violate.
func (r Report) OK() bool { return len(r.Violations) == 0 && r.Acked > 0 }

// String is one line, or one line per violation.
func (r Report) String() string {
	s := fmt.Sprintf("%d acknowledged, %d refused, %d unknown of which %d exist", r.Acked, r.Refused, r.Unknown, r.Recovered)
	if r.Acked == 0 {
		s += "; nothing was acknowledged, so nothing is proven"
	}
	if len(r.Violations) > 0 {
		s += ":\n  " + strings.Join(r.Violations, "\n  ")
	}
	if r.More > 0 {
		s += fmt.Sprintf("\n  and %d more", r.More)
	}
	return s
}

// maxViolations keeps a report of a lost table readable.
const maxViolations = 20

// Verify compares the table of every server with what the clients were told.
// The journals must be those of all clients that ever wrote to the table, and at
// rest. An error means that a server could not be read, so nothing is known; what
// is wrong with the data stands in Report.Violations. table empty: app.journal.
func Verify(ctx context.Context, table string, journals []*Journal, servers []Server) (Report, error) {
	if table == "" {
		table = defaultTable
	}
	if len(servers) == 0 || len(journals) == 0 {
		return Report{}, errors.New("verify: it needs at least one journal and one server")
	}
	told, report := tell(journals)
	contents := make([]content, len(servers))
	errs := make([]error, len(servers))
	var wg sync.WaitGroup
	for i, s := range servers {
		wg.Go(func() { contents[i], errs[i] = read(ctx, table, s) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return report, err
	}
	var found []string
	for i, s := range servers {
		found = append(found, compare(s.Name, told, contents[i].rows)...)
		if contents[i].checksum != contents[0].checksum {
			found = append(found, fmt.Sprintf("%s: checksum of %s is %s, that of %s is %s",
				s.Name, table, contents[i].checksum, servers[0].Name, contents[0].checksum))
		}
	}
	for row, outcome := range told {
		if outcome == Unknown && contents[0].rows[row] > 0 {
			report.Recovered++
		}
	}
	sort.Strings(found)
	if len(found) > maxViolations {
		found, report.More = found[:maxViolations], len(found)-maxViolations
	}
	report.Violations = found
	return report, nil
}

// Await repeats Verify until all is well or the limit is over, for replicas
// that still apply what they have. It returns the last report.
func Await(ctx context.Context, limit time.Duration, table string, journals []*Journal, servers []Server) (Report, error) {
	const again = 100 * time.Millisecond
	end := time.Now().Add(limit)
	for {
		report, err := Verify(ctx, table, journals, servers)
		if err == nil && report.OK() || time.Now().After(end) {
			return report, err
		}
		select {
		case <-ctx.Done():
			return report, errors.Join(err, ctx.Err())
		case <-time.After(again):
		}
	}
}

// row is the identity of an attempt.
type row struct {
	client string
	seq    uint64
}

// tell collects what the clients were told.
func tell(journals []*Journal) (map[row]Outcome, Report) {
	told := make(map[row]Outcome)
	var r Report
	for _, j := range journals {
		for _, a := range j.Attempts() {
			told[row{j.client, a.Seq}] = a.Outcome
		}
		r.Acked += j.Count(Acked)
		r.Unknown += j.Count(Unknown)
		r.Refused += j.Count(Refused)
	}
	return told, r
}

// content is the table as one server has it.
type content struct {
	rows     map[row]int // how often
	checksum string
}

func read(ctx context.Context, table string, s Server) (content, error) {
	c := content{rows: make(map[row]int)}
	rows, err := s.DB.QueryContext(ctx, "SELECT client, seq FROM "+table)
	if err != nil {
		return c, fmt.Errorf("read %s on %s: %w", table, s.Name, err)
	}
	defer rows.Close()
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.client, &r.seq); err != nil {
			return c, fmt.Errorf("read %s on %s: %w", table, s.Name, err)
		}
		c.rows[r]++
	}
	if err := rows.Err(); err != nil {
		return c, fmt.Errorf("read %s on %s: %w", table, s.Name, err)
	}
	var name string
	var sum sql.NullString
	if err := s.DB.QueryRowContext(ctx, "CHECKSUM TABLE "+table).Scan(&name, &sum); err != nil {
		return c, fmt.Errorf("checksum %s on %s: %w", table, s.Name, err)
	}
	if !sum.Valid {
		return c, fmt.Errorf("checksum %s on %s: the server gave none", table, s.Name)
	}
	c.checksum = sum.String
	return c, nil
}

// compare lists what one server has too little, too much or twice.
func compare(server string, told map[row]Outcome, has map[row]int) []string {
	var found []string
	for r, outcome := range told {
		switch n := has[r]; {
		case outcome == Acked && n == 0:
			found = append(found, fmt.Sprintf("%s: row %s/%d was acknowledged and is missing", server, r.client, r.seq))
		case outcome == Refused && n > 0:
			found = append(found, fmt.Sprintf("%s: row %s/%d was refused and is there", server, r.client, r.seq))
		}
	}
	for r, n := range has {
		if n > 1 {
			found = append(found, fmt.Sprintf("%s: row %s/%d is there %d times", server, r.client, r.seq, n))
		}
		if told[r] == 0 {
			found = append(found, fmt.Sprintf("%s: row %s/%d was never sent", server, r.client, r.seq))
		}
	}
	return found
}
