package check

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/chaos/history"
)

const ms = history.Time(time.Millisecond)

// good is a tiny run without fault in it: db1 reigns, its mysqld is killed at
// 1000 ms, db2 reigns from 1200 ms on. Two rows, two registers' accesses, a probe.
func good() *history.History {
	h := &history.History{Run: history.Run{
		Began: 1, Ended: 3000 * ms, Total: 800, MinRate: 1,
		Hosts:      []history.Host{{Name: "db1", Server: 1}, {Name: "db2", Server: 2}, {Name: "client"}},
		WriterVIPs: []string{"W"}, ReaderVIPs: []string{"R"},
	}}
	insert := func(id uint64, call, ret history.Time, outcome history.Outcome) {
		h.Ops = append(h.Ops, history.Op{Client: "c", ID: id, Do: history.Insert, Route: "writer", Call: call * ms, Return: ret * ms, Outcome: outcome})
	}
	insert(1, 100, 110, history.OK)
	insert(2, 990, 1190, history.Unknown)
	insert(3, 1190, 1195, history.Fail)
	insert(4, 1250, 1260, history.OK)
	access := func(do history.Verb, value int64, call, ret history.Time) {
		h.Ops = append(h.Ops, history.Op{Client: "r", Do: do, Route: "writer", Key: "k", Value: value, Call: call * ms, Return: ret * ms, Outcome: history.OK})
	}
	own := func(id uint64, do history.Verb, value int64, outcome history.Outcome) {
		call := history.Time(100+2*id) * ms
		h.Ops = append(h.Ops, history.Op{Client: "o", ID: id, Do: do, Route: "router", Key: "o", Value: value, Call: call, Return: call + ms, Outcome: outcome})
	}
	own(1, history.OwnSet, 1, history.OK)
	own(2, history.OwnSet, 2, history.OK)
	own(3, history.OwnGet, 2, history.OK)
	own(4, history.OwnSet, 4, history.Unknown) // ends the session
	own(5, history.OwnGet, 1, history.OK)
	h.Ops = append(h.Ops, history.Op{Client: "w", ID: 1, Do: history.Where, Route: "router", Value: 2, Call: 2300 * ms, Return: 2301 * ms, Outcome: history.OK})
	access(history.Set, 1, 100, 110)
	access(history.Get, 1, 120, 130)
	h.Ops = append(h.Ops,
		history.Op{Client: "p1", ID: 1, Do: history.Probe, Route: "db1", Round: 1, Call: 100 * ms, Return: 105 * ms, Outcome: history.OK},
		history.Op{Client: "p2", ID: 1, Do: history.Probe, Route: "db2", Round: 1, Call: 100 * ms, Return: 101 * ms, Outcome: history.Fail},
		history.Op{Client: "b", Do: history.Total, Route: "R", Value: 800, Call: 100 * ms, Return: 101 * ms, Outcome: history.OK})
	h.States = []history.State{
		{T: 2, Epoch: 10, Writer: "db1", Phase: "ready", Reign: 10},
		{T: 1010 * ms},
		{T: 1050 * ms, Epoch: 20, Writer: "db2", Phase: "catching-up", Reign: 10},
		{T: 1200 * ms, Epoch: 20, Writer: "db2", Phase: "ready", Reign: 20, Ackers: []string{"db1"}, Claims: map[string]string{"R": "db1"}},
	}
	h.Faults = []history.Fault{{ID: 1, Strike: 1, Class: "kill", Host: "db1", Writer: "db1", Begin: 1000 * ms, Verified: 1020 * ms,
		Lifted: 1500 * ms, Healed: 1600 * ms, Settled: 2000 * ms, Failovers: 1, GapLimit: 2 * time.Second, VIPLimit: 2 * time.Second}}
	for _, host := range []string{"db1", "db2"} {
		h.Commits = append(h.Commits,
			history.Commit{Host: host, GTID: "0-1-1", Server: 1, Seq: 1, Epoch: 10},
			history.Commit{Host: host, GTID: "0-1-2", Server: 1, Seq: 2, Client: true, Rows: []history.RowID{{Client: "c", ID: 1}}},
			history.Commit{Host: host, GTID: "0-1-3", Server: 1, Seq: 3, Client: true, Rows: []history.RowID{{Client: "p1", ID: 1}}},
			history.Commit{Host: host, GTID: "0-2-4", Server: 2, Seq: 4, Epoch: 20},
			history.Commit{Host: host, GTID: "0-2-5", Server: 2, Seq: 5, Client: true, Rows: []history.RowID{{Client: "c", ID: 4}}})
		h.Rows = append(h.Rows, history.Rows{Host: host, Client: "c", IDs: []uint64{1, 4}}, history.Rows{Host: host, Client: "p1", IDs: []uint64{1}})
	}
	h.Finals = []history.Final{
		{Host: "db1", Position: "0-2-5", ReadOnly: true, EpochRow: 20, Total: 800, Checksums: map[string]string{"t": "5"}, VIPs: []string{"R"}},
		{Host: "db2", Position: "0-2-5", EpochRow: 20, Total: 800, Checksums: map[string]string{"t": "5"}, VIPs: []string{"W"}},
	}
	h.Addresses = []history.Address{
		{T: 1, Host: "db1", Addr: "W"}, {T: 1, Host: "db2", Addr: "R"}, {T: 1, Host: "db1", Addr: "own"},
		{T: 1010 * ms, Host: "db1", Addr: "W", Gone: true}, {T: 1200 * ms, Host: "db2", Addr: "W"},
		{T: 1700 * ms, Host: "db2", Addr: "R", Gone: true}, {T: 1705 * ms, Host: "db1", Addr: "R"},
	}
	for t := history.Time(0); t < 3000; t += 50 {
		writer := []string{"db1"}
		if t > 1000 && t < 1200 {
			writer = nil
		} else if t >= 1200 {
			writer = []string{"db2"}
		}
		h.ARPs = append(h.ARPs, history.ARP{Call: t * ms, Return: (t + 1) * ms, VIP: "W", Hosts: writer},
			history.ARP{Call: t * ms, Return: (t + 1) * ms, VIP: "R", Hosts: []string{"db2"}})
	}
	return h
}

func TestGoodHistoryViolatesNothing(t *testing.T) {
	for _, v := range All(good()) {
		if v.Count() > 0 || len(v.Undecided) > 0 {
			t.Errorf("%s: %v %v", v.Name, v.Violations, v.Undecided)
		}
		if v.Checked == 0 {
			t.Errorf("%s looked at nothing", v.Name)
		}
	}
}

// op is the operation (client, id) of a history.
func op(h *history.History, client string, id uint64) *history.Op {
	for i, o := range h.Ops {
		if o.Client == client && o.ID == id {
			return &h.Ops[i]
		}
	}
	panic("no such operation")
}

// bad are histories with one thing wrong, and what must be said of it.
var bad = []struct {
	checker, says string
	spoil         func(*history.History)
}{
	{"one acceptor", "c/1 began at 1.270s and was acknowledged in reign 10, but reign 20 had acknowledged c/4",
		func(h *history.History) { op(h, "c", 1).Call, op(h, "c", 1).Return = 1270*ms, 1280*ms }},
	{"probes", "db1 and db2 both accepted", func(h *history.History) { op(h, "p2", 1).Outcome = history.OK }},
	{"kept", "db2: row c/4 was acknowledged and is missing", func(h *history.History) { h.Rows[2].IDs = []uint64{1} }},
	{"kept", "row c/3 was refused and is there", func(h *history.History) { h.Rows[0].IDs = []uint64{1, 3, 4} }},
	{"kept", "row c/9 was never sent", func(h *history.History) { h.Rows[0].IDs = []uint64{1, 4, 9} }},
	{"kept", "row c/4 is there 2 times", func(h *history.History) { h.Rows[0].IDs = []uint64{1, 4, 4} }},
	{"kept", "its rows are not known", func(h *history.History) { h.Rows = h.Rows[:2] }},
	{"logs", "was written by server 1 in the reign 20 of server 2", func(h *history.History) { h.Commits[4].Server = 1 }},
	{"logs", "0-2-5 names c/4 on db1 and c/7 on db2", func(h *history.History) { h.Commits[9].Rows[0].ID = 7 }},
	{"logs", "was written by 0-1-2 and by 0-2-5", func(h *history.History) {
		h.Commits[4].Rows = []history.RowID{{Client: "c", ID: 1}}
		h.Commits[9].Rows = h.Commits[4].Rows
	}},
	{"logs", "follows that of epoch 20", func(h *history.History) {
		h.Commits = append(h.Commits, history.Commit{Host: "db2", GTID: "0-1-6", Server: 1, Epoch: 15})
	}},
	{"bank", "b read the sum 750", func(h *history.History) { op(h, "b", 0).Value = 750 }},
	{"bank", "db1 has the sum 1 in the end", func(h *history.History) { h.Finals[0].Total = 1 }},
	{"register", "register k", func(h *history.History) { // a read of the value before
		h.Ops = append(h.Ops, history.Op{Client: "r", Do: history.Get, Route: "writer", Key: "k", Call: 200 * ms, Return: 201 * ms, Outcome: history.OK})
	}},
	{"register", "was refused and read", func(h *history.History) {
		h.Ops = append(h.Ops, history.Op{Client: "r", Do: history.Set, Key: "k", Value: 1, Call: 90 * ms, Return: 91 * ms, Outcome: history.Fail})
	}},
	{"own reads", "o read 1 through router", func(h *history.History) { op(h, "o", 3).Value = 1 }},
	{"own reads", "had tried no more than 2", func(h *history.History) { op(h, "o", 3).Value = 4 }},
	{"readers", "w was answered by db2 at 2.300s, which was not in service since 0.000s", func(h *history.History) {
		for i := range h.States {
			h.States[i].Writer = "db1"
		}
		op(h, "w", 1).Value = 2
	}},
	{"one answer", "answered by db1 and db2", func(h *history.History) { h.ARPs[0].Hosts = []string{"db1", "db2"} }},
	{"one answer", "stood on db1 and on db2", func(h *history.History) { h.Addresses[3].T = 2500 * ms }},
	{"equal", "1 of 2 servers could be read", func(h *history.History) { h.Finals = h.Finals[:1] }},
	{"equal", "db2 is at 0-2-6", func(h *history.History) { h.Finals[1].Position = "0-2-6" }},
	{"equal", "checksum of t", func(h *history.History) { h.Finals[1].Checksums = map[string]string{"t": "6"} }},
	{"equal", "writable in the end: [db1 db2]", func(h *history.History) { h.Finals[0].ReadOnly = false }},
	{"keys", "phase \"opening\"", func(h *history.History) { h.States[3].Phase = "opening" }},
	{"keys", "an order is open", func(h *history.History) { h.States[3].Order = "asked" }},
	{"keys", "ackers []", func(h *history.History) { h.States[3].Ackers = nil }},
	{"keys", "epoch 9 came after epoch 20", func(h *history.History) { h.States = append(h.States, history.State{Epoch: 9}) }},
	{"keys", "has the row of epoch 10, etcd names 20", func(h *history.History) { h.Finals[0].EpochRow = 10 }},
	{"keys", "VIP R is on []", func(h *history.History) { h.Finals[0].VIPs = nil }},
	{"keys", "stray address X", func(h *history.History) { h.Finals[0].VIPs = []string{"R", "X"} }},
	{"settled", "db1 is HARD_OFFLINE", func(h *history.History) { h.Faults[0].Unsettled = "db1 is HARD_OFFLINE" }},
	{"failovers", "the writer changed 1 times, at most 0", func(h *history.History) { h.Faults[0].Failovers = 0 }},
	{"failovers", "became writer at 1.050s before any fault", func(h *history.History) { h.Faults[0].Begin = 2000 * ms }},
	{"gaps", "no write was acknowledged", func(h *history.History) { h.Faults[0].GapLimit = time.Second }},
	{"gaps", "no write of the routers' clients", func(h *history.History) {
		for _, o := range h.Ops {
			if o.Do == history.Insert {
				o.Route = "router"
				h.Ops = append(h.Ops, o)
			}
		}
		h.Faults[0].RoutedLimit = time.Second
	}},
	{"gaps", "VIP W was silent", func(h *history.History) { h.Faults[0].VIPLimit = 100 * time.Millisecond }},
}

func TestBadHistoryIsCaught(t *testing.T) {
	for _, c := range bad {
		t.Run(c.checker+": "+c.says, func(t *testing.T) {
			h := good()
			c.spoil(h)
			for _, v := range All(h) {
				if v.Name != c.checker {
					continue
				}
				if !strings.Contains(strings.Join(v.Violations, "\n"), c.says) {
					t.Errorf("it found %q, not %q", v.Violations, c.says)
				}
				return
			}
			t.Fatal("there is no such checker")
		})
	}
}

func TestEveryCheckerHasAHistoryThatItRefuses(t *testing.T) {
	for _, checker := range Checkers {
		found := false
		for _, c := range bad {
			found = found || c.checker == checker.Name
		}
		if !found {
			t.Errorf("%s is never seen to refuse anything", checker.Name)
		}
	}
}

func TestListOfViolationsStaysReadable(t *testing.T) {
	var f Finding
	for range 3 * maxViolations {
		f.violate("x")
	}
	if len(f.Violations) != maxViolations || f.Count() != 3*maxViolations {
		t.Errorf("%d listed of %d", len(f.Violations), f.Count())
	}
}

// busy is a good history with traffic enough to prove something.
func busy() *history.History {
	h := good()
	for i := range uint64(200) {
		t := history.Time(i*14) * ms
		row := history.RowID{Client: "d", ID: i}
		h.Ops = append(h.Ops,
			history.Op{Client: "d", ID: i, Do: history.Insert, Route: "writer", Call: t, Return: t + ms, Outcome: history.OK},
			history.Op{Client: "p2", ID: i + 2, Do: history.Probe, Route: "db2", Round: i + 2, Call: t, Return: t + ms, Outcome: history.Fail},
			history.Op{Client: "b", Do: history.Total, Value: 800, Outcome: history.OK},
			history.Op{Client: "r", Do: history.Get, Key: "q", Call: t, Return: t + ms, Outcome: history.OK})
		h.Commits = append(h.Commits, history.Commit{Host: "db1", GTID: fmt.Sprint("0-2-", 100+i), Server: 2, Client: true, Rows: []history.RowID{row}})
	}
	return h
}

func TestRunThatProvesNothingIsInvalid(t *testing.T) {
	if h := busy(); len(Invalid(h, All(h))) > 0 {
		t.Fatalf("a good run is invalid: %v", Invalid(h, All(h)))
	}
	for says, spoil := range map[string]func(*history.History){
		"there was no fault":          func(h *history.History) { h.Faults = nil },
		"packets pass":                func(h *history.History) { h.Faults[0].Error = "packets pass" },
		"not seen to bite and to end": func(h *history.History) { h.Faults[0].Verified = 0 },
		"traffic was thin":            func(h *history.History) { h.Run.MinRate = 1000 },
		"interrupted":                 func(h *history.History) { h.Run.Stopped = []string{"interrupted"} },
		"checker \"probes\" had":      func(h *history.History) { h.Ops = h.Ops[:7] },
	} {
		h := busy()
		spoil(h)
		if got := strings.Join(Invalid(h, All(h)), "\n"); !strings.Contains(got, says) {
			t.Errorf("it is invalid because of %q, not because of %q", got, says)
		}
	}
}

// A promise about time is not violated by a machine on which nothing runs; one about
// data is.
func TestMachineThatIsTooSlowDecidesNothingAboutTime(t *testing.T) {
	within := map[string]history.Time{"settled": 1700, "failovers": 1050, "gaps": 1100, "no write": 2000}
	for _, c := range bad {
		when, timed := within[c.checker]
		if strings.HasPrefix(c.says, "no write") {
			when = within["no write"]
		}
		for _, stall := range []struct {
			at      history.Time
			by      time.Duration
			times   int
			excuses bool
		}{
			{when, 60 * time.Millisecond, 1, timed},
			{when, 35 * time.Millisecond, 1, false}, // of a lease of 400 ms
			{when, 35 * time.Millisecond, 50, timed},
			{10, 60 * time.Millisecond, 1, false}, // long before
		} {
			h := good()
			h.Run.TTL = 400 * time.Millisecond
			for range stall.times {
				h.Stalls = append(h.Stalls, history.Stall{T: stall.at * ms, By: stall.by})
			}
			c.spoil(h)
			for _, v := range All(h) {
				if v.Name != c.checker {
					continue
				}
				if undecided := strings.Contains(strings.Join(v.Undecided, " "), c.says); undecided != stall.excuses || v.Count() == 0 && !undecided {
					t.Errorf("%s, %v late at %d ms: violations %q, undecided %q", c.says, stall.by, stall.at, v.Violations, v.Undecided)
				}
			}
		}
	}
}

func TestReadThatWaitedUntilItsHostWasBackIsRight(t *testing.T) {
	h := good()
	o := op(h, "w", 1)
	o.Call, o.Return = 1049*ms, 2301*ms // nobody reigned at first; then the host that answers does
	h.States[0].Writer = "db1"
	if f := readFrom(h); f.Count() > 0 || f.Checked != 1 {
		t.Error(f.Violations)
	}
}

func TestGapIsFromOneAcknowledgementToTheNext(t *testing.T) {
	g := Gaps(good())[0]
	if g.Write != 1740*time.Millisecond || g.From != 1260*ms {
		t.Errorf("write gap %v from %d", g.Write, g.From)
	}
	if g.VIP != 200*time.Millisecond || g.Silent != "W" {
		t.Errorf("VIP %s was silent for %v", g.Silent, g.VIP)
	}
	h := good()
	h.Run.Ended = 1300 * ms
	if g := Gaps(h)[0]; g.Write != 1150*time.Millisecond || g.From != 110*ms {
		t.Errorf("write gap %v from %d", g.Write, g.From)
	}
}

func TestGapOfTheNextFaultIsNotCounted(t *testing.T) {
	h := good()
	next := h.Faults[0]
	next.ID, next.Strike, next.Begin = 2, 2, 1255*ms
	h.Faults = append(h.Faults, next)
	g := Gaps(h)
	if g[0].Write != 1145*time.Millisecond || g[1].Write != 1740*time.Millisecond {
		t.Errorf("gaps %v and %v", g[0].Write, g[1].Write)
	}
}

func TestUnknownWriteMayTakeEffectLater(t *testing.T) {
	h := good()
	h.Ops = append(h.Ops,
		history.Op{Client: "r", Do: history.Set, Key: "k", Value: 5, Call: 140 * ms, Return: 150 * ms, Outcome: history.Unknown},
		history.Op{Client: "r", Do: history.Get, Key: "k", Value: 1, Call: 160 * ms, Return: 170 * ms, Outcome: history.OK},
		history.Op{Client: "r", Do: history.Get, Key: "k", Value: 5, Call: 900 * ms, Return: 910 * ms, Outcome: history.OK})
	if f := register(h); f.Count() > 0 {
		t.Error(f.Violations)
	}
	h.Ops = append(h.Ops, history.Op{Client: "r", Do: history.Get, Key: "k", Value: 1, Call: 920 * ms, Return: 930 * ms, Outcome: history.OK})
	if f := register(h); f.Count() != 1 {
		t.Error("a value that came back was not found")
	}
}

func TestReignsAndFailovers(t *testing.T) {
	r := Reigns(good())
	if len(r) != 2 || r[0].Writer != "db1" || r[0].To != 1010*ms || r[1].From != 1050*ms || r[1].To != 3000*ms {
		t.Errorf("%+v", r)
	}
	if n := Failovers(good()); n != 1 {
		t.Errorf("%d failovers", n)
	}
}
