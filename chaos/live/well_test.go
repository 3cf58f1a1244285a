package live

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/chaos/load"
	"github.com/mmm-ha/mmm/topology"
)

// well stops the clients and waits until everything that must hold holds.
func (s *stage) well() {
	s.t.Helper()
	for _, w := range s.load {
		w.stop()
	}
	s.load = nil
	var cleared time.Time
	c := s.awaitCluster("the cluster is well", func(c topology.Cluster) error {
		if time.Since(cleared) > clearEach {
			s.clear(c)
			cleared = time.Now()
		}
		return errors.Join(clusterWell(c), s.serversWell(c), s.addressesWell(c))
	})
	s.until("nothing acknowledged is missing anywhere", s.dataWell)
	// The data may have taken a while: nobody may have moved meanwhile.
	if now := s.now(); now.Epoch() != c.Epoch() {
		s.t.Fatalf("the writer changed in the calm: epoch %d, then %d", c.Epoch(), now.Epoch())
	}
}

// clearEach is how often hosts that await it are set online.
const clearEach = 200 * time.Millisecond

// clear says set-online of each host that awaits it, so that the next test need
// not wait and no host counts as flapping.
func (s *stage) clear(c topology.Cluster) {
	for _, host := range allHosts {
		if state, _ := topology.Classify(c, host, time.Now()); state == topology.AwaitingRecovery {
			_, _ = s.ctl("set-online", host, "--no-wait", "--yes") // refused when it is ONLINE meanwhile
		}
	}
}

// clusterWell complains about what etcd says.
func clusterWell(c topology.Cluster) error {
	var errs []error
	complain := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !c.Writer.Present() || c.Phase.Value.Step != topology.Ready || c.Phase.Value.Epoch != c.Epoch() {
		complain("writer %q, epoch %d, phase %+v, proof: %s", c.Writer.Value.Name, c.Epoch(), c.Phase.Value, topology.Prove(c).Why)
	}
	if r := c.Reign.Value; r.Epoch != c.Epoch() || r.ID != c.Writer.Value.ID || r.Closed != nil {
		complain("the reign is of epoch %d of %s, closed %v", r.Epoch, r.Name, r.Closed)
	}
	for _, host := range allHosts {
		state, why := topology.Classify(c, host, time.Now())
		if state != topology.Online {
			complain("%s is %s: %s", host, state, why)
		}
		rep, id, _ := c.ReportOf(host)
		inc, acks := c.Reign.Value.Ackers[id]
		if reigns := host == c.Writer.Value.Name; reigns == acks || acks && inc != rep.Incarnation {
			complain("%s: writer %t, in the acker set %t as %q, runs as %q", host, reigns, acks, inc, rep.Incarnation)
		}
	}
	if len(c.Reign.Value.Ackers) != len(allHosts)-1 {
		complain("%d ackers", len(c.Reign.Value.Ackers))
	}
	for host, n := range readersOf(c) {
		if n != 1 {
			complain("%s has %d reader VIPs", host, n)
		}
	}
	if vips := c.Spec.Value.Roles.Reader.VIPs; len(c.Claims) != len(vips) {
		complain("%d of %d reader VIPs are claimed", len(c.Claims), len(vips))
	}
	if o := c.Switchover; o.Present() && o.Value.Step.Open() {
		complain("an order is open: %+v", o.Value)
	}
	return errors.Join(errs...)
}

// serversWell complains about what the servers say.
func (s *stage) serversWell(c topology.Cluster) error {
	var errs []error
	positions := map[string][]string{}
	for _, host := range allHosts {
		ctx, cancel := context.WithTimeout(s.ctx, callTime)
		got, err := s.serverFacts(ctx, host)
		cancel()
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", host, err))
			continue
		}
		positions[got.position] = append(positions[got.position], host)
		reigns := host == c.Writer.Value.Name
		want := server{position: got.position, readOnly: !reigns, source: reigns, acks: !reigns, epoch: c.Epoch()}
		if *got != want {
			errs = append(errs, fmt.Errorf("%s is %+v, want %+v", host, *got, want))
		}
	}
	if len(positions) != 1 {
		errs = append(errs, fmt.Errorf("positions differ: %v", positions))
	}
	return errors.Join(errs...)
}

// server is what one server says of itself.
type server struct {
	position               string
	readOnly, source, acks bool
	epoch                  topology.Rev
}

func (s *stage) serverFacts(ctx context.Context, host string) (*server, error) {
	db, err := s.DB(host)
	if err != nil {
		return nil, err
	}
	var f server
	err = db.QueryRowContext(ctx, `SELECT @@gtid_binlog_pos, @@read_only, @@rpl_semi_sync_master_enabled,
		@@rpl_semi_sync_slave_enabled, (SELECT MAX(epoch) FROM mmm.epoch)`).Scan(&f.position, &f.readOnly, &f.source, &f.acks, &f.epoch)
	return &f, err
}

// addressesWell complains about VIPs that are not on exactly the one interface
// where they belong, and about addresses that belong nowhere.
func (s *stage) addressesWell(c topology.Cluster) error {
	held, err := s.held()
	if err != nil {
		return err
	}
	var errs []error
	roles := c.Spec.Value.Roles
	for _, vip := range slices.Concat(roles.Writer.VIPs, roles.Reader.VIPs) {
		want := c.Claims[vip].Value.Name
		if slices.Contains(roles.Writer.VIPs, vip) {
			want = c.Writer.Value.Name
		}
		if got := held[vip]; len(got) != 1 || got[0] != want {
			errs = append(errs, fmt.Errorf("VIP %s is on %v, want %s", vip, got, want))
		}
		delete(held, vip)
	}
	for vip, claim := range c.RouterClaims {
		if got := held[vip]; len(got) != 1 || got[0] != claim.Value.Name {
			errs = append(errs, fmt.Errorf("router VIP %s is on %v, want %s", vip, got, claim.Value.Name))
		}
		delete(held, vip)
	}
	for vip, hosts := range held {
		errs = append(errs, fmt.Errorf("stray address %s on %v", vip, hosts))
	}
	return errors.Join(errs...)
}

// held says which hosts have which address, their own ones left out.
func (s *stage) held() (map[netip.Addr][]string, error) {
	status, err := s.Status(s.ctx)
	if err != nil {
		return nil, err
	}
	out := map[netip.Addr][]string{}
	for _, h := range status.Hosts {
		for _, text := range h.Addresses {
			p, err := netip.ParsePrefix(text)
			if err != nil {
				return nil, err
			}
			if p.Addr() != h.Address {
				out[p.Addr()] = append(out[p.Addr()], h.Name)
			}
		}
	}
	return out, nil
}

// dataWell complains about rows: of this test and of all before it.
func (s *stage) dataWell() error {
	var servers []load.Server
	for _, host := range allHosts {
		db, err := s.DB(host)
		if err != nil {
			return err
		}
		servers = append(servers, load.Server{Name: host, DB: db})
	}
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	for _, t := range s.tables {
		report, err := load.Verify(ctx, t.name, t.journals, servers)
		if err != nil {
			return err
		}
		if !report.OK() {
			return fmt.Errorf("%s: %s", t.name, report)
		}
	}
	return s.epochsWell(ctx)
}

// epochsWell compares the agents' own tables, which no client writes.
func (s *stage) epochsWell(ctx context.Context) error {
	sums := map[string][]string{}
	for _, host := range allHosts {
		db, err := s.DB(host)
		if err != nil {
			return err
		}
		var name, sum string
		if err := db.QueryRowContext(ctx, "CHECKSUM TABLE mmm.epoch").Scan(&name, &sum); err != nil {
			return fmt.Errorf("%s: %w", host, err)
		}
		sums[sum] = append(sums[sum], host)
	}
	if len(sums) != 1 {
		return fmt.Errorf("mmm.epoch differs: %v", sums)
	}
	return nil
}

// nobodyWritable complains about servers that could be written to. Servers that
// do not answer cannot.
func (s *stage) nobodyWritable() error {
	var open []string
	for _, host := range allHosts {
		db, err := s.DB(host)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(s.ctx, callTime)
		var readOnly bool
		err = db.QueryRowContext(ctx, "SELECT @@read_only").Scan(&readOnly)
		cancel()
		if err == nil && !readOnly {
			open = append(open, host)
		}
	}
	if len(open) > 0 {
		return errors.New("writable: " + strings.Join(open, ", "))
	}
	return nil
}
