package storm

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/mmm-ha/mmm/chaos/history"
)

// tornEnd is what mariadb-binlog says of an event that is being written, or that
// a crash cut short; nothing follows it.
const tornEnd = "Event truncated"

// decodeBinlog is the command that prints the lines that parseBinlog reads, and
// after them what mariadb-binlog complained of: both at once would come mixed
// within a line.
func decodeBinlog(datadir string) []string {
	return []string{"sh", "-c", "cd '" + datadir + "' && said=$(mktemp) || exit 1; for f in binlog.[0-9]*; do mariadb-binlog -v --base64-output=decode-rows $f 2>>\"$said\"; done" +
		" | grep -aE '^#[0-9].*GTID [0-9]|^### '; end=$?; cat \"$said\"; rm -f \"$said\"; exit $end"}
}

// parseBinlog reads what mariadb-binlog printed of a server's log.
func parseBinlog(host string, text io.Reader, each func(history.Commit)) error {
	p := binlogParser{host: host, each: each}
	in := bufio.NewScanner(text)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		if err := p.line(in.Text()); err != nil {
			return fmt.Errorf("read binlog of %s: %w", host, err)
		}
	}
	p.end()
	return in.Err()
}

// binlogParser holds the transaction that is being read.
type binlogParser struct {
	host   string
	each   func(history.Commit)
	commit history.Commit
	table  string // of the row that is being read; empty: none that counts
	row    history.RowID
}

func (p *binlogParser) line(line string) error {
	if rest, isRow := strings.CutPrefix(line, "### "); isRow {
		return p.rowLine(rest)
	}
	_, gtid, found := strings.Cut(line, "GTID ")
	if !found || !strings.HasPrefix(line, "#") {
		return nil
	}
	p.end()
	gtid, _, _ = strings.Cut(gtid, " ")
	var domain, server uint32
	var seq uint64
	if _, err := fmt.Sscanf(gtid, "%d-%d-%d", &domain, &server, &seq); err != nil {
		return fmt.Errorf("no GTID in %q: %w", line, err)
	}
	p.commit = history.Commit{Host: p.host, GTID: gtid, Server: server, Seq: seq}
	return nil
}

// rowLine reads one line of a row: what is done to which table, or a column.
func (p *binlogParser) rowLine(line string) error {
	column, value, _ := strings.Cut(strings.TrimSpace(line), "=")
	fields := strings.Fields(line)
	switch {
	case strings.HasPrefix(column, "@"):
		return p.column(column, value)
	case len(fields) > 1: // INSERT INTO t, UPDATE t, DELETE FROM t; not SET or WHERE
		table := fields[len(fields)-1]
		p.commit.Client = p.commit.Client || strings.HasPrefix(table, "`app`.")
		p.table = ""
		if fields[0] == "INSERT" {
			p.table = table
		}
	}
	return nil
}

// column reads one value of an inserted row, if it is one that matters.
func (p *binlogParser) column(column, value string) error {
	var err error
	switch p.table + column {
	case "`app`.`rows`@2":
		p.row = history.RowID{Client: strings.Trim(value, "'")}
	case "`app`.`rows`@3":
		if p.row.ID, err = strconv.ParseUint(value, 10, 64); err == nil {
			p.commit.Rows = append(p.commit.Rows, p.row)
		}
	case "`mmm`.`epoch`@3":
		p.commit.Epoch, err = strconv.ParseInt(value, 10, 64)
	}
	return err
}

// end hands on the transaction that was read.
func (p *binlogParser) end() {
	if p.commit.GTID != "" {
		p.each(p.commit)
	}
	p.commit = history.Commit{}
}
