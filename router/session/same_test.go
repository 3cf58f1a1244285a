package session

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// lateBy passes on what a server says so much later. It is a line to a replica
// that is far away; what the replica says is not delayed.
func lateBy(t testing.TB, port uint16, by time.Duration) (listens int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	all.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if err != nil {
				_ = from.Close()
				continue
			}
			mu.Lock()
			open = append(open, from, to)
			mu.Unlock()
			all.Go(func() { _, _ = io.Copy(to, from); _ = to.Close() })
			all.Go(func() { late(from, to, by) })
		}
	})
	return l.Addr().(*net.TCPAddr).Port
}

// late copies with a delay.
func late(to, from net.Conn, by time.Duration) {
	type piece struct {
		at    time.Time
		bytes []byte
	}
	pieces := make(chan piece, 1<<16)
	var all sync.WaitGroup
	all.Go(func() {
		for p := range pieces {
			time.Sleep(time.Until(p.at))
			if _, err := to.Write(p.bytes); err != nil {
				_ = from.Close()
			}
		}
		_ = to.Close()
	})
	for {
		b := make([]byte, 64<<10)
		n, err := from.Read(b)
		if n > 0 {
			pieces <- piece{time.Now().Add(by), b[:n]}
		}
		if err != nil {
			close(pieces)
			all.Wait()
			return
		}
	}
}

// delays are the readers of newDelayed, and how far each is behind.
var delays = []struct {
	reader string
	name   string
	rules  Rules
}{
	{"db2", "no delay", Rules{OwnReads: true, Catch: 5 * time.Second}},
	{"db3", "200 ms", Rules{OwnReads: true, Catch: 5 * time.Second}},
	{"db4", "2 s", Rules{OwnReads: true, Catch: 20 * time.Millisecond}},
}

// newDelayed is a rig with three readers of which each is behind by more, and a
// router for each.
func newDelayed(t testing.TB) (*rig, []*rig) {
	r := newRig(t, 3)
	writer := r.servers["db1"]
	r.mayScript()
	r.servers["db3"].Exec("STOP SLAVE", fmt.Sprintf("CHANGE MASTER TO MASTER_PORT=%d", lateBy(t, writer.ExtraPort, 200*time.Millisecond)), "START SLAVE")
	r.servers["db4"].Exec("STOP SLAVE", "CHANGE MASTER TO MASTER_DELAY=2", "START SLAVE")
	var routers []*rig
	for _, d := range delays {
		routers = append(routers, r.beside(d.reader, d.rules))
	}
	return r, routers
}

// TestNothingThatAnApplicationSeesIsChanged plays every script directly on the
// writer and through routers whose readers are behind by nothing, by 200 ms and by
// two seconds. Every byte of every answer is the same.
func TestNothingThatAnApplicationSeesIsChanged(t *testing.T) {
	r, routers := newDelayed(t)
	session := sessionVariables(r)
	writer := fmt.Sprintf("127.0.0.1:%d", r.servers["db1"].Port)
	all := scripts(t)
	t.Run("together", func(t *testing.T) {
		for _, s := range all {
			if !s.alone {
				t.Run(s.name, func(t *testing.T) {
					t.Parallel()
					same(t, writer, routers, s, session)
				})
			}
		}
	})
	for _, s := range all {
		if s.alone {
			t.Run(s.name, func(t *testing.T) { same(t, writer, routers, s, session) })
		}
	}
}

// same plays a script in every way at once, each in a schema of its own.
func same(t *testing.T, writer string, routers []*rig, s script, session map[string]bool) {
	if s.caps == nil {
		s.caps = []string{"old", "new", "both", "track"}
	}
	var all sync.WaitGroup
	once := func(address, schema, caps string, then func(text string)) {
		all.Go(func() {
			text, err := play(address, schema, capsOf[caps], s, session)
			if err != nil {
				t.Errorf("%s: %v", address, err)
			}
			then(text)
		})
		if s.alone {
			all.Wait()
		}
	}
	type try struct{ name, caps, text string }
	direct, through := map[string]string{}, []*try{}
	var mu sync.Mutex
	name := fmt.Sprintf("%.16s", s.name+strings.Repeat("_", 16))
	for j, caps := range s.caps {
		once(writer, fmt.Sprintf("s_%s_%d_x", name, j), caps, func(text string) { mu.Lock(); direct[caps] = text; mu.Unlock() })
		for i, d := range delays {
			if d.reader != "db2" && (s.near || caps != s.caps[len(s.caps)-1]) {
				continue // how an answer is coded does not hang on the delay
			}
			r := &try{name: "a reader with " + d.name, caps: caps}
			through = append(through, r)
			once(routers[i].address, fmt.Sprintf("s_%s_%d_%d", name, j, i), caps, func(text string) { r.text = text })
		}
	}
	all.Wait()
	for _, r := range through {
		if where := differ(direct[r.caps], r.text); where != "" {
			t.Errorf("%s, a client that is %s: %s", r.name, r.caps, where)
		}
	}
}
