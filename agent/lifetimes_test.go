package agent

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mmm-ha/mmm/election"
	"github.com/mmm-ha/mmm/topology"
)

// keeping runs a lease and its dead-man; the rest of the agent hangs.
func keeping(t *testing.T, test func(r *rig, l *lessor)) {
	synctest.Test(t, func(t *testing.T) {
		r, l := bubble(t)
		session := r.session(l)
		r.guard(session)
		r.during(func() { test(r, l) }, r.lifetimes, func(ctx context.Context) error {
			_ = session.Run(ctx)
			<-ctx.Done()
			return nil
		})
	})
}

func TestRenewalsExtendWhatTheHostServes(t *testing.T) {
	keeping(t, func(r *rig, _ *lessor) {
		r.serving()
		r.reigning.Store(true)
		time.Sleep(time.Minute)
		if up := r.vips.up(r.t); len(up) != 2 || !r.gate.isOpen() || r.did("gate-extend") == 0 {
			t.Errorf("up %v, port open %t", up, r.gate.isOpen())
		}
	})
}

// R8, R12: the dead-man closes before etcd gives the lease to nobody, without
// being told by the loop.
func TestWriterIsClosedBeforeItsLeaseEnds(t *testing.T) {
	keeping(t, func(r *rig, l *lessor) {
		r.serving()
		r.reigning.Store(true)
		time.Sleep(10 * time.Second)
		l.set(true, false)
		time.Sleep(defaultTTL) // the last renewal was answered before the silence
		r.mustBeClosed()
		want := []string{"gate-close", "vips-gone", "read-only"}
		if got := r.order(want...); !slices.Equal(got, want) {
			t.Errorf("order %v, want %v", got, want)
		}
		if r.did("drop-writer") > 0 {
			t.Error("the dead-man wrote to etcd")
		}
		if len(r.in.renewed) == 0 {
			t.Error("the loop was not woken")
		}
	})
}

func TestHostIsClosedAtOnceWhenTheLeaseIsGone(t *testing.T) {
	keeping(t, func(r *rig, l *lessor) {
		r.serving()
		r.reigning.Store(true)
		l.set(false, true)
		time.Sleep(defaultTTL / 4) // the next renewal is told
		r.mustBeClosed()
	})
}

func TestReaderLosesOnlyItsAddresses(t *testing.T) {
	keeping(t, func(r *rig, l *lessor) {
		j, _, _ := r.job(topology.Action{Kind: topology.SetVIPs, VIPs: []netip.Addr{readerVIP}})
		if _, err := r.setVIPs(r.t.Context(), j); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if len(r.vips.up(r.t)) != 1 {
			t.Fatal("the address was lost while the lease was renewed")
		}
		l.set(true, false)
		time.Sleep(defaultTTL)
		r.mustBeClosed()
		if r.did("read-only") > 0 {
			t.Error("the mysqld of a replica was touched")
		}
	})
}

// etcd answers again and had not given the lease up: the next silence must be
// noticed as the first one was.
func TestDeadManIsArmedAgainWhenTheLeaseLivesOn(t *testing.T) {
	keeping(t, func(r *rig, l *lessor) {
		for range 3 {
			l.set(true, false)
			time.Sleep(2 * defaultTTL)
			l.set(false, false)
			time.Sleep(2 * defaultTTL)
			r.serving() // the loop opens again
			r.reigning.Store(true)
		}
		l.set(true, false)
		time.Sleep(defaultTTL)
		r.mustBeClosed()
	})
}

// The deadline passes while etcd is silent, and the lease turns out to be gone:
// the next one gets a dead-man too.
func TestEveryLeaseHasItsDeadMan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, l := bubble(t)
		var sessions []*election.Session
		r.during(func() {
			for range 3 {
				s := r.session(l)
				sessions = append(sessions, s)
				r.guard(s)
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan struct{})
				go func() { _ = s.Run(ctx); close(ended) }()
				r.serving()
				r.reigning.Store(true)
				time.Sleep(5 * time.Second)
				if !r.gate.isOpen() {
					t.Fatal("closed while the lease was renewed")
				}
				l.set(true, false)
				time.Sleep(2 * defaultTTL)
				r.mustBeClosed()
				l.set(false, true)
				time.Sleep(defaultTTL)
				cancel()
				<-ended
			}
		}, r.lifetimes)
	})
}

// A closing that hangs must not keep the dead-man for ever.
func TestDeadManGivesUpAClosingThatHangs(t *testing.T) {
	keeping(t, func(r *rig, l *lessor) {
		r.hook("gate-close", hang)
		r.hook("vips-gone", hang)
		r.reigning.Store(true)
		l.set(true, false)
		time.Sleep(defaultTTL + limitServer + time.Second)
		if got := r.lines.with("closing did not work"); len(got) != 1 {
			t.Errorf("told %d times", len(got))
		}
	})
}
