package dbops_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/topology/gtid"
)

// What a power cut leaves of a file that was written in place and not flushed.
var torn = []struct{ file, left string }{
	{"master.info", ""},
	{"master.info", strings.Repeat("\x00", 200)},
	{"relay-log.info", ""},
	{"relay-log.info", strings.Repeat("\x00", 40)},
}

func (h host) tear(t *testing.T, file, left string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(h.Datadir, file), []byte(left), 0o600))
}

func TestFollowMendsWhatAPowerCutLeftUnreadable(t *testing.T) {
	w := writer(t)
	r := replica(t, w)
	for i, c := range torn {
		name := c.file + " empty"
		if c.left != "" {
			name = c.file + " of zeros"
		}
		t.Run(name, func(t *testing.T) {
			had := r.observe(t).Position
			r.Kill()
			r.tear(t, c.file, c.left)
			must(t, ended(t, w.insert(t, i+1)))
			end := w.observe(t).Position
			r.Restart()
			// What is told in that state is true: it runs nothing, and has what it
			// applied (the start may have cut off the last of it).
			p := r.observe(t)
			if p.Replication.IO == "Yes" || p.Replication.SQL || !p.Received.Equal(p.Position) || !had.Contains(p.Received) {
				t.Errorf("%+v, received %s, position %s; want both threads stopped, at most at %s", p.Replication, p.Received, p.Position, had)
			}
			must(t, r.ops.StopIO(patiently(t)))
			if err := r.ops.WaitApplied(patiently(t), end); !errors.Is(err, dbops.ErrSQLStopped) {
				t.Errorf("WaitApplied: %v", err)
			}
			if p.Replication.Configured {
				if err := r.ops.StartIO(patiently(t)); !errors.Is(err, dbops.ErrTorn) {
					t.Errorf("StartIO: %v; want the cause", err)
				}
			}
			must(t, r.ops.SetSemiReplica(patiently(t), true))
			must(t, r.ops.Follow(patiently(t), w.source()))
			must(t, r.ops.WaitApplied(patiently(t), end))
		})
	}
	const all = "SELECT GROUP_CONCAT(id, b ORDER BY id) FROM app.t"
	if a, b := w.Query(all), r.Query(all); a != b {
		t.Errorf("the writer has %s, the replica %s", a, b)
	}
}

// R47: a writable server is not touched, whatever its notes say.
func TestTornNotesOfAWritableServerStay(t *testing.T) {
	w := writer(t)
	r := replica(t, w)
	r.Kill()
	r.tear(t, "relay-log.info", "")
	r.Restart()
	must(t, r.ops.SetWritable(patiently(t), ""))
	if err := r.ops.Follow(patiently(t), w.source()); !errors.Is(err, dbops.ErrWritable) || !errors.Is(err, dbops.ErrTorn) {
		t.Errorf("Follow: %v", err)
	}
	if p := r.observe(t); !p.Replication.Configured {
		t.Error("it has forgotten its source")
	}
}

// The copy of the relay log does not need the notes, and outlives their mending. R40.
func TestKeptRelayLogOutlivesTornNotes(t *testing.T) {
	w, r, run, end := downed(t)
	r.Kill()
	for _, c := range torn[:3] {
		r.tear(t, c.file, c.left)
	}
	_ = r.keep(t, 2)
	r.Restart()
	r.wantKept(t, run, end)
	must(t, r.ops.Follow(patiently(t), w.source()))
	r.caughtUp(t, w)
	r.wantKept(t, run, gtid.Set{})
}

func TestKeptRelayLogIsTakenInBesideTornNotes(t *testing.T) {
	w, r, run, end := downed(t)
	r.Kill()
	r.tear(t, "master.info", "")
	r.tear(t, "relay-log.info", "")
	_ = r.keep(t, 2)
	r.Restart()
	must(t, r.ops.Replay(patiently(t), r.Datadir, run))
	if p := r.observe(t); !p.Position.Equal(end) || !p.Applied.Equal(end) {
		t.Errorf("position %s, applied %s, want %s", p.Position, p.Applied, end)
	}
	must(t, r.ops.SetSemiReplica(patiently(t), true))
	must(t, r.ops.Follow(patiently(t), w.source()))
	must(t, ended(t, w.insert(t, 100)))
	r.caughtUp(t, w)
}
