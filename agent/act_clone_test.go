package agent

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mmm-ha/mmm/internal/clone"
	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/internal/peer"
	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

func TestPrestartLeavesAloneWhatACopyHas(t *testing.T) {
	if clone.Kept != dbops.KeptDir || clone.Name != dbops.KeptClone {
		t.Errorf("%s/%s is not %s/%s", clone.Kept, clone.Name, dbops.KeptDir, dbops.KeptClone)
	}
}

func stateAt(t *testing.T, text string) gtid.State {
	t.Helper()
	s, err := gtid.ParseState(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// copied gives the rig a datadir with a whole copy beside the data, under an order
// and the reign of db2, and the job to put it in place.
func (r *rig) copied() job {
	r.t.Helper()
	dir := r.t.TempDir()
	d := clone.Dirs{Data: filepath.Join(dir, "data"), State: filepath.Join(dir, "state")}
	for path, text := range map[string]string{
		filepath.Join(d.Data, "ibdata1"): "old", filepath.Join(d.Data, "mmm-host-id"): "id",
		filepath.Join(d.New(), "ibdata1"): "new", filepath.Join(d.New(), "app.ibd"): "new", filepath.Join(d.State, "x"): "",
	} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			r.t.Fatal(err)
		}
	}
	// Stopping and starting writes into the journal of what was done on this host.
	r.opt.MySQL.Datadir, r.opt.State = d.Data, d.State
	r.opt.Service = ServiceConfig{Stop: []string{"sh", "-c", "echo stop >> " + dir + "/service"}, Start: []string{"sh", "-c", "echo start >> " + dir + "/service"}}
	r.clones = &cloner{dirs: d, log: slog.New(slog.DiscardHandler)}
	c := topology.Clone{Step: topology.CloneCopied, From: "db3", Order: 90, State: stateAt(r.t, "0-3-100")}
	if err := r.clones.keep(c); err != nil {
		r.t.Fatal(err)
	}
	now := cluster()
	now.Writer.Value = topology.Writer{ID: "id-2", Name: "db2"}
	now.Reign.Value.Epoch, now.Reign.Value.ID = epoch, "id-2"
	now.Reign.Value.Ackers = map[topology.HostID]topology.Incarnation{"id-3": "run-3"}
	now.Rejoins = map[string]topology.Entry[topology.RejoinOrder]{self: {Value: topology.RejoinOrder{How: topology.RejoinReclone}, Rev: 90}}
	now.Hosts = map[topology.HostID]topology.Entry[topology.Report]{selfID: {Value: topology.Report{Name: self, Past: topology.Past{Repair: &topology.Repair{Away: true}}}, Rev: 91}}
	r.etcd.cluster = now
	r.db.with(func(p *topology.Probe) { p.Incarnation, p.Up = "", false })
	return job{Action: topology.Action{Kind: topology.ReplaceData, Epoch: epoch, Host: "db3", BidRev: 90}}
}

// serviced is what was asked of the service, in order.
func (r *rig) serviced() string {
	text, _ := os.ReadFile(filepath.Join(filepath.Dir(r.opt.MySQL.Datadir), "service"))
	return strings.Join(strings.Fields(string(text)), " ")
}

func (r *rig) data() string {
	text, _ := os.ReadFile(filepath.Join(r.opt.MySQL.Datadir, "ibdata1"))
	return string(text)
}

// Whatever was decided: etcd itself has the last word on whether somebody counts
// on this host, and nothing is touched unless it says that nobody does.
func TestDataAreReplacedOnlyWhenNobodyCountsOnThem(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(c *topology.Cluster)
	}{
		{"it acknowledges", func(c *topology.Cluster) { c.Reign.Value.Ackers[selfID] = "run-1" }},
		{"an earlier run of it is counted on", func(c *topology.Cluster) { c.Reign.Value.Ackers[selfID] = goneRun }},
		{"another reign", func(c *topology.Cluster) { c.Writer.Rev++ }},
		{"the reign is not open yet", func(c *topology.Cluster) { c.Reign.Value.Epoch-- }},
		{"it is the writer", func(c *topology.Cluster) { c.Writer.Value.ID = selfID }},
		{"there is no writer", func(c *topology.Cluster) { c.Writer = topology.Entry[topology.Writer]{} }},
		{"nobody knows yet that it is away", func(c *topology.Cluster) { c.Hosts = nil }},
		{"the order was taken back", func(c *topology.Cluster) { c.Rejoins = nil }},
	} {
		r := newRig(t)
		j := r.copied()
		tt.change(&r.etcd.cluster)
		if _, err := r.replaceData(bounded(t), j); err == nil || r.serviced() != "" || r.data() != "old" || r.clones.state().Step != topology.CloneCopied {
			t.Errorf("%s: %v; asked %q, data %q", tt.name, err, r.serviced(), r.data())
		}
	}
	r := newRig(t)
	j := r.copied()
	r.fail("load", errBroken)
	if _, err := r.replaceData(bounded(t), j); err == nil || r.serviced() != "" || r.data() != "old" {
		t.Errorf("without etcd: %v; asked %q", err, r.serviced())
	}
}

// comesUp lets mysqld answer from the first look after its start on.
func (r *rig) comesUp() {
	r.hook("observe", func(context.Context) error {
		if strings.HasSuffix(r.serviced(), "start") {
			r.db.with(func(p *topology.Probe) { p.Incarnation, p.Up, p.ReadOnly = oddRun, true, true })
		}
		return nil
	})
}

// From the first move on there is only forward, with or without etcd; the order
// goes before the host counts again.
func TestReplacingGoesOnWhereItWasInterrupted(t *testing.T) {
	r := newRig(t)
	j := r.copied()
	r.comesUp()
	r.fail("take-position", errBroken)
	if _, err := r.replaceData(bounded(t), j); !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	if got := r.clones.state(); got.Step != topology.CloneReplaced || r.data() != "new" || r.serviced() != "stop start" {
		t.Fatalf("%+v, data %q, asked %q", got, r.data(), r.serviced())
	}
	again, err := r.clones.dirs.Load() // what the next agent finds
	if err != nil || !again.Unfinished() {
		t.Fatalf("%+v, %v", again, err)
	}
	p := topology.Probe{Incarnation: oddRun, Up: true}
	if r.clones.show(&p); !p.Unfinished {
		t.Error("its positions are believed")
	}
	r.fail("take-position", nil)
	r.fail("load", errBroken)
	r.fail("end-rejoin", errBroken)
	if _, err := r.replaceData(bounded(t), j); !errors.Is(err, errBroken) || !r.clones.state().Unfinished() {
		t.Fatalf("it counts again while its order stands: %v", err)
	}
	r.fail("end-rejoin", nil)
	if _, err := r.replaceData(bounded(t), j); err != nil {
		t.Fatal(err)
	}
	if got := r.clones.state(); got.Step != topology.CloneDone || r.serviced() != "stop start" || r.db.now().Position.String() != "0-3-100" {
		t.Errorf("%+v, asked %q, stands at %s", got, r.serviced(), r.db.now().Position)
	}
}

// A server that does not end keeps its data.
func TestServerThatCannotBeStoppedKeepsItsData(t *testing.T) {
	r := newRig(t)
	j := r.copied()
	r.opt.Service.Stop = []string{"sh", "-c", "echo no privilege; exit 4"}
	if _, err := r.replaceData(bounded(t), j); err == nil || !strings.Contains(err.Error(), "no privilege") || r.data() != "old" {
		t.Errorf("%v, data %q", err, r.data())
	}
	r.opt.Service.Stop = []string{"true"}
	r.db.with(func(p *topology.Probe) { p.Incarnation, p.Up = oddRun, true })
	ctx, cancel := context.WithTimeout(t.Context(), 4*lookPause)
	defer cancel()
	if _, err := r.replaceData(ctx, j); err == nil || !strings.Contains(err.Error(), "still runs") || r.data() != "old" {
		t.Errorf("%v, data %q", err, r.data())
	}
}

// The data from before go only when nothing says that they must stay.
func TestOldDataStayWhenNobodyCouldLookAtThem(t *testing.T) {
	for _, keep := range []string{"", "nobody could look"} {
		r := newRig(t)
		j := r.copied()
		r.comesUp()
		j.Of = keep
		if _, err := r.replaceData(bounded(t), j); err != nil {
			t.Fatal(err)
		}
		old := r.clones.state().Old
		if _, err := r.dropData(bounded(t), job{}); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(old, "ibdata1")); (err == nil) != (keep != "") {
			t.Errorf("keep %q: %v", keep, err)
		}
		if got := r.clones.state(); got.Step != "" || keep != "" && len(r.lines.with("event", keep)) == 0 {
			t.Errorf("keep %q: %+v", keep, got)
		}
	}
}

// fakeCopier gives what it is told to give.
type fakeCopier struct {
	data    []byte
	trailer string
	err     error
}

func (f fakeCopier) Copy(_ context.Context, _ peer.Host, _ string, w io.Writer, told func(int64, int64)) ([]byte, error) {
	told(0, int64(len(f.data)))
	_, err := io.Copy(w, bytes.NewReader(f.data))
	return []byte(f.trailer), errors.Join(f.err, err)
}

// A copy that did not come whole leaves nothing behind, and the data as they were.
func TestCopyThatDidNotComeTouchesNothing(t *testing.T) {
	for name, f := range map[string]fakeCopier{
		"the donor gave up":  {data: []byte("half"), err: peer.ErrRefused},
		"it is no stream":    {data: []byte("no stream of mbstream"), trailer: `{"state":"0-1-1"}`},
		"it stands nowhere":  {trailer: `{"state":""}`},
		"nothing was said":   {trailer: ``},
		"it cannot be ready": {trailer: `{"state":"0-1-1"}`}, // there is nothing to prepare
	} {
		r := newRig(t)
		r.copied()
		if err := r.clones.keep(topology.Clone{}); err != nil {
			t.Fatal(err)
		}
		r.clones.begun, r.copier = map[string]time.Time{}, f
		_, err := r.cloneHost(bounded(t), job{Action: topology.Action{Kind: topology.CloneHost, Host: "db3"}})
		if _, left := os.Stat(r.clones.dirs.New()); err == nil || left == nil || r.clones.state().Step != "" || r.data() != "old" || r.serviced() != "" {
			t.Errorf("%s: %v, state %+v, data %q", name, err, r.clones.state(), r.data())
		}
	}
}

// A host whose data have just come is a donor within the second, not the minute.
func TestHostWithoutDataIsMeasuredAgainSoon(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		c := &cloner{dirs: clone.Dirs{Data: dir, State: t.TempDir()}, log: slog.New(slog.DiscardHandler)}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- c.survey(ctx) }()
		synctest.Wait()
		if err := os.WriteFile(filepath.Join(dir, "ibdata1"), []byte("some"), 0o600); err != nil {
			t.Error(err)
		}
		time.Sleep(surveySoon)
		synctest.Wait()
		var p topology.Probe
		if c.show(&p); p.Space.Data != 4 || p.Space.Free == 0 || p.Space.Stays != "" {
			t.Errorf("%+v", p.Space)
		}
		cancel()
		<-done
	})
}
