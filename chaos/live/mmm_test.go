package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/topology"
)

// The tests named TestF01 to TestF20 are what mysql-mmm fails at; docs/mmm-failures.md
// says which. Those of this file are here for that alone.

func TestF03SlowReplicaHoldsUpNoFailover(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, other, epoch := s.writer()
	slow := s.root("db3")
	defer slow.close()
	s.must(slow.exec(s.ctx, "FLUSH TABLES WITH READ LOCK"))
	w.more(30)
	s.must(s.KillMysqld(s.ctx, writer, false))
	next, reign := s.awaitWriter(epoch)
	if next != other {
		t.Fatalf("%s is the writer, want %s", next, other)
	}
	w.more(30)
	if f, err := s.serverFacts(s.ctx, "db3"); err != nil || f.epoch >= reign {
		t.Errorf("db3 has applied epoch %+v (%v): it was not slow, nothing proven", f, err)
	}
	s.must(slow.exec(s.ctx, "UNLOCK TABLES"))
	s.must(s.StartMysqld(s.ctx, writer))
	s.well()
}

func TestF05LossOfPingAndOfOneObserverMovesNothing(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, _, epoch := s.writer()
	const ignore = "/proc/sys/net/ipv4/icmp_echo_ignore_all"
	if got := s.shell(writer, "echo 1 > "+ignore+"; cat "+ignore); strings.TrimSpace(got) != "1" {
		t.Errorf("the writer still answers to ping (%q): nothing proven", got)
	}
	w.more(100)
	s.must(s.Cut(s.ctx, writer, "db4", lab.BothWays))
	w.more(100)
	s.reignIs(epoch)
	s.must(s.Heal(s.ctx, writer, "db4"))
	s.shell(writer, "echo 0 > "+ignore)
	s.well()
	s.reignIs(epoch)
}

// shell runs a line on a host; an error ends the test.
func (s *stage) shell(host, line string) string {
	s.t.Helper()
	out, err := s.Exec(s.ctx, host, "sh", "-c", line)
	if err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

func TestF07ServerMadeWritableByHandIsClosedAgainAndAgain(t *testing.T) {
	s := begin(t)
	w := s.write()
	_, other, epoch := s.writer()
	for range 3 {
		for _, host := range []string{other, "db3"} {
			s.exec(host, "SET GLOBAL read_only = 0")
			s.until(host+" is read-only", func() error {
				if !s.readOnly(host) {
					return errors.New("it is writable")
				}
				return nil
			})
		}
	}
	w.more(20)
	s.reignIs(epoch)
	s.well()
}

// There is nobody to lose but hosts: with one of them go an agent, a member of
// etcd and an acker. And what an earlier writer still wants to say is refused.
func TestF08AnyHostMayBeGoneAndAnEarlierWriterIsNotHeard(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, other, epoch := s.writer()
	s.must(s.KillHost(s.ctx, "db3"))
	s.awaitCluster("db3 is let go, and its lease is over", func(c topology.Cluster) error {
		// While that lives, and its etcd led, a reign may begin anew and take it in again.
		if _, _, live := c.ReportOf("db3"); live || len(c.Reign.Value.Ackers) != 2 {
			return fmt.Errorf("it has a lease: %t; the ackers are %v", live, c.Reign.Value.Ackers)
		}
		return nil
	})
	w.more(20)
	before := s.now()
	s.must(s.KillMysqld(s.ctx, writer, false))
	if next, _ := s.awaitWriter(epoch); next != other {
		t.Fatalf("%s is the writer, want %s", next, other)
	}
	w.more(30)
	s.refusedLate(before)
	s.must(s.StartHost(s.ctx, "db3"))
	s.must(s.StartMysqld(s.ctx, writer))
	s.well()
}

// refusedLate writes what a writer would that has slept since then.
func (s *stage) refusedLate(then topology.Cluster) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, callTime)
	defer cancel()
	_, reign := s.etcd.PutReign(ctx, then.Epoch(), s.now().Reign.Rev, then.Reign.Value)
	_, phase := s.etcd.PutPhase(ctx, then.Writer.Lease, then.Epoch(), then.Phase.Value)
	_, drop := s.etcd.DropWriter(ctx, then.Epoch())
	for what, err := range map[string]error{"the acker set": reign, "the phase": phase, "the writer key": drop} {
		if !errors.Is(err, store.ErrGuard) {
			s.t.Errorf("an earlier writer changes %s: %v", what, err)
		}
	}
}

func TestF09StoppedSQLThreadHidesNothing(t *testing.T) {
	s := begin(t)
	w := s.storm()
	writer, other, epoch := s.writer()
	hands := s.root(other)
	defer hands.close()
	// The agent starts the thread again within a moment: it must be stopped with
	// relay log left to apply just when the writer dies.
	for range 20 {
		s.must(hands.exec(s.ctx, "STOP SLAVE SQL_THREAD"))
	}
	s.must(s.KillMysqld(s.ctx, writer, false))
	if next, _ := s.awaitWriter(epoch); next != other {
		t.Errorf("%s is the writer, want %s", next, other)
	}
	w.more(50)
	s.must(s.StartMysqld(s.ctx, writer))
	s.well()
}

func TestF10HostThatLostItsAgentAndThenItsMysqldServesNoVIP(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, other, epoch := s.writer()
	s.must(s.KillAgent(s.ctx, writer, false))
	s.must(s.KillMysqld(s.ctx, writer, false))
	if next, _ := s.awaitWriter(epoch); next != other {
		t.Fatalf("%s is the writer, want %s", next, other)
	}
	w.more(30)
	s.until("no VIP is on "+writer, func() error {
		held, err := s.held()
		for vip, hosts := range held {
			if err == nil && strings.Contains(strings.Join(hosts, " "), writer) {
				err = fmt.Errorf("%s is on %v", vip, hosts)
			}
		}
		return err
	})
	s.must(s.StartMysqld(s.ctx, writer))
	s.must(s.StartAgent(s.ctx, writer))
	s.well()
}

// The first announcements of the new writer are lost. The client must hear a
// later one, and need not wait until its own idea of the address has aged.
func TestF15LostAnnouncementsOfAVIPAreRepeated(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, other, epoch := s.writer()
	s.shell(lab.ClientHost, "nft 'add table arp live; add chain arp live in { type filter hook input priority 0; }; "+
		"add rule arp live in arp saddr ip "+writerVIP.String()+" arp daddr ip "+writerVIP.String()+" counter'")
	defer func() { s.shell(lab.ClientHost, "nft delete table arp live") }()
	s.must(s.LoseAnnouncements(s.ctx, other, true))
	s.must(s.KillHost(s.ctx, writer))
	s.awaitWriter(epoch)
	s.until("the VIP is on "+other, func() error {
		if held, err := s.held(); err != nil || len(held[writerVIP]) == 0 || held[writerVIP][len(held[writerVIP])-1] != other {
			return fmt.Errorf("it is on %v (%w)", held[writerVIP], err)
		}
		return nil
	})
	if n := s.announcements(); n > 0 {
		t.Errorf("%d announcements came through: nothing proven", n)
	}
	s.must(s.LoseAnnouncements(s.ctx, other, false))
	s.until("a later announcement arrives", func() error {
		if s.announcements() == 0 {
			return errors.New("none")
		}
		return nil
	})
	w.more(30)
	s.must(s.StartHost(s.ctx, writer))
	s.well()
}

// announcements counts those of the writer VIP that reached the client.
func (s *stage) announcements() int {
	s.t.Helper()
	_, after, _ := strings.Cut(s.shell(lab.ClientHost, "nft list table arp live"), "counter packets ")
	number, _, _ := strings.Cut(after, " ")
	n, err := strconv.Atoi(number)
	s.must(err)
	return n
}

// Servers are dressed up as writers while nobody looks. Who reigns stands in
// etcd, and what a server looks like is no vote.
func TestF17WhatServersLookLikeAtAStartDecidesNothing(t *testing.T) {
	s := begin(t)
	w := s.write()
	_, other, epoch := s.writer()
	s.onAll(allHosts, func(host string) error { return s.KillAgent(s.ctx, host, false) })
	for _, host := range []string{other, "db3", "db4"} {
		s.exec(host, "SET GLOBAL read_only = 0")
	}
	s.onAll(allHosts, func(host string) error { return s.StartAgent(s.ctx, host) })
	next, _ := s.awaitWriter(epoch - 1)
	if next == "db3" || next == "db4" {
		t.Errorf("%s is the writer and may never be", next)
	}
	s.until("only the writer is writable", func() error {
		now, _, _ := s.writer()
		for _, host := range allHosts {
			if host != now && !s.readOnly(host) {
				return fmt.Errorf("%s is writable, the writer is %s", host, now)
			}
		}
		return nil
	})
	w.more(30)
	s.well()
}

// Whatever a host listens on is offered the line that stops replication and
// takes the VIPs off a host of MMM.
func TestF18NoPortTakesOrders(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, _, epoch := s.writer()
	dialer, err := s.Dialer(lab.ClientHost)
	s.must(err)
	tried := 0
	for _, host := range allHosts {
		ports := append(strings.Fields(s.shell(host, "ss -Hltn | awk '{print $4}' | sed 's/.*://'")), "9988", "9989")
		for _, port := range ports {
			address := net.JoinHostPort(s.addressOf(host).String(), port)
			answer, err := s.offer(dialer, address, "SET_STATUS|1|"+writer+"|ADMIN_OFFLINE||\n")
			if err == nil {
				tried++
			}
			if strings.HasPrefix(answer, "OK") {
				t.Errorf("%s answers %q", address, answer)
			}
		}
	}
	if tried == 0 {
		t.Error("no port could be reached: nothing proven")
	}
	w.more(50)
	for name, intent := range s.now().Intents {
		if intent.Value.Want == topology.WantOffline {
			t.Errorf("%s is offline: %+v", name, intent.Value)
		}
	}
	s.reignIs(epoch)
	s.well()
	s.reignIs(epoch)
}

// offer sends a line and returns what comes back within a moment.
func (s *stage) offer(dialer *lab.Dialer, address, line string) (string, error) {
	ctx, cancel := context.WithTimeout(s.ctx, callTime)
	defer cancel()
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(300 * time.Millisecond))
	_, err = io.WriteString(conn, line)
	answer, _ := io.ReadAll(io.LimitReader(conn, 1000)) // the deadline ends it
	return string(answer), err
}

func TestF19HangingHostSlowsNoFailover(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, other, epoch := s.writer()
	s.must(s.Freeze(s.ctx, "db4", lab.WholeHost))
	s.awaitAckers(2)
	w.more(20)
	began := time.Now()
	s.must(s.KillMysqld(s.ctx, writer, false))
	if next, _ := s.awaitWriter(epoch); next != other {
		t.Fatalf("%s is the writer, want %s", next, other)
	}
	took := time.Since(began)
	t.Logf("with db4 hanging: the next writer after %s", took.Round(time.Millisecond))
	if took > 5*time.Second { // MMM waits three seconds for each host and check
		t.Errorf("the failover took %s", took)
	}
	if code, out := s.ctl("show"); code != 0 {
		t.Errorf("mmmctl show: exit %d: %s", code, out)
	}
	w.more(30)
	s.must(s.Thaw(s.ctx, "db4", lab.WholeHost))
	s.must(s.StartMysqld(s.ctx, writer))
	s.well()
}

// An address that looks like a VIP in the eyes of a careless pattern stands on
// the host all the time: 192.0.2.11 is the beginning of 192.0.2.113, and the VIP
// is its peer, as ip prints it.
func TestF20AddressesAreComparedWhole(t *testing.T) {
	s := begin(t)
	w := s.write()
	_, other, _ := s.writer()
	own := s.addressOf(other).String()
	s.shell(other, fmt.Sprintf("ip addr add 192.0.2.11 peer %s dev $(ip -o -4 addr show to %s | awk '{print $2; exit}')", writerVIP, own))
	for range 2 {
		now, next, epoch := s.writer()
		s.order("switchover", "--to", next)
		s.awaitWriter(epoch)
		w.more(20)
		held, err := s.held()
		s.must(err)
		if got := held[writerVIP]; len(got) != 1 || got[0] != next {
			t.Errorf("after %s handed to %s the VIP is on %v", now, next, got)
		}
		if out := s.shell(other, "ip -o -4 addr show"); !strings.Contains(out, "inet 192.0.2.11 peer") {
			t.Errorf("the stranger's address is gone from %s", other)
		}
		s.awaitAckers(3)
	}
	s.shell(other, fmt.Sprintf("ip addr del 192.0.2.11 peer %s dev $(ip -o -4 addr show to %s | awk '{print $2; exit}')", writerVIP, own))
	s.well()
}
