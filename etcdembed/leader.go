package etcdembed

import (
	"context"
	"fmt"
	"net/url"
	"slices"
)

// MoveLeaderAway moves etcd's leadership to another healthy voting member when
// the leader is the member named by away: its name, or the host of its client
// URL. Otherwise it does nothing, also when away is no member at all. The host
// that holds the writer role calls it about itself: if both vanished at once,
// the new etcd leader would extend every lease by a full TTL before the old
// writer's expires.
//
// unfit are hosts, named as away is, that must not get it: what ails another
// program there may soon end the member too.
//
// moved reports whether leadership was moved, and to is the member that has it
// then. ErrNoSuccessor: nobody else can take it. ErrUnknownOutcome: it may
// have moved; to call again is safe, as each call looks first.
func MoveLeaderAway(ctx context.Context, at Access, away string, unfit ...string) (moved bool, to string, err error) {
	statuses, err := Statuses(ctx, at)
	if err != nil {
		return false, "", fmt.Errorf("find the etcd leader: %w", err)
	}
	i := slices.IndexFunc(statuses, func(s MemberStatus) bool { return s.Leader })
	if i < 0 {
		// No leader, or it does not answer us: nothing of ours to move.
		return false, "", nil
	}
	leader := statuses[i]
	if !leader.livesOn(away) {
		return false, leader.Name, nil
	}
	successor, ok := pickSuccessor(statuses, leader, unfit)
	if !ok {
		return false, leader.Name, fmt.Errorf("move etcd leadership away from %s: %w", leader.Name, ErrNoSuccessor)
	}
	if err := moveLeader(ctx, at, leader.Member, successor.Member); err != nil {
		return false, "", fmt.Errorf("move etcd leadership from %s to %s: %w", leader.Name, successor.Name, err)
	}
	return true, successor.Name, nil
}

// moveLeader asks the leader itself, the only one that accepts the request.
func moveLeader(ctx context.Context, at Access, leader, successor Member) error {
	client, err := dial(Access{Endpoints: leader.ClientURLs, TLS: at.TLS})
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithTimeout(ctx, changeLimit)
	defer cancel()
	if _, err := client.MoveLeader(ctx, successor.ID); err != nil {
		return explainChange(err)
	}
	return nil
}

// pickSuccessor takes the voter whose log reaches furthest: it needs the least
// time before it can lead. The names decide between equals.
func pickSuccessor(statuses []MemberStatus, leader MemberStatus, unfit []string) (best MemberStatus, ok bool) {
	for _, s := range statuses {
		healthy := s.Err == nil && s.follows == leader.ID
		if !healthy || s.Learner || s.ID == leader.ID || slices.ContainsFunc(unfit, s.livesOn) {
			continue
		}
		if !ok || s.RaftIndex > best.RaftIndex {
			best, ok = s, true
		}
	}
	return best, ok
}

func (m Member) livesOn(away string) bool {
	if away == "" {
		return false
	}
	return m.Name == away || slices.ContainsFunc(m.ClientURLs, func(raw string) bool {
		u, err := url.Parse(raw)
		return err == nil && u.Hostname() == away
	})
}
