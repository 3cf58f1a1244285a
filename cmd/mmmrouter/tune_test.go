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
