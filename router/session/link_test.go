package session

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// pair is two ends of a TCP connection on loopback.
func pair(t testing.TB) (here, there *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got := make(chan net.Conn, 1)
	go func() {
		c, _ := l.Accept()
		got <- c
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	other := <-got
	t.Cleanup(func() { c.Close(); other.Close() })
	return c.(*net.TCPConn), other.(*net.TCPConn)
}

func TestExchangeWritesThenReads(t *testing.T) {
	here, there := pair(t)
	go io.Copy(there, there)
	l := newLink(here)
	for range 1000 {
		if err := l.exchange([]byte("question")); err != nil {
			t.Fatal(err)
		}
		if string(l.bytes) != "question" {
			t.Fatalf("read %q", l.bytes)
		}
		l.used(len(l.bytes))
	}
}

func TestExchangeWritesWhatIsBiggerThanTheSocket(t *testing.T) {
	here, there := pair(t)
	want := make([]byte, 32<<20)
	_, _ = rand.Read(want)
	got := make(chan []byte, 1)
	go func() {
		b := make([]byte, len(want))
		_, _ = io.ReadFull(there, b)
		got <- b
		_, _ = there.Write([]byte("thanks"))
	}()
	l := newLink(here)
	if err := l.exchange(want); err != nil {
		t.Fatal(err)
	}
	if string(l.bytes) != "thanks" || !bytes.Equal(<-got, want) {
		t.Fatalf("answer %q", l.bytes)
	}
}

func TestWhatComesWhileATurnWorksIsNotMissed(t *testing.T) {
	here, there := pair(t)
	l := newLink(here)
	var seen []byte
	took := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- l.serve(func() bool {
			seen = append(seen, l.bytes...)
			l.used(len(l.bytes))
			if len(seen) == 1 {
				close(took)
				time.Sleep(20 * time.Millisecond) // the next byte comes now
			}
			return len(seen) < 3
		})
	}()
	_, _ = there.Write([]byte("a"))
	<-took
	_, _ = there.Write([]byte("b"))
	time.Sleep(40 * time.Millisecond)
	_, _ = there.Write([]byte("c"))
	select {
	case err := <-ended:
		if err != nil || string(seen) != "abc" {
			t.Fatalf("saw %q, %v", seen, err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("a byte that was there was never read")
	}
}

func TestServeEndsWithTheOtherSide(t *testing.T) {
	for name, end := range map[string]func(*net.TCPConn){
		"closed with its request": func(c *net.TCPConn) { _, _ = c.Write([]byte("x")); c.Close() },
		"closed while nothing happens": func(c *net.TCPConn) {
			_, _ = c.Write([]byte("x"))
			time.Sleep(20 * time.Millisecond)
			c.Close()
		},
	} {
		here, there := pair(t)
		go end(there)
		l := newLink(here)
		n := 0
		ended := make(chan error, 1)
		go func() {
			ended <- l.serve(func() bool { n += len(l.bytes); l.used(len(l.bytes)); return l.write([]byte("answer")) == nil })
		}()
		select {
		case err := <-ended:
			if err == nil || n != 1 {
				t.Errorf("%s: %v after %d bytes", name, err, n)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: it waits for ever", name)
		}
	}
}

// A kernel tells once that bytes and the end have come, if both have; who reads the
// bytes and has nothing to answer must look for the end.
func TestServeEndsWithTheOtherSideThoughNothingWasAnswered(t *testing.T) {
	for name, turn := range map[string]func(*link) bool{
		"half a command":            func(*link) bool { return true },
		"a command without answers": func(l *link) bool { l.used(len(l.bytes)); return true },
	} {
		here, there := pair(t)
		_, _ = there.Write([]byte("x"))
		there.Close()
		time.Sleep(20 * time.Millisecond) // both have come
		l := newLink(here)
		ended := make(chan error, 1)
		go func() { ended <- l.serve(func() bool { return turn(l) }) }()
		select {
		case err := <-ended:
			if !errors.Is(err, io.EOF) {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(2 * time.Second):
			t.Errorf("%s: it waits for ever", name)
			here.Close()
			<-ended
		}
	}
}

func TestCloseEndsAWait(t *testing.T) {
	here, _ := pair(t)
	l := newLink(here)
	time.AfterFunc(20*time.Millisecond, func() { here.Close() })
	if err := l.exchange([]byte("x")); err == nil {
		t.Fatal("no error")
	}
}

func TestInboxKeepsWhatIsNotUsed(t *testing.T) {
	here, there := pair(t)
	want := make([]byte, 3<<20)
	_, _ = rand.Read(want)
	go func() { _, _ = there.Write(want) }()
	l := newLink(here)
	var got []byte
	for keep := 7; len(got)+len(l.bytes) < len(want); keep = keep*31%200_000 + 1 {
		if err := l.exchange(nil); err != nil {
			t.Fatal(err)
		}
		if n := len(l.bytes) - keep; n > 0 {
			got = append(got, l.bytes[:n]...)
			l.used(n)
		}
	}
	if !bytes.Equal(append(got, l.bytes...), want) {
		t.Fatal("bytes differ")
	}
}

func TestIdleLinkHoldsNoBuffer(t *testing.T) {
	here, there := pair(t)
	go io.Copy(there, there)
	l := newLink(here)
	if err := l.exchange([]byte("xy")); err != nil {
		t.Fatal(err)
	}
	l.used(1)
	if l.idle(); l.small == nil {
		t.Fatal("what is not used is gone")
	}
	l.used(1)
	if l.idle(); l.small != nil || l.big != nil {
		t.Fatal("an idle link holds a buffer")
	}
}

func TestExchangeAllocatesNothing(t *testing.T) {
	here, there := pair(t)
	go io.Copy(there, there)
	l := newLink(here)
	q := []byte("select 1")
	n := testing.AllocsPerRun(200, func() {
		if err := l.exchange(q); err != nil {
			t.Fatal(err)
		}
		l.used(len(l.bytes))
	})
	if n > 0 {
		t.Fatalf("%v allocations", n)
	}
}
