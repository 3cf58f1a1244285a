package live

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/chaos/load"
)

// A server whose process is stopped keeps its connections: nobody's kernel says that it
// is gone. A read that it had goes to another one; of a write nobody knows.
func TestServersThatHangUnderClientsOfTheRouter(t *testing.T) {
	s := begin(t)
	s.router()
	reads := s.readers(4)
	writes := s.clientsOf(routed, 20*time.Second, 4, 5*time.Millisecond)
	s.answersAll(reads)
	writer, _, epoch := s.writer()
	i := slices.IndexFunc(s.Hosts(), func(h lab.Host) bool { return h.Mode == "slave" })
	reader := s.Hosts()[i].Name

	began := time.Now()
	s.must(s.Freeze(s.ctx, reader, lab.UnitMySQL))
	s.answersAll(reads)
	s.t.Logf("the reader %s hangs: every client had its answers again after %s, longest wait %s; longest pause of a client that writes %s",
		reader, time.Since(began).Round(time.Millisecond), longestWait(reads, began), longestPause(began, writes))
	if refused, unknown := troubles(t, writes, began); refused+unknown > 0 {
		t.Errorf("a reader hung, and %d writes were refused, %d unknown", refused, unknown)
	}
	s.must(s.Thaw(s.ctx, reader, lab.UnitMySQL))
	s.awaitAckers(3)

	began = time.Now()
	s.must(s.Freeze(s.ctx, writer, lab.UnitMySQL)) // its agent kills it
	s.awaitWriter(epoch)
	writes.more(100)
	s.answersAll(reads)
	refused, unknown := troubles(t, writes, began)
	s.t.Logf("the writer %s hangs: longest wait for a read %s, longest pause of a client that writes %s, %d refused, %d unknown",
		writer, longestWait(reads, began), longestPause(began, writes), refused, unknown)
	if refused > 0 || unknown > len(writes.journals) {
		t.Errorf("%d refused, %d unknown: at most one statement of each client was under way", refused, unknown)
	}
	for _, j := range reads {
		for _, a := range j.Attempts() {
			if a.Outcome != load.Acked {
				t.Errorf("a read was not answered: %s", a.Why)
			}
		}
	}
	s.well()
}

// readers are clients that only read, through the router.
func (s *stage) readers(n int) (reads []*load.Journal) {
	s.t.Helper()
	for i := range n {
		j, err := load.NewJournal(fmt.Sprintf("hung%d", i+1), nil)
		s.must(err)
		reads = append(reads, j)
		s.start(1, load.Options{Address: routed.String(), Timeout: 20 * time.Second, Every: 5 * time.Millisecond, KeepAfterNo: true, Reads: j})
	}
	return reads
}

// answersAll waits until each of the clients has been answered many times more.
func (s *stage) answersAll(reads []*load.Journal) {
	s.t.Helper()
	before := make([]int, len(reads))
	for i, j := range reads {
		before[i] = j.Count(load.Acked)
	}
	s.until("every client's reads are answered", func() error {
		for i, j := range reads {
			if n := j.Count(load.Acked) - before[i]; n < 200 {
				return fmt.Errorf("client %d: %d of 200", i+1, n)
			}
		}
		return nil
	})
}

// longestWait is the longest time that one read took.
func longestWait(reads []*load.Journal, from time.Time) (most time.Duration) {
	for _, j := range reads {
		most = max(most, j.LongestGap(from, time.Now()).Length())
	}
	return most.Round(time.Millisecond)
}
