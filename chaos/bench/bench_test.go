package bench

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPercentileIsAlwaysAMeasuredValue(t *testing.T) {
	ten := []time.Duration{10, 1, 9, 2, 8, 3, 7, 4, 6, 5}
	tests := []struct {
		name   string
		values []time.Duration
		p      float64
		want   time.Duration
	}{
		{"median of ten is the fifth", ten, 50, 5},
		{"p99 of ten is the largest", ten, 99, 10},
		{"p90 of ten is the ninth", ten, 90, 9},
		{"p100 is the largest", ten, 100, 10},
		{"p0 is the smallest", ten, 0, 1},
		{"one value", []time.Duration{7}, 50, 7},
		{"median of two hundred halves is the lower", slices.Repeat([]time.Duration{1, 2}, 100), 50, 1},
		{"no value", nil, 50, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := percentile(tt.values, tt.p); got != tt.want {
				t.Errorf("%d, want %d", got, tt.want)
			}
		})
	}
	if ten[0] != 10 {
		t.Error("the caller's values were sorted")
	}
}

func TestLongestGapCountsFromTheLastBeatBeforeTheFault(t *testing.T) {
	base := time.Now()
	at := func(ms ...int) []time.Time {
		var times []time.Time
		for _, m := range ms {
			times = append(times, base.Add(time.Duration(m)*time.Millisecond))
		}
		return times
	}
	tests := []struct {
		name  string
		beats []int
		from  int
		want  int
	}{
		{"outage after the fault", []int{0, 10, 20, 520, 530}, 25, 500},
		{"earlier outage is not counted", []int{0, 900, 910, 960}, 905, 50},
		{"no beat before", []int{400}, 100, 300},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := longestGap(at(tt.beats...), at(tt.from)[0]).Milliseconds(); got != int64(tt.want) {
				t.Errorf("%d ms, want %d", got, tt.want)
			}
		})
	}
}

func TestPhasesOfTheFaultsSpreadOverASecond(t *testing.T) {
	seen := make(map[time.Duration]bool)
	for i := range 10 {
		p := phase(i)
		if p < 0 || p >= time.Second {
			t.Errorf("phase %v", p)
		}
		seen[p/(100*time.Millisecond)] = true
	}
	if len(seen) < 8 {
		t.Errorf("ten runs meet only %d tenths of the second", len(seen))
	}
}

func TestClusterIsWholeOnlyWhenEveryReplicaAcknowledges(t *testing.T) {
	whole := `{"writer":"db1","phase":"ready","hosts":[{"name":"db1","state":"ONLINE"},{"name":"db2","state":"ONLINE"},{"name":"db3","state":"ONLINE"}]}`
	tests := []struct {
		name, status, text, want string
	}{
		{"whole", whole, "db1 is the writer (epoch 7); its commits are acknowledged by db2, db3", ""},
		{"a replica does not acknowledge", whole, "db1 is the writer (epoch 7); its commits are acknowledged by db2", "db3 does not acknowledge"},
		{"nobody acknowledges", whole, "there is no writer", "db2 does not acknowledge"},
		{"a host waits", strings.Replace(whole, `"db2","state":"ONLINE"`, `"db2","state":"AWAITING_RECOVERY"`, 1), "acknowledged by db2, db3", "db2 is AWAITING_RECOVERY"},
		{"no writer", `{"writer":"","hosts":[]}`, "", `the writer is ""`},
		{"writer not open yet", `{"writer":"db1","phase":"opening"}`, "", "opening"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s status
			if err := json.Unmarshal([]byte(tt.status), &s); err != nil {
				t.Fatal(err)
			}
			got := lacks(s, tt.text)
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("lacks %q, want %q", got, tt.want)
			}
		})
	}
}

// sample is a result with ten runs of each fault, one of them past the axis.
func sample() Result {
	r := Result{Date: time.Unix(0, 0).UTC(), Version: "v1 <dev> & more", Peer: "Keepalived v2", TTL: millis(1000), Every: millis(10), Timeout: millis(150), Connect: millis(100)}
	for i, f := range faults {
		row := Row{Name: f.name, What: f.what, Published: f.published, goal: f.goal(time.Second), Acked: 1000}
		for n := range 10 {
			row.Runs = append(row.Runs, Strike{Gap: millis((i + 1) * (100 + n)), From: "db1", To: map[bool]string{true: "db1", false: "db2"}[f.stays]})
		}
		r.Rows = append(r.Rows, row)
	}
	r.Rows = append(r.Rows, Row{Name: "keepalived", What: "keepalived (none)", Runs: []Strike{{Gap: millis(3600)}, {Gap: millis(90000)}}})
	r.Rows[0].Lost = 1
	for i := range r.Rows {
		r.Rows[i].settle()
	}
	return r
}

func TestGoalIsMetOnlyWithoutLoss(t *testing.T) {
	r := sample()
	if r.Rows[0].Met {
		t.Error("a row with a lost write met its goal")
	}
	if !r.Rows[1].Met || !r.Rows[2].Met {
		t.Errorf("200 ms and 300 ms are not within reach of %q and %q", r.Rows[1].Goal, r.Rows[2].Goal)
	}
	if r.Rows[3].Met {
		t.Errorf("436 ms met %q", r.Rows[3].Goal)
	}
	if r.Rows[len(r.Rows)-1].Goal != "" {
		t.Error("keepalived has a goal")
	}
}

func TestGoalIsMissedByASecondAcceptorAndByANeedlessMove(t *testing.T) {
	tests := []struct {
		name string
		row  Row
		met  bool
	}{
		{"moved", Row{Runs: []Strike{{From: "db1", To: "db2"}}}, true},
		{"the old writer went on", Row{Runs: []Strike{{From: "db1", To: "db2"}, {From: "db2", To: "db1", Second: 1}}}, false},
		{"stayed", Row{Stays: true, Runs: []Strike{{From: "db1", To: "db1"}}}, true},
		{"moved for nothing", Row{Stays: true, Runs: []Strike{{From: "db1", To: "db2"}}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.row.goal = goal{100, time.Second}
			if tt.row.settle(); tt.row.Met != tt.met {
				t.Errorf("met: %v", tt.row.Met)
			}
		})
	}
}

func TestPlotIsWellFormedAndHasADotPerRun(t *testing.T) {
	plot := sample().SVG()
	dots := 0
	for d := xml.NewDecoder(strings.NewReader(plot)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, plot)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "circle" {
			dots++
		}
	}
	if want := 10*len(faults) + 2 + 1; dots != want { // keepalived's two, and one in the legend
		t.Errorf("%d dots, want %d", dots, want)
	}
	for _, want := range []string{"mysql-mmm 2.2.1, measured the same way", "24.5-38.6 s", "v1 &lt;dev&gt; &amp; more"} {
		if !strings.Contains(plot, want) {
			t.Errorf("the plot lacks %q", want)
		}
	}
}

func TestTextNamesWhatMustBeKnownToReadTheNumbers(t *testing.T) {
	text := sample().Text()
	for _, want := range []string{"NOT met", "1 of 1000", "0.5-0.9 s", "lease TTL 1 s", "waits 150 ms for an insert and 100 ms for a connection", "nearest rank", "one acknowledged write in five kills"} {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}
}

func TestStoredResultIsJSONWithMilliseconds(t *testing.T) {
	dir := t.TempDir()
	if err := sample().Write(dir); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(sample())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"gapMs":100.0`, `"p50Ms":104.0`, `"mysqlMMM":{"minMs":17400.0,"maxMs":17400.0}`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the document lacks %s:\n%s", want, text)
		}
	}
}

// routedSample is what one recording of two rows through the router found.
func routedSample(version string) *Routed {
	return &Routed{Version: version, Clients: 16, Every: millis(20), Verified: "all is there", OK: true, Rows: []RoutedRow{
		{Name: "routed-kill", What: "mysqld of the writer kill -9", Acked: 100, Runs: []RoutedRun{{Wait: millis(220), UnderWay: 16, From: "db1", To: "db2"}}},
		{Name: "routed-planned", What: "planned switchover", Acked: 100, Runs: []RoutedRun{{Wait: millis(120), From: "db2", To: "db1"}}},
	}}
}

func TestRecordingsThroughTheRouterAddUp(t *testing.T) {
	r := sample()
	r.Through(routedSample("v1"))
	second := routedSample("v1")
	second.Rows = second.Rows[:1]
	r.Through(second)
	kill, planned := r.Routed.Rows[0], r.Routed.Rows[1]
	if len(kill.Runs) != 2 || kill.Acked != 200 || kill.UnderWay != 32 || !kill.Met || len(planned.Runs) != 1 || !planned.Met {
		t.Errorf("kill %+v\nplanned %+v", kill, planned)
	}
	for _, want := range []string{"16 clients", "p50 <= 250 ms, errors 0, lost 0", "met"} {
		if !strings.Contains(r.Text(), want) {
			t.Errorf("the text lacks %q:\n%s", want, r.Text())
		}
	}
	if !strings.Contains(r.SVG(), "planned switchover") {
		t.Error("the plot lacks them")
	}
	r.Through(routedSample("v2"))
	if n := len(r.Routed.Rows[0].Runs); n != 1 {
		t.Errorf("%d runs of two versions in one row", n)
	}
}

func TestStoredResultIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	r := sample()
	r.Through(routedSample("v1"))
	if err := r.Write(dir); err != nil {
		t.Fatal(err)
	}
	back, err := Read(dir)
	if err != nil || back.Text() != r.Text() || back.SVG() != r.SVG() {
		t.Errorf("err %v:\n%s\nbecame\n%s", err, r.Text(), back.Text())
	}
}

func TestGoalThroughTheRouterIsMissedByAnyError(t *testing.T) {
	for what, spoil := range map[string]func(*RoutedRow){
		"an error":             func(r *RoutedRow) { r.Runs[0].Errors = 1 },
		"an error of a read":   func(r *RoutedRow) { r.Runs[0].ReadErrors = 1 },
		"a doubt":              func(r *RoutedRow) { r.Runs[0].UnderWay = 1 },
		"a lost write":         func(r *RoutedRow) { r.Lost = 1 },
		"a stale read":         func(r *RoutedRow) { r.Stale = 1 },
		"too long a wait":      func(r *RoutedRow) { r.Runs[0].Wait = millis(151) },
		"a move without cause": func(r *RoutedRow) { r.Stays = true },
	} {
		row := routedSample("v1").Rows[1]
		row.goal = goal{99, 150 * time.Millisecond}
		if row.settle(); !row.Met {
			t.Fatalf("not met without anything: %+v", row)
		}
		spoil(&row)
		if row.settle(); row.Met {
			t.Errorf("met with %s", what)
		}
	}
}
