package aside

import (
	"fmt"

	"github.com/mmm-ha/mmm/chaos/model/explore"
)

// numbers is a writer whose crash cuts off the tail of its binlog, and a replica
// that may hold some of it. MariaDB attaches a replica when the number of its
// last transaction is in the source's binlog; what stood under that number it
// does not ask.
type numbers struct {
	jump bool // R37: the first number of a reign is far above all that is known
	wide bool // R37: farther than any tail that somebody may have kept
	own  bool // R37: and never the same for two reigns, for the first transaction of one can be cut off as well
}

const (
	logSize = 6
	tailMax = 2 // transactions that may be cut off
)

// entry is a transaction: its number, and which one it is.
type entry struct{ number, id int8 }

type numbersState struct {
	writer, replica       [logSize]entry
	wLen, rLen            int8
	next                  int8 // id of the next transaction
	attached, away        bool
	restarts, transaction int8
}

func (m numbers) run(limit int) explore.Result {
	return explore.Run(explore.Model[numbersState]{
		Init: numbersState{attached: true, next: 1}, Next: m.next, Bad: m.bad,
		Show: func(s numbersState) string {
			return fmt.Sprintf("writer %v | replica %v attached %t", s.writer[:s.wLen], s.replica[:s.rLen], s.attached)
		},
	}, limit)
}

func (m numbers) next(s numbersState, out *explore.Steps[numbersState]) {
	last := func(log [logSize]entry, n int8) int8 {
		if n == 0 {
			return 0
		}
		return log[n-1].number
	}
	if s.transaction < 3 && s.wLen < logSize {
		t := s
		t.writer[s.wLen] = entry{last(s.writer, s.wLen) + 1, s.next}
		t.wLen, t.next, t.transaction = s.wLen+1, s.next+1, s.transaction+1
		out.Add(t, "the writer writes t%d", s.next)
	}
	if s.attached && !s.away && s.rLen < s.wLen {
		t := s
		t.replica[s.rLen] = s.writer[s.rLen]
		t.rLen++
		out.Add(t, "the replica receives number %d", s.writer[s.rLen].number)
	}
	if s.restarts < 2 && s.wLen < logSize {
		for cut := range min(s.wLen, tailMax) + 1 {
			t := s
			for k := s.wLen - cut; k < s.wLen; k++ {
				t.writer[k] = entry{}
			}
			t.wLen, t.attached, t.restarts = s.wLen-cut, false, s.restarts+1
			number := last(t.writer, t.wLen) + 1
			if m.jump {
				known := last(t.writer, t.wLen)
				if !s.away {
					known = max(known, last(s.replica, s.rLen))
				}
				number = known + 1
				if m.wide {
					number += tailMax
				}
				if m.own {
					number += (s.restarts + 1) * (tailMax + 1)
				}
			}
			t.writer[t.wLen] = entry{number, s.next}
			t.wLen, t.next = t.wLen+1, s.next+1
			out.Fault(t, "the writer restarts, %d are cut off; its new reign begins at %d", cut, number)
		}
	}
	if !s.away {
		t := s
		t.away = true
		out.Fault(t, "the replica is not to be heard")
	} else {
		t := s
		t.away = false
		out.Add(t, "the replica is back")
	}
	if !s.attached && !s.away {
		found := s.rLen == 0
		for k := range s.wLen {
			found = found || s.writer[k].number == last(s.replica, s.rLen) && k == s.rLen-1
		}
		if t := s; found { // else: error 1236, the replica has diverged and that is seen
			t.attached = true
			out.Add(t, "the replica attaches at number %d", last(s.replica, s.rLen))
		}
	}
}

func (m numbers) bad(s numbersState) string {
	if !s.attached {
		return ""
	}
	for k := range min(s.rLen, s.wLen) {
		if s.writer[k].number == s.replica[k].number && s.writer[k].id != s.replica[k].id && k == s.rLen-1 {
			return "G4: replication is well and two hosts have different rows under one number"
		}
	}
	return ""
}

func numberCases() []explore.Case {
	return []explore.Case{
		holds("numbers: all rules", "a writer loses tails and goes on, twice; a replica may have kept them", numbers{true, true, true}.run),
		breaks("numbers: without the jump", "R37", "a new reign goes on counting where its log ends", "G4", numbers{}.run),
		breaks("numbers: without a wide jump", "R37", "the jump is above what is known, and a replica that was away has more", "G4", numbers{jump: true}.run),
		breaks("numbers: without a jump of its own for each reign", "R37", "a first transaction that was cut off lends its number to the next", "G4", numbers{jump: true, wide: true}.run),
	}
}
