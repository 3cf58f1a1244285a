package gtid

import (
	"reflect"
	"strings"
	"testing"
)

// seeds are texts from which the fuzzers start.
var seeds = []string{
	"", "0-1-100", "0-1-100,1-2-5", " 0-1-0,\n4294967295-4294967295-18446744073709551615", "0-1-5,0-2-6",
	uuidA + ":1-5:7", strings.ToUpper(uuidA) + ":1," + uuidB + ":tag:1-3:4:Tag:9", uuidA + ":9223372036854775806",
	uuidA + ":1-,:", "0-1-1," + uuidA + ":1", uuidA, "-,-:-",
}

func FuzzSetReadsWhatItWrites(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			if !s.Empty() || len(err.Error()) > 500 {
				t.Fatalf("%q gave %q and %v", text, s, err)
			}
			return
		}
		again, err := Parse(s.String())
		if err != nil || !reflect.DeepEqual(again, s) {
			t.Fatalf("%q is %q, which is %q (%v)", text, s, again, err)
		}
		_, noMariaDB := ParseFlavor(MariaDB, text)
		_, noMySQL := ParseFlavor(MySQL, text)
		if noMariaDB == nil && noMySQL == nil && strings.Trim(text, blanks) != "" {
			t.Fatalf("%q is of both flavors", text)
		}
	})
}

func FuzzStateReadsWhatItWrites(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseState(text)
		if err != nil {
			return
		}
		again, err := ParseState(s.String())
		if err != nil || !reflect.DeepEqual(again, s) {
			t.Fatalf("%q is %q, which is %q (%v)", text, s, again, err)
		}
		if got := Errant(s, again); got != nil {
			t.Fatalf("%q is errant against itself: %v", s, got)
		}
		if position, err := Parse(s.Position().String()); err != nil || !position.Equal(s.Position()) {
			t.Fatalf("the position of %q is %q (%v)", s, s.Position(), err)
		}
	})
}

func FuzzTwoSetsHaveOneOrder(f *testing.F) {
	for i, s := range seeds {
		f.Add(s, seeds[(i*7+3)%len(seeds)])
	}
	f.Fuzz(func(t *testing.T, textA, textB string) {
		a, errA := Parse(textA)
		b, errB := Parse(textB)
		if errA != nil || errB != nil {
			return
		}
		union := a.Union(b)
		switch order := Compare(a, b); {
		case !reflect.DeepEqual(union, b.Union(a)),
			!reflect.DeepEqual(a.Minus(b).Union(b), union),
			(Distance(a, b) == 0) != b.Contains(a),
			order == Equal && !reflect.DeepEqual(a, b),
			order == Before && !reflect.DeepEqual(union, b),
			order == After && !reflect.DeepEqual(union, a),
			union.Highest() != max(a.Highest(), b.Highest()):
			t.Fatalf("%q and %q are %s; together %q", a, b, order, union)
		}
	})
}
