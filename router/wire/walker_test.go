package wire

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// pack makes packets of payloads.
func pack(payloads ...[]byte) []byte {
	var b []byte
	seq := byte(1)
	for _, p := range payloads {
		b, seq = AppendPacket(b, p, seq)
	}
	return b
}

var (
	caps41   = Protocol41 | MultiResults | PluginAuth | SecureConnection
	capsNew  = caps41 | DeprecateEOF | SessionTrack
	column   = []byte("\x03def description of a column")
	textRow  = []byte("\x01a\x01b")
	plainEOF = EOF{Status: Autocommit}.Append(nil)
	moreEOF  = EOF{Status: Autocommit | MoreResults}.Append(nil)
	outsEOF  = EOF{Status: Autocommit | MoreResults | OutParameters}.Append(nil)
	cursor   = EOF{Status: Autocommit | CursorExists}.Append(nil)
	lastSent = EOF{Status: Autocommit | LastRowSent}.Append(nil)
	plainOK  = OK{Status: Autocommit}.Append(nil, capsNew)
	moreOK   = OK{Status: Autocommit | MoreResults}.Append(nil, capsNew)
	endOK    = OK{EOF: true, Status: Autocommit}.Append(nil, capsNew)
	refusal  = (&Err{Code: 1290, State: "HY000", Message: "no"}).Append(nil)
	hugeRow  = append([]byte{0xfe, 0, 0, 0, 1, 0, 0, 0, 0}, make([]byte, MaxPayload)...)
)

// answers are whole answers, with how often Walk stops at something.
var answers = []struct {
	name    string
	command Command
	caps    Capability
	packets [][]byte
	events  []Event
}{
	{"ok", ComQuery, caps41, [][]byte{plainOK}, []Event{End}},
	{"refused", ComQuery, caps41, [][]byte{refusal}, []Event{End}},
	{"rows, old", ComQuery, caps41, [][]byte{{2}, column, column, plainEOF, textRow, textRow, plainEOF}, []Event{End}},
	{"rows, new", ComQuery, capsNew, [][]byte{{2}, column, column, textRow, endOK}, []Event{End}},
	{"no rows", ComQuery, capsNew, [][]byte{{1}, column, endOK}, []Event{End}},
	{"two results", ComQuery, caps41, [][]byte{{1}, column, plainEOF, textRow, moreEOF, plainOK}, []Event{Middle, End}},
	{"call with OUT parameters, MySQL", ComStmtExecute, caps41, [][]byte{{1}, column, outsEOF, textRow, plainEOF, plainOK}, []Event{Middle, End}},
	{"call", ComQuery, capsNew, [][]byte{moreOK, {1}, column, endOK}, []Event{Middle, End}},
	{"error among rows", ComQuery, capsNew, [][]byte{{1}, column, textRow, refusal}, []Event{End}},
	{"error among columns", ComQuery, caps41, [][]byte{{3}, column, refusal}, []Event{End}},
	{"empty row", ComQuery, capsNew, [][]byte{{1}, column, {}, endOK}, []Event{End}},
	{"a row of 16 MiB that looks like an end", ComQuery, capsNew, [][]byte{{1}, column, hugeRow, textRow, endOK}, []Event{End}},
	{"a row of exactly 16 MiB", ComQuery, caps41, [][]byte{{1}, column, plainEOF, hugeRow[:MaxPayload], plainEOF}, []Event{End}},
	{"file", ComQuery, caps41, [][]byte{[]byte("\xfbfile"), plainOK}, []Event{Local, End}},
	{"cursor, old", ComStmtExecute, caps41, [][]byte{{1}, column, cursor}, []Event{End}},
	{"fetch", ComStmtFetch, caps41, [][]byte{{0, 0, 1}, lastSent}, []Event{End}},
	{"statistics", ComStatistics, caps41, [][]byte{[]byte("Uptime: 1")}, []Event{End}},
	{"field list", ComFieldList, caps41, [][]byte{column, column, plainEOF}, []Event{End}},
	{"set option", ComSetOption, caps41, [][]byte{plainEOF}, []Event{End}},
	{"prepare, nothing", ComStmtPrepare, capsNew, [][]byte{{0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}, []Event{Ready, End}},
	{"prepare, new", ComStmtPrepare, capsNew, [][]byte{{0, 7, 0, 0, 0, 2, 0, 1, 0, 0, 0, 0}, column, column, column}, []Event{Ready, End}},
	{"prepare, old", ComStmtPrepare, caps41, [][]byte{{0, 7, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0}, column, column, plainEOF, column, plainEOF}, []Event{Ready, End}},
	{"prepare, columns only", ComStmtPrepare, caps41, [][]byte{{0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0}, column, plainEOF}, []Event{Ready, End}},
	{"prepare refused", ComStmtPrepare, caps41, [][]byte{refusal}, []Event{End}},
	{"progress", ComQuery, caps41 | MariaProgress, [][]byte{[]byte("\xff\xff\xff\x01\x01\x02abc"), plainOK}, []Event{End}},
}

// walk walks over an answer in pieces, and returns what came out of it in order.
func walk(t *testing.T, w *Walker, b []byte, piece func() int) (out []byte, events []Event) {
	t.Helper()
	var have []byte
	for steps := 0; ; steps++ {
		n, e := w.Walk(have)
		out = append(out, have[:n]...)
		have = have[n:]
		if e != More {
			events = append(events, e)
			if !bytes.HasPrefix(have, w.Packet) {
				t.Fatal("the packet is not at its place")
			}
			out = append(out, w.Packet...)
			have = have[len(w.Packet):]
			if e == End {
				if len(have)+len(b) > 0 {
					t.Fatalf("it ended %d bytes too early", len(have)+len(b))
				}
				return out, events
			}
			continue
		}
		if len(b) == 0 {
			t.Fatalf("it did not end: %v, %d bytes left over", events, len(have))
		}
		k := min(piece(), len(b))
		have = append(have, b[:k]...)
		b = b[k:]
	}
}

func TestWalkFindsTheEndOfEveryAnswer(t *testing.T) {
	for _, a := range answers {
		b := pack(a.packets...)
		for name, piece := range map[string]func() int{
			"whole":     func() int { return len(b) },
			"one by on": func() int { return max(1, len(b)/5000) },
			"pieces":    func() int { return 1 + rand.IntN(max(2, len(b)/3)) },
		} {
			var w Walker
			w.Start(a.command, a.caps)
			out, events := walk(t, &w, b, piece)
			if !bytes.Equal(out, b) {
				t.Errorf("%s, %s: other bytes came out than went in", a.name, name)
			}
			if string(eventsText(events)) != string(eventsText(a.events)) {
				t.Errorf("%s, %s: events %v, want %v", a.name, name, events, a.events)
			}
		}
	}
}

func eventsText(e []Event) []byte {
	var b []byte
	for _, x := range e {
		b = append(b, '0'+byte(x))
	}
	return b
}

func TestWalkAllocatesNothing(t *testing.T) {
	b := pack([]byte{1}, column, textRow, endOK)
	var w Walker
	if n := testing.AllocsPerRun(100, func() {
		w.Start(ComQuery, capsNew)
		if _, e := w.Walk(b); e != End {
			t.Fatal(e)
		}
	}); n > 0 {
		t.Fatalf("%v allocations", n)
	}
}

func BenchmarkWalkPointSelect(bench *testing.B) {
	b := pack([]byte{1}, column, plainEOF, textRow, plainEOF)
	var w Walker
	for bench.Loop() {
		w.Start(ComQuery, caps41)
		w.Walk(b)
	}
}

func FuzzWalk(f *testing.F) {
	for _, a := range answers {
		if b := pack(a.packets...); len(b) < 1000 {
			f.Add(b, byte(a.command), uint64(a.caps), uint8(3))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, c byte, caps uint64, piece uint8) {
		whole, one := fuzzed(t, b, Command(c), Capability(caps), len(b)+1)
		pieces, other := fuzzed(t, b, Command(c), Capability(caps), int(piece)+1)
		if whole != pieces || !bytes.Equal(one, other) {
			t.Fatalf("%d bytes and %v, in pieces %d and %v", whole, one, pieces, other)
		}
	})
}

// fuzzed walks over an answer in pieces, and returns how far it came if it ended,
// and at what it stopped.
func fuzzed(t *testing.T, b []byte, c Command, caps Capability, piece int) (n int, events []byte) {
	var w Walker
	if !w.Start(c, caps) {
		return 0, nil
	}
	at, have := 0, 0
	for !w.Over() {
		n, e := w.Walk(b[at : at+have])
		if n+len(w.Packet) > have {
			t.Fatal("it went too far")
		}
		at, have = at+n+len(w.Packet), have-n-len(w.Packet)
		if e != More {
			events = append(events, byte(e))
			continue
		}
		if at+have == len(b) {
			return -1, events
		}
		have = min(have+piece, len(b)-at)
	}
	return at, events
}
