package dbops

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mmm-ha/mmm/internal/binlog"
)

// startsFile, in KeptDir, counts the starts of a crashed server that came to nothing.
const startsFile = "starts.json"

// patientStarts is how often a server may be started after a crash before that is news.
const patientStarts = 3

// starts are those after one crash: no start has changed the log files since.
type starts struct {
	Copy   string `json:"copy"` // of the log files, as the crash left them
	Count  int    `json:"count"`
	Behind string `json:"behind,omitempty"` // what stands behind changes of rows in the binlog and cannot be cut off
}

// NoStart says why the server of a datadir does not come up again after a crash, for
// an operator; empty: nobody knows that it does not. It goes by what KeepTails counts,
// so a server that is started without that is never told of.
//
// With init_rpl_role=SLAVE a start cuts off what nobody has acknowledged. MariaDB
// cannot when a statement that is no change of rows stands behind it (DDL, FLUSH
// TABLES, and what else takes part in no transaction), and does not start at all.
// That the binlog ends so makes it likely, and not certain: which transactions are in
// doubt only the server can tell, and any typing error in my.cnf looks the same.
func NoStart(datadir string) string {
	const again = "it was started again and again since it crashed and does not come up" // without a number: each start is no news
	var s starts
	if err := readJSON(filepath.Join(datadir, KeptDir, startsFile), &s); err != nil || s.Count < patientStarts {
		return ""
	}
	if s.Behind == "" {
		return again + ": its error log says why"
	}
	return fmt.Sprintf("%s: its error log says why. If that is \"Cannot truncate the binary log\", then because %s stands behind changes of rows that nobody "+
		"acknowledged: `mmmctl reclone` makes the host a copy of another; or start mysqld by hand, once, with --init-rpl-role=MASTER, which keeps all of it", again, s.Behind)
}

// countStart notes one more start after the crash that copy is of. It keeps no
// server from starting.
func (t Tails) countStart(copy string, logs logFiles) {
	path := filepath.Join(t.Datadir, KeptDir, startsFile)
	var s starts
	if err := readJSON(path, &s); err != nil && !errors.Is(err, os.ErrNotExist) || s.Copy != copy {
		s = starts{Copy: copy, Count: 1} // the start that made the copy
	}
	s.Count++
	var err error
	if s.Behind == "" {
		s.Behind, err = uncuttable(newest(logs.binlogs, keptBinlogs))
	}
	if err = errors.Join(err, writeJSON(path, s)); err != nil {
		t.Log.Warn("could not note that mysqld is started anew", "dir", t.Datadir, "err", err)
	}
	if why := NoStart(t.Datadir); why != "" {
		t.Log.Warn("mysqld does not come up", "dir", t.Datadir, "why", why)
	}
}

// forgetStarts is for log files that have changed since, or were closed.
func forgetStarts(datadir string) error {
	err := os.Remove(filepath.Join(datadir, KeptDir, startsFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// uncuttable names the last transaction that is no change of rows and stands behind
// one that is.
func uncuttable(binlogs []string) (last string, err error) {
	rows := false
	_, err = binlog.ReadWhole(binlogs, func(t binlog.Whole) error {
		if rows && t.Other != "" {
			last = fmt.Sprintf("%s (%s)", t.ID, shorten(t.Other))
		}
		rows = rows || t.Other == ""
		return nil
	})
	return last, err
}
