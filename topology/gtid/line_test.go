package gtid

import (
	"slices"
	"strings"
	"testing"
)

func joint(before, after string) Joint {
	b, _ := Parse(before)
	a, _ := Parse(after)
	return Joint{Before: b, After: a}
}

func TestLineTellsWhatASourceNeverHad(t *testing.T) {
	joints := []Joint{joint("0-3-500", "0-2-2000"), joint("0-2-2040", "0-1-4000"), joint("", "5-9-3")}
	state, _ := ParseState("0-3-500,0-2-2040,0-1-4100,5-9-7")
	tip, _ := Parse("0-1-4000")
	for _, c := range []struct {
		name, id string
		foreign  bool
		line     Line
	}{
		{"of a reign", "0-2-2017", false, Line{Joints: joints, State: state}},
		{"the end of a reign", "0-2-2040", false, Line{Joints: joints, State: state}},
		{"the first of a reign", "0-1-4000", false, Line{Joints: joints, State: state}},
		{"of the present reign, newer than the state", "0-1-9999", false, Line{Joints: joints, State: state}},
		{"behind the end of a reign, of its writer", "0-2-2041", true, Line{Joints: joints, State: state}},
		{"a number jumped over, of the next writer", "0-1-3999", true, Line{Joints: joints, State: state}},
		{"the last number of a reign from another server", "0-7-2040", true, Line{Joints: joints, State: state}},
		{"the first number of a reign from another server", "0-7-4000", true, Line{Joints: joints, State: state}},
		{"amid a reign, from another server", "0-7-4050", true, Line{Joints: joints, State: state}},
		{"amid a reign, from another server that the source has too", "0-3-450", false, Line{Joints: joints[1:2], State: state}},
		{"older than the joints", "0-7-499", false, Line{Joints: joints, State: state}},
		{"another domain, before its first", "5-9-2", true, Line{Joints: joints, State: state}},
		{"another domain", "5-9-6", false, Line{Joints: joints, State: state}},
		{"a domain that nobody knows", "8-1-1", false, Line{Joints: joints, State: state}},
		{"beyond the tip, in the state", "0-1-4100", false, Line{Joints: joints, State: state, Tip: tip}},
		{"beyond the tip, not in the state", "0-1-4101", true, Line{Joints: joints, State: state, Tip: tip}},
		{"before the tip", "0-2-2017", false, Line{Joints: joints, State: state, Tip: tip}},
		{"nothing is known of the line", "0-1-1", false, Line{}},
	} {
		id, err := Parse(c.id)
		if err != nil {
			t.Fatal(err)
		}
		slices.Reverse(c.line.Joints) // any order is right
		if got := c.line.Foreign(id); got != c.foreign {
			t.Errorf("%s: %s is foreign: %t", c.name, c.id, got)
		}
		slices.Reverse(c.line.Joints)
	}
}

// A line that is simulated reign by reign denies exactly what a loser kept.
func TestLineDeniesExactlyTheLostTails(t *testing.T) {
	for seed := range uint64(2000) {
		next := func(n uint64) uint64 { seed = seed*6364136223846793005 + 1442695040888963407; return (seed >> 33) % n }
		var line Line
		var kept, lost []triple
		number, last := uint64(0), triple{}
		for range 2 + next(5) {
			server := uint32(1 + next(3))
			before := Set{}
			if last.number > 0 {
				before.mariadb = position{last}
			}
			number += 1000
			for i := range 1 + next(6) {
				if i > 0 {
					number++
				}
				last = triple{0, server, number}
				kept = append(kept, last)
				if i == 0 {
					line.Joints = append(line.Joints, Joint{Before: before, After: Set{mariadb: position{last}}})
				}
			}
			for i := range next(4) { // what a writer had alone when it died
				lost = append(lost, triple{0, server, number + 1 + i})
			}
			if next(3) == 0 { // what somebody wrote on a replica that never wrote otherwise
				lost = append(lost, triple{0, 9, number})
			}
			number += 5
		}
		for _, k := range kept {
			line.State = line.State.With(Set{mariadb: position{k}})
		}
		end := kept[len(kept)-1]
		for _, k := range kept {
			if line.foreign(k) {
				t.Fatalf("denies %s of its own line %+v", k, line)
			}
		}
		for _, x := range lost {
			if own := x.server == end.server && x.number > end.number; !line.foreign(x) && !own {
				t.Fatalf("does not deny %s; line %+v", x, line)
			}
		}
	}
}

func TestStateAfterOneMoreTransaction(t *testing.T) {
	for _, c := range [][3]string{
		{"", "0-1-1", "0-1-1"},
		{"0-1-5,0-2-3", "0-2-4", "0-1-5,0-2-4"},
		{"0-2-3,0-1-5", "0-2-6", "0-1-5,0-2-6"},
		{"0-1-5,7-1-2", "0-3-6", "0-1-5,0-3-6,7-1-2"},
	} {
		s, _ := ParseState(c[0])
		id, _ := Parse(c[1])
		if got := s.With(id); got.String() != c[2] || !got.Position().Contains(id) || !got.Knows(id) || s.Knows(id) && c[0] != "" && !strings.Contains(c[0], c[1]) {
			t.Errorf("%s with %s is %s", c[0], c[1], got)
		}
	}
}

func TestWritesOfAServerBehindTheReignOfAnotherAreStrays(t *testing.T) {
	start, old, row := set(t, "0-1-1000"), joint("", "0-3-500"), joint("0-1-1500", "0-3-2000500")
	other := joint("0-1-1500", "0-4-2000500")
	for _, x := range []struct {
		name, state string
		start       Set
		joints      []Joint
		want        []string
	}{
		{name: "nothing of its own", state: "0-2-7,0-1-1500", start: start},
		{name: "an earlier reign of its own", state: "0-3-999,0-1-1500", start: start},
		{name: "behind the beginning", state: "0-1-1500,0-3-1501", start: start, want: []string{"0-3-1501"}},
		{name: "met by the writer already", state: "0-3-1501,0-1-1502", start: start, want: []string{"0-3-1501"}},
		{name: "another server's", state: "0-1-1500,0-4-1501", start: start},
		{name: "the row of a reign that never opened", state: "0-1-1500,0-3-2000500", start: start, joints: []Joint{old, row}},
		{name: "behind that row", state: "0-1-1500,0-3-2000501", start: start, joints: []Joint{old, row}},
		{name: "before that row", state: "0-1-1500,0-3-1501", start: start, joints: []Joint{old, row}, want: []string{"0-3-1501"}},
		{name: "the row of another's", state: "0-1-1500,0-3-2000501", start: start, joints: []Joint{old, other}, want: []string{"0-3-2000501"}},
		{name: "an old row of its own", state: "0-1-1500,0-3-1501", start: start, joints: []Joint{old}, want: []string{"0-3-1501"}},
		{name: "rows that do not reach back", state: "0-1-1500,0-3-2000501", start: start, joints: []Joint{other}},
		{name: "a reign of its own", state: "0-3-1501", start: set(t, "0-3-1000")},
		{name: "another domain", state: "5-3-1501,0-1-1500", start: start},
		{name: "two domains", state: "0-3-1501,5-3-9", start: set(t, "0-1-1000,5-1-8"), want: []string{"0-3-1501", "5-3-9"}},
		{name: "no beginning is known", state: "0-3-1501"},
	} {
		if got := state(t, x.state).Strays(3, x.start, x.joints); !slices.Equal(got, x.want) {
			t.Errorf("%s: %v, want %v", x.name, got, x.want)
		}
	}
}
