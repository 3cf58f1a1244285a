package main

import "testing"

func TestThreadsAreHalfOfTheProcessorsUnlessTheFileSaysHowMany(t *testing.T) {
	for _, c := range []struct{ wanted, processors, want int }{
		{0, 1, 1}, {0, 2, 1}, {0, 3, 1}, {0, 4, 2}, {0, 64, 32}, {1, 8, 1}, {8, 2, 8},
	} {
		if got := threadsOf(c.wanted, c.processors); got != c.want {
			t.Errorf("threads: %d on %d processors: %d, want %d", c.wanted, c.processors, got, c.want)
		}
	}
}

func TestMemoryIsGivenBackOnceWhenACrowdHasCome(t *testing.T) {
	var c crowd
	for i, look := range []struct {
		come uint64
		want bool
	}{
		{0, false}, {99, false}, {99, false}, // too few
		{150, false}, {1000, false}, {1000, true}, {1000, false}, // calm, once
		{1010, false}, {1010, false}, {1100, false}, {1100, true},
	} {
		if got := c.passed(look.come); got != look.want {
			t.Errorf("look %d, %d have come: %t, want %t", i+1, look.come, got, look.want)
		}
	}
}
