package router

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/internal/conffile"
)

// standIn is a Conversation that speaks lines instead of the protocol: it greets
// with "id <n>", waits for "user <name>", and answers each line. "begin" and
// "commit" open and end a transaction; "run" is a statement that lasts until it is
// killed, "sleep" one that lasts even then; "panic" is a bug.
type standIn struct {
	mu   sync.Mutex
	made []*talk
}

func (s *standIn) Open(c *net.TCPConn, info ClientInfo) Session {
	t := &talk{conn: c, info: info, state: State{Phase: LoggingIn, Since: time.Now()}, killed: make(chan struct{}, 1), done: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made = append(s.made, t)
	return t
}

func (s *standIn) all() []*talk {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*talk(nil), s.made...)
}

type talk struct {
	conn   *net.TCPConn
	info   ClientInfo
	killed chan struct{}
	done   chan struct{}

	mu      sync.Mutex
	state   State
	goodbye *Refusal
	kills   int
}

func (t *talk) Serve(ctx context.Context) error {
	defer close(t.done)
	defer t.conn.Close()
	fmt.Fprintf(t.conn, "id %d\n", t.info.ID)
	lines := bufio.NewScanner(t.conn)
	if !lines.Scan() {
		return io.EOF
	}
	user := strings.TrimPrefix(lines.Text(), "user ")
	t.enter(Waiting, func(s *State) { s.User = user })
	if err := t.info.Admit(ctx, user, 0); err != nil {
		fmt.Fprintf(t.conn, "error %v\n", err)
		return err
	}
	fmt.Fprintf(t.conn, "welcome\n")
	for t.idle() && lines.Scan() {
		t.enter(Running, func(s *State) { s.Statements++ })
		if lines.Text() == "panic" {
			panic("planted")
		}
		fmt.Fprintln(t.conn, t.answer(ctx, lines.Text()))
	}
	return lines.Err()
}

// idle reports whether to go on.
func (t *talk) idle() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.goodbye != nil && !t.state.InTransaction {
		fmt.Fprintf(t.conn, "error %v\n", t.goodbye)
		return false
	}
	t.state.Phase, t.state.Since = Idle, time.Now()
	return true
}

func (t *talk) enter(p Phase, change func(*State)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state.Phase, t.state.Since = p, time.Now()
	change(&t.state)
}

func (t *talk) answer(ctx context.Context, line string) string {
	switch line {
	case "begin", "commit":
		t.mu.Lock()
		t.state.InTransaction = line == "begin"
		t.mu.Unlock()
	case "run":
		select {
		case <-t.killed:
			return "interrupted"
		case <-ctx.Done():
		}
	case "sleep":
		<-ctx.Done()
	}
	return "ok " + line
}

func (t *talk) State() State {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state
}

func (t *talk) KillQuery(context.Context, time.Time) error {
	t.mu.Lock()
	t.kills++
	t.mu.Unlock()
	t.killed <- struct{}{}
	return nil
}

func (t *talk) Drain(goodbye *Refusal) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.goodbye = goodbye
	if t.state.Phase == Idle && !t.state.InTransaction {
		fmt.Fprintf(t.conn, "error %v\n", goodbye)
		t.conn.CloseRead()
	}
}

func (t *talk) Close(why *Refusal) {
	_ = t.conn.SetWriteDeadline(time.Now().Add(time.Second))
	fmt.Fprintf(t.conn, "error %v\n", why)
	t.conn.CloseRead()
}

// rig is a router on loopback with a stand-in behind it.
type rig struct {
	*Router
	t       *testing.T
	talks   *standIn
	address string
	said    *notes // the log
	stop    context.CancelFunc
	ended   chan error
}

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

// small is a configuration with one listener on any port of loopback.
func small(change func(*Config)) Config {
	c := Defaults()
	c.Cluster, c.Admin = "shop", "127.0.0.1:0"
	c.Listeners = []Listener{{Address: "127.0.0.1:0", Mode: Split, TLS: TLSOff}}
	c.Drain = Drain{Time: conffile.Duration(5 * time.Second)}
	if change != nil {
		change(&c)
	}
	return c
}

func run(t *testing.T, change func(*Config)) *rig {
	t.Helper()
	return runWith(t, change, func(*Router) {})
}

// runWith is run with a router that is changed before it begins.
func runWith(t *testing.T, change func(*Config), prepare func(*Router)) *rig {
	t.Helper()
	r := &rig{t: t, talks: &standIn{}, said: &notes{}, ended: make(chan error, 1)}
	var err error
	r.Router, err = New(Options{Config: small(change), Log: slog.New(slog.NewTextHandler(r.said, nil)), Conversation: r.talks})
	if err != nil {
		t.Fatal(err)
	}
	prepare(r.Router)
	ctx, stop := context.WithCancel(t.Context())
	r.stop = stop
	go func() { r.ended <- r.Run(ctx, func() {}) }()
	t.Cleanup(func() {
		stop()
		<-r.ended
	})
	where, err := r.Addresses(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.address = where[0].String()
	return r
}

// wait ends the router and returns what Run returned.
func (r *rig) wait() error {
	r.stop()
	err := <-r.ended
	r.ended <- err // for the clean-up
	return err
}

// client is one connection of the test.
type client struct {
	t *testing.T
	net.Conn
	lines *bufio.Reader
}

func dial(t *testing.T, address string) *client {
	t.Helper()
	c, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return &client{t: t, Conn: c, lines: bufio.NewReader(c)}
}

func (c *client) say(line string) {
	c.t.Helper()
	if _, err := fmt.Fprintln(c, line); err != nil {
		c.t.Fatal(err)
	}
}

// hear returns the next line; "end" when the connection is closed.
func (c *client) hear() string {
	c.t.Helper()
	line, err := c.lines.ReadString('\n')
	if err != nil {
		if errors.Is(err, io.EOF) || strings.Contains(err.Error(), "reset") {
			return "end" + line
		}
		c.t.Fatal(err)
	}
	return strings.TrimSuffix(line, "\n")
}

func (c *client) want(prefix string) {
	c.t.Helper()
	if line := c.hear(); !strings.HasPrefix(line, prefix) {
		c.t.Fatalf("heard %q, want %q", line, prefix)
	}
}

// login connects as a user and returns when it has a place.
func login(t *testing.T, address, user string) *client {
	t.Helper()
	c := dial(t, address)
	c.want("id ")
	c.say("user " + user)
	c.want("welcome")
	return c
}

// eventually waits until a fact is there.
func eventually(t *testing.T, fact string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", fact)
		}
	}
}

var loopback = netip.MustParsePrefix("127.0.0.0/8")
