package live

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
)

// floodFor is longer by two seconds than a server must be deaf before it is replaced.
const floodFor = 5 * time.Second

// deaf is what an agent says of a mysqld that takes nobody new.
const deaf = "takes no new connection"

// crowd is how clients of a flood behave.
type crowd struct {
	name    string
	clients int
	visit   func(context.Context, *net.TCPConn) error
}

// A flood of clients makes newcomers wait; nobody else would serve them sooner.
func TestF11FloodOfConnectionsIsNoFailover(t *testing.T) {
	s := begin(t)
	writer, _, epoch := s.writer()
	for _, c := range []crowd{
		{"64 read the greeting and hang up", 64, readGreeting},
		{"64 hang up at once", 64, hangUp},
		{"400 hang up at once", 400, hangUp},
		{"400 come and say nothing, more than the server takes", 400, func(ctx context.Context, c *net.TCPConn) error {
			err := readGreeting(ctx, c)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
			return err
		}},
	} {
		taken, refused := s.flood(c)
		t.Logf("%s: %d visits a second, and %d that came to nothing", c.name, taken/int64(floodFor/time.Second), refused/int64(floodFor/time.Second))
		if taken == 0 {
			t.Errorf("%s: no flood", c.name)
		}
	}
	if strings.Contains(s.said(writer), deaf) {
		t.Errorf("%s says that its mysqld %s", writer, deaf)
	}
	s.reignIs(epoch)
	s.well()
	s.reignIs(epoch)
}

// Hogs at the same priority as everybody else, several for each core,
// make everything late; a late answer is one.
func TestF11MachineThatIsShortOfTimeIsNotDeaf(t *testing.T) {
	s := begin(t)
	writer, _, _ := s.writer()
	var hogs []*exec.Cmd
	for range 8 {
		hog := exec.CommandContext(s.ctx, "sh", "-c", "while :; do :; done")
		hog.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		s.must(hog.Start())
		hogs = append(hogs, hog)
	}
	<-time.After(floodFor)
	for _, hog := range hogs {
		_ = hog.Process.Kill()
		_ = hog.Wait()
	}
	if strings.Contains(s.said(writer), deaf) {
		t.Errorf("%s says that its mysqld %s", writer, deaf)
	}
	s.well()
}

// Open sessions answer as before, so that only somebody new can notice.
func TestF11WriterThatTakesNoNewConnectionIsReplaced(t *testing.T) {
	s := begin(t)
	w := s.write()
	writer, _, epoch := s.writer()
	began := time.Now()
	heal, err := s.Deafen(s.ctx, writer)
	s.must(err)
	defer func() {
		if err := heal(); err != nil {
			t.Error(err)
		}
	}()
	other, _ := s.awaitWriter(epoch)
	t.Logf("%s is writer %s after that", other, time.Since(began).Round(time.Millisecond))
	if other == writer {
		t.Fatal("the deaf one reigns again")
	}
	if !strings.Contains(s.said(writer), deaf) {
		t.Errorf("%s does not say that its mysqld %s", writer, deaf)
	}
	w.more(30)
	s.must(heal())
	s.until("mysqld of "+writer+" runs again", func() error {
		if err := s.StartMysqld(s.ctx, writer); err != nil && !strings.Contains(err.Error(), "runs") {
			return err
		}
		return nil
	})
	s.well()
}

// flood lets clients come one after the other through the writer VIP, and counts
// those that got what they wanted, and the others.
func (s *stage) flood(c crowd) (taken, refused int64) {
	s.t.Helper()
	dialer, err := s.Dialer(lab.ClientHost)
	s.must(err)
	ctx, cancel := context.WithTimeout(s.ctx, floodFor)
	defer cancel()
	var all sync.WaitGroup
	var good, bad atomic.Int64
	for range c.clients {
		all.Go(func() {
			for ctx.Err() == nil {
				if err := visit(ctx, dialer, c.visit); err != nil {
					bad.Add(1)
				} else {
					good.Add(1)
				}
			}
		})
	}
	all.Wait()
	return good.Load(), bad.Load()
}

func visit(ctx context.Context, dialer *lab.Dialer, what func(context.Context, *net.TCPConn) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	conn, err := dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(writerVIP, lab.ClientPort).String())
	if err != nil {
		return err
	}
	c := conn.(*net.TCPConn)
	_ = c.SetLinger(0) // a reset leaves no port behind that waits
	return errors.Join(what(ctx, c), c.Close())
}

func readGreeting(_ context.Context, c *net.TCPConn) error {
	_ = c.SetReadDeadline(time.Now().Add(callTime))
	_, err := c.Read(make([]byte, 256))
	return err
}

func hangUp(context.Context, *net.TCPConn) error { return nil }
