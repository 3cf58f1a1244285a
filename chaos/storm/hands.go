package storm

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/chaos/load"
	"github.com/mmm-ha/mmm/topology"
)

// What the faults do. Each function is named in the table of classes.

func nothing(context.Context, *site, *act) error { return nil }
func fine(context.Context, *site, *act) error    { return nil }

func killMysqld(ctx context.Context, s *site, a *act) error {
	return s.bed.KillMysqld(ctx, a.host, false)
}
func stopMysqld(ctx context.Context, s *site, a *act) error { return s.bed.StopMysqld(ctx, a.host) }

func crashMysqld(ctx context.Context, s *site, a *act) error {
	u, err := s.unit(ctx, a.host, lab.UnitMySQL)
	if err != nil {
		return err
	}
	a.before = u.Restarts
	return s.bed.KillMysqld(ctx, a.host, true)
}

// startMysqld may find it running: a hung server that its agent killed was
// started again by its supervisor.
func startMysqld(ctx context.Context, s *site, a *act) error {
	if u, err := s.unit(ctx, a.host, lab.UnitMySQL); err == nil && u.PID != 0 {
		return nil
	}
	return s.bed.StartMysqld(ctx, a.host)
}

func hangMysqld(ctx context.Context, s *site, a *act) error {
	return s.bed.Freeze(ctx, a.host, lab.UnitMySQL)
}

// resumeMysqld continues what is still there: the agent may have killed it, and
// then another one runs that nobody stopped.
func resumeMysqld(ctx context.Context, s *site, a *act) error {
	u, err := s.unit(ctx, a.host, lab.UnitMySQL)
	if err != nil || !u.Frozen {
		return err
	}
	return s.bed.Thaw(ctx, a.host, lab.UnitMySQL)
}

// killBoth leaves a fresh mysqld that nobody looks after.
func killBoth(ctx context.Context, s *site, a *act) error {
	if err := s.bed.KillAgent(ctx, a.host, false); err != nil {
		return err
	}
	return s.bed.KillMysqld(ctx, a.host, true)
}

func killAgent(ctx context.Context, s *site, a *act) error {
	return s.bed.KillAgent(ctx, a.host, false)
}
func startAgent(ctx context.Context, s *site, a *act) error {
	return s.bed.StartAgent(ctx, a.host)
}

func restartAgent(ctx context.Context, s *site, a *act) error {
	u, err := s.unit(ctx, a.host, lab.UnitAgent)
	if err != nil {
		return err
	}
	a.before = u.Restarts
	return s.bed.KillAgent(ctx, a.host, true)
}

func freezeAgent(ctx context.Context, s *site, a *act) error {
	return s.bed.Freeze(ctx, a.host, lab.UnitAgent)
}
func thawAgent(ctx context.Context, s *site, a *act) error {
	return s.bed.Thaw(ctx, a.host, lab.UnitAgent)
}

func freezeHost(ctx context.Context, s *site, a *act) error { return s.bed.FreezeHost(ctx, a.host) }
func thawHost(ctx context.Context, s *site, a *act) error   { return s.bed.ThawHost(ctx, a.host) }
func killHost(ctx context.Context, s *site, a *act) error   { return s.bed.KillHost(ctx, a.host) }
func startHost(ctx context.Context, s *site, a *act) error  { return s.bed.StartHost(ctx, a.host) }
func losePower(ctx context.Context, s *site, a *act) error  { return s.bed.LosePower(ctx, a.host) }

func cutBoth(ctx context.Context, s *site, a *act) error {
	return s.bed.Cut(ctx, a.host, lab.Everyone, lab.BothWays)
}
func cutOut(ctx context.Context, s *site, a *act) error {
	return s.bed.Cut(ctx, a.host, lab.Everyone, lab.OneWay)
}

func cutIn(ctx context.Context, s *site, a *act) error {
	var all sync.WaitGroup
	hosts := s.bed.Hosts()
	errs := make([]error, len(hosts))
	for i, h := range hosts {
		if h.Name != a.host {
			all.Go(func() { errs[i] = s.bed.Cut(ctx, h.Name, a.host, lab.OneWay) })
		}
	}
	all.Wait()
	return errors.Join(errs...)
}

func cutFromWriter(ctx context.Context, s *site, a *act) error {
	a.note = "from " + s.writer()
	return s.bed.Cut(ctx, a.host, s.writer(), lab.BothWays)
}
func heal(ctx context.Context, s *site, _ *act) error { return s.bed.Heal(ctx, "", "") }

func unplug(_ context.Context, s *site, a *act) error { return s.bed.Unplug(a.host) }
func plug(_ context.Context, s *site, a *act) error   { return s.bed.Plug(a.host) }

func loseARP(ctx context.Context, s *site, a *act) error { return s.bed.LoseARP(ctx, a.host, true) }
func keepARP(ctx context.Context, s *site, a *act) error { return s.bed.LoseARP(ctx, a.host, false) }

// loseAnnouncements makes the next writer's announcements go nowhere and then
// lets it become writer.
func loseAnnouncements(ctx context.Context, s *site, a *act) error {
	var err error
	if a.before, err = s.bed.Dropped(ctx); err != nil {
		return err
	}
	if err := s.bed.LoseAnnouncements(ctx, a.host, true); err != nil {
		return err
	}
	return switchOver(ctx, s, a)
}
func keepAnnouncements(ctx context.Context, s *site, a *act) error {
	return s.bed.LoseAnnouncements(ctx, a.host, false)
}

func fillDisk(_ context.Context, s *site, a *act) error   { return s.bed.FillDisk(a.host) }
func emptyDisk(_ context.Context, s *site, a *act) error  { return s.bed.EmptyDisk(a.host) }
func stallDisk(_ context.Context, s *site, a *act) error  { return s.bed.StallDisk(a.host) }
func resumeDisk(_ context.Context, s *site, a *act) error { return s.bed.ResumeDisk(a.host) }
func breakDisk(_ context.Context, s *site, a *act) error  { return s.bed.BreakDisk(a.host) }

func rebootHost(ctx context.Context, s *site, a *act) error {
	if err := s.bed.KillHost(ctx, a.host); err != nil {
		return err
	}
	return s.bed.StartHost(ctx, a.host)
}

// crowdSize is more than max_connections of the bed's servers.
const crowdSize = 215

// crowd opens connections until the server takes no more.
func crowd(ctx context.Context, s *site, a *act) error {
	dialer, err := s.bed.Dialer(lab.ClientHost)
	if err != nil {
		return err
	}
	for range crowdSize {
		session, err := s.appSession(dialer, a.host)
		if err != nil {
			return err
		}
		if _, err := session.Query(ctx, callTime, "SELECT 1"); err != nil {
			return nil //nolint:nilerr // a server that is full is what was wanted: bites asks why
		}
		a.extra = append(a.extra, session.HangUp)
	}
	return nil
}

func (s *site) appSession(dialer *lab.Dialer, host string) (*load.Session, error) {
	return load.NewSession(load.SessionOptions{Dial: dialer.DialContext, User: lab.AppUser, Password: lab.AppPassword,
		Address: netip.AddrPortFrom(s.host(host).Address, lab.ClientPort).String()})
}

func disperse(_ context.Context, _ *site, a *act) error {
	for _, hangUp := range a.extra {
		hangUp()
	}
	return nil
}

func killMember(ctx context.Context, s *site, a *act) error { return s.bed.KillEtcd(ctx, a.host) }

func killMembers(ctx context.Context, s *site, _ *act) error {
	return eachMember(s, func(host string) error {
		if u, err := s.unit(ctx, host, lab.UnitEtcd); err == nil && u.PID != 0 {
			return s.bed.KillEtcd(ctx, host)
		}
		return nil // another fault has it
	})
}

// startMembers starts every member that is down and has power.
func startMembers(ctx context.Context, s *site, _ *act) error {
	return eachMember(s, func(host string) error {
		if u, err := s.unit(ctx, host, lab.UnitEtcd); err == nil && u.PID == 0 && u.Held {
			return s.bed.StartEtcd(ctx, host)
		}
		return nil // without power, or running
	})
}

func eachMember(s *site, f func(host string) error) error {
	var all sync.WaitGroup
	hosts := s.members()
	errs := make([]error, len(hosts))
	for i, host := range hosts {
		all.Go(func() { errs[i] = f(host) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func cutEtcd(ctx context.Context, s *site, a *act) error  { return s.bed.CutEtcd(ctx, a.host, true) }
func healEtcd(ctx context.Context, s *site, a *act) error { return s.bed.CutEtcd(ctx, a.host, false) }

// switchOver orders it; that it is refused while something else is wrong is
// right, and then the note says so.
func switchOver(ctx context.Context, s *site, a *act) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	a.note = "done"
	if out, err := s.bed.Ctl(ctx, "switchover", "--to", a.host, "--yes", "--reason", "storm"); err != nil {
		a.note = "refused or undone: " + firstLine(out)
	}
	return nil //nolint:nilerr // see above
}

func setOffline(ctx context.Context, s *site, a *act) error {
	out, err := s.bed.Ctl(ctx, "set-offline", a.host, "--yes", "--reason", "storm")
	if err != nil {
		return fmt.Errorf("%w: %s", err, firstLine(out))
	}
	return nil
}

func setOnline(ctx context.Context, s *site, a *act) error {
	return until(ctx, endsWithin, func() error {
		out, err := s.bed.Ctl(ctx, "set-online", a.host, "--no-wait", "--yes", "--reason", "storm")
		if state, _ := topology.Classify(s.now(), a.host, time.Now()); state == topology.Online {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %s", err, firstLine(out))
		}
		return nil
	})
}

func firstLine(out []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return line
}
