package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/router"
	"github.com/mmm-ha/mmm/router/tally"
)

// command runs a command line and returns what it printed.
func command(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&out)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err := root.ExecuteContext(ctx)
	return out.String(), err
}

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// pages is a router that says what it is told to say.
func pages(t *testing.T, path string, value any) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path {
			http.NotFound(w, r)
			return
		}
		if err := json.NewEncoder(w).Encode(value); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func has(t *testing.T, out string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(out, w) {
			t.Errorf("%q is not in:\n%s", w, out)
		}
	}
}

func TestHelpTeaches(t *testing.T) {
	out, err := command(t, "--help")
	if err != nil {
		t.Fatal(err)
	}
	has(t, out, "cluster: shop", "3306", "sample-config", "check-config", "run", "status", "trace", "grants", "completion")
	for _, c := range newRoot().Commands() {
		if c.Short == "" || c.Long == "" || c.Example == "" {
			t.Errorf("%s: without short, long or example", c.Name())
		}
	}
}

func TestTheSampleIsAFileThatCheckConfigTakes(t *testing.T) {
	sample, err := command(t, "sample-config")
	if err != nil {
		t.Fatal(err)
	}
	out, err := command(t, "check-config", "--config", file(t, "mmmrouter.yaml", sample))
	if err != nil {
		t.Fatal(err)
	}
	has(t, out, "OK: router", "of cluster shop", "0.0.0.0:3306", "split", "0.0.0.0:3307", "reader")
}

func TestCheckConfigNamesMistakesAndBrokenCertificates(t *testing.T) {
	_, err := command(t, "check-config", "--config", file(t, "mmmrouter.yaml", "cluster: a/b\nadmin: here\n"))
	if err == nil {
		t.Fatal("taken")
	}
	has(t, err.Error(), "`cluster`", "`admin`", ">  2 | admin: here")
	broken := file(t, "cert.pem", "no certificate")
	_, err = command(t, "check-config", "--config", file(t, "mmmrouter.yaml", "cluster: shop\ntls: {cert: "+broken+", key: "+broken+"}\n"))
	if err == nil || !strings.Contains(err.Error(), "`tls.cert`") {
		t.Errorf("%v", err)
	}
}

func TestStatusSaysInWordsHowTheRouterIs(t *testing.T) {
	s := router.Status{
		Router: "router1", Cluster: "shop", Began: time.Now().Add(-time.Hour), Ready: true,
		View: router.Cluster{
			Epoch: 7, Writer: "db1", Address: netip.MustParseAddrPort("192.0.2.161:3306"), Fresh: true, FreshFor: 1400 * time.Millisecond,
			Readers: []router.ReaderState{
				{Host: "db2", Eligible: true, Lag: 10 * time.Millisecond, Latency: 300 * time.Microsecond, InFlight: 3},
				{Host: "db3", Why: "lag 12s is more than 5s"},
				{Host: "db4", Eligible: true, Aside: 12 * time.Second},
			},
		},
		Sessions: router.Sessions{Connected: 12, Limit: 1000, LoggedIn: 11},
		Accounts: router.Accounts{Known: 12, Looked: true, Read: time.Now().Add(-20 * time.Second)},
		Answered: map[string]router.TargetCount{"reader": {Statements: 100, Seconds: 0.2}},
	}
	out, err := command(t, "status", "--admin", pages(t, "/status", s))
	if err != nil {
		t.Fatal(err)
	}
	has(t, out, "router router1 of cluster shop: ready", "db1 at 192.0.2.161:3306, epoch 7, certain for 1.4s", "db2", "lag 10ms", "3 at work",
		"not used: lag 12s is more than 5s", "11 of 1000 logged in", "100 statements", "2ms each", "left alone for 12s: connections to it failed", "users     12 known, those of the servers as of 20s ago")

	s.Ready, s.Why = false, "there is no writer, and no reader either"
	s.Accounts = router.Accounts{Problem: "the server refuses the account"}
	s.View = router.Cluster{Epoch: 7, Problem: "etcd does not answer"}
	out, err = command(t, "status", "--admin", pages(t, "/status", s))
	if err == nil || !strings.Contains(err.Error(), "not ready: there is no writer") {
		t.Errorf("%v", err)
	}
	has(t, out, "NOT READY", "writer    none (epoch 7)", "etcd does not answer", "readers   none", "users     0 known\n          the server refuses the account")
	if out, err = command(t, "status", "--json", "--admin", pages(t, "/status", s)); err != nil || !json.Valid([]byte(out)) {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestSessionsAreListed(t *testing.T) {
	out, err := command(t, "sessions", "--admin", pages(t, "/sessions", []router.SessionStatus{{
		ID: 4711, Client: netip.MustParseAddrPort("192.0.2.7:999"), Via: "192.0.2.1:5", Mode: router.Split,
		State: router.State{Phase: router.Running, Since: time.Now().Add(-time.Minute), User: "app", InTransaction: true, Writer: "db1", Pins: []string{"temporary table"}},
	}}))
	if err != nil {
		t.Fatal(err)
	}
	has(t, out, "4711", "app", "192.0.2.7:999 via 192.0.2.1:5", "running, in a transaction", "1m0s", "db1", "temporary table")
}

func TestDigestsAreListed(t *testing.T) {
	out, err := command(t, "digests", "--admin", pages(t, "/digests", []tally.Digest{
		{Hash: 1 << 63, Text: "select ?", Count: 4, ToReader: 3, Sum: 4 * time.Second, Max: 2 * time.Second}, {Text: "(others)", Count: 1},
	}), "--top", "1")
	if err != nil {
		t.Fatal(err)
	}
	has(t, out, "select ?", "75%", "1s", "2s")
	if strings.Contains(out, "others") {
		t.Errorf("more than asked for:\n%s", out)
	}
}

func TestATraceIsShownInWords(t *testing.T) {
	out, err := command(t, "trace", "--admin", pages(t, "/trace", tally.Traced{
		Time: time.Now(), Session: 7, User: "app", SQL: "select 1", Target: tally.Reader, Host: "db2", Why: "it only reads", Took: time.Millisecond, Code: 1146,
	}))
	if err != nil {
		t.Fatal(err)
	}
	has(t, out, "7 app -> reader db2 1ms error 1146 (it only reads)", "select 1")
}

func TestAQuestionToNobodyIsAnsweredWithWhatToDo(t *testing.T) {
	for _, name := range []string{"status", "sessions", "digests", "trace"} {
		_, err := command(t, name, "--admin", "127.0.0.1:1")
		if err == nil || !strings.Contains(err.Error(), "no router answers on 127.0.0.1:1: is it running?") {
			t.Errorf("%s: %v", name, err)
		}
	}
	config := file(t, "mmmrouter.yaml", "cluster: shop\nadmin: 0.0.0.0:1\n")
	if _, err := command(t, "status", "--config", config); err == nil || !strings.Contains(err.Error(), "no router answers on 127.0.0.1:1") {
		t.Errorf("by its file: %v", err)
	}
}

func TestGrantsAreForTheAccountOfTheFile(t *testing.T) {
	password := file(t, "password", "s3cret\n")
	config := file(t, "mmmrouter.yaml", "cluster: shop\nusers: {passwordFile: "+password+"}\n")
	out, err := command(t, "grants", "--config", config, "--host", "192.0.2.%")
	if err != nil {
		t.Fatal(err)
	}
	has(t, out, "mmm_router", "192.0.2.%", "s3cret", "GRANT SELECT")
	if _, err := command(t, "grants", "--config", file(t, "mmmrouter.yaml", "cluster: shop\n")); err == nil || !strings.Contains(err.Error(), "passwordFile") {
		t.Errorf("without a password: %v", err)
	}
}

func TestRouteExplainSaysWhereAndWhy(t *testing.T) {
	tests := []struct {
		args []string
		want []string
	}{
		{[]string{"SELECT a FROM t WHERE id = 7"}, []string{"reader: it only reads", "rule    read", "id = ?"}},
		{[]string{"SELECT a FROM t FOR UPDATE"}, []string{"writer: it locks rows", "locks-rows"}},
		{[]string{"SELECT a FROM t", "--in-transaction"}, []string{"writer: its transaction runs on the writer"}},
		{[]string{"SELECT a FROM t", "--in-read-only-transaction"}, []string{"reader: "}},
		{[]string{"SELECT a FROM t", "--autocommit-off"}, []string{"writer: autocommit is off"}},
		{[]string{"SELECT a FROM t", "--serializable"}, []string{"writer: the isolation"}},
		{[]string{"SELECT a FROM t", "--pinned"}, []string{"writer: the session is pinned"}},
		{[]string{"SELECT a FROM t", "--mode", "writer"}, []string{"writer: the listener is for the writer only"}},
		{[]string{"INSERT INTO t VALUES (1)", "--mode", "reader"}, []string{"refused: the listener is for readers only"}},
		{[]string{"CREATE TEMPORARY TABLE t (a INT)"}, []string{"writer: ", "tied to its connection to the writer by temporary tables"}},
	}
	for _, tt := range tests {
		out, err := command(t, append([]string{"route", "explain"}, tt.args...)...)
		if err != nil {
			t.Errorf("%v: %v", tt.args, err)
		}
		has(t, out, tt.want...)
	}
	if _, err := command(t, "route", "explain", "SELECT 1", "--mode", "rw"); err == nil {
		t.Error("an unknown mode is taken")
	}
}

func TestAStatementWithoutQuotesIsNotGuessedAt(t *testing.T) {
	for _, args := range [][]string{{}, {"SELECT", "1"}} {
		_, err := command(t, append([]string{"route", "explain"}, args...)...)
		if err == nil || !strings.Contains(err.Error(), "write it in quotes") {
			t.Errorf("%v: %v", args, err)
		}
	}
}
