package dbops_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/topology/gtid"
)

// The state at a moment of the binlog is what the server itself said then, in
// every file, whatever came after.
func TestStateAtAMomentIsWhatTheServerSaidThen(t *testing.T) {
	h := writer(t)
	type moment struct {
		file     string
		position int64
		state    gtid.State
		id       string
	}
	var moments []moment
	now := func() {
		t.Helper()
		at, err := strconv.ParseInt(h.status(t, "Position"), 10, 64)
		must(t, err)
		moments = append(moments, moment{h.status(t, "File"), at, h.state(t), h.Query("SELECT @@gtid_binlog_pos")})
	}
	h.Exec("INSERT INTO app.t VALUES (1, 'x')")
	now()
	h.Exec("INSERT INTO app.t VALUES (2, 'x')", "INSERT INTO app.t VALUES (3, 'x')")
	now()
	h.Exec("FLUSH BINARY LOGS", "INSERT INTO app.t VALUES (4, 'x')")
	now()
	h.Exec("INSERT INTO app.t VALUES (5, 'x')")
	for _, m := range moments {
		got, err := h.ops.StateAt(patiently(t), m.file, m.position, m.id)
		if err != nil || got.String() != m.state.String() {
			t.Errorf("%s:%d: %s, %v; the server said %s", m.file, m.position, got, err, m.state)
		}
	}
	last := moments[len(moments)-1]
	if _, err := h.ops.StateAt(patiently(t), last.file, last.position, "0-1-1"); !errors.Is(err, dbops.ErrUnverified) {
		t.Errorf("a copy that says it stands elsewhere: %v", err)
	}
	if _, err := h.ops.StateAt(patiently(t), "binlog.999999", 4, last.id); err == nil {
		t.Error("a binlog that is not there")
	}
}

// status is a column of what the server says of its binlog.
func (h host) status(t *testing.T, column string) string {
	t.Helper()
	rows, err := h.Root().QueryContext(patiently(t), "SHOW MASTER STATUS")
	must(t, err)
	defer rows.Close()
	names, err := rows.Columns()
	must(t, err)
	values := make([]string, len(names))
	into := make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	rows.Next()
	must(t, rows.Scan(into...))
	for i, name := range names {
		if name == column {
			return values[i]
		}
	}
	t.Fatalf("no column %s", column)
	return ""
}

func TestServerTakesThePositionOfACopy(t *testing.T) {
	h := start(t)
	state, err := gtid.ParseState("0-7-1000100,0-8-2000200")
	must(t, err)
	for range 2 { // it may be interrupted, and done again
		must(t, h.ops.TakePosition(patiently(t), h.Datadir, state))
		p := h.observe(t)
		if p.Position.String() != "0-8-2000200" || p.Applied.String() != "0-8-2000200" || p.State.String() != state.String() || p.Replication.Configured {
			t.Errorf("%+v", p)
		}
	}
}

func TestPositionIsNotTakenByAServerWithDataOfItsOwn(t *testing.T) {
	h := writer(t)
	state, err := gtid.ParseState("0-7-2")
	must(t, err)
	if err := h.ops.TakePosition(patiently(t), h.Datadir, state); !errors.Is(err, dbops.ErrWritable) {
		t.Errorf("writable: %v", err)
	}
	must(t, h.ops.SetReadOnly(patiently(t)))
	before := h.observe(t).Position
	if err := h.ops.TakePosition(patiently(t), h.Datadir, state); err == nil || !strings.Contains(err.Error(), "not the data of the copy") {
		t.Errorf("beyond it: %v", err)
	}
	if after := h.observe(t).Position; !after.Equal(before) {
		t.Errorf("it stands at %s, not at %s any more", after, before)
	}
}
