package live

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/chaos/load"
	"github.com/mmm-ha/mmm/topology"
)

// ttl is the lease of the bed (profile fast).
const ttl = time.Second

// outage is long beside a lease: what is not extended meanwhile has ended long before.
const outage = 5 * ttl

// longestGap is the longest time between two acknowledged writes of one client,
// from a moment on, and how many were acknowledged.
func (w *writes) longestGap(from time.Time) (gap time.Duration, acked int) {
	for _, j := range w.journals {
		last := from
		for _, a := range j.Attempts() {
			if a.Outcome != load.Acked || a.End.Before(from) {
				continue
			}
			gap, last, acked = max(gap, a.End.Sub(last)), a.End, acked+1
		}
		gap = max(gap, time.Since(last))
	}
	return gap, acked
}

// G6: etcd is gone altogether for ten leases, all database hosts live: no write
// waits longer than a second, and the reign is the same afterwards.
func TestWritesGoOnWhileEtcdIsAway(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, _, epoch := s.writer()
	began := time.Now()
	s.onAll(etcdHosts, func(host string) error { return s.KillEtcd(s.ctx, host) })
	s.awaitSaid(writer, "goes on by the promises of all others")
	time.Sleep(10*ttl - time.Since(began))
	gap, acked := w.longestGap(began)
	held, err := s.held()
	s.must(err)
	t.Logf("etcd away for %s: %d writes acknowledged, longest gap %s, VIPs up %v", time.Since(began).Round(time.Millisecond), acked, gap.Round(time.Millisecond), held)
	if gap > time.Second || acked < 100 {
		t.Errorf("%d writes acknowledged, longest gap %s", acked, gap)
	}
	if len(held) != 5 {
		t.Errorf("VIPs up: %v", held)
	}
	s.onAll(etcdHosts, func(host string) error { return s.StartEtcd(s.ctx, host) })
	s.awaitSaid(writer, "etcd answers again")
	s.reignIs(epoch)
	w.more(50)
	s.well()
	s.reignIs(epoch)
	s.until("the event is written", func() error {
		if code, out := s.ctl("events"); code != 0 || !strings.Contains(out, "went on without etcd") {
			return fmt.Errorf("exit %d: %s", code, out)
		}
		return nil
	})
	if gap, acked = w.longestGap(began); gap > time.Second {
		t.Errorf("longest gap %s with etcd's return", gap)
	}
	t.Logf("with its return: %d writes, longest gap %s", acked, gap.Round(time.Millisecond))
}

// etcd is gone and so is a database host: one promise is missing, the writer
// closes in time. When etcd is back somebody opens, with all the data.
func TestWriterClosesWhenAHostIsLostWhileEtcdIsAway(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, _, epoch := s.writer()
	s.onAll(etcdHosts, func(host string) error { return s.KillEtcd(s.ctx, host) })
	s.awaitSaid(writer, "goes on by the promises of all others")
	w.more(50)
	lost := time.Now()
	s.must(s.KillHost(s.ctx, "db4"))
	s.until("nobody is writable", s.nobodyWritable)
	t.Logf("closed %s after a host was lost", time.Since(lost).Round(time.Millisecond))
	if !strings.Contains(s.said(writer), "not all others promise") {
		t.Errorf("%s did not say why", writer)
	}
	s.onAll(etcdHosts, func(host string) error { return s.StartEtcd(s.ctx, host) })
	_, _ = s.awaitWriter(epoch)
	s.must(s.StartHost(s.ctx, "db4"))
	w.more(50)
	s.well()
}

// All members of etcd hang for five leases and go on. They may let go of all leases
// when they do, before they hear a renewal; then the reign is taken again.
func TestWritesGoOnWhileEtcdHangs(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, _, _ := s.writer()
	began := time.Now()
	s.onAll(etcdHosts, func(host string) error { return s.Freeze(s.ctx, host, lab.UnitEtcd) })
	s.awaitSaid(writer, "goes on by the promises of all others")
	time.Sleep(outage - time.Since(began))
	s.onAll(etcdHosts, func(host string) error { return s.Thaw(s.ctx, host, lab.UnitEtcd) })
	s.awaitSaid(writer, "etcd answers again")
	w.more(50)
	gap, acked := w.longestGap(began)
	t.Logf("etcd frozen: %d writes, longest gap %s", acked, gap.Round(time.Millisecond))
	if gap > time.Second || acked < 100 {
		t.Errorf("%d writes, longest gap %s", acked, gap)
	}
	s.well()
	if now, _, _ := s.writer(); now != writer {
		t.Errorf("%s reigns after %s", now, writer)
	}
}

// T15: the writer alone is cut off from etcd. The others see it, so they promise
// nothing: it closes, and another one opens.
func TestWriterThatAloneLostEtcdGetsNoPromise(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, other, epoch := s.writer()
	s.until("the leader of etcd is on db3", func() error { return s.leadEtcd("db3") })
	s.must(s.CutEtcd(s.ctx, writer, true))
	defer func() { s.must(s.CutEtcd(s.ctx, writer, false)) }()
	next, _ := s.awaitWriter(epoch)
	if next != other {
		t.Errorf("%s opened", next)
	}
	if !strings.Contains(s.said(writer), "reaches a quorum of etcd") {
		t.Errorf("%s did not ask, or was not told", writer)
	}
	s.must(s.CutEtcd(s.ctx, writer, false))
	w.more(50)
	s.well()
}

// aside is a test on a bed of its own, whose etcd runs on three hosts that do
// nothing else.
func aside(t *testing.T) *stage {
	t.Helper()
	return beginOn(t, "etcd aside", func(o *lab.Options) {
		o.Hosts = lab.DefaultHosts()
		for i := range o.Hosts {
			o.Hosts[i].Etcd = false
		}
		for i := range 3 {
			o.Hosts = append(o.Hosts, lab.Host{Name: fmt.Sprintf("etcd%d", i+1), Address: netip.AddrFrom4([4]byte{192, 0, 2, byte(171 + i)}), Etcd: true})
		}
	})
}

// R52: all database hosts are cut off from an etcd that lives and ends their
// leases. The writer goes on, and takes its reign again when it reaches etcd;
// reader VIPs stay where they are.
func TestReignIsTakenAgainWhenEtcdHasLetGoOfIt(t *testing.T) {
	s := aside(t)
	w := s.write()
	writer, _, epoch := s.writer()
	before, err := s.held()
	s.must(err)
	began := time.Now()
	cut := func(on bool) {
		s.onAll(allHosts, func(host string) error { return s.CutEtcd(s.ctx, host, on) })
	}
	cut(true)
	s.awaitSaid(writer, "goes on by the promises of all others")
	s.awaitCluster("etcd has let go of all leases", func(c topology.Cluster) error {
		if c.Writer.Present() || len(c.Hosts)+len(c.Claims) > 0 {
			return fmt.Errorf("writer %q, %d hosts, %d claims", c.Writer.Value.Name, len(c.Hosts), len(c.Claims))
		}
		return nil
	})
	time.Sleep(outage - time.Since(began))
	cut(false)
	now, after := s.awaitWriter(epoch)
	w.more(50)
	s.well()
	gap, acked := w.longestGap(began)
	held, err := s.held()
	s.must(err)
	t.Logf("cut off from etcd: %d writes, longest gap %s, epoch %d then %d; VIPs %v, then %v", acked, gap.Round(time.Millisecond), epoch, after, before, held)
	if now != writer || gap > time.Second || acked < 100 {
		t.Errorf("%s reigns after %s; %d writes, longest gap %s", now, writer, acked, gap)
	}
	if !reflect.DeepEqual(before, held) {
		t.Errorf("VIPs moved from %v to %v", before, held)
	}
	s.reignIs(after)
}
