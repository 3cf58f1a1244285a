package sim

import (
	"time"

	"github.com/mmm-ha/mmm/election"
	"github.com/mmm-ha/mmm/topology"
)

const (
	renewals   = 5
	renewLimit = 300 * time.Millisecond
	leasePause = 200 * time.Millisecond
)

// session is one lease of this agent and its dead-man (R1-R3).
type session struct {
	a        *agent
	id       topology.LeaseID
	ttl      time.Duration
	sent     time.Duration // on the host's clock: when the last good request left
	deadline time.Duration // of the lease (R1)
	guard    time.Duration // of the dead-man: of the lease, or of what all others promised
	mute     bool          // the last renewal got no answer
	lapsed   bool          // the dead-man has closed, and no renewal has come since
	turn     int
}

func (s *session) left() time.Duration { return s.deadline - s.a.h.now() }

// extend moves the deadline for a request that left at sent, unless R3 forbids it.
func (s *session) extend(sent, ttl time.Duration) bool {
	deadline := sent + ttl - election.Margin(ttl)
	if deadline <= s.a.h.now() || deadline <= s.deadline {
		return false
	}
	s.deadline, s.ttl, s.sent = deadline, ttl, sent
	return true
}

// keep holds a lease as long as the process lives.
func (s *session) keep() {
	a, f := s.a, &s.a.failsafe
	a.w.spawn(a.proc, &a.h.clock, func(p *proc) {
		for {
			if s.id == 0 {
				s.open(p)
			}
			if !f.carried || !a.reigning {
				f.carried = false
				s.guardOn()
			}
			a.changed()
			s.run(p)
			a.w.story("%s: its lease is gone", a.h.name)
			s.id, s.deadline, s.mute = 0, 0, false
			if s.turn++; f.carries() {
				s.guard = f.counted.until
				s.arm()
			} else {
				a.lapse()
			}
			a.changed()
		}
	})
}

func (s *session) open(p *proc) {
	for {
		sent, ttl := p.now(), s.a.w.spec.Timing.TTL.D()
		var id topology.LeaseID
		err := s.a.h.ask(p, p.within(nil, time.Second), func() func() {
			granted := s.a.w.etcd.grant(ttl)
			return func() { id = granted }
		})
		if s.deadline = 0; err == nil && s.extend(sent, ttl) {
			s.id, s.lapsed = id, false
			s.a.remember(func(d *disk) { *d = disk{highest: d.highest, doubts: d.doubts, lease: id} })
			return
		}
		_ = p.sleep(nil, leasePause)
	}
}

// resume goes on with the lease of an earlier process.
func (s *session) resume(p *proc, id topology.LeaseID) bool {
	sent, ttl, lives := p.now(), time.Duration(0), false
	err := s.a.h.ask(p, p.within(nil, renewLimit), func() func() {
		found := s.a.w.etcd.extend(id)
		if found {
			granted := s.a.w.etcd.leases[id].ttl
			return func() { lives, ttl = true, granted }
		}
		return func() {}
	})
	if err != nil || !lives || !s.extend(sent, ttl) {
		return false
	}
	s.id = id
	return true
}

// run renews until etcd says that the lease is gone.
func (s *session) run(p *proc) {
	started := s.sent
	for {
		_ = p.sleep(nil, max(0, s.ttl/renewals-(p.now()-max(s.sent, started))))
		started = p.now()
		sent, id, gone, ttl := p.now(), s.id, false, time.Duration(0)
		err := s.a.h.ask(p, p.within(nil, renewLimit), func() func() {
			l := s.a.w.etcd.leases[id]
			if l == nil {
				return func() { gone = true }
			}
			s.a.w.etcd.extend(id)
			granted := l.ttl
			return func() { ttl = granted }
		})
		if gone {
			return
		}
		if mute := err != nil; mute != s.mute {
			s.mute = mute
			s.a.changed()
			s.a.failsafe.ask()
		}
		if err == nil && s.extend(sent, ttl) {
			s.renewed()
		}
	}
}

// renewed lets the new deadline count; what was closed stays closed.
func (s *session) renewed() {
	a := s.a
	switch {
	case a.failsafe.carried: // by promises; this lease is not the one of the reign
	case s.lapsed:
		s.guardOn()
		a.changed()
	case s.guardTo(s.deadline):
		s.serve(s.deadline)
		s.arm()
	}
}

// guardOn begins a new dead-man, for the lease that is held.
func (s *session) guardOn() {
	s.lapsed, s.guard = false, s.deadline
	s.arm()
}

// guardTo moves the dead-man, unless it has expired.
func (s *session) guardTo(deadline time.Duration) bool {
	if s.lapsed || s.a.h.now() >= s.guard {
		return false
	}
	s.guard = max(s.guard, deadline)
	return true
}

// serve writes a new lifetime into the kernel, the clock read last (R4).
func (s *session) serve(deadline time.Duration) {
	h := s.a.h
	for _, vip := range h.held() {
		if h.answers(vip) {
			h.putVIP(vip, deadline-h.now())
		}
	}
	if s.a.reigning {
		h.extend(deadline - h.now())
	}
	if deadline <= h.now() {
		s.a.withdraw()
	}
}

// arm sets the dead-man.
func (s *session) arm() {
	s.turn++
	turn := s.turn
	s.a.w.ring(&s.a.h.clock, s.guard, s.a.proc, func() {
		if s.turn != turn || s.lapsed {
			return
		}
		s.lapsed = true
		s.a.w.story("%s: no renewal came in time: it closes", s.a.h.name)
		s.a.lapse()
		if f := &s.a.failsafe; f.carried {
			if f.carried = false; s.id != 0 {
				s.guardOn() // a lease that came too late for the reign
			}
		}
		s.a.changed()
	})
}

// remember changes what the next agent will find.
func (a *agent) remember(change func(*disk)) { change(&a.h.disk) }

// lapse closes what this host serves.
func (a *agent) lapse() {
	a.failsafe.counted = pledge{}
	probe, reigning := a.state.Probe, a.reigning
	a.w.spawn(a.proc, &a.h.clock, func(p *proc) {
		if reigning {
			_ = a.shut(p, p.within(nil, limitServer), probe, patienceLate)
			return
		}
		if replicaOnly(probe) {
			a.retire()
			return
		}
		a.withdraw()
	})
}
