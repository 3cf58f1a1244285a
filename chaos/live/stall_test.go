package live

import (
	"testing"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
)

// stallBound is a lease (1 s), the half second by which etcd may end it late, and
// as much again for a machine that is busy.
const stallBound = 3 * time.Second

// An acker that goes, in whichever way, holds up no write for longer than a lease,
// and no election for much longer than that: it has left the set by then. What was
// measured is printed.
func TestLostAckerStallsNoWrite(t *testing.T) {
	s := begin(t)
	w := s.write()
	for _, fault := range []struct {
		name string
		do   func() error
		mend func() error
	}{
		{"its mysqld is frozen", func() error { return s.Freeze(s.ctx, "db4", lab.UnitMySQL) }, func() error { return s.Thaw(s.ctx, "db4", lab.UnitMySQL) }},
		{"its agent is killed", func() error { return s.KillAgent(s.ctx, "db4", false) }, func() error { return s.StartAgent(s.ctx, "db4") }},
		{"its host is gone", func() error { return s.KillHost(s.ctx, "db4") }, func() error { return s.StartHost(s.ctx, "db4") }},
	} {
		s.awaitAckers(3)
		w.more(20)
		began := time.Now()
		s.must(fault.do())
		done := time.Now()
		s.awaitAckers(2)
		out := time.Now()
		w.more(20)
		gap := w.journals[0].LongestGap(began, time.Now()).Length()
		t.Logf("%s: out of the set after %s, longest gap between two acknowledged writes %s", fault.name, out.Sub(done).Round(time.Millisecond), gap.Round(time.Millisecond))
		if gap > stallBound {
			t.Errorf("%s: a write stalled for %s", fault.name, gap)
		}
		s.must(fault.mend())
	}
	s.well()
}
