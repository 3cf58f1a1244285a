package gtid

import "testing"

func TestWhatAReignWroteContinuesItsStart(t *testing.T) {
	for _, x := range []struct {
		s, start string
		want     bool
	}{
		{"0-162-2003203", "0-162-2000001", true},
		{"0-162-2000001", "0-162-2000001", true},
		{"0-162-2000000", "0-162-2000001", false}, // before it
		{"0-161-2003203", "0-162-2000001", false}, // by somebody else
		{"1-162-2003203", "0-162-2000001", false}, // in another domain
		{"0-162-7,1-162-7", "0-162-7", false},
		{"", "0-162-7", false},
		{"0-162-7", "", false},
	} {
		s, err := Parse(x.s)
		if err != nil {
			t.Fatal(err)
		}
		start, err := Parse(x.start)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Continues(start); got != x.want {
			t.Errorf("%q continues %q: %t", x.s, x.start, got)
		}
	}
}
