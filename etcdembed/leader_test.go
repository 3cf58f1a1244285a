package etcdembed

import (
	"errors"
	"slices"
	"testing"
)

// leader returns the name of the leader, once all members agree on one.
func (b *bench) leader(names ...string) (name string) {
	b.t.Helper()
	b.eventually(func() string {
		name = ""
		statuses, err := Statuses(b.t.Context(), b.access(names...))
		if err != nil {
			return err.Error()
		}
		for _, s := range statuses {
			if s.Leader {
				name = s.Name
			}
		}
		if name == "" {
			return "no leader"
		}
		return ""
	})
	return name
}

func TestLeadershipMovesAwayFromOneHostOnly(t *testing.T) {
	names := []string{"db1", "db2", "db3"}
	b := newBench(t, names...)
	servers := b.startAll(names...)
	at := b.access(names...)

	first := b.leader(names...)
	other := names[(slices.Index(names, first)+1)%3]
	moved, to, err := MoveLeaderAway(t.Context(), at, other)
	if moved || to != first || err != nil {
		t.Errorf("away from a follower: moved %v, to %q, %v", moved, to, err)
	}
	moved, to, err = MoveLeaderAway(t.Context(), at, "192.0.2.1")
	if moved || to != first || err != nil {
		t.Errorf("away from a stranger: moved %v, to %q, %v", moved, to, err)
	}
	moved, to, err = MoveLeaderAway(t.Context(), at, first)
	if !moved || to == first || err != nil {
		t.Fatalf("away from the leader: moved %v, to %q, %v", moved, to, err)
	}
	if now := b.leader(names...); now != to {
		t.Errorf("leader is %s, want %s", now, to)
	}

	// A host that is known to be sick gets it only when it must; so it never does.
	from := to
	fit := names[slices.IndexFunc(names, func(n string) bool { return n != from })]
	sick := names[slices.IndexFunc(names, func(n string) bool { return n != from && n != fit })]
	for range 2 { // by name alone another one would be chosen one time of two
		moved, to, err = MoveLeaderAway(t.Context(), at, from, sick)
		if !moved || to != fit || err != nil {
			t.Fatalf("with %s sick: moved %v, from %s to %q, %v", sick, moved, from, to, err)
		}
		b.leader(names...)
		from, fit = fit, from
	}
	if moved, _, err = MoveLeaderAway(t.Context(), at, from, sick, fit); moved || !errors.Is(err, ErrNoSuccessor) {
		t.Errorf("with all others sick: moved %v, %v", moved, err)
	}
	to = from

	// Only members that answer are asked to lead.
	down := names[slices.IndexFunc(names, func(n string) bool { return n != to })]
	b.stop(servers[down])
	leader := b.leader(names...)
	moved, next, err := MoveLeaderAway(t.Context(), at, leader)
	if !moved || next == down || next == leader || err != nil {
		t.Errorf("with %s down: moved %v, from %s to %q, %v", down, moved, leader, next, err)
	}
	b.noAlarmingLines()
}

func TestLeadershipStaysWhenNobodyCanTakeIt(t *testing.T) {
	b := newBench(t, "db1")
	b.startAll("db1")
	moved, _, err := MoveLeaderAway(t.Context(), b.access("db1"), "127.0.0.1")
	if moved || !errors.Is(err, ErrNoSuccessor) {
		t.Errorf("moved %v, %v", moved, err)
	}
}
