package aside

import (
	"fmt"
	"slices"

	"github.com/mmm-ha/mmm/chaos/model/explore"
)

// quorum is a writer that waits for W acknowledgements of three ackers, and W is
// changed under it. The election hears |S| - W + 1 of S, with the W of etcd.
type quorum struct {
	raiseServer bool // R26: raised at the server first, then in etcd
	lowerEtcd   bool // R26: lowered in etcd first, then at the server
	caughtUp    bool // R26: raised in etcd when W hosts have what was acknowledged by fewer
}

type quorumState struct {
	has          [3]int8 // transactions that each acker has
	written, ok  int8    // by the writer; of these told OK
	server, etcd int8    // W
	changes      int8
}

func (m quorum) run(limit int) explore.Result {
	return explore.Run(explore.Model[quorumState]{
		Init: quorumState{server: 1, etcd: 1}, Next: m.next, Bad: m.bad, Show: func(s quorumState) string {
			return fmt.Sprintf("written %d, OK %d, ackers have %v, W at the server %d, in etcd %d", s.written, s.ok, s.has, s.server, s.etcd)
		},
	}, limit)
}

// acked is how many transactions w ackers have.
func (s quorumState) acked(w int8) int8 {
	has := s.has
	slices.Sort(has[:])
	return has[3-w]
}

func (m quorum) next(s quorumState, out *explore.Steps[quorumState]) {
	if s.written < 3 {
		t := s
		t.written++
		out.Add(t, "a client writes t%d", t.written)
	}
	for i := range s.has {
		if t := s; s.has[i] < s.written {
			t.has[i]++
			out.Add(t, "acker %h receives t%d", int8(i), t.has[i])
		}
	}
	if n := s.acked(s.server); n > s.ok {
		t := s
		t.ok = n
		out.Add(t, "clients are told OK up to t%d", n)
	}
	if s.changes > 3 {
		return
	}
	set := func(server, etcd int8, text string) {
		t := s
		t.server, t.etcd, t.changes = server, etcd, s.changes+1
		out.Add(t, text)
	}
	if s.server == 1 && (m.raiseServer || s.etcd == 2) && s.changes < 2 {
		set(2, s.etcd, "the server waits for two from now on")
	}
	if s.etcd == 1 && (!m.raiseServer || s.server == 2) && (!m.caughtUp || s.acked(2) >= s.ok) && s.changes < 2 {
		set(s.server, 2, "etcd: W = 2")
	}
	if s.etcd == 2 && (m.lowerEtcd || s.server == 1) && s.changes >= 2 {
		set(s.server, 1, "etcd: W = 1")
	}
	if s.server == 2 && (!m.lowerEtcd || s.etcd == 1) && s.changes >= 2 {
		set(1, s.etcd, "the server waits for one from now on")
	}
}

// bad: the fewest that suffice for a proof may all lack what was told OK.
func (m quorum) bad(s quorumState) string {
	has := s.has
	slices.Sort(has[:])
	if heard := 3 - s.etcd + 1; has[heard-1] < s.ok {
		return "G2: enough bids for a proof, and none has what a client was told is safe"
	}
	return ""
}

func quorumCases() []explore.Case {
	return []explore.Case{
		holds("quorum: all rules", "W goes from one to two and back under writes", quorum{true, true, true}.run),
		breaks("quorum: without raising at the server first", "R26", "etcd says two while the server still waits for one", "G2", quorum{false, true, true}.run),
		breaks("quorum: without lowering in etcd first", "R26", "the server waits for one while etcd still says two", "G2", quorum{true, false, true}.run),
		breaks("quorum: without the second copy of what one had acknowledged", "R26", "W is raised in etcd although older writes have one copy only", "G2", quorum{true, true, false}.run),
	}
}
