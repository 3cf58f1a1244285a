package dbops

import (
	"bufio"
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/mmm-ha/mmm/internal/binlog"
)

var errBadConn = driver.ErrBadConn

// undoable checks that undoing the rows of the tail undoes all that it did: its
// tables can roll back, and none of them had other tables changed silently (rows
// that a foreign key deletes or updates are in no binlog).
func (s *Server) undoable(ctx context.Context, d *dialect, t Tail) error {
	names := map[string]string{} // by the engine's name
	for _, table := range t.Tables() {
		name, ok := engineName(table)
		if !ok {
			return fmt.Errorf("%w: the name of table %s is not understood here", ErrIrreversible, table)
		}
		names[name] = table
	}
	tables, err := s.query(ctx, s.work, "list the tables that can roll back", d.engineTables)
	if err != nil {
		return err
	}
	found := map[string]bool{}
	for _, r := range tables {
		name, _, _ := strings.Cut(r["name"], "#P#") // a partition
		found[name] = true
	}
	for name, table := range names {
		if !found[name] {
			return fmt.Errorf("%w: table %s does not roll back (it is not InnoDB, or gone)", ErrIrreversible, table)
		}
	}
	keys, err := s.query(ctx, s.work, "list the foreign keys", d.cascades)
	if err != nil {
		return err
	}
	for _, r := range keys {
		if table, ok := names[r["parent"]]; ok {
			return fmt.Errorf("%w: changes of table %s cascade to %s, which no binlog shows", ErrIrreversible, table, r["child"])
		}
	}
	return nil
}

// engineName is how InnoDB writes "schema.table": each part with all but ASCII
// letters, digits and _ as @ and four hexadecimal digits.
func engineName(table string) (string, bool) {
	schema, name, ok := strings.Cut(table, ".")
	if !ok || strings.Contains(name, ".") {
		return "", false // a dot in a name: which part it belongs to is unknown
	}
	encode := func(text string) string {
		var b strings.Builder
		for _, c := range []byte(text) {
			switch {
			case c >= 0x80:
				ok = false
			case c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z':
				b.WriteByte(c)
			default:
				fmt.Fprintf(&b, "@%04x", c)
			}
		}
		return b.String()
	}
	out := encode(schema) + "/" + encode(name)
	return out, ok
}

// undo carries out the inverse of the tail, newest first, and leaves the mark,
// all in one transaction that no binlog sees.
func (s *Server) undo(ctx context.Context, d *dialect, r Rewind, t Tail, m mark) (err error) {
	const do = "undo the transactions"
	ctx, cancel := context.WithTimeout(ctx, undoLimit)
	defer cancel()
	conn, done, err := s.session(ctx)
	if err != nil {
		return err
	}
	defer done()
	for _, text := range d.createMark {
		if _, err := conn.ExecContext(ctx, text); err != nil {
			return s.explain(do, err)
		}
	}
	if err := r.at("undo"); err != nil {
		return err
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return s.explain(do, err)
	}
	defer func() {
		if err != nil {
			_ = tx.Rollback() // what failed says more; the session ends anyway
		}
	}()
	_, err = tx.ExecContext(ctx, d.insertMark, m.fork.String(), m.last.String(), m.archive, m.own)
	if err != nil {
		return s.explain(do, err)
	}
	if err := s.undoRows(ctx, tx, r, t); err != nil {
		return fmt.Errorf("%s: %w", do, err)
	}
	var inside bool
	var position string
	if err := tx.QueryRowContext(ctx, d.stillInside).Scan(&inside, &position); err != nil {
		return s.explain(do, err)
	}
	if !inside || position != m.last.String() {
		return fmt.Errorf("%s: somebody writes here: the binlog stands at %s, not at %s, in one transaction: %t", do, position, m.last, inside)
	}
	if err := r.at("commit"); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return s.explain(do, err)
	}
	return r.at("undone")
}

// undoRows runs the inverse of each binlog file, newest file first. A statement
// that the server refuses (the row is not as the tail left it) makes the tail
// irreversible.
func (s *Server) undoRows(ctx context.Context, tx *sql.Tx, r Rewind, t Tail) error {
	files := t.Files()
	for i := len(files) - 1; i >= 0; i-- {
		if !changesRows(t.Transactions, files[i]) {
			continue
		}
		args := []string{"--flashback"}
		if i == 0 {
			args = append(args, "--start-position="+strconv.FormatInt(t.Transactions[0].Start, 10))
		}
		n := 0
		err := statements(ctx, append(args, files[i]), func(text string) error {
			if n++; n == 3 { // the format, then the first rows: half-way
				if err := r.at("half-undone"); err != nil {
					return err
				}
			}
			_, err := tx.ExecContext(ctx, text)
			if err = s.explain("undo a row", err); err != nil && sentinelFor(err) == nil && ctx.Err() == nil {
				return fmt.Errorf("%w: %w", ErrIrreversible, err)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func changesRows(list []binlog.Transaction, file string) bool {
	for _, x := range list {
		if x.File == file && x.Rows > 0 {
			return true
		}
	}
	return false
}

// statements runs the decoder and hands each BINLOG statement of its output on;
// everything else there sets up a session that row events do not look at.
func statements(ctx context.Context, args []string, each func(string) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := mariadbBinlog(ctx, args, in)
		in.CloseWithError(err) // nil is the end of the file
		ended <- err
	}()
	err := split(out, each)
	cancel()
	out.CloseWithError(io.ErrClosedPipe)
	if toolErr := <-ended; err == nil {
		err = toolErr
	}
	return err
}

// split finds the statements BINLOG '...' in a decoder's output.
func split(out io.Reader, each func(string) error) error {
	const opens, closes, lineMax = "BINLOG '", "'/*!*/;", 64 << 10
	lines := bufio.NewScanner(out)
	lines.Buffer(make([]byte, lineMax), 1<<30)
	var text strings.Builder
	inside := false
	for lines.Scan() {
		switch line := lines.Text(); {
		case !inside && line == opens:
			inside = true
			text.Reset()
			text.WriteString(opens)
		case !inside && strings.Contains(line, "@binlog_fragment"):
			return fmt.Errorf("%w: one row of it is too long for a statement", ErrIrreversible)
		case !inside && strings.HasPrefix(line, "BINLOG"):
			return fmt.Errorf("%w: the decoder wrote what is not understood: %s", ErrIrreversible, shorten(line))
		case inside && line == closes:
			inside = false
			if err := each(text.String() + "'"); err != nil {
				return err
			}
		case inside:
			text.WriteString("\n" + line)
		}
	}
	return lines.Err()
}
