package session

import (
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/mmm-ha/mmm/internal/certs/certstest"
	"github.com/mmm-ha/mmm/router"
	"github.com/mmm-ha/mmm/router/auth"
	"github.com/mmm-ha/mmm/router/backend"
	"github.com/mmm-ha/mmm/router/pick"
	"github.com/mmm-ha/mmm/router/tally"
	"github.com/mmm-ha/mmm/router/wire"
)

// notes keeps what was logged.
type notes struct {
	mu   sync.Mutex
	text strings.Builder
}

func (n *notes) Write(line []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(line)
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.String()
}

// noted makes the router's log readable.
func (r *rig) noted() *notes {
	n := &notes{}
	r.all.opt.Log = slog.New(slog.NewTextHandler(n, nil))
	return n
}

func TestOneUsersOldPasswordPutsNoServerAside(t *testing.T) {
	said := &notes{}
	all := New(Options{Log: slog.New(slog.NewTextHandler(said, nil)), Picker: pick.New(time.Now, func(int) int { return 0 })})
	s := &Session{opt: &all.opt, all: all, ctx: t.Context()}
	three := []pick.Candidate{{Name: "db2", Weight: 1}, {Name: "db3", Weight: 1}, {Name: "db4", Weight: 1}}
	fails := func(err error) (picked string) {
		for range 5 {
			s.unreached(backend.Target{Name: "db2", Address: netip.MustParseAddrPort("192.0.2.162:3306")}, err)
		}
		return three[all.opt.Picker.Pick(three)].Name
	}
	if got := fails(fmt.Errorf("log in: %w", &backend.Server{Number: 1045, Payload: refusal(1045, "28000", "Access denied")})); got != "db2" {
		t.Error("a server that refuses one user is put aside for all")
	}
	full := &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}
	if got := fails(fmt.Errorf("connect to db2: %w", full)); got != "db2" || !strings.Contains(said.String(), "raise LimitNOFILE") {
		t.Errorf("a server is put aside because this process is out of files:\n%s", said)
	}
	if got := fails(&backend.Server{Number: 1040, Payload: refusal(1040, "08004", "Too many connections")}); got == "db2" {
		t.Error("a server that is full is not put aside")
	}
	if n := strings.Count(said.String(), "a server refuses a user"); n != 1 {
		t.Errorf("said %d times that a user is refused:\n%s", n, said)
	}
	if n := strings.Count(said.String(), "cannot connect to a server"); n != 1 || !strings.Contains(said.String(), "address=192.0.2.162:3306") {
		t.Errorf("said %d times that a server cannot be connected to:\n%s", n, said)
	}
}

func TestAPROXYHeaderFromElsewhereIsRefusedAtOnceAndSaid(t *testing.T) {
	r := newTheatre(t, newPuppet(t, "db1", nil))
	said := r.noted()
	r.serveAll()
	for _, header := range []string{"PROXY TCP4 192.0.2.7 192.0.2.8 1 3306\r\n", "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\xc0\x00\x02\x08\x00\x01\x0c\xea"} {
		c, err := net.Dial("tcp", r.address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		_ = c.SetDeadline(time.Now().Add(5 * time.Second)) // less than a login may take
		packets := wire.NewReader(c, 1<<20)
		if _, _, err := packets.Next(); err != nil { // the greeting; a balancer may have said all by then
			t.Fatal(err)
		}
		if _, err := c.Write([]byte(header)); err != nil {
			t.Fatal(err)
		}
		p, seq, err := packets.Next()
		if err != nil || !wire.IsErr(p) || seq != 2 {
			t.Fatalf("%q, %d, %v", p, seq, err)
		}
		if e, err := wire.ParseErr(p); err != nil || e.Code != 1156 || !strings.Contains(e.Message, "a PROXY header came from 127.0.0.1, which is in no network that `proxyProtocol`") {
			t.Errorf("%+v, %v", e, err)
		}
	}
	for end := time.Now().Add(20 * time.Second); strings.Count(said.String(), "a client was not let in") != 1; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it is not said once: %s", said)
		}
	}
	if !strings.Contains(said.String(), "a PROXY header came from") {
		t.Error(said)
	}
}

func TestAStatementThatCanOnlyBeCutOffIsInterruptedAndNotRetryable(t *testing.T) {
	hangs := make(chan struct{}, 1)
	writer := newPuppet(t, "db1", func(h *stagehand) bool {
		if !strings.Contains(h.text, "SLEEP") {
			return false
		}
		hangs <- struct{}{}
		_, _ = h.next() // until the connection ends
		return true
	})
	r := newTheatre(t, writer)
	k := r.talk()
	r.mu.Lock()
	var s *Session
	for _, one := range r.sessions {
		s = one
	}
	r.mu.Unlock()
	s.mu.Lock()
	s.secret = auth.Secret{} // as of who was let in by a plugin that only the server knows
	s.mu.Unlock()
	go func() {
		<-hangs
		for s.State().Phase != router.Running {
			time.Sleep(time.Millisecond)
		}
		if err := s.KillQuery(t.Context(), time.Time{}); err != nil {
			t.Error(err)
		}
	}()
	k.query("SELECT SLEEP(100)")
	if got := k.said(); !strings.Contains(got, "error 1317 70100") || !strings.Contains(got, "it may go on there") {
		t.Errorf("heard: %s", got)
	}
}

func TestAStatementThatGetsNoWriterIsSaid(t *testing.T) {
	r := newTheatre(t, newPuppet(t, "db1", nil))
	said := r.noted()
	r.all.opt.Holder.SetLimits(HoldLimits{Time: 20 * time.Millisecond, Statements: 9, Bytes: 1 << 20})
	k := r.talk()
	r.world.stale.Store(true)
	for range 3 {
		k.query("DELETE FROM t")
	}
	if n := strings.Count(said.String(), "statements fail that waited for a writer"); n != 1 || !strings.Contains(said.String(), "hold.time") {
		t.Errorf("said %d times: %s", n, said)
	}
	if err := errors.Join(turned{"a reason"}); !errors.Is(err, errGoodbye) || unlessGoodbye(err) != nil {
		t.Errorf("a login that was refused ends with %v", err)
	}
}

func TestTheTraceSaysWhyTheWriterAnsweredARead(t *testing.T) {
	behind := newPuppet(t, "db2", func(h *stagehand) bool {
		if !strings.Contains(h.text, "MASTER_GTID_WAIT") {
			return false
		}
		h.refuse(1105, "HY000", "late")
		return true
	})
	writer := newPuppet(t, "db1", nil)
	for want, readers := range map[string][]*puppet{
		"it only reads":                       {newPuppet(t, "db2", nil)},
		"there is none that can be used":      nil,
		"does not have what the session must": {behind},
	} {
		r := newTheatre(t, writer, readers...)
		trace := tally.NewTracer()
		r.board = &tally.Board{Trace: trace}
		listening := trace.Listen(0)
		defer listening.Close()
		k := r.talk()
		if readers != nil && readers[0] == behind {
			r.mu.Lock()
			for _, s := range r.sessions {
				s.position = "0-1-99" // between two statements
				s.opt.Picker.Load("db2").FellBehind(time.Now())
			}
			r.mu.Unlock()
		}
		k.query("SELECT a FROM t")
		if got := <-listening.C; !strings.Contains(got.Why, want) {
			t.Errorf("the trace says %q, want %q; heard %s", got.Why, want, k.said())
		}
	}
}

func TestAReadersListenerSaysWhyItHasNone(t *testing.T) {
	writer := newPuppet(t, "db1", nil)
	gone := newPuppet(t, "db2", nil)
	r := newTheatre(t, writer, gone)
	r.mode = router.ReaderOnly
	k := r.talk()
	r.mu.Lock()
	for _, s := range r.sessions {
		s.mu.Lock()
		s.secret, s.alone = auth.Secret{}, "reads stay on the writer: nothing to log in with"
		s.dropReader()
		s.mu.Unlock()
	}
	r.mu.Unlock()
	k.query("SELECT a FROM t")
	if got := k.said(); !strings.Contains(got, "no reader: reads stay on the writer: nothing to log in with") {
		t.Errorf("heard: %s", got)
	}
}

// selfSigned is a certificate that nobody verifies.
func selfSigned(t *testing.T) *tls.Config {
	t.Helper()
	dir := t.TempDir()
	ca, err := certstest.New(dir, "ca")
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := ca.Sign(dir, certstest.Want{Name: "router"})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
}

func TestAListenerThatDemandsTLSLetsNobodyInWithout(t *testing.T) {
	r := newTheatre(t, newPuppet(t, "db1", nil))
	r.tls, r.demands = selfSigned(t), true
	said := r.noted()
	r.serveAll()
	var refused *mysql.MySQLError
	for how, want := range map[string]string{"false": "3159", "skip-verify": ""} {
		db, err := sql.Open("mysql", "app:secret@tcp("+r.address+")/?tls="+how)
		if err != nil {
			t.Fatal(err)
		}
		err = db.PingContext(t.Context())
		_ = db.Close()
		switch {
		case want == "" && err != nil:
			t.Errorf("with TLS: %v", err)
		case want != "" && (!errors.As(err, &refused) || refused.Number != 3159 || !strings.Contains(refused.Message, "tls: require")):
			t.Errorf("without TLS: %v", err)
		}
	}
	for end := time.Now().Add(20 * time.Second); !strings.Contains(said.String(), "it does not use TLS"); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("nobody says why: %s", said)
		}
	}
}
