package live

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
)

// lookout asks servers directly, past the VIPs, whether a client could write
// there: every 20 ms, over a connection that it keeps, and over a new one when
// that is gone.
type lookout struct {
	s    *stage
	end  context.CancelFunc
	done sync.WaitGroup
	mu   sync.Mutex
	seen map[string][]look
}

// look is one answer, or none.
type look struct {
	asked, told time.Time
	writable    bool
	refused     bool // the connection was refused or reset, and did not hang
	err         error
}

// lookTime is how long one question may take: a port that is closed answers at
// once, one that nobody closes hangs.
const lookTime = 400 * time.Millisecond

// watchOver begins to ask.
func (s *stage) watchOver(hosts ...string) *lookout {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	o := &lookout{s: s, end: cancel, seen: map[string][]look{}}
	for _, host := range hosts {
		db, err := s.AppDB(lab.ClientHost, netip.AddrPortFrom(s.addressOf(host), lab.ClientPort))
		s.must(err)
		db.SetMaxOpenConns(1)
		o.done.Go(func() {
			defer db.Close()
			timer := time.NewTicker(lookEach)
			defer timer.Stop()
			for ctx.Err() == nil {
				o.add(host, ask(ctx, db))
				<-timer.C
			}
		})
	}
	s.t.Cleanup(o.stop)
	return o
}

func ask(ctx context.Context, db *sql.DB) look {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	l := look{asked: time.Now()}
	var readOnly bool
	l.err = db.QueryRowContext(ctx, "SELECT @@read_only").Scan(&readOnly)
	l.told, l.writable, l.refused = time.Now(), l.err == nil && !readOnly, isCut(l.err)
	return l
}

// isCut says that a connection ended with a reset, and did not hang.
func isCut(err error) bool {
	var timeout net.Error
	return err != nil && !errors.Is(err, context.DeadlineExceeded) && !(errors.As(err, &timeout) && timeout.Timeout())
}

func (o *lookout) add(host string, l look) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen[host] = append(o.seen[host], l)
}

func (o *lookout) stop() {
	o.end()
	o.done.Wait()
}

// looks is what was seen of a host so far.
func (o *lookout) looks(host string) []look {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]look(nil), o.seen[host]...)
}

// awaitCut waits until the port of a host is closed to new connections.
func (o *lookout) awaitCut(host string) {
	o.s.t.Helper()
	o.s.until("the port of "+host+" is closed", func() error {
		all := o.looks(host)
		if last := all[max(0, len(all)-2):]; len(last) < 2 || !last[0].refused || !last[1].refused {
			return fmt.Errorf("the last looks: %+v", last)
		}
		return nil
	})
}

// awaitWritable waits until a client could write to a host.
func (o *lookout) awaitWritable(host string) {
	o.s.t.Helper()
	o.s.until(host+" accepts writes", func() error {
		if all := o.looks(host); len(all) == 0 || !all[len(all)-1].writable {
			return errors.New("it does not")
		}
		return nil
	})
}

// neverBoth complains when a client could have written to both at one moment,
// and gives the time from the last moment of the one to the first of the other.
func (o *lookout) neverBoth(from, to string, since time.Time) (last, first time.Time) {
	o.s.t.Helper()
	for _, l := range o.looks(from) {
		if l.writable && l.told.After(last) {
			last = l.told
		}
	}
	for _, l := range o.looks(to) {
		if l.writable && l.asked.After(since) && first.IsZero() {
			first = l.asked
		}
	}
	switch {
	case last.IsZero() || first.IsZero():
		o.s.t.Fatalf("nothing was seen: %s accepted last at %v, %s first at %v; %d and %d looks", from, last, to, first, len(o.looks(from)), len(o.looks(to)))
	case !last.Before(first):
		o.s.t.Errorf("%s still accepted writes %s after %s did", from, last.Sub(first), to)
	}
	return last, first
}

// dials says how a connection attempt from a host ends.
func (s *stage) dials(from string, to netip.AddrPort) error {
	s.t.Helper()
	dialer, err := s.Dialer(from)
	s.must(err)
	ctx, cancel := context.WithTimeout(s.ctx, lookTime)
	defer cancel()
	conn, err := dialer.DialContext(ctx, "tcp", to.String())
	if err == nil {
		_ = conn.Close()
	}
	return err
}

// refusesAll complains when a client reaches the port of a host by any way: from
// outside, by the host's own address from the host itself, or over loopback.
func (s *stage) refusesAll(host string) error {
	s.t.Helper()
	own := netip.AddrPortFrom(s.addressOf(host), lab.ClientPort)
	local := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), lab.ClientPort)
	var errs []error
	for _, way := range []struct {
		from string
		to   netip.AddrPort
	}{{lab.ClientHost, own}, {host, own}, {host, local}} {
		if err := s.dials(way.from, way.to); !errors.Is(err, syscall.ECONNREFUSED) {
			errs = append(errs, fmt.Errorf("from %s to %s, want it refused: %w", way.from, way.to, err))
		}
	}
	return errors.Join(errs...)
}

// admitsAll complains when a client does not.
func (s *stage) admitsAll(host string) error {
	s.t.Helper()
	own := netip.AddrPortFrom(s.addressOf(host), lab.ClientPort)
	local := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), lab.ClientPort)
	return errors.Join(s.dials(lab.ClientHost, own), s.dials(host, own), s.dials(host, local))
}
