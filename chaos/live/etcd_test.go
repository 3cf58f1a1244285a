package live

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
)

// etcdHosts run a member each.
var etcdHosts = []string{"db1", "db2", "db3"}

func TestDeadEtcdMemberDisturbsNobody(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, other, epoch := s.writer()
	s.until("the leader of etcd is on "+other, func() error { return s.leadEtcd(other) })
	for _, host := range []string{writer, "db3"} {
		s.must(s.KillEtcd(s.ctx, host))
		w.more(150)
		s.must(s.StartEtcd(s.ctx, host))
	}
	s.reignIs(epoch)
	s.well()
	s.reignIs(epoch)
}

// With the shortest lease the election of etcd's next leader may last longer than
// the lease: what all others promise carries the reign over it.
func TestReignOutlivesTheLeaderOfEtcd(t *testing.T) {
	for name, fault := range map[string]struct {
		do, undo func(s *stage, host string) error
		same     bool // the reign must be the same one to the end
	}{
		"killed": {
			func(s *stage, host string) error { return s.KillEtcd(s.ctx, host) },
			func(s *stage, host string) error { return s.StartEtcd(s.ctx, host) },
			true,
		},
		"frozen": {
			func(s *stage, host string) error { return s.Freeze(s.ctx, host, lab.UnitEtcd) },
			func(s *stage, host string) error { return s.Thaw(s.ctx, host, lab.UnitEtcd) },
			false, // one that goes on revokes leases that were renewed at its successor
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(t)
			w := s.write()
			_, other, epoch := s.writer()
			began, promised := time.Now(), 0
			for _, host := range []string{"db3", other, "db3", other} {
				s.until("the leader of etcd is on "+host, func() error { return s.leadEtcd(host) })
				s.must(fault.do(s, host))
				w.more(120)
				s.must(fault.undo(s, host))
				if fault.same {
					s.reignIs(epoch)
				}
			}
			s.well()
			for _, host := range allHosts {
				promised += strings.Count(s.said(host), "goes on by the promises of all others")
			}
			gap, acked := w.longestGap(began)
			t.Logf("four leaders %s: %d writes, longest gap %s, %d times a host went on by promises", name, acked, gap.Round(time.Millisecond), promised)
			if fault.same {
				s.reignIs(epoch)
			}
			if limit := 3 * time.Second; gap > limit || fault.same && gap > time.Second {
				t.Errorf("longest gap %s", gap)
			}
		})
	}
}

func TestLeaderOfEtcdLeavesTheWritersHost(t *testing.T) {
	s := begin(t)
	writer, _, epoch := s.writer()
	s.until("the leader of etcd is on "+writer, func() error { return s.leadEtcd(writer) })
	s.awaitSaid(writer, "moved etcd's leadership off the writer's host")
	s.until("the leader of etcd is elsewhere", func() error {
		if leader, _, err := s.etcdLeader(); err != nil || leader == writer {
			return errors.Join(fmt.Errorf("it is on %q", leader), err)
		}
		return nil
	})
	s.reignIs(epoch)
	s.well()
}

// etcdLeader names the host of the leader; members are the ids by host.
func (s *stage) etcdLeader() (leader string, members map[string]uint64, err error) {
	ctx, cancel := context.WithTimeout(s.ctx, callTime)
	defer cancel()
	client := s.etcd.Members()[0]
	status, err := client.Status(ctx, client.Endpoints()[0])
	if err != nil {
		return "", nil, err
	}
	list, err := client.MemberList(ctx)
	if err != nil {
		return "", nil, err
	}
	members = map[string]uint64{}
	for _, m := range list.Members {
		members[m.Name] = m.ID
		if m.ID == status.Leader {
			leader = m.Name
		}
	}
	return leader, members, nil
}

// leadEtcd makes the member of a host lead; only the leader can give it away.
func (s *stage) leadEtcd(host string) error {
	leader, members, err := s.etcdLeader()
	if err != nil || leader == host {
		return err
	}
	i := 0
	for j, endpoint := range s.Endpoints("client") { // in the order of Members
		if u, err := url.Parse(endpoint); err == nil && leader != "" && u.Hostname() == s.addressOf(leader).String() {
			i = j
		}
	}
	ctx, cancel := context.WithTimeout(s.ctx, callTime)
	defer cancel()
	if _, err := s.etcd.Members()[i].MoveLeader(ctx, members[host]); err != nil {
		return err
	}
	return errors.New("asked")
}

// onAll does the same to several hosts at once.
func (s *stage) onAll(hosts []string, do func(string) error) {
	s.t.Helper()
	var all sync.WaitGroup
	errs := make([]error, len(hosts))
	for i, host := range hosts {
		all.Go(func() { errs[i] = do(host) })
	}
	all.Wait()
	s.must(errors.Join(errs...))
}
