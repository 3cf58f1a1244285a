package live

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// call gives one call to etcd its time.
func (s *stage) call(do func(ctx context.Context) error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	s.must(do(ctx))
}

// The history of etcd is compacted under everybody's watch, again and again: the
// writes go on, and the watches still show a failover.
func TestCompactionUnderAWatchDisturbsNobody(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, _, epoch := s.writer()
	for range 20 {
		s.call(func(ctx context.Context) error {
			_, err := s.etcd.Members()[0].Compact(ctx, int64(s.now().Rev))
			if errors.Is(err, rpctypes.ErrCompacted) {
				return nil // nothing was written since
			}
			return err
		})
		w.more(5)
	}
	s.reignIs(epoch)
	s.must(s.KillMysqld(s.ctx, writer, true))
	_, _ = s.awaitWriter(epoch)
	w.more(50)
	s.well()
}

// etcd is full: it takes no put and grants no lease, but it renews them. The
// reign and the writes go on, and all is well when there is room again.
func TestFullEtcdStopsNoWrites(t *testing.T) {
	s := begin(t)
	w := s.write()
	_, _, epoch := s.writer()
	_, members, err := s.etcdLeader()
	s.must(err)
	alarm := &pb.AlarmRequest{Action: pb.AlarmRequest_ACTIVATE, MemberID: members["db1"], Alarm: pb.AlarmType_NOSPACE}
	maintenance := pb.NewMaintenanceClient(s.etcd.Members()[0].ActiveConnection())
	began := time.Now()
	s.call(func(ctx context.Context) error { _, err := maintenance.Alarm(ctx, alarm); return err })
	s.until("etcd takes no put", func() error {
		ctx, cancel := context.WithTimeout(s.ctx, callTime)
		defer cancel()
		if _, err := s.etcd.Members()[0].Put(ctx, "/full", "x"); err == nil || !strings.Contains(err.Error(), "space exceeded") {
			return fmt.Errorf("it was not refused for want of space: %w", err)
		}
		return nil
	})
	time.Sleep(outage - time.Since(began))
	gap, acked := w.longestGap(began)
	t.Logf("etcd full for %s: %d writes, longest gap %s", time.Since(began).Round(time.Millisecond), acked, gap.Round(time.Millisecond))
	if gap > time.Second || acked < 100 {
		t.Errorf("%d writes, longest gap %s", acked, gap)
	}
	s.reignIs(epoch)
	alarm.Action = pb.AlarmRequest_DEACTIVATE
	s.call(func(ctx context.Context) error { _, err := maintenance.Alarm(ctx, alarm); return err })
	s.well()
	s.reignIs(epoch)
}

// A member of etcd is lost with its disk and replaced by an empty one.
func TestReplacedEtcdMemberDisturbsNobody(t *testing.T) {
	s := begin(t)
	w := s.write()
	_, _, epoch := s.writer()
	s.until("the leader of etcd is on db2", func() error { return s.leadEtcd("db2") })
	_, members, err := s.etcdLeader()
	s.must(err)
	began := time.Now()
	s.must(s.KillEtcd(s.ctx, "db3"))
	s.call(func(ctx context.Context) error {
		_, err := s.etcd.Members()[1].MemberRemove(ctx, members["db3"]) // the first one is that of db3
		return err
	})
	s.must(os.RemoveAll(filepath.Join(s.Dir("db3"), "etcd")))
	file := filepath.Join(s.Dir("db3"), "etcd.yaml")
	before, err := os.ReadFile(file)
	s.must(err)
	s.must(os.WriteFile(file, []byte(strings.Replace(string(before), "join: false", "join: true", 1)), 0o644))
	s.must(s.StartEtcd(s.ctx, "db3"))
	s.must(os.WriteFile(file, before, 0o644))
	w.more(50)
	gap, acked := w.longestGap(began)
	t.Logf("a member was replaced: %d writes, longest gap %s", acked, gap.Round(time.Millisecond))
	if gap > time.Second {
		t.Errorf("longest gap %s", gap)
	}
	s.reignIs(epoch)
	s.well()
}

// Somebody turns etcd's passwords on, and the agents have none: nothing
// that they ask is answered. The writes go on, and the reign is the same writer's.
func TestEtcdThatWantsAPasswordStopsNoWrites(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, _, _ := s.writer()
	plain := s.etcd.Members()[0]
	const user, password = "root", "secret"
	s.call(func(ctx context.Context) error {
		_, err := plain.UserAdd(ctx, user, password)
		_, err2 := plain.RoleAdd(ctx, user)
		_, err3 := plain.UserGrantRole(ctx, user, user)
		_, err4 := plain.AuthEnable(ctx)
		return errors.Join(err, err2, err3, err4)
	})
	began := time.Now()
	if _, err := s.read(); err == nil {
		t.Fatal("etcd can be read without a password: the fault did not bite")
	}
	time.Sleep(outage)
	gap, acked := w.longestGap(began)
	t.Logf("etcd wants a password for %s: %d writes, longest gap %s", time.Since(began).Round(time.Millisecond), acked, gap.Round(time.Millisecond))
	if gap > time.Second || acked < 100 {
		t.Errorf("%d writes, longest gap %s", acked, gap)
	}
	root, err := clientv3.New(clientv3.Config{Endpoints: plain.Endpoints(), Username: user, Password: password, DialTimeout: callTime})
	s.must(err)
	defer root.Close()
	s.call(func(ctx context.Context) error {
		_, err := root.AuthDisable(ctx)
		return err
	})
	s.call(func(ctx context.Context) error {
		_, err := plain.UserDelete(ctx, user)
		_, err2 := plain.RoleDelete(ctx, user)
		return errors.Join(err, err2)
	})
	w.more(50)
	s.well()
	if now, _, _ := s.writer(); now != writer {
		t.Errorf("%s reigns after %s", now, writer)
	}
}

// An agent that is started anew while its host cannot reach etcd ends neither at
// once nor later: it opens nothing, says what it waits for, and goes on by itself.
func TestAgentThatStartsWithoutEtcdWaitsClosed(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, _, epoch := s.writer()
	s.must(s.CutEtcd(s.ctx, writer, true))
	s.must(s.KillAgent(s.ctx, writer, true))
	s.awaitSaid(writer, "etcd cannot be reached: nothing is opened on this host before it answers")
	next, _ := s.awaitWriter(epoch)
	if next == writer {
		t.Fatalf("%s reigns again without etcd", writer)
	}
	w.more(30)
	if said := strings.Count(s.said(writer), "etcd cannot be reached"); said == 0 || strings.Contains(s.said(writer), "is the writer") {
		t.Errorf("%s says %s", writer, s.said(writer))
	}
	s.must(s.CutEtcd(s.ctx, writer, false))
	s.well()
}
