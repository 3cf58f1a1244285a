package data

import (
	"fmt"
	"strings"

	"github.com/mmm-ha/mmm/chaos/model/explore"
)

const (
	hosts       = 3
	candidates  = 0b011 // A and B may be writer
	longest     = 7     // log entries a host can have
	none        = -1
	noPut       = 0xFF // State.Put: nothing is on its way
	stale       = 0xFF // Host.Seen: the campaign's guard fails
	epochRow    = 100  // entry epochRow+e of a log is the first of epoch e
	firstClient = 1    // client transactions are 1, 2, ...
)

// Steps of a reign.
const (
	catchingUp = iota
	opening
	ready
)

// Steps of a switchover.
const (
	noOrder = iota
	asked
	drained
	targetReady
	aborted
	done
)

// Host is a mysqld with its agent.
type Host struct {
	Log    [longest]uint8 // entries in order: first the binlog, then what the relay log adds
	Len    int8           // both
	App    int8           // in the binlog
	Com    int8           // committed; on a writer: released by an acknowledgement
	Up     bool
	Agent  bool // the agent runs and sees etcd
	RO     bool
	Port   bool  // clients are admitted
	IO     int8  // whom the IO thread reads from
	AckTo  int8  // an acknowledgement on its way
	AckPos int8  // of everything up to here
	Fresh  bool  // this run of mysqld is the one that reign names
	Bound  bool  // this run of mysqld is the one that its bid or term names
	Bid    int8  // position; none: no bid
	BidFor uint8 // reign after which it was placed
	Camp   bool  // a campaign is on its way
	For    uint8 // the reign that it is guarded by
	Seen   uint8 // the bids that it is guarded by
	Cut    int8  // where the writer stood when it had cut this member of S off; none: it has not
}

// State is the hosts and what etcd holds.
type State struct {
	H        [hosts]Host
	Key      int8 // holder of the writer key
	Phase    int8
	Epoch    uint8
	S        uint8 // reign: the acker set
	Last     int8  // reign: its writer
	Reign    uint8 // reign: its epoch
	Shut     uint8 // whom the writer's filter refuses
	Put      uint8 // a put of reign on its way: its S
	PutFresh uint8 // members whose mysqld is still the one that the put names
	Solo     bool  // the writer's semi-sync is off
	Order    int8  // step of the switchover
	Stop     int8  // where the old writer stopped for it
	Hand     bool  // the hand-over is on its way
	Tx       int8
	Acked    uint8 // client transactions that a client holds an OK for
	Faults   int8
	Lost     bool
	Two      bool
}

// Start is A in its first reign, followed by B and C.
func Start() State {
	s := State{Phase: ready, Epoch: 1, S: 0b110, Reign: 1, Put: noPut, Shut: 0b001}
	for i := range s.H {
		s.H[i] = Host{Up: true, Agent: true, RO: true, AckTo: none, Bid: none, Fresh: true, Cut: none}
	}
	s.H[0].RO, s.H[0].Port, s.H[0].IO, s.H[0].Bound = false, true, none, true
	return s
}

// Bad names the guarantee that s breaks.
func Bad(s State) string {
	switch {
	case s.Lost:
		return "G2: a writer opens without an acknowledged transaction"
	case s.Two:
		return "G1: a host acknowledges although another one's reign is open"
	}
	return ""
}

// Good reports whether a writer serves and nobody waits for an acknowledgement.
func Good(s State) bool {
	if s.Key == none || s.Phase != ready {
		return false
	}
	h := &s.H[s.Key]
	return h.Up && h.Agent && !h.RO && h.Port && h.Com == h.App
}

// Show is s in one line.
func Show(s State) string {
	var b strings.Builder
	fmt.Fprintf(&b, "key=%c/%s e%d S=%s", explore.Letter(s.Key), []string{"catching-up", "opening", "ready"}[s.Phase], s.Epoch, explore.Set(s.S))
	if s.Put != noPut {
		fmt.Fprintf(&b, " put=%s", explore.Set(s.Put))
	}
	fmt.Fprintf(&b, " shut=%s OK=%s", explore.Set(s.Shut), numbers(s.Acked))
	for i, h := range s.H {
		fmt.Fprintf(&b, " | %c", explore.Letter(int8(i)))
		for _, f := range []struct {
			is   bool
			word string
		}{{!h.Up, "down"}, {!h.Agent, "no-agent"}, {!h.RO, "rw"}, {h.Up && !h.Fresh, "new-run"}} {
			if f.is {
				b.WriteString(" " + f.word)
			}
		}
		if h.IO != none {
			fmt.Fprintf(&b, " <%c", explore.Letter(h.IO))
		}
		if h.Bid != none {
			fmt.Fprintf(&b, " bid:%d", h.Bid)
		}
		fmt.Fprintf(&b, " %s", entries(h))
	}
	return b.String()
}

// entries writes a log: "t1 e2 / t3" has t3 in the relay log, "t1 e2 ? t3" waits
// with t3 for an acknowledgement.
func entries(h Host) string {
	out := []string{}
	for k := range h.Len {
		switch {
		case k == h.App:
			out = append(out, "/")
		case k == h.Com:
			out = append(out, "?")
		}
		if e := h.Log[k]; e >= epochRow {
			out = append(out, fmt.Sprintf("e%d", e-epochRow))
		} else {
			out = append(out, fmt.Sprintf("t%d", e))
		}
	}
	return "[" + strings.Join(out, " ") + "]"
}

func numbers(m uint8) string {
	out := []string{}
	for k := range 8 {
		if m>>k&1 == 1 {
			out = append(out, fmt.Sprintf("t%d", k+firstClient))
		}
	}
	return "[" + strings.Join(out, " ") + "]"
}

// agree reports whether the first n entries of two logs are the same.
func agree(a, b *Host, n int8) bool {
	for k := range n {
		if a.Log[k] != b.Log[k] {
			return false
		}
	}
	return true
}

// holds reports whether a has the first n entries of b.
func holds(a, b *Host, n int8) bool { return a.Len >= n && agree(a, b, n) }

// cut drops everything from entry n on.
func (h *Host) cut(n int8) {
	for k := n; k < h.Len; k++ {
		h.Log[k] = 0
	}
	h.Len = min(h.Len, n)
	h.App, h.Com = min(h.App, n), min(h.Com, n)
}

func (h *Host) push(e uint8) { h.Log[h.Len] = e; h.Len++ }

func in(set uint8, i int) bool { return set>>i&1 == 1 }

func with(set uint8, i int) uint8 { return set | 1<<i }

func without(set uint8, i int) uint8 { return set &^ (1 << i) }

// lastReign is the epoch of the last reign that has its acker set, which is
// what bids are placed after.
func (s *State) lastReign() uint8 { return s.Reign }

// opened checks what a writer that admits clients must hold.
func (s *State) opened(w int) {
	h := &s.H[w]
	for k := range int8(8) {
		if s.Acked>>k&1 == 0 {
			continue
		}
		found := false
		for n := range h.Len {
			found = found || h.Log[n] == uint8(k)+firstClient
		}
		s.Lost = s.Lost || !found
	}
}

// release moves a writer's commit point; clients get their OK through an open port.
func (s *State) release(w int, pos int8) {
	h := &s.H[w]
	for k := h.Com; k < pos; k++ {
		if e := h.Log[k]; e < epochRow && h.Port {
			s.Acked |= 1 << (e - firstClient)
			s.Two = s.Two || s.Key != int8(w) && s.Key != none && s.Phase == ready
		}
	}
	h.Com = max(h.Com, pos)
}
