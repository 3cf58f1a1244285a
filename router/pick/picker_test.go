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

// share lets n sessions come and says how many of them a host got.
func share(p *Picker, all []Candidate, n int, name string) int {
	got := 0
	for range n {
		c := all[p.Pick(all)]
		if c.Name == name {
			got++
		}
		p.Load(c.Name).Took()
	}
	return got
}

// settled has two hosts that are known for an hour.
func settled(at *time.Time) (*Picker, []Candidate) {
	p := picker(at)
	two := []Candidate{{"a", 1}, {"b", 1}}
	p.Pick(two)
	*at = at.Add(time.Hour)
	p.Pick(two)
	*at = at.Add(time.Hour)
	return p, two
}

func TestHostThatAnswersLateGetsLessUntilThatIsLongAgo(t *testing.T) {
	at := time.Unix(1000, 0)
	p, two := settled(&at)
	for range 100 {
		p.Load("a").Begin()
		p.Load("a").End(30 * time.Millisecond)
		p.Load("b").Begin()
		p.Load("b").End(10 * time.Millisecond)
	}
	if n := share(p, two, 1000, "a"); n < 200 || n > 320 {
		t.Errorf("%d of 1000 went to a host that takes three times as long; want about 260", n)
	}
	p, two = settled(&at)
	for range 100 {
		p.Load("a").Begin()
		p.Load("a").End(time.Second)
	}
	p.Pick(two)
	at = at.Add(20 * fadeTime)
	for range 100 {
		p.Pick(two) // somebody chooses all the time
	}
	if n := share(p, two, 1000, "a"); n < 400 {
		t.Errorf("%d of 1000 went to a host that was slow long ago", n)
	}
}

func TestSmallDifferencesInTimeAreNoise(t *testing.T) {
	at := time.Unix(1000, 0)
	p, two := settled(&at)
	for range 100 {
		p.Load("a").Begin()
		p.Load("a").End(200 * time.Microsecond)
		p.Load("b").Begin()
		p.Load("b").End(100 * time.Microsecond)
	}
	if n := share(p, two, 1000, "a"); n < 440 {
		t.Errorf("%d of 1000 went to a host that takes 0.1 ms longer", n)
	}
}

func TestHostThatComesBackBeginsSlowly(t *testing.T) {
	at := time.Unix(1000, 0)
	p, two := settled(&at)
	for range 10 { // b is no candidate for ten seconds
		at = at.Add(time.Second)
		p.Pick(two[:1])
	}
	if n := share(p, two, 200, "b"); n > 40 {
		t.Errorf("%d of 200 went to a host that has just come back", n)
	}
	at = at.Add(slowStart)
	p.Pick(two)
	if n := share(p, two, 200, "b"); n < 80 {
		t.Errorf("%d of 200 went to a host that came back a while ago", n)
	}
}

func TestHostThatWasAsideBeginsSlowly(t *testing.T) {
	at := time.Unix(1000, 0)
	p := picker(&at)
	p.Pick(three)
	at = at.Add(time.Hour)
	p.Pick(three)
	for range failuresMost {
		p.Load("a").Failed(at)
	}
	at = at.Add(asideFirst)
	p.Load("b").Took()
	if n := share(p, three, 100, "a"); n == 0 || n > 15 {
		t.Errorf("%d of 100 went to a host that was aside a moment ago", n)
	}
}

func TestARestOfTheWholeRouterIsNobodysReturn(t *testing.T) {
	at := time.Unix(1000, 0)
	p, two := settled(&at)
	since := p.Load("a").since.Load()
	at = at.Add(time.Hour)
	p.Pick(two)
	if p.Load("a").since.Load() != since {
		t.Error("nobody chose for an hour, and a host counts as new")
	}
}
