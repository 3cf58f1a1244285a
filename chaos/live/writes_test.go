package live

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/chaos/load"
)

// writerVIP is where applications write.
var writerVIP = netip.MustParseAddr("192.0.2.113")

// writes are clients that write through the writer VIP, each one row after the
// other, all into one table.
type writes struct {
	s        *stage
	journals []*load.Journal
	end      context.CancelFunc
	done     sync.WaitGroup
	mu       sync.Mutex // guards err
	err      error
}

// write starts a client with a table of its own, and waits for its first
// acknowledgements.
func (s *stage) write() *writes {
	s.t.Helper()
	return s.clients(1, 10*time.Millisecond)
}

// storm starts clients enough that some write is always between its binlog and
// its acknowledgement, whenever the writer dies.
func (s *stage) storm() *writes {
	s.t.Helper()
	return s.clients(8, time.Millisecond)
}

func (s *stage) clients(n int, every time.Duration) *writes {
	s.t.Helper()
	return s.clientsOf(netip.AddrPortFrom(writerVIP, lab.ClientPort), 0, n, every)
}

// clientsOf starts clients of another address, with another limit of an attempt.
func (s *stage) clientsOf(address netip.AddrPort, limit time.Duration, n int, every time.Duration) *writes {
	s.t.Helper()
	return s.start(n, load.Options{Address: address.String(), Timeout: limit, Every: every})
}

// start starts so many clients of one kind; who and where they are is filled in.
func (s *stage) start(n int, o load.Options) *writes {
	s.t.Helper()
	dialer, err := s.Dialer(lab.ClientHost)
	s.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	w := &writes{s: s, end: cancel}
	name := fmt.Sprintf("%s.t%d", lab.AppDatabase, len(s.tables)+1)
	for i := range n {
		journal, err := load.NewJournal(fmt.Sprintf("c%d", i+1), nil)
		s.must(err)
		w.journals = append(w.journals, journal)
		w.done.Go(func() {
			o := o
			o.Dial, o.User, o.Password, o.Table, o.Journal = dialer.DialContext, lab.AppUser, lab.AppPassword, name, journal
			err := load.Run(ctx, o)
			w.mu.Lock()
			defer w.mu.Unlock()
			w.err = errors.Join(w.err, err)
		})
	}
	s.tables = append(s.tables, table{name, w.journals})
	s.load = append(s.load, w)
	w.more(10)
	return w
}

// acked is how many writes were acknowledged so far.
func (w *writes) acked() int {
	n := 0
	for _, j := range w.journals {
		n += j.Count(load.Acked)
	}
	return n
}

// more waits until so many further writes were acknowledged.
func (w *writes) more(n int) {
	w.s.t.Helper()
	w.reach(w.acked() + n)
}

// reach waits until so many writes are acknowledged in all.
func (w *writes) reach(want int) {
	w.s.t.Helper()
	w.s.until(fmt.Sprintf("%d more writes are acknowledged", want-w.acked()), func() error {
		if got := w.acked(); got < want {
			last := w.journals[0].Attempts()
			if len(last) == 0 {
				return errors.New("none was tried")
			}
			return fmt.Errorf("%d are missing; the last try: %s", want-got, last[len(last)-1].Why)
		}
		return nil
	})
}

// stop ends the clients.
func (w *writes) stop() {
	w.end()
	w.done.Wait()
	if w.err != nil {
		w.s.t.Errorf("a client that writes: %v", w.err)
	}
}
