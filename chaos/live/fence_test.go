package live

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/chaos/load"
	"github.com/mmm-ha/mmm/topology"
)

// ttl is that of the bed's cluster file.
func (s *stage) ttl() time.Duration { return s.now().Spec.Value.Timing.TTL.D() }

// R7, R8, R10: the agent of the writer is dead or frozen and its mysqld lives.
// The kernel closes the port by itself, established connections included, before
// the next writer opens; loopback is no way past it.
func TestPortOfAWriterWithoutItsAgentClosesBeforeTheNextOpens(t *testing.T) {
	tests := []struct {
		name        string
		fault, heal func(*stage, string) error
	}{
		{"killed, then started",
			func(s *stage, host string) error { return s.KillAgent(s.ctx, host, false) },
			func(s *stage, host string) error { return s.StartAgent(s.ctx, host) }},
		{"frozen, then thawed",
			func(s *stage, host string) error { return s.Freeze(s.ctx, host, lab.UnitAgent) },
			func(s *stage, host string) error { return s.Thaw(s.ctx, host, lab.UnitAgent) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := begin(t)
			w := s.write()
			writer, other, epoch := s.writer()
			s.must(s.admitsAll(writer))
			ghosts := s.ghosts(s.addressOf(writer))
			both := s.watchOver(writer, other)
			both.awaitWritable(writer)
			asker := s.answers(writerVIP)

			broke := time.Now()
			s.must(tt.fault(s, writer))
			both.awaitCut(writer)
			if err := s.refusesAll(writer); err != nil {
				t.Errorf("the port of %s: %v", writer, err)
			}
			ctx, cancel := context.WithTimeout(s.ctx, callTime)
			err := ghosts.exec(ctx, "INSERT INTO app.ghosts VALUES (1)")
			cancel()
			if !isCut(err) {
				t.Errorf("a connection that was open to %s: %v, want it reset", writer, err)
			}
			if s.readOnly(writer) {
				t.Errorf("%s is read-only: the test proves nothing", writer)
			}
			s.awaitWriter(epoch)
			both.awaitWritable(other)
			w.more(30)
			last, first := both.neverBoth(writer, other, broke)
			asker.stop()
			lastARP, firstARP := asker.handOver(writer, other)
			t.Logf("%s after the agent was %s the old writer answered a client last; the next one did after %s; for the VIP the old host answered last after %s, the next one first after %s; the lease is %s",
				since(broke, last), strings.Split(tt.name, ",")[0], since(broke, first), since(broke, lastARP), since(broke, firstARP), s.ttl())
			if last.Sub(broke) > s.ttl() {
				t.Errorf("the port of %s was open for %s, longer than the lease of %s", writer, since(broke, last), s.ttl())
			}

			s.must(tt.heal(s, writer))
			s.until(writer+" is read-only and open for readers", func() error {
				if !s.readOnly(writer) {
					return errors.New("it is writable")
				}
				return s.admitsAll(writer)
			})
			both.stop()
			for _, l := range both.looks(writer) {
				if l.writable && l.asked.After(last) {
					t.Errorf("%s accepted writes again, %s after the fault", writer, since(broke, l.asked))
				}
			}
			s.well()
			s.empty("app.ghosts")
		})
	}
}

func since(then, now time.Time) time.Duration { return now.Sub(then).Round(time.Millisecond) }

// R5, R9: an agent that is killed and started again within its lease finds the
// port as it was. Nobody notices, neither the clients that write nor one whose
// connection stays open.
func TestAgentRestartedUnderWritesBreaksNoConnection(t *testing.T) {
	s := begin(t)
	w := s.clients(4, time.Millisecond)
	writer, _, epoch := s.writer()
	direct, err := s.app(s.addressOf(writer))
	s.must(err)
	defer direct.close()
	before := w.attempts()
	for i := range 3 {
		s.must(s.KillAgent(s.ctx, writer, false))
		s.must(s.StartAgent(s.ctx, writer))
		s.awaitSaidAgain(writer, "resumes its lease", i+1)
		w.more(200)
		s.must(direct.exec(s.ctx, "SELECT 1"))
	}
	time.Sleep(s.ttl() + 200*time.Millisecond) // what was not extended would end here
	w.more(200)
	s.must(direct.exec(s.ctx, "SELECT 1"))
	s.reignIs(epoch)
	failed, longest := 0, time.Duration(0)
	for _, a := range w.attempts()[len(before):] {
		longest = max(longest, a.End.Sub(a.Start))
		if a.Outcome != load.Acked {
			failed++
			t.Errorf("a write was not acknowledged: %s", a.Why)
		}
	}
	t.Logf("the agent of the writer was killed and started 3 times: %d of %d writes failed, the longest took %s",
		failed, len(w.attempts())-len(before), longest.Round(time.Millisecond))
	s.well()
}

// attempts are those of all clients, the oldest first.
func (w *writes) attempts() []load.Attempt {
	var all []load.Attempt
	for _, j := range w.journals {
		all = append(all, j.Attempts()...)
	}
	slices.SortFunc(all, func(a, b load.Attempt) int { return a.End.Compare(b.End) })
	return all
}

// R10: the kernel removes the address of a dead agent only after whole seconds;
// it is not answered for any more long before that.
func TestReaderVIPOfADeadAgentIsSilentAlthoughItIsStillThere(t *testing.T) {
	s := begin(t)
	_, other, _ := s.writer()
	var vip netip.Addr
	for addr, claim := range s.now().Claims {
		if claim.Value.Name == other {
			vip = addr
		}
	}
	asker := s.answers(vip)
	asker.await(other)
	broke := time.Now()
	s.must(s.KillAgent(s.ctx, other, false))
	there := false // the address is on its interface when nobody answers any more
	s.until("nobody answers for "+vip.String(), func() error {
		if asker.silent() < 100*time.Millisecond {
			return errors.New("somebody does")
		}
		held, err := s.held()
		there = slices.Contains(held[vip], other)
		return err
	})
	next := ""
	s.until("another host answers for it", func() error {
		if next = asker.lastHost(); next == other || asker.silent() > 100*time.Millisecond {
			return fmt.Errorf("%q answered last, %s ago", next, asker.silent())
		}
		return nil
	})
	asker.stop()
	last, first := asker.handOver(other, next)
	t.Logf("%s answered last %s after its agent was killed (lease %s), %s first after %s; the address was still there in the silence: %t",
		other, since(broke, last), s.ttl(), next, since(broke, first), there)
	if last.Sub(broke) > s.ttl() {
		t.Errorf("%s answered for longer than its lease", other)
	}
	s.must(s.StartAgent(s.ctx, other))
	s.well()
}

// F7: somebody loads another packet filter. Ours is put back, and neither the
// writer's clients nor a reader's lose their connection for it.
func TestFlushedPacketFilterIsPutBack(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, other, epoch := s.writer()
	for _, host := range []string{writer, other} {
		_, err := s.Exec(s.ctx, host, "nft", "flush", "ruleset")
		s.must(err)
		flushed := time.Now()
		s.until("the fence of "+host+" stands and is open", func() error {
			out, err := s.Exec(s.ctx, host, "nft", "list", "set", "inet", "mmm_gate", "open")
			switch {
			case err != nil:
				return err
			case !strings.Contains(string(out), "3306"):
				return errors.New("it is closed")
			}
			return nil
		})
		t.Logf("%s: the fence stood and was open again within %s", host, since(flushed, time.Now()))
		s.must(s.admitsAll(host))
		s.awaitSaid(host, "was changed by somebody else; putting it back")
	}
	w.more(50)
	s.reignIs(epoch)
	s.well()
}

// A host after its boot: mysqld is up before the agent, and nobody reaches it.
func TestMysqldThatStartsBeforeItsAgentServesNobody(t *testing.T) {
	s := begin(t)
	_, other, _ := s.writer()
	s.must(s.StopAgent(s.ctx, other))
	s.must(s.StopMysqld(s.ctx, other))
	_, err := s.Exec(s.ctx, other, "nft", "flush", "ruleset") // a boot leaves no rules
	s.must(err)
	watch := s.watchOver(other)
	s.must(s.StartMysqld(s.ctx, other)) // answers on its socket when this returns
	s.must(s.refusesAll(other))
	s.until("ten looks were taken", func() error {
		if n := len(watch.looks(other)); n < 10 {
			return fmt.Errorf("%d were", n)
		}
		return nil
	})
	looks := watch.looks(other)
	for _, l := range looks {
		if !l.refused {
			t.Errorf("a client was not refused: %+v", l)
		}
	}
	s.must(s.StartAgent(s.ctx, other))
	s.until(other+" is open for readers", func() error { return s.admitsAll(other) })
	s.well()
}

func TestHostThatBootsServesNobodyBeforeItsAgentHasLooked(t *testing.T) {
	s := begin(t)
	_, other, _ := s.writer()
	s.must(s.KillHost(s.ctx, other))
	watch := s.watchOver(other)
	s.must(s.StartHost(s.ctx, other))
	s.until(other+" is open for readers", func() error { return s.admitsAll(other) })
	watch.stop()
	for _, l := range watch.looks(other) {
		if l.writable {
			t.Errorf("%s accepted writes: %+v", other, l)
		}
	}
	s.well()
}

// Giving the roles back leaves the port closed; uninstalling opens it, and only
// when no agent is there any more.
func TestReleasedHostIsClosedUntilItsFenceIsTakenDown(t *testing.T) {
	s := begin(t)
	_, other, _ := s.writer()
	agent := func(args ...string) error {
		out, err := s.Exec(s.ctx, other, append([]string{filepath.Join(os.Getenv(binEnv), "mmmagent")},
			append(args, "--config", filepath.Join(s.Dir(other), "agent.yaml"))...)...)
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	if err := agent("unfence"); err == nil || !strings.Contains(err.Error(), "an agent runs here") {
		t.Errorf("unfence beside an agent: %v", err)
	}
	s.must(s.admitsAll(other))
	s.release(other)
	s.until("the port is closed", func() error { return s.refusesAll(other) })
	s.must(agent("unfence"))
	s.must(s.admitsAll(other))
	if out, err := s.Exec(s.ctx, other, "nft", "list", "ruleset"); err != nil || strings.Contains(string(out), "mmm") {
		t.Errorf("left: %v %s", err, out)
	}
	s.must(s.StartAgent(s.ctx, other))
	s.well()
	s.must(s.admitsAll(other))
}

// R7: the port that replicas use is no way around, and a fence is told in status.
func TestClientsReachNoOtherPort(t *testing.T) {
	s := begin(t)
	for _, host := range allHosts {
		to := netip.AddrPortFrom(s.addressOf(host), lab.ReplicationPort)
		if err := s.dials(lab.ClientHost, to); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("a client dials %s: %v, want it refused", to, err)
		}
		if err := s.dials(allHosts[0], to); err != nil {
			t.Errorf("a host of the cluster dials %s: %v", to, err)
		}
	}
	s.awaitCluster("every host reports its fence", func(c topology.Cluster) error {
		for _, host := range allHosts {
			if r, _, _ := c.ReportOf(host); r.Fence != "nftables" {
				return fmt.Errorf("%s: %q", host, r.Fence)
			}
		}
		return nil
	})
	if _, out := s.ctl("status"); strings.Contains(out, "fence: none") {
		t.Errorf("status warns of a fence that is there:\n%s", out)
	}
}

// answering asks the network for one address, over and over.
type answering struct {
	s    *stage
	end  context.CancelFunc
	done sync.WaitGroup
	mu   sync.Mutex
	seen []answer
}

type answer struct {
	asked, told time.Time
	hosts       []string
}

// answers begins to ask for an address from the client host.
func (s *stage) answers(addr netip.Addr) *answering {
	s.t.Helper()
	asker, err := s.NewAsker(lab.ClientHost)
	s.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	a := &answering{s: s, end: cancel}
	a.done.Go(func() {
		defer asker.Close()
		for ctx.Err() == nil {
			asked := time.Now()
			got, err := asker.Ask(ctx, []netip.Addr{addr}, lookEach)
			if err != nil {
				continue // the test is over
			}
			a.mu.Lock()
			a.seen = append(a.seen, answer{asked, time.Now(), got[addr]})
			a.mu.Unlock()
		}
	})
	s.t.Cleanup(a.stop)
	return a
}

func (a *answering) stop() {
	a.end()
	a.done.Wait()
}

func (a *answering) all() []answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]answer(nil), a.seen...)
}

// lastHost is who answered last.
func (a *answering) lastHost() string {
	for _, x := range slices.Backward(a.all()) {
		if len(x.hosts) > 0 {
			return x.hosts[0]
		}
	}
	return ""
}

// silent is for how long nobody has answered.
func (a *answering) silent() time.Duration {
	all := a.all()
	for i, x := range slices.Backward(all) {
		if len(x.hosts) > 0 {
			return all[len(all)-1].told.Sub(all[i].told)
		}
	}
	return 0
}

func (a *answering) await(host string) {
	a.s.t.Helper()
	a.s.until(host+" answers", func() error {
		if got := a.lastHost(); got != host {
			return fmt.Errorf("%q answers", got)
		}
		return nil
	})
}

// handOver complains when two hosts answered, or the old one after the new one,
// and gives the last answer of the old and the first of the new.
func (a *answering) handOver(from, to string) (last, first time.Time) {
	a.s.t.Helper()
	for _, x := range a.all() {
		if len(x.hosts) > 1 {
			a.s.t.Errorf("%v answered for one address", x.hosts)
		}
		if slices.Contains(x.hosts, from) {
			last = x.told
			if !first.IsZero() {
				a.s.t.Errorf("%s answered %s after %s had", from, x.told.Sub(first), to)
			}
		}
		if slices.Contains(x.hosts, to) && first.IsZero() {
			first = x.asked
		}
	}
	if last.IsZero() || first.IsZero() {
		a.s.t.Fatalf("nothing was seen: %s answered last at %v, %s first at %v", from, last, to, first)
	}
	return last, first
}

// R9: an agent that starts closes a port that is open without end, and opens it
// again when it has seen that the server is read-only.
func TestReadersAreBackSoonAfterTheirAgentStarts(t *testing.T) {
	s := begin(t)
	_, other, _ := s.writer()
	s.must(s.admitsAll(other))
	s.must(s.StopAgent(s.ctx, other))
	s.must(s.admitsAll(other)) // nothing was given back
	watch := s.watchOver(other)
	s.must(s.StartAgent(s.ctx, other))
	s.until(other+" is open for readers", func() error { return s.admitsAll(other) })
	s.awaitSaid(other, "open-for-readers")
	watch.stop()
	var first, last time.Time
	for _, l := range watch.looks(other) {
		if l.refused && first.IsZero() {
			first = l.asked
		}
		if l.refused {
			last = l.told
		}
	}
	t.Logf("the readers of %s were shut out for %s while its agent started", other, since(first, last))
	s.well()
}
