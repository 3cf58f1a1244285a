package clients

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/router/auth"
	"github.com/mmm-ha/mmm/router/wire"
)

// endings are the ways in which a client connects and goes. Each gets a connection
// that was greeted, which is closed after it.
var endings = []struct {
	name string
	do   func(k *raw) error
}{
	{"says nothing", func(*raw) error { return nil }},
	{"half a login", func(k *raw) error { return k.half(k.login.Append(nil)) }},
	{"a login, and does not hear the answer", func(k *raw) error { return k.send(k.login.Append(nil)) }},
	{"garbage", func(k *raw) error {
		_, err := k.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n" + strings.Repeat("x", 100)))
		return err
	}},
	{"asks for TLS and goes", func(k *raw) error {
		k.login.Capabilities |= wire.TLS
		return k.send(k.login.AppendTLSRequest(nil))
	}},
	{"asks for TLS and says something else", func(k *raw) error {
		k.login.Capabilities |= wire.TLS
		_ = k.send(k.login.AppendTLSRequest(nil))
		return k.send(k.login.Append(nil))
	}},
	{"TLS, and no login", (*raw).secure},
	{"TLS, and goodbye", func(k *raw) error { return first(k.secure, k.enter, k.goodbye) }},
	{"logs in and goes", (*raw).enter},
	{"logs in and says goodbye", func(k *raw) error { return first(k.enter, k.goodbye) }},
	{"wrong password", func(k *raw) error {
		k.back = auth.NewBack(auth.ClearSecret("wrong"), auth.Channel{})
		k.login.Answer = make([]byte, 20)
		return refused(k.enter(), 1045)
	}},
	{"nobody", func(k *raw) error { k.login.User = "nobody"; return refused(k.enter(), 1045) }},
	{"no such schema", func(k *raw) error { k.login.Schema = "nowhere"; return refused(k.enter(), 1044) }},
	{"reads and writes", func(k *raw) error {
		return first(k.enter, k.read, func() error { return k.done("UPDATE t SET a = a + 1") }, k.read, k.goodbye)
	}},
	{"half a command", func(k *raw) error {
		if err := k.enter(); err != nil {
			return err
		}
		k.seq = 0
		return k.half([]byte("\x03SELECT 'which is not said to its end'"))
	}},
	{"does not hear the answer", func(k *raw) error {
		if err := k.enter(); err != nil {
			return err
		}
		k.seq = 0
		return k.send([]byte("\x03SELECT REPEAT('x', 100000) FROM seq_1_to_50"))
	}},
	{"is reset in the middle of a result", func(k *raw) error {
		err := k.enter()
		if err == nil {
			_, err = k.say(wire.ComQuery, "SELECT REPEAT('x', 100000) FROM seq_1_to_50")
		}
		if tcp, ok := k.Conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		return err
	}},
	{"an open transaction", func(k *raw) error {
		return first(k.enter, func() error { return k.done("BEGIN") }, func() error { return k.done("INSERT INTO t (a) VALUES (1)") })
	}},
	{"a temporary table, a lock, a variable", func(k *raw) error {
		return first(k.enter, func() error { return k.done("CREATE TEMPORARY TABLE x (a INT)") }, func() error { return k.done("SET @a = 1") },
			func() error { return k.rows("SELECT GET_LOCK(CONCAT('l', CONNECTION_ID()), 1)") })
	}},
	{"prepared statements and an open cursor", func(k *raw) error { return first(k.enter, k.cursor, k.cursor) }},
	{"no file after LOAD DATA LOCAL", func(k *raw) error {
		err := k.enter()
		if err == nil {
			_, err = k.say(wire.ComQuery, "LOAD DATA LOCAL INFILE 'x' INTO TABLE t")
		}
		return err
	}},
	{"kills itself", func(k *raw) error {
		return first(k.enter, k.read, func() error {
			_, err := k.say(wire.ComQuery, fmt.Sprint("KILL ", k.greeting.Connection))
			return err
		})
	}},
	{"resets its connection and becomes another", func(k *raw) error {
		return first(k.enter, k.read, func() error { _, err := k.say(wire.ComResetConnection, ""); return err }, k.read,
			func() error { _, err := k.say(wire.ComChangeUser, "nobody\x00\x00\x00"); return err })
	}},
}

// first does one after the other, and ends with the first error.
func first(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (k *raw) read() error { return k.rows("SELECT a FROM t LIMIT 3") }

func (k *raw) goodbye() error {
	k.seq = 0
	return k.send([]byte{byte(wire.ComQuit)})
}

// cursor prepares a statement and fetches a part of its rows.
func (k *raw) cursor() error {
	p, err := k.say(wire.ComStmtPrepare, "SELECT a FROM t")
	if err != nil {
		return err
	}
	answer, err := wire.ParsePrepared(p)
	if err != nil {
		return fmt.Errorf("%w: %q", err, p)
	}
	for range answer.Columns {
		if err == nil {
			_, err = k.next()
		}
	}
	if err != nil {
		return err
	}
	id := binary.LittleEndian.AppendUint32(nil, answer.ID)
	if _, err = k.say(wire.ComStmtExecute, string(id)+"\x01\x01\x00\x00\x00"); err != nil {
		return err
	}
	for range 2 { // the column, the end of columns
		if _, err = k.next(); err != nil {
			return err
		}
	}
	if _, err = k.say(wire.ComStmtFetch, string(id)+"\x01\x00\x00\x00"); err == nil { // a row, the end
		_, err = k.next()
	}
	return err
}

// levels is what may not grow.
type levels struct {
	Goroutines, Files, OnWriter, OnReader, Connected, LoggedIn, Waiting, Kept int
}

func (b *bed) levels() levels {
	files, err := os.ReadDir("/proc/self/fd")
	b.must(err)
	var n [2]int
	for i, s := range []string{
		b.writer.Query("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER IN ('app', 'nobody', 'unauthenticated user')"),
		b.reader.Query("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER IN ('app', 'nobody', 'unauthenticated user')"),
	} {
		_, err := fmt.Sscan(s, &n[i])
		b.must(err)
	}
	s := b.router.Status().Sessions
	return levels{runtime.NumGoroutine(), len(files), n[0], n[1], s.Connected, s.LoggedIn, s.Waiting, b.pool.Idle()}
}

// heap is what is in use after a collection.
func heap() (bytes, objects int) {
	var m runtime.MemStats
	for range 3 { // what pools hold goes with the second
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc), int(m.HeapObjects)
}

// storm has clients connect and go in every way, so many in all, several at once.
func (b *bed) storm(clients int) {
	var all sync.WaitGroup
	var next atomic.Int64
	for range 8 {
		all.Go(func() {
			for i := next.Add(1); i <= int64(clients); i = next.Add(1) {
				e := endings[i%int64(len(endings))]
				k, err := b.greeted(user, password)
				if err == nil {
					err = e.do(k)
					_ = k.Close()
				}
				if err != nil {
					b.Errorf("%s: %v", e.name, err)
				}
			}
		})
	}
	all.Wait()
}

// rest waits until nothing of the clients is left, and returns what there is.
func (b *bed) rest(want levels, limit time.Duration) levels {
	var now levels
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		b.pool.Close() // what is kept is kept on purpose
		if now = b.levels(); now == want {
			break
		}
	}
	return now
}

// TestThousandsOfClientsLeaveNothingBehind: not in the router, and not on the servers.
func TestThousandsOfClientsLeaveNothingBehind(t *testing.T) {
	const perUser, clients = 60, 3000
	b := newBed(t, fmt.Sprintf("limits: {perUser: %d}", perUser))
	b.writer.Exec("CREATE TABLE seen.t (id INT PRIMARY KEY AUTO_INCREMENT, a INT)", "INSERT INTO seen.t (a) SELECT seq FROM seen.seq_1_to_100")
	b.caughtUp()
	for _, s := range b.named { // the test's own connections are not what is counted
		s.Root().SetMaxOpenConns(1)
	}
	b.storm(5 * len(endings)) // everything was there once
	before := b.rest(levels{}, time.Second)
	bytes, objects := heap()
	began := time.Now()
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // it would close connections that were forgotten
	b.storm(clients)
	took := time.Since(began)
	if after := b.rest(before, 10*time.Second); after != before {
		t.Errorf("before %+v\nafter  %+v; sessions: %+v", before, after, b.router.Sessions())
	}
	more, many := heap()
	if more > bytes+clients*200 || many > objects+clients {
		t.Errorf("the heap has grown from %d bytes in %d objects to %d in %d", bytes, objects, more, many)
	}
	t.Logf("%d clients in %v; heap from %d to %d KB, objects from %d to %d; %+v", clients, took.Round(time.Millisecond), bytes>>10, more>>10, objects, many, before)
	b.placesAreFree(t, perUser)
}

// placesAreFree sees that a user may have as many connections as it may, and no more.
func (b *bed) placesAreFree(t *testing.T, most int) {
	var open []*raw
	for i := range most + 1 {
		k, err := b.greeted(user, password)
		if err == nil {
			err = k.enter()
			open = append(open, k)
		}
		if i == most {
			err = refused(err, 1203)
		}
		if err != nil {
			t.Errorf("login %d: %v", i+1, err)
		}
	}
	for _, k := range slices.Backward(open) {
		_ = k.Close()
	}
}
