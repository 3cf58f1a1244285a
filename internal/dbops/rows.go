package dbops

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"

	"github.com/mmm-ha/mmm/topology/gtid"
)

// row is one row of an answer by the names of its columns; NULL is "".
type row map[string]string

// readSets reads all results of a statement, or of several sent in one round
// trip. When one of those fails, the results before it come back with the error.
func readSets(rows *sql.Rows) (sets [][]row, err error) {
	for {
		set, err := readSet(rows)
		if err != nil {
			return sets, err
		}
		sets = append(sets, set)
		if !rows.NextResultSet() {
			return sets, rows.Err()
		}
	}
}

func readSet(rows *sql.Rows) ([]row, error) {
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	raw := make([]sql.RawBytes, len(names))
	into := make([]any, len(names))
	for i := range raw {
		into[i] = &raw[i]
	}
	var set []row
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		r := make(row, len(names))
		for i, name := range names {
			r[name] = string(raw[i])
		}
		set = append(set, r)
	}
	return set, rows.Err()
}

// query reads the rows of one statement.
func (s *Server) query(ctx context.Context, db *sql.DB, do, text string, args ...any) (_ []row, err error) {
	rows, err := db.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, s.explain(do, err)
	}
	defer func() {
		if e := rows.Close(); err == nil && e != nil {
			err = s.explain(do, e)
		}
	}()
	set, err := readSet(rows)
	return set, s.explain(do, err)
}

// count reads a statement that answers one number; NULL is an error.
func (s *Server) count(ctx context.Context, db *sql.DB, do, text string, args ...any) (int64, error) {
	var n int64
	if err := db.QueryRowContext(ctx, text, args...).Scan(&n); err != nil {
		return 0, s.explain(do, err)
	}
	return n, nil
}

// reader takes typed values out of a row and keeps the first error.
type reader struct {
	row row
	err error
}

func (r *reader) text(name string) string {
	v, ok := r.row[name]
	if !ok && r.err == nil {
		r.err = fmt.Errorf("read the answer: there is no column %q", name)
	}
	return v
}

func (r *reader) truth(name string) bool { return isTrue(r.text(name)) }

func (r *reader) number(name string, bits int) uint64 {
	v := r.text(name)
	n, err := strconv.ParseUint(v, 10, bits)
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("read the answer: %s is %q: %w", name, v, err)
	}
	return n
}

func (r *reader) set(name string) gtid.Set {
	v := r.text(name)
	set, err := gtid.Parse(v)
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("read the answer: %s is %q: %w", name, v, err)
	}
	return set
}

func (r *reader) state(name string) gtid.State {
	v := r.text(name)
	state, err := gtid.ParseState(v)
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("read the answer: %s is %q: %w", name, v, err)
	}
	return state
}

// isTrue knows the ways in which a server spells a switch.
func isTrue(v string) bool {
	switch strings.ToUpper(v) {
	case "1", "ON", "YES", "TRUE":
		return true
	default:
		return false
	}
}
