package etcdembed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

func TestOneMemberStartsAndStopsQuietly(t *testing.T) {
	b := newBench(t, "db1")
	o := b.options("db1", "db1")
	s := b.start(o)
	b.ready(s)
	c := b.client("db1")
	b.put(c, "k", "v")

	watch := c.Watch(t.Context(), "k") // must not hold the stop back
	b.put(c, "k", "w")
	if r := <-watch; r.Err() != nil {
		t.Fatal(r.Err())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-s.Err():
		t.Errorf("a clean stop reported %v", err)
	default:
	}
	b.noAlarmingLines()
	if got := strings.Count(b.log.String(), "\n"); got > 6 {
		t.Errorf("%d lines for a start and a stop:\n%s", got, b.log.String())
	}
	if info, err := os.Stat(o.DataDir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("data directory: %v %v", info.Mode(), err)
	}

	b.ready(b.start(o)) // again, on the same directory
	if got := b.get(b.client("db1"), "k"); got != "w" {
		t.Errorf("after a restart k is %q", got)
	}
}

func TestAMemberWithoutQuorumSaysWhatItWaitsForAndStops(t *testing.T) {
	b := newBench(t, "db1", "db2", "db3")
	s := b.start(b.options("db1", "db1", "db2", "db3"))
	want := "waiting for 2 of 3 members: db2 (" + b.peers["db2"] + "): connection refused; db3 (" +
		b.peers["db3"] + "): connection refused; 1 more needed for a quorum"
	b.eventually(func() string {
		if s.Waiting() != want {
			return "waiting says " + s.Waiting()
		}
		return ""
	})
	b.stop(s)
	if !strings.Contains(b.log.String(), want) {
		t.Error("the progress line is not in the log")
	}
	b.noAlarmingLines()
}

func TestAllMembersStopTogether(t *testing.T) {
	b := newBench(t, "db1", "db2", "db3")
	servers := b.startAll("db1", "db2", "db3")
	b.eventually(func() string { // a member says where it is a moment after it is ready
		access, err := FindAccess(t.Context(), b.options("db2", "db1", "db2", "db3"))
		if err != nil || len(access.Endpoints) != 3 {
			return fmt.Sprintf("access %v, %v", access, err)
		}
		return ""
	})
	// With nobody left to take leadership etcd itself would wait longer.
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	errs := make(chan error, len(servers))
	for _, s := range servers {
		go func() { errs <- s.Stop(ctx) }()
	}
	for range servers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	b.noAlarmingLines()
	if _, err := FindAccess(t.Context(), b.options("db2", "db1", "db2", "db3")); !errors.Is(err, ErrUnreachable) {
		t.Errorf("nobody is there: %v", err)
	}
}

func TestThreeMembersSurviveOneAndReplaceIt(t *testing.T) {
	b := newBench(t, "db1", "db2", "db3", "db4")
	servers := b.startAll("db1", "db2", "db3")
	c := b.client("db1", "db2")
	b.put(c, "k", "one")

	watcher := b.client("db3")
	watch := watcher.Watch(clientv3.WithRequireLeader(t.Context()), "w", clientv3.WithCreatedNotify())
	<-watch
	watcher.SetEndpoints(b.access("db1", "db2").Endpoints...)
	b.stop(servers["db3"])
	b.put(c, "k", "two")
	b.put(c, "w", "seen")
	select {
	case r := <-watch:
		if r.Err() != nil || len(r.Events) != 1 || string(r.Events[0].Kv.Value) != "seen" {
			t.Errorf("the watch on the stopped member ended with %v %v", r.Err(), r.Events)
		}
	case <-time.After(patience):
		t.Error("the watch on the stopped member saw nothing more")
	}

	at := b.access("db1", "db2")
	if _, err := RemoveMember(t.Context(), at, "db3"); err != nil {
		t.Fatal(err)
	}
	if _, err := RemoveMember(t.Context(), at, "db3"); !errors.Is(err, ErrNotMember) {
		t.Errorf("removed twice: %v", err)
	}

	// db1's list is as it was before: one member that answers is enough.
	join := b.options("db4", "db1", "db3")
	join.Join = true
	b.ready(b.start(join))
	if got := b.get(b.client("db4"), "k"); got != "two" {
		t.Errorf("the new member has %q", got)
	}
	b.wantVoters("db1", "db2", "db4")
	b.noAlarmingLines()

	// The removed member says so, with its data and without.
	old := b.start(b.options("db3", "db1", "db2", "db3"))
	select {
	case err := <-old.Err():
		if !errors.Is(err, ErrRemoved) {
			t.Errorf("removed member ended with: %v", err)
		}
	case <-time.After(patience):
		t.Errorf("removed member is still there, %s", old.Waiting())
	}
	b.stop(old)
	empty := b.options("db3", "db1", "db2", "db3")
	empty.DataDir += "-new"
	if err := b.refused(empty); !errors.Is(err, ErrNotMember) {
		t.Errorf("removed member without data: %v", err)
	}
}

func (b *bench) wantVoters(names ...string) {
	b.t.Helper()
	members, err := Members(b.t.Context(), b.access(names...))
	if err != nil {
		b.t.Fatal(err)
	}
	if got := labels(members); got != strings.Join(names, ", ") {
		b.t.Errorf("members are %s", got)
	}
	for _, m := range members {
		if m.Learner {
			b.t.Errorf("%s is a learner", m.Name)
		}
	}
}

func TestAMemberThatWasAddedBeforehandJoins(t *testing.T) {
	b := newBench(t, "db1", "db2")
	b.startAll("db1")
	if _, err := AddMember(t.Context(), b.access("db1"), b.peers["db2"]); err != nil {
		t.Fatal(err)
	}
	if _, err := AddMember(t.Context(), b.access("db1"), b.peers["db2"]); !errors.Is(err, ErrAlreadyMember) {
		t.Errorf("added twice: %v", err)
	}
	o := b.options("db2", "db1")
	o.Join = true
	s := b.start(o)
	b.ready(s)
	b.wantVoters("db1", "db2")

	b.stop(s) // the setting may stay: a member with data ignores it
	b.ready(b.start(o))
}

func TestAMemberThatLostItsDataIsNotLetIn(t *testing.T) {
	b := newBench(t, "db1", "db2", "db3")
	servers := b.startAll("db1", "db2", "db3")
	b.stop(servers["db3"])
	o := b.options("db3", "db1", "db2", "db3")
	o.DataDir += "-empty"
	for _, o.Join = range []bool{false, true} {
		err := b.refused(o)
		if !errors.Is(err, ErrAlreadyMember) || !strings.Contains(err.Error(), "mmmagent etcd remove db3") {
			t.Errorf("join %v: %v", o.Join, err)
		}
	}
}

func TestJoinWithoutAnAnswerGivesUp(t *testing.T) {
	b := newBench(t, "db1", "db2")
	o := b.options("db2", "db1")
	o.Join = true
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := Start(ctx, o)
	if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "db1 ("+b.peers["db1"]+"): connection refused") {
		t.Errorf("got %v", err)
	}
}

func TestADirectoryOfAnotherMemberIsRefused(t *testing.T) {
	b := newBench(t, "db1", "db2", "db3")
	mine := b.options("db1", "db1")
	s := b.start(mine)
	b.ready(s)

	t.Run("in use", func(t *testing.T) {
		o := b.options("db2", "db2")
		o.DataDir = mine.DataDir
		if err := b.refused(o); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), mine.DataDir) {
			t.Error(err)
		}
	})
	t.Run("port in use", func(t *testing.T) {
		o := b.options("db2", "db2")
		o.ClientURL = mine.ClientURL
		if err := b.refused(o); !errors.Is(err, ErrInUse) || !strings.HasPrefix(err.Error(), "clientURL: port 127.0.0.1:") {
			t.Error(err)
		}
	})
	t.Run("running cluster knows nothing of us", func(t *testing.T) {
		err := b.refused(b.options("db2", "db1", "db2", "db3"))
		if !errors.Is(err, ErrNotMember) || !strings.Contains(err.Error(), "join: true") {
			t.Error(err)
		}
	})
	b.stop(s)

	t.Run("other name", func(t *testing.T) {
		o := b.options("db2", "db2")
		o.DataDir = mine.DataDir
		if err := b.refused(o); !errors.Is(err, ErrOtherOwner) || !strings.Contains(err.Error(), "belongs to member db1, not db2") {
			t.Error(err)
		}
	})
	t.Run("other name, marker gone", func(t *testing.T) {
		if err := os.Remove(filepath.Join(mine.DataDir, markerName)); err != nil {
			t.Fatal(err)
		}
		o := b.options("db2", "db2")
		o.DataDir = mine.DataDir
		if err := b.refused(o); !errors.Is(err, ErrOtherOwner) {
			t.Error(err)
		}
		b.stop(b.start(mine)) // writes the marker again
	})
	t.Run("other peer URL", func(t *testing.T) {
		o := b.options("db1", "db1")
		o.PeerURL, o.InitialCluster = b.peers["db2"], map[string]string{"db1": b.peers["db2"]}
		if err := b.refused(o); !errors.Is(err, ErrOtherOwner) || !strings.Contains(err.Error(), "put the old peerURL back") {
			t.Error(err)
		}
	})
	t.Run("cluster of one, configured as three", func(t *testing.T) {
		err := b.refused(b.options("db1", "db1", "db2", "db3"))
		if !errors.Is(err, ErrOtherOwner) || !strings.Contains(err.Error(), "this member alone") {
			t.Error(err)
		}
	})
	t.Run("something else", func(t *testing.T) {
		o := b.options("db2", "db2")
		if err := errors.Join(os.MkdirAll(o.DataDir, 0o700), os.Chmod(o.DataDir, 0o755)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(o.DataDir, "ibdata1"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := b.refused(o); !errors.Is(err, ErrOtherOwner) || !strings.Contains(err.Error(), "ibdata1") {
			t.Error(err)
		}
		if info, err := os.Stat(o.DataDir); err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("the mode of a foreign directory was changed: %v %v", info.Mode(), err)
		}
	})
	t.Run("an address of another host", func(t *testing.T) {
		o := b.options("db3", "db3")
		o.ClientURL, o.Insecure = "http://192.0.2.99:2379", true
		if err := b.refused(o); !strings.Contains(err.Error(), "is no address of this host") {
			t.Error(err)
		}
	})
}

func TestAMajorityThatIsAnotherClusterEndsTheWait(t *testing.T) {
	answers := []peerAnswer{
		{peer: peer{"db2", "u2"}, ClusterID: "b"},
		{peer: peer{"db3", "u3"}, ClusterID: "b"},
	}
	if _, err := describeWait(answers, "a", "/d"); !errors.Is(err, ErrOtherOwner) {
		t.Errorf("two of three: %v", err)
	}
	answers[1].ClusterID = "a"
	text, err := describeWait(answers, "a", "/d")
	if err != nil || !strings.Contains(text, "db2 (u2): belongs to another etcd cluster (id b, here a)") {
		t.Errorf("one of three: %q, %v", text, err)
	}
	answers[0].ClusterID = "a"
	if text, err = describeWait(answers, "a", "/d"); err != nil || text != "waiting for the members to elect a leader" {
		t.Errorf("all there: %q, %v", text, err)
	}
}
