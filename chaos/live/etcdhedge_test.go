package live

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
)

// A member of etcd that is slow, hangs, or is silent to the writer's host alone
// costs the writer nothing: its renewals go to the next member within 200 ms, the
// lease is kept by etcd itself and not by promises, and nobody takes over.
func TestEtcdMemberThatHangsCostsTheWriterNoLease(t *testing.T) {
	frozen := func(s *stage, _, member string) { s.must(s.Freeze(s.ctx, member, lab.UnitEtcd)) }
	thawed := func(s *stage, _, member string) { s.must(s.Thaw(s.ctx, member, lab.UnitEtcd)) }
	for _, tt := range []struct {
		name     string
		own      bool // the member on the writer's host, which its agent asks first
		do, undo func(s *stage, writer, member string)
	}{
		{"its own, hung", true, frozen, thawed},
		{"another one, hung", false, frozen, thawed},
		{"its own, slow", true, func(s *stage, _, member string) {
			for range 9 { // longer than a renewal waits for the first one, shorter than etcd takes to miss it
				s.must(s.Freeze(s.ctx, member, lab.UnitEtcd))
				time.Sleep(300 * time.Millisecond)
				s.must(s.Thaw(s.ctx, member, lab.UnitEtcd))
				time.Sleep(50 * time.Millisecond)
			}
		}, func(*stage, string, string) {}},
		{"another one, silent to its host", false,
			func(s *stage, writer, member string) { s.must(s.dropEtcd(writer, member)) },
			func(s *stage, writer, _ string) { s.must(s.passReplication(writer)) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := begin(t)
			w := s.write()
			writer, other, epoch := s.writer()
			member, leader := "db3", other
			if tt.own {
				member = writer
			}
			s.until("the leader of etcd is on "+leader, func() error { return s.leadEtcd(leader) })
			began, before := time.Now(), w.acked()
			tt.do(s, writer, member)
			w.reach(before + 220)
			tt.undo(s, writer, member)
			gap, acked := w.longestGap(began)
			t.Logf("the member on %s: %d writes in %s, longest gap %s", member, acked, time.Since(began).Round(time.Millisecond), gap.Round(time.Millisecond))
			if gap > time.Second || time.Since(began) < 2*ttl {
				t.Errorf("longest gap %s", gap)
			}
			s.reignIs(epoch)
			for _, host := range allHosts {
				if said := s.said(host); strings.Contains(said, "etcd does not answer") || strings.Contains(said, "no renewal of the lease came in time") {
					t.Errorf("%s lost etcd", host)
				}
			}
			s.well()
			s.reignIs(epoch)
		})
	}
}

// dropEtcd makes a host lose what it and the clients' port of a member of etcd say
// to each other, and only that.
func (s *stage) dropEtcd(at, member string) error {
	rules := fmt.Sprintf("add table ip live; add chain ip live in { type filter hook input priority -300; }; add rule ip live in ip saddr %s tcp sport 2379 drop",
		s.addressOf(member))
	out, err := s.Exec(s.ctx, at, "nft", rules)
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}
