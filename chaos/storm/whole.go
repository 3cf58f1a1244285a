package storm

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/chaos/load"
	"github.com/mmm-ha/mmm/topology"
)

// awaitWhole waits until etcd says that nothing is missing, and tells hosts
// that wait for a person to go on: the storm is the operator. It returns what is
// still missing when patience ends.
func (s *site) awaitWhole(ctx context.Context, limit time.Duration) error {
	const clearEvery = time.Second
	var cleared time.Time
	return until(ctx, limit, func() error {
		look, cancel := context.WithTimeout(ctx, callTime)
		c, err := s.etcd.Load(look)
		cancel()
		if err != nil {
			return err
		}
		if time.Since(cleared) > clearEvery {
			s.setOnline(ctx, c)
			cleared = time.Now()
		}
		if err := s.lacks(c); err != nil {
			return err
		}
		return s.behind(ctx, c.Writer.Value.Name)
	})
}

// near is how many transactions a replica may be behind and still count as one
// that keeps up: what the clients write in some tenths of a second.
const near = 50

// behind says which replica still catches up. To the cluster it is whole, and must
// be; but a fault that strikes then strikes on top of the last one: the next writer
// first fetches and applies seconds of writes, which no limit of a gap allows for.
func (s *site) behind(ctx context.Context, writer string) error {
	seen := map[string]uint64{}
	for _, h := range s.databases() { // one after another: a writer that is read late is further, never nearer
		if h.Name == writer {
			continue
		}
		n, err := s.sequence(ctx, h.Name)
		if err != nil {
			return err
		}
		seen[h.Name] = n
	}
	now, err := s.sequence(ctx, writer)
	var errs []error
	for host, n := range seen {
		if n+near < now {
			errs = append(errs, fmt.Errorf("%s is %d transactions behind %s", host, now-n, writer))
		}
	}
	return errors.Join(append(errs, err)...)
}

// sequence is the number of the last transaction that a server has applied. The
// bed has one replication domain, so the position is one GTID.
func (s *site) sequence(ctx context.Context, host string) (uint64, error) {
	text, err := s.position(ctx, host)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(text[strings.LastIndexByte(text, '-')+1:], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("position of %s: %w", host, err)
	}
	return n, nil
}

// awaitWrite waits until a client's write through the writer VIP is acknowledged:
// a server may be whole and its disk not, or take no new client.
func (s *site) awaitWrite(ctx context.Context, limit time.Duration) error {
	dialer, err := s.bed.Dialer(lab.ClientHost)
	if err != nil {
		return err
	}
	session, err := load.NewSession(load.SessionOptions{Dial: dialer.DialContext, User: lab.AppUser, Password: lab.AppPassword,
		Address: netip.AddrPortFrom(writerVIP, lab.ClientPort).String()})
	if err != nil {
		return err
	}
	defer session.HangUp()
	return until(ctx, limit, func() error {
		if _, err := session.Exec(ctx, callTime, "INSERT INTO app.register VALUES ('settled', 1) ON DUPLICATE KEY UPDATE v = v + 1"); err != nil {
			return fmt.Errorf("no write is acknowledged through the writer VIP: %w", err)
		}
		return nil
	})
}

// setOnline says set-online of each host that awaits it.
func (s *site) setOnline(ctx context.Context, c topology.Cluster) {
	for _, h := range s.databases() {
		if state, _ := topology.Classify(c, h.Name, time.Now()); state == topology.AwaitingRecovery {
			// Refused as long as it replicates badly; the next look asks again.
			_, _ = s.bed.Ctl(ctx, "set-online", h.Name, "--no-wait", "--yes", "--reason", "storm")
		}
	}
}

// lacks says what a cluster lacks to be whole.
func (s *site) lacks(c topology.Cluster) error {
	var errs []error
	complain := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !c.Writer.Present() || c.Phase.Value.Step != topology.Ready || c.Phase.Value.Epoch != c.Epoch() || c.Reign.Value.Epoch != c.Epoch() {
		complain("writer %q, epoch %d, phase %q of epoch %d, reign of epoch %d, proof: %s",
			c.Writer.Value.Name, c.Epoch(), c.Phase.Value.Step, c.Phase.Value.Epoch, c.Reign.Value.Epoch, topology.Prove(c).Why)
	}
	databases := s.databases()
	for _, h := range databases {
		if state, why := topology.Classify(c, h.Name, time.Now()); state != topology.Online {
			complain("%s is %s: %s", h.Name, state, why)
		}
		report, id, _ := c.ReportOf(h.Name)
		incarnation, acks := c.Reign.Value.Ackers[id]
		if reigns := h.Name == c.Writer.Value.Name; reigns == acks || acks && incarnation != report.Incarnation {
			complain("%s: writer %t, in the acker set %t as %q, runs as %q", h.Name, reigns, acks, incarnation, report.Incarnation)
		}
	}
	readers := map[string]int{}
	for _, claim := range c.Claims {
		readers[claim.Value.Name]++
	}
	if len(c.Claims) != len(readerVIPs) || len(readers) != min(len(databases), len(readerVIPs)) {
		complain("%d of %d reader VIPs are claimed, by %v", len(c.Claims), len(readerVIPs), readers)
	}
	if all := routers(s.bed); len(all) > 0 {
		up := 0
		for _, r := range c.Routers {
			if r.Value.Router.Up {
				up++
			}
		}
		if _, claimed := c.RouterClaims[routerVIP]; up != len(all) || !claimed {
			complain("%d of %d routers are up, their VIP is claimed: %t", up, len(all), claimed)
		}
	}
	if o := c.Switchover; o.Present() && o.Value.Step.Open() {
		complain("an order is open, step %s", o.Value.Step)
	}
	return errors.Join(errs...)
}
