package outcome

import (
	"encoding/xml"
	"errors"
	"io"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/chaos/check"
	"github.com/mmm-ha/mmm/chaos/history"
)

const s = history.Time(time.Second)

// run is a small run with two strikes, the second of two faults.
func run() *history.History {
	h := &history.History{Run: history.Run{
		Seed: 7, Commit: "abc", Replay: "mmmlab chaos --seed 7", Began: s, Ended: 21 * s, Wall: time.Unix(0, 0), Total: 800,
		Hosts:      []history.Host{{Name: "db1", Server: 1}, {Name: "db2", Server: 2}},
		WriterVIPs: []string{"192.0.2.113"}, ReaderVIPs: []string{"192.0.2.111"},
	}}
	for i := range uint64(20) {
		t := history.Time(i+1) * s
		h.Ops = append(h.Ops, history.Op{Client: "c", ID: i, Do: history.Insert, Route: "writer", Call: t, Return: t + s/100, Outcome: history.OK})
		h.ARPs = append(h.ARPs, history.ARP{Call: t, Return: t, VIP: "192.0.2.113", Hosts: []string{"db1"}})
	}
	h.States = []history.State{
		{T: s, Epoch: 5, Writer: "db1", Phase: "ready", Hosts: map[string]string{"db1": "ONLINE", "db2": "ONLINE"}},
		{T: 6 * s, Epoch: 9, Writer: "db2", Phase: "opening", Hosts: map[string]string{"db1": "HARD_OFFLINE", "db2": "ONLINE"}},
		{T: 7 * s, Epoch: 9, Writer: "db2", Phase: "ready", Hosts: map[string]string{"db1": "ONLINE", "db2": "ONLINE"}},
	}
	h.Addresses = []history.Address{{T: s, Host: "db1", Addr: "192.0.2.113"}, {T: 5 * s, Host: "db1", Addr: "192.0.2.113", Gone: true}}
	h.Faults = []history.Fault{
		{ID: 1, Strike: 1, Class: "kill", Host: "db1", Writer: "db1", Begin: 5 * s, Verified: 6 * s, Lifted: 8 * s, Healed: 9 * s, Settled: 10 * s, Failovers: 1, Evidence: "<it> is dead"},
		{ID: 2, Strike: 2, Class: "hang", Host: "db2", Begin: 12 * s, Verified: 12 * s, Lifted: 13 * s, Healed: 13 * s, Settled: 14 * s},
		{ID: 3, Strike: 2, Class: "kill", Host: "db1", Begin: 12 * s, Verified: 12 * s, Lifted: 13 * s, Healed: 13 * s, Settled: 14 * s},
	}
	return h
}

func TestResultCountsWhatHappened(t *testing.T) {
	h := run()
	r := Of(h, check.All(h))
	if r.Strikes != 2 || r.Faults["kill"] != 2 || r.Faults["hang"] != 1 || r.Failovers != 1 || r.Acked != 20 || r.Seconds != 20 {
		t.Errorf("%+v", r)
	}
	if g := r.Gaps["kill"]; g.Faults != 1 || time.Duration(g.Write) != time.Second {
		t.Errorf("the gap of kill is that of the fault that struck alone: %+v", g)
	}
	if _, there := r.Gaps["hang"]; there {
		t.Error("a fault that overlapped another was given a gap of its own")
	}
	if r.Word() != "VIOLATED" || r.Violations["kept"] == 0 {
		t.Errorf("acknowledged rows are missing, and the word is %s", r.Word())
	}
	r.Violations = nil
	if r.Word() != "INVALID" {
		t.Errorf("thin traffic, and the word is %s", r.Word())
	}
	r.Invalid = nil
	if r.Word() != "passed" {
		t.Errorf("the word is %s", r.Word())
	}
}

func TestResultIsKeptAndReadAgain(t *testing.T) {
	h := run()
	r := Of(h, check.All(h))
	r.Gaps = map[string]Worst{"kill": {2, Millis(1500 * time.Millisecond), Millis(20 * time.Millisecond)}}
	file := filepath.Join(t.TempDir(), "chaos.jsonl")
	for range 2 {
		if err := r.Append(file); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || !reflect.DeepEqual(got[1], r) {
		t.Errorf("%+v\n%+v", got, r)
	}
}

func TestPageIsWhole(t *testing.T) {
	h := run()
	verdicts := check.All(h)
	text, err := Page(h, verdicts, Of(h, verdicts))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Chaos, seed 7", "VIOLATED", "mmmlab chaos --seed 7", "&lt;it&gt; is dead", "1 kill db1", "epoch 9", verdicts[0].Claim} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	svg := text[strings.Index(text, "<svg") : strings.Index(text, "</svg>")+len("</svg>")]
	for in := xml.NewDecoder(strings.NewReader(svg)); ; {
		if _, err := in.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("the picture is no XML: %v", err)
		}
	}
}
