package storm

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/topology"
)

// site is a bed and the windows into it that the hands of the faults need.
type site struct {
	bed   *lab.Bed
	ways  *lab.Ways
	etcd  *store.Client
	asker *lab.Asker // for probes of faults, not for the history

	mu      sync.Mutex
	cluster topology.Cluster // what etcd showed last
}

func newSite(ctx context.Context, bed *lab.Bed) (*site, error) {
	s := &site{bed: bed}
	var err error
	if s.ways, err = bed.WaysToEtcd(lab.ClientHost); err != nil { //nolint:contextcheck // they live until close
		return nil, err
	}
	if s.etcd, err = store.Open(ctx, store.Options{Endpoints: s.ways.Endpoints, Cluster: "shop"}); err == nil {
		s.asker, err = bed.NewAsker(observerHost)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *site) close() error {
	var errs []error
	if s.asker != nil {
		errs = append(errs, s.asker.Close())
	}
	if s.etcd != nil {
		errs = append(errs, s.etcd.Close())
	}
	return errors.Join(append(errs, s.ways.Close())...)
}

// now is what etcd showed last.
func (s *site) now() topology.Cluster {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cluster
}

func (s *site) show(c topology.Cluster) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cluster = c
}

// writer is who reigns; empty: nobody.
func (s *site) writer() string { return s.now().Writer.Value.Name }

// databases are the hosts with a mysqld, masters first.
func (s *site) databases() []lab.Host {
	var out []lab.Host
	for _, h := range s.bed.Hosts() {
		if h.Database() {
			out = append(out, h)
		}
	}
	return out
}

func (s *site) host(name string) lab.Host {
	for _, h := range s.bed.Hosts() {
		if h.Name == name {
			return h
		}
	}
	return lab.Host{}
}

// members are the hosts of the etcd members, in the order of the endpoints.
func (s *site) members() []string {
	byAddress := map[netip.Addr]string{}
	for _, h := range s.bed.Hosts() {
		byAddress[h.Address] = h.Name
	}
	var out []string
	for _, e := range s.bed.Endpoints(lab.ClientHost) {
		var port uint16
		var a, b, c, d byte
		if _, err := fmt.Sscanf(e, "http://%d.%d.%d.%d:%d", &a, &b, &c, &d, &port); err == nil {
			out = append(out, byAddress[netip.AddrFrom4([4]byte{a, b, c, d})])
		}
	}
	return out
}

// etcdLeader is the host of etcd's leader; empty: it cannot be found.
func (s *site) etcdLeader(ctx context.Context) string {
	members := s.members()
	for i, c := range s.etcd.Members() {
		if status, err := statusOf(ctx, c, s.ways.Endpoints[i]); err == nil && status.Leader == status.Header.MemberId {
			return members[i]
		}
	}
	return ""
}

func statusOf(ctx context.Context, c *clientv3.Client, endpoint string) (*clientv3.StatusResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return c.Status(ctx, endpoint)
}

// ping asks the mysqld of a host for an answer, over its socket.
func (s *site) ping(ctx context.Context, host string, limit time.Duration) error {
	db, err := s.bed.DB(host)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var one int
	return db.QueryRowContext(ctx, "SELECT 1").Scan(&one)
}

// onWire says whether a host's own address is answered on the network.
func (s *site) onWire(ctx context.Context, host string) (bool, error) {
	own := s.host(host).Address
	for range 3 {
		got, err := s.asker.Ask(ctx, []netip.Addr{own}, 40*time.Millisecond)
		if err != nil || len(got[own]) > 0 {
			return err == nil, err
		}
	}
	return false, nil
}

// connects says whether a TCP port of a host takes a connection from another.
func (s *site) connects(ctx context.Context, from, to string, port uint16) error {
	d, err := s.bed.Dialer(from)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	conn, err := d.DialContext(ctx, "tcp", netip.AddrPortFrom(s.host(to).Address, port).String())
	if err != nil {
		return err
	}
	return conn.Close()
}

// unit is what the init of a host says of a program.
func (s *site) unit(ctx context.Context, host, name string) (lab.UnitStatus, error) {
	status, err := s.bed.Status(ctx)
	if err != nil {
		return lab.UnitStatus{}, err
	}
	for _, h := range status.Hosts {
		for _, u := range h.Units {
			if h.Name == host && u.Name == name {
				return u, nil
			}
		}
	}
	return lab.UnitStatus{}, fmt.Errorf("there is no %s on %s", name, host)
}

// until polls ok until it finds nothing to complain about.
func until(ctx context.Context, limit time.Duration, ok func() error) error {
	end := time.Now().Add(limit)
	for {
		err := ok()
		if err == nil || time.Now().After(end) {
			return err
		}
		if err := rest(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
