package session

import (
	"strings"
	"testing"

	"github.com/mmm-ha/mmm/router/wire"
)

// ofMySQL is a writer and a reader that greet as MySQL does. Writes have these
// positions, one after the other; without any the servers have no GTIDs.
func ofMySQL(t *testing.T, waits func(*stagehand), positions ...string) (writer, reader *puppet) {
	n := 0
	writer = newPuppet(t, "db1", func(h *stagehand) bool {
		if !strings.HasPrefix(h.text, "INSERT") {
			return false
		}
		ok := wire.OK{Status: wire.Autocommit, Affected: 1}
		if n < len(positions) {
			p := positions[n]
			ok.Tracked = append([]byte{byte(wire.TrackGTIDs), byte(len(p) + 2), 0, byte(len(p))}, p...)
			n++
		}
		h.send(ok.Append(nil, h.caps))
		return true
	})
	reader = newPuppet(t, "db2", func(h *stagehand) bool {
		if !strings.Contains(h.text, "WAIT") {
			return false
		}
		waits(h)
		return true
	})
	for _, p := range []*puppet{writer, reader} {
		p.version, p.offers = "8.4.3", puppetCaps|wire.LongPassword
	}
	return writer, reader
}

func TestReadBehindMySQLWaitsForTheOwnWrite(t *testing.T) {
	result := "0" // of the wait
	writer, reader := ofMySQL(t, func(h *stagehand) { h.row(result) }, "aa-bb:5", "aa-bb:6")
	r := newTheatre(t, writer, reader)
	k := r.talk()
	k.answers("SELECT a FROM t")
	if reader.heard("WAIT") != 0 || reader.heard("SELECT a") != 1 {
		t.Error("a session that has written nothing waits, or does not read")
	}
	k.answers("INSERT INTO t VALUES (1)", "SELECT a FROM t")
	if reader.heard("SELECT WAIT_FOR_EXECUTED_GTID_SET('aa-bb:5', 1.000)") != 1 || reader.heard("SELECT a") != 2 {
		t.Errorf("after a write the reader was told %q", reader.told)
	}
	k.answers("SELECT a FROM t")
	if reader.heard("WAIT") != 1 || reader.heard("SELECT a") != 3 {
		t.Errorf("once it has it the reader was told %q", reader.told)
	}
	result = "1" // too late
	k.answers("INSERT INTO t VALUES (1)", "SELECT a FROM t")
	if reader.heard("'aa-bb:6'") != 1 || reader.heard("SELECT a") != 3 || writer.heard("SELECT a") != 1 {
		t.Errorf("a reader that is too late was told %q", reader.told)
	}
}

func TestWithoutGTIDsBehindMySQLNobodyReadsStale(t *testing.T) {
	writer, reader := ofMySQL(t, func(h *stagehand) { h.row("0") })
	r := newTheatre(t, writer, reader)
	said := r.noted()
	k := r.talk()
	if k.answers("SELECT a FROM t"); reader.heard("SELECT a") != 1 {
		t.Error("a session that has written nothing does not read")
	}
	k.answers("INSERT INTO t VALUES (1)", "SELECT a FROM t", "SELECT a FROM t")
	if reader.heard("SELECT a") != 1 || writer.heard("SELECT a") != 2 {
		t.Error("a reader answered of which nobody knows whether it has what was written")
	}
	if got := said.String(); strings.Count(got, "gtid_mode must be ON") != 1 {
		t.Errorf("the log says: %s", got)
	}
	if got := r.talk().answers("SELECT b FROM t"); reader.heard("SELECT b") != 1 {
		t.Errorf("another session: %s", got)
	}
}

func TestPositionsOfOneServerAreOrdered(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"0-1-10", "0-1-9", true}, {"0-1-9", "0-1-10", false}, {"0-1-9", "0-1-9", false}, {"0-2-10", "0-1-9", false},
		{"aa-bb:10", "aa-bb:9", true}, {"aa-bb:tag:10", "aa-bb:9", false}, {"", "0-1-9", false}, {"0-1-1,1-1-5", "0-1-4", false},
	} {
		if got := comesAfter(c.a, c.b); got != c.want {
			t.Errorf("%s after %s: %v", c.a, c.b, got)
		}
	}
	var all Conversations
	for _, p := range []string{"0-1-5", "0-1-7", "0-1-6", "0-2-6"} {
		all.wrote(p)
	}
	if got := *all.newest.Load(); got != "0-2-6" {
		t.Errorf("the newest is %s", got)
	}
}

// row answers with one column of one row.
func (h *stagehand) row(value string) {
	h.send([]byte{1}, []byte("\x03def\x00\x00\x00\x01a\x00\x0c\x3f\x00\x04\x00\x00\x00\xfd\x00\x00\x00\x00\x00"))
	end := wire.EOF{Status: wire.Autocommit}.Append(nil)
	if !h.caps.Has(wire.DeprecateEOF) {
		h.send(end)
	}
	h.send(append([]byte{byte(len(value))}, value...))
	if h.caps.Has(wire.DeprecateEOF) {
		end = wire.OK{EOF: true, Status: wire.Autocommit}.Append(nil, h.caps)
	}
	h.send(end)
}
