package load_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/chaos/load"
)

func TestMain(m *testing.M) { os.Exit(lab.RunTests(m)) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// bed is two databases, of which db2 replicates db1, and a client.
func bed(ctx context.Context, t *testing.T) *lab.Bed {
	t.Helper()
	lab.Require(t, "netns", "mariadb")
	hosts := lab.DefaultHosts()
	b, err := lab.New(ctx, lab.Options{Parts: lab.MySQL, Hosts: []lab.Host{hosts[0], hosts[1], hosts[4]}})
	must(t, err)
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	exec(t, b, "db1", "SET GLOBAL read_only = 0")
	exec(t, b, "db2", "CHANGE MASTER TO MASTER_HOST='192.0.2.161', MASTER_PORT=3309, MASTER_USE_GTID=slave_pos, MASTER_USER='"+lab.ReplicationUser+"', MASTER_PASSWORD='"+lab.ReplicationPassword+"'")
	exec(t, b, "db2", "START SLAVE")
	return b
}

func exec(t *testing.T, b *lab.Bed, host, statement string) {
	t.Helper()
	db, err := b.DB(host)
	must(t, err)
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %s: %v", host, statement, err)
	}
}

func servers(t *testing.T, b *lab.Bed) []load.Server {
	t.Helper()
	var list []load.Server
	for _, name := range []string{"db1", "db2"} {
		db, err := b.DB(name)
		must(t, err)
		list = append(list, load.Server{Name: name, DB: db})
	}
	return list
}

// write runs a load on db1 until enough says so.
func write(ctx context.Context, t *testing.T, b *lab.Bed, j *load.Journal, enough func() bool) {
	t.Helper()
	d, err := b.Dialer(lab.ClientHost)
	must(t, err)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		done <- load.Run(ctx, load.Options{Dial: d.DialContext, Address: "192.0.2.161:3306",
			User: lab.AppUser, Password: lab.AppPassword, Every: time.Millisecond, Journal: j})
	}()
	for !enough() && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	cancel()
	must(t, <-done)
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestTruthIsVerifiedAndPlantedLiesAreDetected(t *testing.T) {
	ctx := testContext(t)
	b := bed(ctx, t)
	j, err := load.NewJournal("c1", nil)
	must(t, err)
	write(ctx, t, b, j, func() bool { return j.Count(load.Acked) >= 50 })
	journals := []*load.Journal{j}
	report, err := load.Await(ctx, 10*time.Second, "", journals, servers(t, b))
	must(t, err)
	if !report.OK() || report.Acked < 50 {
		t.Fatalf("an honest run was not verified: %s", report)
	}
	exec(t, b, "db2", "STOP SLAVE")
	tests := []struct {
		name, host, plant, undo, want string
	}{
		{"a lost row", "db2", "DELETE FROM app.journal WHERE seq = 7", "INSERT INTO app.journal (id, client, seq, server) SELECT id, client, seq, server FROM app.kept WHERE seq = 7",
			"db2: row c1/7 was acknowledged and is missing"},
		{"a row stored twice", "db1", "INSERT INTO app.journal (client, seq, server) VALUES ('c1', 9, 1)", "DELETE FROM app.journal ORDER BY id DESC LIMIT 1",
			"db1: row c1/9 is there 2 times"},
		{"a row nobody sent", "db1", "INSERT INTO app.journal (client, seq, server) VALUES ('c1', 999999, 1)", "DELETE FROM app.journal ORDER BY id DESC LIMIT 1",
			"db1: row c1/999999 was never sent"},
		{"a column that differs", "db2", "UPDATE app.journal SET server = 1 WHERE seq = 5", "UPDATE app.journal SET server = 161 WHERE seq = 5",
			"db2: checksum of app.journal is"},
	}
	exec(t, b, "db2", "CREATE TABLE app.kept AS SELECT * FROM app.journal")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			exec(t, b, tt.host, tt.plant)
			report, err := load.Verify(ctx, "", journals, servers(t, b))
			must(t, err)
			if !strings.Contains(report.String(), tt.want) || report.OK() {
				t.Errorf("planted %q, reported: %s", tt.want, report)
			}
			exec(t, b, tt.host, tt.undo)
			report, err = load.Verify(ctx, "", journals, servers(t, b))
			must(t, err)
			if !report.OK() {
				t.Errorf("after the repair: %s", report)
			}
		})
	}
}

func TestCrashMakesAGapAndNeverALie(t *testing.T) {
	ctx := testContext(t)
	b := bed(ctx, t)
	var lines bytes.Buffer
	j, err := load.NewJournal("c1", &lines)
	must(t, err)
	var dead, opens time.Time
	acked := 0
	write(ctx, t, b, j, func() bool {
		switch {
		case dead.IsZero() && j.Count(load.Acked) >= 20:
			must(t, b.KillMysqld(ctx, "db1", false))
			dead = time.Now()
			must(t, b.StartMysqld(ctx, "db1"))
			// Back as a replica: it must refuse until somebody opens it.
			acked = j.Count(load.Acked)
			refused := j.Count(load.Refused)
			for j.Count(load.Refused) < refused+5 && ctx.Err() == nil {
				time.Sleep(time.Millisecond)
			}
			opens = time.Now()
			exec(t, b, "db1", "SET GLOBAL read_only = 0")
			return false
		default:
			return !opens.IsZero() && j.Count(load.Acked) >= acked+20
		}
	})
	gap := j.LongestGap(dead, opens)
	first, ok := j.FirstAckAfter(opens)
	if !ok || gap.Open || gap.From.After(dead) || gap.To.Before(opens) || first.End.Before(gap.To) {
		t.Errorf("dead for %s, gap %s (open %t), first acknowledgement %+v", opens.Sub(dead), gap.Length(), gap.Open, first)
	}
	report, err := load.Verify(ctx, "", []*load.Journal{j}, servers(t, b)[:1])
	must(t, err)
	if !report.OK() {
		t.Error(report)
	}
	if n := bytes.Count(lines.Bytes(), []byte("\n")); n != len(j.Attempts()) {
		t.Errorf("%d lines for %d attempts", n, len(j.Attempts()))
	}
	t.Log(report)
}

func TestNothingProvenIsNotOK(t *testing.T) {
	if (load.Report{}).OK() {
		t.Error("a report of a client that wrote nothing is OK")
	}
}

func TestClientNamesThatCouldEscapeTheStatementAreRefused(t *testing.T) {
	for _, name := range []string{"", "a'b", "A", strings.Repeat("x", 33), `a\`} {
		if _, err := load.NewJournal(name, nil); err == nil {
			t.Errorf("client name %q was taken", name)
		}
	}
	must(t, func() error { _, err := load.NewJournal(fmt.Sprintf("c-%d", 1), nil); return err }())
}
