package storm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/topology"
)

// How a fault is seen to bite and to be over. Each function is named in the
// table of classes.

const shortTime = 300 * time.Millisecond

func silent(ctx context.Context, s *site, a *act) (string, error) {
	if err := s.ping(ctx, a.host, shortTime); err != nil {
		return "mysqld does not answer: " + brief(err), nil
	}
	return "", errors.New("mysqld answers")
}

func answers(ctx context.Context, s *site, a *act) error { return s.ping(ctx, a.host, callTime) }

func otherMysqld(ctx context.Context, s *site, a *act) (string, error) {
	return restarted(ctx, s, a, lab.UnitMySQL)
}
func otherAgent(ctx context.Context, s *site, a *act) (string, error) {
	return restarted(ctx, s, a, lab.UnitAgent)
}

func restarted(ctx context.Context, s *site, a *act, unit string) (string, error) {
	u, err := s.unit(ctx, a.host, unit)
	if err != nil {
		return "", err
	}
	if u.Restarts == a.before {
		return "", fmt.Errorf("%s was not started again yet", unit)
	}
	return fmt.Sprintf("another %s runs, pid %d", unit, u.PID), nil
}

func noAgent(ctx context.Context, s *site, a *act) (string, error) {
	u, err := s.unit(ctx, a.host, lab.UnitAgent)
	if err != nil {
		return "", err
	}
	if u.PID != 0 {
		return "", errors.New("an agent runs")
	}
	return "no agent runs", nil
}

func frozenAgent(ctx context.Context, s *site, a *act) (string, error) {
	u, err := s.unit(ctx, a.host, lab.UnitAgent)
	if err != nil {
		return "", err
	}
	if !u.Frozen {
		return "", errors.New("the agent is not stopped")
	}
	return "every thread of the agent is stopped", nil
}

func agentRuns(ctx context.Context, s *site, a *act) error {
	u, err := s.unit(ctx, a.host, lab.UnitAgent)
	if err == nil && (u.PID == 0 || u.Frozen) {
		err = fmt.Errorf("the agent has pid %d, is stopped: %t", u.PID, u.Frozen)
	}
	return err
}

func gone(ctx context.Context, s *site, a *act) (string, error) {
	there, err := s.onWire(ctx, a.host)
	if err == nil && there {
		err = errors.New("the host answers ARP")
	}
	return "nobody answers ARP for the host's address", err
}

// present is over when the host is on the wire and its server answers.
func present(ctx context.Context, s *site, a *act) error {
	there, err := s.onWire(ctx, a.host)
	if err == nil && !there {
		err = errors.New("nobody answers ARP for the host's address")
	}
	return errors.Join(err, s.ping(ctx, a.host, callTime))
}

// The bed itself sends packets before a cut or heal returns.
func cutSeen(context.Context, *site, *act) (string, error) {
	return "a packet each way was lost or passed as the cut says", nil
}
func healSeen(context.Context, *site, *act) error { return nil }

func announcementLost(ctx context.Context, s *site, a *act) (string, error) {
	n, err := s.bed.Dropped(ctx)
	if err == nil && n == a.before {
		err = errors.New("the switch has dropped no announcement: " + a.note)
	}
	return fmt.Sprintf("the switch dropped %d announcements; switchover: %s", n-a.before, a.note), err
}

func diskRefuses(ctx context.Context, s *site, a *act) (string, error) {
	err := s.bed.TryDisk(ctx, a.host, shortTime)
	if err == nil {
		return "", errors.New("the disk takes a write")
	}
	return brief(err), nil
}

func diskWorks(ctx context.Context, s *site, a *act) error {
	return errors.Join(s.bed.TryDisk(ctx, a.host, callTime), s.ping(ctx, a.host, callTime))
}

func crowded(ctx context.Context, s *site, a *act) (string, error) {
	err := s.another(ctx, a.host)
	if err == nil {
		return "", fmt.Errorf("after %d connections the server takes another", len(a.extra))
	}
	if !strings.Contains(err.Error(), "1040") {
		return "", err
	}
	return brief(err), nil
}

func roomAgain(ctx context.Context, s *site, a *act) error {
	err := s.another(ctx, a.host)
	if err != nil && strings.Contains(err.Error(), "1040") {
		return err
	}
	return nil // the door may be closed for another reason by now
}

// another opens one more connection of an application.
func (s *site) another(ctx context.Context, host string) error {
	dialer, err := s.bed.Dialer(lab.ClientHost)
	if err != nil {
		return err
	}
	session, err := s.appSession(dialer, host)
	if err != nil {
		return err
	}
	defer session.HangUp()
	_, err = session.Query(ctx, callTime, "SELECT 1")
	return err
}

const etcdPort = 2379

func memberGone(ctx context.Context, s *site, a *act) (string, error) {
	err := s.connects(ctx, lab.ClientHost, a.host, etcdPort)
	if err == nil {
		return "", errors.New("the member takes connections")
	}
	return brief(err), nil
}

func memberBack(ctx context.Context, s *site, a *act) error {
	return s.connects(ctx, lab.ClientHost, a.host, etcdPort)
}

// etcdAway looks in both directions; a host without a member only outwards.
func etcdAway(ctx context.Context, s *site, a *act) (string, error) {
	err := s.connects(ctx, a.host, s.otherMember(a.host), etcdPort)
	if err == nil {
		return "", errors.New("the host reaches another's etcd")
	}
	return brief(err), nil
}

func etcdNear(ctx context.Context, s *site, a *act) error {
	return s.connects(ctx, a.host, s.otherMember(a.host), etcdPort)
}

func (s *site) otherMember(host string) string {
	for _, m := range s.members() {
		if m != host {
			return m
		}
	}
	return ""
}

func ordered(_ context.Context, _ *site, a *act) (string, error) { return a.note, nil }

func isOffline(_ context.Context, s *site, a *act) (string, error) {
	state, why := topology.Classify(s.now(), a.host, time.Now())
	if state != topology.AdminOffline {
		return "", fmt.Errorf("%s is %s: %s", a.host, state, why)
	}
	return string(state), nil
}

// brief is an error on one short line.
func brief(err error) string {
	const most = 160
	text := strings.Join(strings.Fields(err.Error()), " ")
	if len(text) > most {
		text = text[:most] + "..."
	}
	return text
}
