package aside

import (
	"fmt"

	"github.com/mmm-ha/mmm/chaos/model/explore"
)

// claims is one reader VIP and two hosts. A host answers for the address while
// it is up there and, if the kernel keeps time, its element lives.
type claims struct {
	timed      bool // R10: answered only while its element in the kernel lives
	claimFirst bool // R54: the address after the claim
	closeFirst bool // R54: given up in the order element, address, claim
	promised   bool // R54: without etcd, extended only while the other one promises
}

const (
	claimTTL = 3
	claimFor = 2 // ticks of the element: a margin less than the lease
)

type claimsState struct {
	claim int8 // who holds it
	lease int8
	h     [2]struct {
		alive, address bool
		element        int8
		giving         bool
		promise        int8
	}
	etcd   bool
	faults int8
}

func (m claims) run(limit int) explore.Result {
	return explore.Run(explore.Model[claimsState]{Init: m.start(), Next: m.next, Bad: m.bad, Show: func(s claimsState) string {
		return fmt.Sprintf("claim %c lease %d etcd %t A %+v B %+v", explore.Letter(s.claim), s.lease, s.etcd, s.h[0], s.h[1])
	}}, limit)
}

func (m claims) start() claimsState {
	s := claimsState{lease: claimTTL, etcd: true}
	for i := range s.h {
		s.h[i].alive = true
	}
	s.h[0].address, s.h[0].element = true, claimFor
	return s
}

// answers reports whether a host replies for the VIP. An address alone outlives
// its agent: the kernel counts its life in whole seconds, and ends it late.
func (m claims) answers(s *claimsState, i int) bool {
	return s.h[i].address && (s.h[i].element > 0 || !m.timed)
}

func (m claims) bad(s claimsState) string {
	if m.answers(&s, 0) && m.answers(&s, 1) {
		return "G3: two hosts answer for one VIP"
	}
	return ""
}

func (m claims) next(s claimsState, out *explore.Steps[claimsState]) {
	t := s
	t.lease = max(0, s.lease-1)
	for i := range t.h {
		t.h[i].element, t.h[i].promise = max(0, t.h[i].element-1), max(0, t.h[i].promise-1)
	}
	out.Add(t, "a tick")
	if s.claim != nobody && s.lease == 0 {
		t := s
		t.claim = nobody
		out.Add(t, "etcd: the lease of %h ends, the claim is deleted", s.claim)
	}
	for i := range s.h {
		if s.h[i].alive {
			m.serves(s, i, out)
		} else {
			t := s
			t.h[i].alive, t.h[i].address, t.h[i].element = true, false, 0
			out.Add(t, "the agent of %h is back", int8(i))
		}
		if t := s; s.h[i].alive && s.faults < 2 {
			t.h[i].alive, t.faults = false, s.faults+1
			out.Fault(t, "the agent of %h dies", int8(i))
		}
	}
	if t := s; s.faults < 2 || !s.etcd {
		t.etcd = !s.etcd
		if s.etcd {
			t.faults++
		}
		out.Fault(t, "etcd goes away, or comes back")
	}
}

// serves is what an agent does for the VIP.
func (m claims) serves(s claimsState, i int, out *explore.Steps[claimsState]) {
	h, me, o := s.h[i], int8(i), 1-i
	step := func(text string, change func(t *claimsState)) {
		t := s
		change(&t)
		out.Add(t, text, me)
	}
	mine := s.claim == me
	if s.etcd && mine && s.lease > 0 && !h.giving {
		step("%h renews", func(t *claimsState) {
			t.lease = claimTTL
			t.h[i].element, t.h[i].address = claimFor, true
		})
	}
	free := s.etcd && s.claim == nobody && h.promise == 0
	if free && !h.address {
		step("%h claims", func(t *claimsState) { t.claim, t.lease = me, claimTTL })
	}
	if !m.claimFirst && free && !h.address {
		step("%h takes the address before its claim", func(t *claimsState) { t.h[i].address, t.h[i].element = true, claimFor })
	}
	if !mine && h.address {
		step("%h sees that the claim is not its own", func(t *claimsState) { t.h[i].address, t.h[i].element = false, 0 })
	}
	if mine && s.etcd && !h.giving {
		step("%h is to give the VIP up", func(t *claimsState) {
			t.h[i].giving = true
			if m.closeFirst {
				t.h[i].address, t.h[i].element = false, 0
			} else {
				t.claim, t.lease, t.h[i].giving = nobody, 0, false
			}
		})
	}
	if h.giving && s.etcd {
		step("%h deletes its claim", func(t *claimsState) {
			t.h[i].giving = false
			if mine {
				t.claim, t.lease = nobody, 0
			}
		})
	}
	if !s.etcd && h.address && h.element > 0 && !h.giving {
		if m.promised && s.h[o].alive && !s.h[o].address && s.claim != int8(o) {
			step("%h is promised by the other, and extends", func(t *claimsState) { t.h[o].promise, t.h[i].element = claimTTL, claimFor })
		}
		if !m.promised {
			step("%h extends without a promise", func(t *claimsState) { t.h[i].element = claimFor })
		}
	}
}

func claimCases() []explore.Case {
	return []explore.Case{
		holds("claims: all rules", "agents die, etcd goes and comes back; one VIP, two hosts", claims{true, true, true, true}.run),
		breaks("claims: without the element in the kernel", "R10", "an address answers for as long as it is up", "G3", claims{false, true, true, true}.run),
		breaks("claims: without the claim first", "R54", "the address goes up before the claim is ours", "G3", claims{true, false, true, true}.run),
		breaks("claims: without the address gone first", "R54", "the claim is deleted while the address still answers", "G3", claims{true, true, false, true}.run),
		breaks("claims: without the other's promise", "R54", "without etcd a host extends by itself", "G3", claims{true, true, true, false}.run),
	}
}
