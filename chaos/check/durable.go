package check

import (
	"fmt"
	"strings"

	"github.com/mmm-ha/mmm/chaos/history"
)

// kept compares the rows of every server with what the clients were told.
func kept(h *history.History) Finding {
	var f Finding
	told := map[history.RowID]history.Outcome{}
	for _, o := range h.Ops {
		if o.Writes() {
			told[history.RowID{Client: o.Client, ID: o.ID}] = o.Outcome
			f.Checked++
		}
	}
	has := map[string]map[history.RowID]int{}
	for _, r := range h.Rows {
		if has[r.Host] == nil {
			has[r.Host] = map[history.RowID]int{}
		}
		for _, id := range r.IDs {
			has[r.Host][history.RowID{Client: r.Client, ID: id}]++
		}
	}
	for _, host := range h.Names() {
		if has[host] == nil {
			f.violate("%s: its rows are not known", host)
			continue
		}
		compare(&f, host, told, has[host])
	}
	return f
}

func compare(f *Finding, host string, told map[history.RowID]history.Outcome, has map[history.RowID]int) {
	for row, outcome := range told {
		switch n := has[row]; {
		case outcome == history.OK && n == 0:
			f.violate("%s: row %s/%d was acknowledged and is missing", host, row.Client, row.ID)
		case outcome == history.Fail && n > 0:
			f.violate("%s: row %s/%d was refused and is there", host, row.Client, row.ID)
		}
	}
	for row, n := range has {
		if n > 1 {
			f.violate("%s: row %s/%d is there %d times", host, row.Client, row.ID, n)
		}
		if told[row] == "" {
			f.violate("%s: row %s/%d was never sent", host, row.Client, row.ID)
		}
	}
}

// logs compares the binlogs with the reigns and with each other.
func logs(h *history.History) Finding {
	var f Finding
	reign := map[string]history.Commit{} // by host of the log: the epoch row that was met last
	first := map[string]history.Commit{} // by GTID
	in := map[history.RowID]string{}     // GTID of each row
	for _, c := range h.Commits {
		f.Checked++
		if c.Epoch != 0 {
			if old := reign[c.Host]; old.Epoch >= c.Epoch {
				f.violate("binlog of %s: the row of epoch %d (%s) follows that of epoch %d (%s)", c.Host, c.Epoch, c.GTID, old.Epoch, old.GTID)
			}
			reign[c.Host] = c
		}
		if r := reign[c.Host]; c.Client && r.Epoch != 0 && c.Server != r.Server {
			f.violate("binlog of %s: %s was written by server %d in the reign %d of server %d", c.Host, c.GTID, c.Server, r.Epoch, r.Server)
		}
		known, twice := first[c.GTID]
		if twice && content(known) != content(c) {
			f.violate("%s names %s on %s and %s on %s", c.GTID, content(known), known.Host, content(c), c.Host)
		}
		if !twice {
			first[c.GTID] = c
		}
		for _, row := range c.Rows {
			if g := in[row]; g != "" && g != c.GTID {
				f.violate("row %s/%d was written by %s and by %s", row.Client, row.ID, g, c.GTID)
			}
			in[row] = c.GTID
		}
	}
	return f
}

// content is what a transaction holds, for a comparison and for the eye.
func content(c history.Commit) string {
	var parts []string
	if c.Epoch != 0 {
		parts = append(parts, fmt.Sprintf("epoch %d", c.Epoch))
	}
	for _, r := range c.Rows {
		parts = append(parts, fmt.Sprintf("%s/%d", r.Client, r.ID))
	}
	if len(parts) == 0 {
		return "no row of a client"
	}
	return strings.Join(parts, " ")
}
