package lease

import (
	"fmt"
	"strings"

	"github.com/mmm-ha/mmm/chaos/model/explore"
)

const (
	hosts   = 3
	ttl     = 3
	slip    = 1   // ticks that a local timer may lose between two renewals
	forever = 100 // Host.Port without a limit
	none    = -1
)

// Host is a database host: its agent, its kernel, and the door of its mysqld.
type Host struct {
	Alive    bool // the agent runs
	Writer   bool // and believes that it reigns
	Writable bool // read_only=0
	Port     int8 // ticks until the kernel closes it
	Slow     int8 // ticks lost since the last renewal
	Ask      int8 // age of a keepalive on its way
	Reply    int8 // age, since it was sent, of a keepalive that was answered
	Left     int8 // a lifetime that was computed and is not yet written
	Campaign bool // one is on its way
	Promise  int8 // ticks for which it has promised not to run
	Grant    int8 // age of a promise on its way to the writer
	Wait     int8 // ticks for which a new agent may not run
}

// State is the hosts and what etcd holds.
type State struct {
	H      [hosts]Host
	Key    int8 // holder of the writer key
	Lease  int8 // ticks that its lease lasts
	Round  int8 // age of a round of promises
	By     int8 // who asked for them
	Got    uint8
	Faults int8
	Spec   uint8 // hosts of the cluster file
	Listed uint8 // hosts that the writer wrote down as voters
}

func (p *protocol) margin() int8 {
	if p.Margin {
		return 1
	}
	return 0
}

func (p *protocol) start() State {
	s := State{Lease: ttl, Round: none, Spec: 0b111, Listed: 0b111}
	if p.Added {
		s.Spec, s.Listed = 0b011, 0b011
	}
	for i := range s.H {
		s.H[i] = Host{Alive: true, Port: forever, Ask: none, Reply: none, Left: none, Grant: none}
	}
	s.H[0].Writer, s.H[0].Writable, s.H[0].Port = true, true, ttl-p.margin()
	return s
}

// Bad names the guarantee that s breaks.
func Bad(s State) string {
	n := 0
	for i := range s.H {
		if s.H[i].Writable && s.H[i].Port > 0 {
			n++
		}
	}
	if n > 1 {
		return "G1: two hosts acknowledge client writes"
	}
	return ""
}

// Show is s in one line.
func Show(s State) string {
	var b strings.Builder
	fmt.Fprintf(&b, "key=%c lease=%d", explore.Letter(s.Key), s.Lease)
	if s.Round != none {
		fmt.Fprintf(&b, " round of %c", explore.Letter(s.By))
	}
	for i, h := range s.H {
		fmt.Fprintf(&b, " | %c", explore.Letter(int8(i)))
		for _, f := range []struct {
			is   bool
			word string
		}{{!h.Alive, "no-agent"}, {h.Writer, "writer"}, {h.Writable, "rw"}, {h.Campaign, "campaigns"}} {
			if f.is {
				b.WriteString(" " + f.word)
			}
		}
		if h.Port == forever {
			b.WriteString(" port=open")
		} else {
			fmt.Fprintf(&b, " port=%d", h.Port)
		}
		if h.Promise > 0 {
			fmt.Fprintf(&b, " promised=%d", h.Promise)
		}
	}
	return b.String()
}

// mirrored is s, or s with B and C exchanged, always the same one of the two.
func mirrored(s State) State {
	if rank(&s.H[1]) <= rank(&s.H[2]) {
		return s
	}
	s.H[1], s.H[2] = s.H[2], s.H[1]
	s.Key, s.By = other(s.Key), other(s.By)
	s.Got = swap(s.Got)
	return s
}

func other(i int8) int8 {
	switch i {
	case 1:
		return 2
	case 2:
		return 1
	}
	return i
}

func swap(set uint8) uint8 { return set&1 | set>>1&1<<2 | set>>2&1<<1 }

// rank orders hosts in any way that tells all of them apart.
func rank(h *Host) uint64 {
	n := uint64(0)
	for _, b := range []bool{h.Alive, h.Writer, h.Writable, h.Campaign} {
		n <<= 1
		if b {
			n |= 1
		}
	}
	for _, v := range []int8{h.Slow, h.Ask, h.Reply, h.Left, h.Promise, h.Grant, h.Wait} {
		n = n<<4 | uint64(v+1)
	}
	return n<<8 | uint64(h.Port)
}

func older(age int8) int8 {
	if age < 0 || age >= ttl { // worth nothing any more
		return none
	}
	return age + 1
}
