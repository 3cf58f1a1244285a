package gtid

import (
	"math"
	"testing"
)

func TestSetsAreComparedAsTheServersMeanThem(t *testing.T) {
	tests := []struct {
		name, a, b   string
		order        Order
		minus, union string
		distance     uint64
	}{
		{"nothing and nothing", "", "", Equal, "", "", 0},
		{"something and nothing", "0-1-5", "", After, "0-1-5", "0-1-5", 5},
		{"the same position", "0-1-5", "0-1-5", Equal, "", "0-1-5", 0},
		{"further on", "0-1-9", "0-1-5", After, "0-1-9", "0-1-9", 4},
		{"another server went on", "0-2-6", "0-1-5", After, "0-2-6", "0-2-6", 1},
		{"behind", "0-1-5", "0-2-6", Before, "", "0-2-6", 0},
		{"one number, two servers", "0-1-27", "0-2-27", Diverged, "0-1-27", "0-2-27", 1},
		{"one number, two servers, turned round", "0-2-27", "0-1-27", Diverged, "0-2-27", "0-2-27", 1},
		{"a domain more", "0-1-5,1-1-3", "0-1-5", After, "1-1-3", "0-1-5,1-1-3", 3},
		{"a domain each", "0-1-5", "1-1-3", Diverged, "0-1-5", "0-1-5,1-1-3", 5},
		{"ahead here, behind there", "0-1-5,1-1-3", "0-1-4,1-1-9", Diverged, "0-1-5", "0-1-5,1-1-9", 1},
		{"only what is beyond remains", "0-1-9,1-1-4", "0-1-7,1-1-4", After, "0-1-9", "0-1-9,1-1-4", 2},
		{"parted in one domain, behind in the other", "0-1-5,1-1-3", "0-2-5,1-1-9", Diverged, "0-1-5", "0-2-5,1-1-9", 1},
		{"distance does not wrap", "0-1-18446744073709551615,1-1-18446744073709551615", "", After,
			"0-1-18446744073709551615,1-1-18446744073709551615", "0-1-18446744073709551615,1-1-18446744073709551615", math.MaxUint64},

		{"manual: 23 of 21-57", "A:23", "A:21-57", Before, "", "A:21-57", 0},
		{"manual: 20-25 of 21-57", "A:20-25", "A:21-57", Diverged, "A:20", "A:20-57", 1},
		{"manual: 21-57 without 21", "A:21-57", "A:21", After, "A:22-57", "A:21-57", 36},
		{"manual: 21-57 without 20-25", "A:21-57", "A:20-25", Diverged, "A:26-57", "A:20-57", 32},
		{"manual: 21-57 without 23-24", "A:21-57", "A:23-24", After, "A:21-22:25-57", "A:21-57", 35},
		{"the same, written otherwise", "A:1-3:4-5", "A:1-5", Equal, "", "A:1-5", 0},
		{"a hole is not contained", "A:1-10", "A:1-4:6-10", After, "A:5", "A:1-10", 1},
		{"another server's numbers are others", "A:1-5", "B:1-5", Diverged, "A:1-5", "B:1-5,A:1-5", 5},
		{"another tag's numbers are others", "A:1-5", "A:t:1-5", Diverged, "A:1-5", "A:1-5:t:1-5", 5},
		{"errant on one server", "A:1-100,B:1", "A:1-120", Diverged, "B:1", "B:1,A:1-120", 1},
		{"many holes", "A:1-20", "A:2:4-6:9-30:40", Diverged, "A:1:3:7-8", "A:1-30:40", 4},
		{"several runs in one hole", "A:1:3:5:7-9", "A:2-8", Diverged, "A:1:9", "A:1-9", 2},
		{"the last numbers", "A:9223372036854775805-9223372036854775806", "A:9223372036854775806", After,
			"A:9223372036854775805", "A:9223372036854775805-9223372036854775806", 1},

		{"two flavors", "0-1-5", "A:1-5", Diverged, "0-1-5", "0-1-5,A:1-5", 5},
		{"two flavors against one", "0-1-5,A:1-5", "A:1-5", After, "0-1-5", "0-1-5,A:1-5", 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, b := set(t, tt.a), set(t, tt.b)
			if got := Compare(a, b); got != tt.order {
				t.Errorf("Compare is %s, want %s", got, tt.order)
			}
			if got := a.Minus(b).String(); got != long(tt.minus) {
				t.Errorf("Minus is %q, want %q", got, long(tt.minus))
			}
			if got := a.Union(b).String(); got != long(tt.union) {
				t.Errorf("Union is %q, want %q", got, long(tt.union))
			}
			if got := Distance(a, b); got != tt.distance {
				t.Errorf("Distance is %d, want %d", got, tt.distance)
			}
		})
	}
}

func TestHighestIsOverAllDomainsAndServers(t *testing.T) {
	for text, want := range map[string]uint64{
		"": 0, "0-1-5": 5, "0-1-5,1-9-12,2-1-7": 12, "A:1-3:40,B:5": 40, "A:1-3,B:t:77": 77, "0-1-50,A:9": 50,
	} {
		if got := set(t, text).Highest(); got != want {
			t.Errorf("of %q it is %d, want %d", text, got, want)
		}
	}
}
