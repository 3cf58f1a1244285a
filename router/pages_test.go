package router

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/mmm-ha/mmm/internal/conffile"
	"github.com/mmm-ha/mmm/router/tally"
)

// page asks for a page of a router.
func (r *rig) page(path string) (int, string) {
	r.t.Helper()
	where, err := r.Addresses(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	res, err := http.Get("http://" + where[len(where)-1].String() + path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestMetricsAreWellFormedAndCount(t *testing.T) {
	r := run(t, nil)
	r.opt.Cluster = func() Cluster {
		return Cluster{Epoch: 7, Writer: "db1", Fresh: true, FreshFor: time.Second, Readers: []ReaderState{{Host: "db2", Eligible: true, Lag: time.Second}}}
	}
	a, b := login(t, r.address, "app"), login(t, r.address, "app")
	a.say("begin")
	a.want("ok")
	info := r.talks.all()[1].info
	info.Board.Ended(info.Counts, &tally.Statement{Target: tally.Writer, Took: 3 * time.Millisecond})
	b.Close()
	eventually(t, "the session is gone", func() bool { return r.sessions.count() == 1 })

	_, text := r.page("/metrics")
	for _, want := range []string{
		`mmm_router_connections{phase="idle"} 1`, `mmm_router_sessions_in_transaction 1`, `mmm_router_accepted_total 2`,
		`mmm_router_queries_total{target="writer"} 1`, `mmm_router_query_duration_seconds_bucket{target="writer",le="0.005"} 1`,
		`mmm_router_query_duration_seconds_bucket{target="writer",le="0.0025"} 0`, `mmm_router_query_duration_seconds_count{target="writer"} 1`,
		`mmm_router_rejects_total{reason="per_user"} 0`, `mmm_router_topology_epoch 7`, `mmm_router_has_writer 1`, `mmm_router_ready 1`,
		`mmm_router_reader_eligible{host="db2"} 1`, `mmm_router_reader_lag_seconds{host="db2"} 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("%s is missing", want)
		}
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "mmm_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	if err != nil {
		t.Error(err)
	}
}

func TestReadyzSaysWhyNot(t *testing.T) {
	reader := []ReaderState{{Host: "db2", Eligible: true}}
	tests := []struct {
		name    string
		cluster Cluster
		want    string // empty: ready
	}{
		{"a fresh writer", Cluster{Writer: "db1", Fresh: true}, ""},
		{"readers only", Cluster{Readers: reader}, ""},
		{"nothing", Cluster{}, "there is no writer, and no reader either"},
		{"a writer of long ago", Cluster{Writer: "db1"}, "too old to write to db1"},
		{"a reader that is none", Cluster{Readers: []ReaderState{{Host: "db2"}}}, "there is no writer"},
		{"a cause", Cluster{Problem: "etcd does not answer"}, "etcd does not answer"},
	}
	var now atomic.Pointer[Cluster]
	r := run(t, nil)
	r.opt.Cluster = func() Cluster { return *now.Load() }
	for _, tt := range tests {
		now.Store(&tt.cluster)
		code, text := r.page("/readyz")
		if ready := tt.want == ""; ready != (code == 200) || !strings.Contains(text, tt.want) {
			t.Errorf("%s: %d %s", tt.name, code, text)
		}
	}
}

func TestARouterThatLeavesIsNotReadyAtOnce(t *testing.T) {
	r := run(t, func(c *Config) { c.Drain.Linger = conffile.Duration(time.Second) })
	if code, text := r.page("/readyz"); code != 200 {
		t.Fatalf("%d %s", code, text)
	}
	r.stop()
	eventually(t, "it is not ready", func() bool { code, text := r.page("/readyz"); return code == 503 && text == "this router ends\n" })
	if code, _ := r.page("/healthz"); code != 200 {
		t.Errorf("it lives, but /healthz says %d", code)
	}
}

func TestHealthzNoticesALoopThatDoesNotTurn(t *testing.T) {
	r := run(t, nil)
	if code, text := r.page("/healthz"); code != 200 {
		t.Errorf("%d %s", code, text)
	}
	stuck := &Router{sweeper: &sweeper{}, began: time.Now().Add(-time.Hour)}
	if err := stuck.Alive(); err == nil {
		t.Error("a loop that never turned lives")
	}
	stuck.sweeper.turned.Store(time.Now().Add(-2 * aliveLimit).UnixNano())
	if err := stuck.Alive(); err == nil || !strings.Contains(err.Error(), "not turned for 20s") {
		t.Errorf("%v", err)
	}
}

func TestStatusAndSessionsSayWhatIs(t *testing.T) {
	r := run(t, func(c *Config) { c.Name = "router1" })
	r.opt.Cluster = func() Cluster { return Cluster{Epoch: 7, Writer: "db1", Fresh: true} }
	c := login(t, r.address, "app")
	c.say("begin")
	c.want("ok")
	var s Status
	_, text := r.page("/status")
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	if s.Router != "router1" || s.Cluster != "shop" || !s.Ready || s.View.Epoch != 7 || s.Sessions.LoggedIn != 1 || s.Sessions.InTransaction != 1 || s.Sessions.Limit != 1000 {
		t.Errorf("%s", text)
	}
	var all []map[string]any
	_, text = r.page("/sessions")
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 || all[0]["user"] != "app" || all[0]["phase"] != "idle" || all[0]["id"] != float64(r.talks.all()[0].info.ID) || all[0]["client"] != c.LocalAddr().String() {
		t.Errorf("%s", text)
	}
}

func TestDigestsAreShownAndEmptyIsAList(t *testing.T) {
	r := run(t, nil)
	if _, text := r.page("/digests"); text != "[]\n" {
		t.Errorf("%q", text)
	}
	r.board.Normal = func([]byte, uint8) string { return "select ?" }
	r.board.Ended(new(tally.Counts), &tally.Statement{SQL: []byte("select 1"), Digest: 1 << 63, Target: tally.Reader})
	if _, text := r.page("/digests"); !strings.Contains(text, `"hash": "9223372036854775808"`) || !strings.Contains(text, "select ?") {
		t.Errorf("%s", text)
	}
}

func TestATraceShowsStatementsUntilNobodyLooks(t *testing.T) {
	r := run(t, func(c *Config) { c.Trace.Literals = true })
	where, _ := r.Addresses(t.Context())
	res, err := http.Get("http://" + where[1].String() + "/trace?session=7")
	if err != nil {
		t.Fatal(err)
	}
	r.board.Ended(new(tally.Counts), &tally.Statement{Session: 8, SQL: []byte("select 8"), Target: tally.Reader})
	r.board.Ended(new(tally.Counts), &tally.Statement{Session: 7, SQL: []byte("select 7"), Target: tally.Reader, Why: "it only reads"})
	line, err := bufio.NewReader(res.Body).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if !strings.Contains(line, `"sql":"select 7","target":"reader","why":"it only reads"`) {
		t.Errorf("%s", line)
	}
	res.Body.Close()
	eventually(t, "nobody listens", func() bool { return !r.board.Trace.On() })
	if code, _ := r.page("/trace?session=app"); code != 400 {
		t.Errorf("a session that is no number: %d", code)
	}
}

func TestReloadSaysWhetherATraceShowsLiterals(t *testing.T) {
	r := run(t, nil)
	heard := r.board.Trace.Listen(0)
	defer heard.Close()
	next := *r.config.Load()
	for _, want := range []string{"", "select 7", ""} {
		next.Trace.Literals = want != ""
		if _, err := r.Reload(next); err != nil {
			t.Fatal(err)
		}
		r.board.Ended(new(tally.Counts), &tally.Statement{SQL: []byte("select 7"), Target: tally.Reader})
		if got := (<-heard.C).SQL; got != want {
			t.Errorf("literals %v: %q", next.Trace.Literals, got)
		}
	}
}

func TestReloadOpensTheSlowLog(t *testing.T) {
	r := run(t, nil)
	next := *r.config.Load()
	next.SlowLog = SlowLog{File: t.TempDir() + "/slow.log"}
	if c, err := r.Reload(next); err != nil || strings.Join(c.Taken, "") != "slowLog" {
		t.Fatalf("%+v, %v", c, err)
	}
	r.board.Ended(new(tally.Counts), &tally.Statement{Target: tally.Reader})
	eventually(t, "a line is written", func() bool { n, _ := r.board.Slow.Counts(); return n == 1 })
	next.SlowLog.File = "/nowhere/slow.log"
	if _, err := r.Reload(next); err == nil || !strings.Contains(err.Error(), "/nowhere/slow.log") {
		t.Errorf("%v", err)
	}
}
