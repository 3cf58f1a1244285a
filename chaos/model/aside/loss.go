package aside

import (
	"fmt"

	"github.com/mmm-ha/mmm/chaos/model/explore"
)

// loss is an election that can prove nothing: who has the acknowledged writes is
// not heard, and an operator accepts to lose them. That may be wrong in three
// ways: the word is used again for another election, it is used although the
// host has come back, and the host is taken in later without anybody seeing what
// it had.
type loss struct {
	once   bool // the word names the epoch that it ends
	needed bool // it counts only while there is no proof
	grave  bool // who was given up is kept out until somebody has looked
}

type lossState struct {
	epoch    int8
	reigning bool
	word     int8 // epoch of which the operator accepts the loss, 0: none
	holder   bool // the host that holds the last acknowledged write is heard
	acked    bool // there is an acknowledged write of this epoch that only the holder has
	given    int8 // epoch at whose end the holder was given up, 0: never
	unseen   bool // a write is gone that nobody accepted to lose
	needless bool // a write is gone although its holder was heard
	silent   bool // a given-up host was taken in and what it had is gone unseen
	words    int8
}

func (m loss) run(limit int) explore.Result {
	return explore.Run(explore.Model[lossState]{
		Init: lossState{epoch: 1, reigning: true, holder: true}, Next: m.next, Bad: m.bad,
		Good: func(s lossState) bool { return s.reigning },
		Show: func(s lossState) string { return fmt.Sprintf("%+v", s) },
	}, limit)
}

func (m loss) next(s lossState, out *explore.Steps[lossState]) {
	add := func(text string, change func(t *lossState)) {
		t := s
		change(&t)
		out.Add(t, text)
	}
	switch {
	case s.reigning && s.given == 0:
		add("a write is acknowledged by one host alone", func(t *lossState) { t.acked = true })
	case !s.reigning && (s.holder || !s.acked) && s.epoch < 4:
		add("the bids prove: a writer is elected, with everything", func(t *lossState) { t.epoch, t.reigning, t.acked = s.epoch+1, true, false })
	}
	if s.reigning && s.epoch < 4 {
		t := s
		t.reigning = false
		out.Fault(t, "the writer dies")
		t.holder = false
		out.Fault(t, "the writer dies, and the host that acknowledged")
	}
	if !s.holder && s.given == 0 {
		add("the host is heard again", func(t *lossState) { t.holder = true })
	}
	if !s.reigning && !s.holder && s.acked && s.words < 2 {
		add("the operator accepts the loss", func(t *lossState) { t.word, t.words = s.epoch, s.words+1 })
	}
	proven := s.holder || !s.acked
	if !s.reigning && s.word != 0 && (s.word == s.epoch || !m.once) && (!proven || !m.needed) && s.epoch < 4 {
		add("a writer is elected by the operator's word", func(t *lossState) {
			t.unseen = s.unseen || s.acked && s.word != s.epoch
			t.needless = s.needless || s.acked && s.holder
			if s.acked {
				t.given = s.epoch
			}
			t.epoch, t.reigning, t.acked, t.holder = s.epoch+1, true, false, false
		})
	}
	if s.reigning && s.given != 0 {
		if m.grave {
			add("the given-up host is back; the operator has looked at what it had", func(t *lossState) { t.given, t.holder = 0, true })
		} else {
			add("the given-up host is back and is rewound like any other", func(t *lossState) { t.given, t.holder, t.silent = 0, true, true })
		}
	}
}

func (m loss) bad(s lossState) string {
	switch {
	case s.unseen:
		return "G2: an operator's word was used for another loss than the one it names"
	case s.needless:
		return "G2: a write was given up although the host that has it was heard"
	case s.silent:
		return "G2: what a given-up host had was thrown away unseen"
	}
	return ""
}

func lossCases() []explore.Case {
	return []explore.Case{
		holds("loss: all rules", "elections without proof, and an operator who accepts what that costs", loss{true, true, true}.run),
		breaks("loss: without the epoch in the operator's word", "R30", "a word that was given once elects again, later", "G2: an operator's", loss{false, true, true}.run),
		breaks("loss: without asking for proof first", "R30", "the word counts although the missing host has come back", "G2: a write was", loss{true, false, true}.run),
		breaks("loss: without the grave", "R30", "a host that was given up is taken in like any other", "G2: what a", loss{true, true, false}.run),
	}
}
