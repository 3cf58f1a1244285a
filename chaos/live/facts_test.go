package live

import (
	"context"
	"fmt"
	"strings"

	"github.com/mmm-ha/mmm/topology"
)

// spread complains unless the reader VIPs are all served, none of them by the
// hosts named, and as evenly as can be.
func spread(c topology.Cluster, not ...string) error {
	n := readersOf(c)
	for _, host := range not {
		if n[host] > 0 {
			return fmt.Errorf("%s has %d reader VIPs", host, n[host])
		}
	}
	vips, hosts := len(c.Spec.Value.Roles.Reader.VIPs), len(allHosts)-len(not)
	if len(c.Claims) != vips || len(n) != min(hosts, vips) {
		return fmt.Errorf("%d of %d reader VIPs are claimed, by %v", len(c.Claims), vips, n)
	}
	for host, k := range n {
		if k > (vips+hosts-1)/hosts {
			return fmt.Errorf("%s has %d of %d reader VIPs", host, k, vips)
		}
	}
	return nil
}

// inOrder waits until the history since the test began tells these facts, in
// this order.
func (s *stage) inOrder(facts ...string) {
	s.t.Helper()
	s.until("the history tells: "+strings.Join(facts, ", then "), func() error {
		ctx, cancel := context.WithTimeout(s.ctx, callTime)
		defer cancel()
		events, err := s.etcd.Events(ctx, s.began, 0)
		if err != nil {
			return err
		}
		var told []string
		at := 0
		for _, e := range events {
			told = append(told, fmt.Sprintf("%s (epoch %d)", e.What, e.Epoch))
			if at < len(facts) && strings.Contains(told[len(told)-1], facts[at]) {
				at++
			}
		}
		if at < len(facts) {
			return fmt.Errorf("it does not tell %q in its place:\n  %s", facts[at], strings.Join(told, "\n  "))
		}
		return nil
	})
}

// mysqldOf names the run of mysqld that a host reports.
func (s *stage) mysqldOf(host string) topology.Incarnation {
	s.t.Helper()
	r, _, _ := s.now().ReportOf(host)
	return r.Incarnation
}

// readOnly says whether a server refuses writes; one that is down does.
func (s *stage) readOnly(host string) bool {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, callTime)
	defer cancel()
	f, err := s.serverFacts(ctx, host)
	return err != nil || f.readOnly
}

// reignIs complains unless an epoch still reigns.
func (s *stage) reignIs(epoch topology.Rev) {
	s.t.Helper()
	if c := s.now(); c.Epoch() != epoch {
		s.t.Errorf("epoch %d of %s reigns, want %d as before", c.Epoch(), c.Writer.Value.Name, epoch)
	}
}

// says complains about each text that is missing in what a program said.
func (s *stage) says(out string, texts ...string) {
	s.t.Helper()
	for _, text := range texts {
		if !strings.Contains(out, text) {
			s.t.Errorf("it does not say %q:\n%s", text, out)
		}
	}
}
