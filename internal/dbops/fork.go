package dbops

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mmm-ha/mmm/internal/binlog"
	"github.com/mmm-ha/mmm/topology/gtid"
)

// ErrNoFork: the binlog holds nothing that parts it from the line. ErrPurged:
// it parted before its oldest file. ErrTooMuch: more has come since than is
// rewound here. Nothing was changed.
var (
	ErrNoFork  = errors.New("nothing in the binlog parts from the source's history")
	ErrPurged  = errors.New("the binlog files where it parted are purged")
	ErrTooMuch = errors.New("more has been written since it parted than is rewound")
)

const (
	// tailTransactions and tailBytes bound what is read into memory and undone in
	// one transaction. Beyond, a copy of another host is the quicker repair.
	tailTransactions = 100_000
	tailBytes        = 512 << 20
)

// Tail is what a binlog holds from the point on where it parts from a source's
// history: the first transaction that the source never had, and all behind it.
type Tail struct {
	Fork         gtid.State           // of the binlog just before the first
	Transactions []binlog.Transaction // in order, at least one
}

// GTIDs are those of the tail, in order.
func (t Tail) GTIDs() []string {
	out := make([]string, len(t.Transactions))
	for i, x := range t.Transactions {
		out[i] = x.GTID.String()
	}
	return out
}

// Tables are those that the tail changes rows of, each once, sorted.
func (t Tail) Tables() []string {
	var out []string
	for _, x := range t.Transactions {
		out = append(out, x.Tables...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Files are the binlogs that the tail lies in, oldest first.
func (t Tail) Files() []string {
	var out []string
	for _, x := range t.Transactions {
		if len(out) == 0 || out[len(out)-1] != x.File {
			out = append(out, x.File)
		}
	}
	return out
}

// Own reports whether the tail has nothing but the cluster's own rows and
// statements that change no data, so that nobody can miss it.
func (t Tail) Own() bool {
	for _, x := range t.Transactions {
		if x.Opaque != "" || slices.ContainsFunc(x.Tables, func(name string) bool { return !strings.HasPrefix(name, "mmm.") }) {
			return false
		}
	}
	return t.Irreversible() == ""
}

// Irreversible names what in the tail cannot be undone by undoing rows, or nothing.
func (t Tail) Irreversible() string {
	for _, x := range t.Transactions {
		if x.Opaque != "" {
			return fmt.Sprintf("transaction %s holds %s", x.GTID, x.Opaque)
		}
		for _, text := range x.Statements {
			if !harmless(text) {
				return fmt.Sprintf("transaction %s runs `%s`", x.GTID, shorten(text))
			}
		}
		if x.Partial {
			return fmt.Sprintf("transaction %s has rows without all their columns (binlog_row_image is not FULL)", x.GTID)
		}
	}
	return ""
}

// harmless reports whether a statement of a binlog changes no data, or makes
// only what every host of a cluster has.
func harmless(text string) bool {
	words := strings.Join(strings.Fields(strings.ToUpper(text)), " ") + " "
	for _, start := range []string{
		"FLUSH ", "ANALYZE ", "OPTIMIZE ", "SAVEPOINT ",
		"CREATE DATABASE IF NOT EXISTS MMM ", "CREATE TABLE IF NOT EXISTS MMM.",
	} {
		if strings.HasPrefix(words, start) {
			return true
		}
	}
	return false
}

func shorten(text string) string {
	const most = 60
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "..."
	}
	return text
}

// FindTail reads the server's binlogs, newest first, for the point where they
// part from the line. named is a GTID that the source itself said it never had;
// it may be empty. The server must be quiet: what is written meanwhile may be missed.
func (s *Server) FindTail(ctx context.Context, line gtid.Line, named gtid.Set) (Tail, error) {
	const do = "find where the binlog parts"
	ctx, cancel, d, err := s.begin(ctx, s.work)
	if err != nil {
		return Tail{}, err
	}
	defer cancel()
	files, err := s.binlogs(ctx, d)
	if err != nil {
		return Tail{}, err
	}
	foreign := func(id gtid.Set) bool {
		return line.Foreign(id) || !named.Empty() && named.Contains(id) && id.Contains(named)
	}
	t, err := findTail(ctx, files, foreign, func(st gtid.State) bool {
		return len(line.ForeignIn(st)) > 0 || !named.Empty() && st.Knows(named)
	})
	if err != nil {
		return Tail{}, fmt.Errorf("%s: %w", do, err)
	}
	return t, nil
}

// binlogs are the paths of the server's binlogs, oldest first.
func (s *Server) binlogs(ctx context.Context, d *dialect) ([]string, error) {
	var base string
	if err := s.work.QueryRowContext(ctx, d.binlogBase).Scan(&base); err != nil {
		return nil, s.explain("ask where the binlogs are", err)
	}
	rows, err := s.query(ctx, s.work, "list the binlogs", d.binlogList)
	if err != nil {
		return nil, err
	}
	out := make([]string, 0, len(rows))
	for _, r := range rows {
		out = append(out, filepath.Join(filepath.Dir(base), r["Log_name"]))
	}
	return out, nil
}

// findTail is FindTail over files: foreign says of a transaction, parted of a
// whole state, that it is not of the line.
func findTail(ctx context.Context, files []string, foreign func(gtid.Set) bool, parted func(gtid.State) bool) (Tail, error) {
	first := len(files)
	for first > 0 {
		first--
		head, err := binlog.Read(files[first], stopAtOnce)
		if err != nil && !errors.Is(err, errStop) {
			return Tail{}, err
		}
		if !parted(head.State) {
			break
		}
		if first == 0 {
			return Tail{}, ErrPurged
		}
	}
	var t Tail
	var bytes int64
	for i, path := range files[first:] {
		if i == 0 {
			head, err := binlog.Read(path, stopAtOnce)
			if err != nil && !errors.Is(err, errStop) {
				return Tail{}, err
			}
			t.Fork = head.State
		}
		_, err := binlog.Read(path, func(x binlog.Transaction) error {
			if len(t.Transactions) == 0 && !foreign(x.GTID) {
				t.Fork = t.Fork.With(x.GTID)
				return ctx.Err()
			}
			t.Transactions = append(t.Transactions, x)
			if bytes += x.End - x.Start; bytes > tailBytes || len(t.Transactions) > tailTransactions {
				return ErrTooMuch
			}
			return ctx.Err()
		})
		if err != nil {
			return Tail{}, err
		}
	}
	if len(t.Transactions) == 0 {
		return Tail{}, ErrNoFork
	}
	return t, nil
}

var errStop = errors.New("enough read")

func stopAtOnce(binlog.Transaction) error { return errStop }
