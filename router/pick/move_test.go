package pick

import (
	"testing"
	"time"
)

// crowd is sessions that stay connected, each with its host.
type crowd struct {
	p     *Picker
	all   []Candidate
	hosts []string
}

// come lets a session choose.
func (c *crowd) come() {
	name := c.all[c.p.Pick(c.all)].Name
	c.p.Load(name).Took()
	c.hosts = append(c.hosts, name)
}

// review lets each session ask once, and says how many moved.
func (c *crowd) review() (moved int) {
	for i, name := range c.hosts {
		if c.p.Better(c.all, name) {
			next := c.all[c.p.Pick(c.all)].Name
			c.p.Load(name).Gave()
			c.p.Load(next).Took()
			c.hosts[i] = next
			moved++
		}
	}
	return moved
}

func (c *crowd) at(name string) (n int) {
	for _, h := range c.hosts {
		if h == name {
			n++
		}
	}
	return n
}

func TestSessionsMoveToAHostThatHasCome(t *testing.T) {
	at := time.Unix(1000, 0)
	p, two := settled(&at)
	c := &crowd{p: p, all: two}
	for range 300 {
		c.come()
	}
	if n := c.review(); n > 10 {
		t.Errorf("%d of 300 move between hosts that have the same", n)
	}
	c.all = append(c.all, Candidate{"new", 1})
	moved := 0
	for range 12 { // two minutes
		moved += c.review()
		at = at.Add(10 * time.Second)
	}
	for _, h := range c.all {
		if n := c.at(h.Name); n < 80 || n > 120 {
			t.Errorf("%s has %d of 300", h.Name, n)
		}
	}
	if moved > 250 {
		t.Errorf("%d moves for 100 sessions", moved)
	}
	if n := c.review(); n > 10 {
		t.Errorf("%d of 300 still move", n)
	}
}

func TestNobodyMovesToAHostThatIsAsideOrFromOneThatIsUnknown(t *testing.T) {
	at := time.Unix(1000, 0)
	p, two := settled(&at)
	for range 20 {
		p.Load("a").Took()
	}
	if !p.Better(two, "a") {
		t.Error("20 sessions to none: nobody moves")
	}
	if p.Better(two, "c") {
		t.Error("a session moves that holds none of the candidates")
	}
	for range failuresMost {
		p.Load("b").Failed(at)
	}
	if p.Better(two, "a") {
		t.Error("somebody moves to a host that is aside")
	}
	if p.Better(two[:1], "a") || p.Better(nil, "a") {
		t.Error("somebody moves though there is no other")
	}
}

func TestHostThatFellBehindIsBehindForAWhile(t *testing.T) {
	at := time.Unix(1000, 0)
	p, _ := settled(&at)
	l := p.Load("a")
	if l.Behind(at) {
		t.Error("it is behind at once")
	}
	l.FellBehind(at)
	if !l.Behind(at.Add(lateFor-1)) || l.Behind(at.Add(lateFor)) {
		t.Error("it is not behind for as long as it should be")
	}
}
