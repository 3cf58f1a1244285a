package explore

import (
	"fmt"
	"slices"
	"testing"
)

// count is a model that counts up to ten, jumps by three now and then, and falls
// into a hole at seven.
func count(bad int, hole bool) Model[int] {
	return Model[int]{
		Next: func(s int, o *Steps[int]) {
			switch {
			case hole && s == 7:
			case s < 10:
				o.Add(s+1, "one more than %d", int8(s))
				o.Fault(min(10, s+3), "jumps")
			default:
				o.Add(0, "starts again")
			}
		},
		Bad: func(s int) string {
			if s == bad {
				return "G9: it is there"
			}
			return ""
		},
		Good: func(s int) bool { return s == 10 },
		Show: func(s int) string { return fmt.Sprint(s) },
	}
}

func TestShortestWayIsFound(t *testing.T) {
	r := Run(count(7, false), 100)
	if r.Verdict != Broken || r.Why != "G9: it is there" || len(r.Trace) != 4 || r.Depth != 3 {
		t.Fatalf("%+v", r)
	}
	faults := slices.DeleteFunc(slices.Clone(r.Trace), func(l string) bool { return l[:5] != "FAULT" })
	if len(faults) != 2 {
		t.Errorf("%q", r.Trace)
	}
}

func TestEveryStateIsSeen(t *testing.T) {
	if r := Run(count(-1, false), 100); r.Verdict != Holds || r.States != 11 || r.Stalls != 0 || r.Depth != 4 {
		t.Errorf("%+v", r)
	}
}

// A fault that would lead out of a hole is no way out of it.
func TestStallIsFound(t *testing.T) {
	r := Run(count(-1, true), 100)
	if r.Verdict != Stalls || r.Stalls != 8 {
		t.Errorf("%+v", r) // 0 to 7 end in the hole unless a fault jumps over it
	}
	if m := count(-1, true); len(r.Trace) == 0 {
		t.Errorf("no trace: %+v, %v", r, m.Init)
	}
}

func TestLimitIsTold(t *testing.T) {
	if r := Run(count(-1, false), 5); r.Verdict != CutOff || r.States != 5 {
		t.Errorf("%+v", r)
	}
}

// TestManyStates fills tables and columns beyond their first size, and compares
// with what must come out: a grid has as many states as fields.
func TestManyStates(t *testing.T) {
	const side = 700
	type at struct{ x, y int16 }
	m := Model[at]{
		Next: func(s at, o *Steps[at]) {
			o.Add(at{(s.x + 1) % side, s.y}, "right")
			o.Add(at{s.x, (s.y + 1) % side}, "down")
		},
		Bad:  func(at) string { return "" },
		Good: func(s at) bool { return s == at{side - 1, side - 1} },
	}
	r := Run(m, side*side)
	if r.Verdict != Holds || r.States != side*side || r.Edges != 2*side*side || r.Depth != 2*(side-1) {
		t.Errorf("%+v", r)
	}
}

func TestTextsOfSteps(t *testing.T) {
	l := label{text: "%h tells %s of %d", args: [3]int8{1, 0b101, 7}}
	if got := l.String(); got != "B tells {AC} of 7" {
		t.Errorf("%q", got)
	}
	if got := (label{text: "won: %v"}).String(); got != "won: no" {
		t.Errorf("%q", got)
	}
}
