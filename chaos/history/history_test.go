package history

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

func TestWhatIsRecordedIsLoaded(t *testing.T) {
	dir := t.TempDir()
	want := History{
		Run:       Run{Seed: 7, Replay: "again", TTL: time.Second, Hosts: []Host{{Name: "db1", Server: 161}, {Name: "client"}}},
		Ops:       []Op{{Client: "c1", ID: 1, Do: Insert, Route: "writer", Call: 1, Return: 2, Outcome: OK}},
		Addresses: []Address{{T: 3, Host: "db1", Addr: "192.0.2.113", Gone: true}},
		Stalls:    []Stall{{T: 6, By: 7}},
		ARPs:      []ARP{{Call: 4, Return: 5, VIP: "192.0.2.113", Hosts: []string{"db1"}}},
		States:    []State{{T: 6, Epoch: 9, Writer: "db1", Claims: map[string]string{"192.0.2.111": "db2"}}},
		Faults:    []Fault{{ID: 1, Class: "kill", Settled: 8}},
		Finals:    []Final{{Host: "db1", Checksums: map[string]string{"app.rows": "1"}}},
		Rows:      []Rows{{Host: "db1", Client: "c1", IDs: []uint64{1}}},
		Commits:   []Commit{{Host: "db1", GTID: "0-161-1", Server: 161, Seq: 1, Client: true, Rows: []RowID{{"c1", 1}}}},
	}
	one, err := NewRecorder(dir, "one")
	if err != nil {
		t.Fatal(err)
	}
	two, err := NewRecorder(dir, "two")
	if err != nil {
		t.Fatal(err)
	}
	one.Run(Run{Seed: 7})
	one.Run(want.Run)
	one.Op(want.Ops[0])
	one.Address(want.Addresses[0])
	one.ARP(want.ARPs[0])
	one.Stall(want.Stalls[0])
	one.State(want.States[0])
	two.Fault(Fault{ID: 1, Class: "kill"}) // the later record takes its place
	two.Fault(want.Faults[0])
	two.Final(want.Finals[0])
	two.Rows(want.Rows[0])
	two.Commit(want.Commits[0])
	for _, r := range []*Recorder{one, two} {
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("got %+v\nwant %+v", *got, want)
	}
	if names := got.Names(); len(names) != 1 || names[0] != "db1" {
		t.Errorf("databases: %v", names)
	}
}

func TestHistoryThatIsNoneIsRefused(t *testing.T) {
	if _, err := Load(t.TempDir()); err == nil {
		t.Error("an empty directory was loaded")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x.jsonl"), []byte(`{"op":{"client":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); err == nil {
		t.Error("half a line was loaded")
	}
	if _, err := NewRecorder(dir, "a/b"); err == nil {
		t.Error("an observer outside of the directory was made")
	}
}

func TestClockGoesOn(t *testing.T) {
	a := Now()
	if b := Now(); b < a || a == 0 {
		t.Errorf("%d after %d", b, a)
	}
	if got := Time(5).Add(3 * time.Nanosecond).Sub(2); got != 6 {
		t.Errorf("5 + 3 - 2 = %d", got)
	}
}
