package pick

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func picker(at *time.Time) *Picker {
	r := rand.New(rand.NewPCG(1, 2))
	return New(func() time.Time { return *at }, r.IntN)
}

var three = []Candidate{{"a", 1}, {"b", 2}, {"c", 1}}

func TestSessionsAreSpreadByWeight(t *testing.T) {
	at := time.Unix(1000, 0)
	p := picker(&at)
	for _, c := range three {
		p.Load(c.Name)
	}
	at = at.Add(time.Hour)
	got := map[string]int{}
	for range 4000 {
		c := three[p.Pick(three)]
		got[c.Name]++
		p.Load(c.Name).Took()
	}
	for _, c := range three {
		if want := 1000 * c.Weight; math.Abs(float64(got[c.Name]-want)) > 20 {
			t.Errorf("%s got %d of 4000, want about %d", c.Name, got[c.Name], want)
		}
	}
}

func TestHostThatFailsIsAsideAndComesBack(t *testing.T) {
	at := time.Unix(1000, 0)
	p := picker(&at)
	for range failuresMost {
		p.Load("a").Failed(at)
	}
	for range 100 {
		if three[p.Pick(three)].Name == "a" {
			t.Fatal("it was chosen")
		}
	}
	at = at.Add(asideFirst)
	seen := false
	for range 100 {
		seen = seen || three[p.Pick(three)].Name == "a"
	}
	if !seen {
		t.Fatal("it did not come back")
	}
}

func TestWhenMostFailAllAreTried(t *testing.T) {
	at := time.Unix(1000, 0)
	p := picker(&at)
	for _, n := range []string{"a", "b"} {
		for range failuresMost {
			p.Load(n).Failed(at)
		}
	}
	seen := map[string]bool{}
	for range 100 {
		seen[three[p.Pick(three)].Name] = true
	}
	if len(seen) != 3 {
		t.Fatalf("only %v", seen)
	}
	if p.Pick(nil) != -1 {
		t.Fatal("somebody was chosen of nobody")
	}
}

func TestNewHostBeginsSlowly(t *testing.T) {
	at := time.Unix(1000, 0)
	p := picker(&at)
	p.Load("a")
	p.Load("c")
	at = at.Add(time.Hour)
	two := []Candidate{{"a", 1}, {"b", 1}, {"c", 1}}
	n := 0
	for range 300 {
		c := two[p.Pick(two)]
		if c.Name == "b" {
			n++
		}
		p.Load(c.Name).Took()
	}
	if n > 30 {
		t.Fatalf("%d of 300 went to a host that has just come", n)
	}
}
