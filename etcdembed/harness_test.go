package etcdembed

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// patience bounds every wait for something that must happen.
const patience = 30 * time.Second

// needEtcd skips tests that start servers in a short run, unless MMM_REQUIRE
// asks for them.
func needEtcd(t *testing.T) {
	t.Helper()
	if testing.Short() && !slices.Contains(strings.Split(os.Getenv("MMM_REQUIRE"), ","), "etcd") {
		t.Skip("NOT TESTED: -short leaves out the tests that start etcd servers on loopback")
	}
}

// logBook collects what an operator would read.
type logBook struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (b *logBook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out.Write(p)
}

func (b *logBook) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out.String()
}

func (b *logBook) logger() *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

// bench is a set of members on loopback.
type bench struct {
	t     *testing.T
	dir   string
	log   logBook
	peers map[string]string // every member that was ever planned
	urls  map[string]string // their client URLs
}

func newBench(t *testing.T, names ...string) *bench {
	t.Helper()
	needEtcd(t)
	b := &bench{t: t, dir: t.TempDir(), peers: map[string]string{}, urls: map[string]string{}}
	b.plan(names...)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log:\n%s", b.log.String())
		}
	})
	return b
}

// plan gives each name two free ports.
func (b *bench) plan(names ...string) {
	b.t.Helper()
	for _, name := range names {
		b.urls[name] = "http://" + freePort(b.t)
		b.peers[name] = "http://" + freePort(b.t)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// options describes a member of a cluster of the names given.
func (b *bench) options(name string, cluster ...string) Options {
	initial := map[string]string{}
	for _, n := range cluster {
		initial[n] = b.peers[n]
	}
	heartbeat, election, _ := Profile("fast")
	return Options{
		Name: name, DataDir: filepath.Join(b.dir, name),
		ClientURL: b.urls[name], PeerURL: b.peers[name], InitialCluster: initial,
		Heartbeat: heartbeat, Election: election, Log: b.log.logger(),
	}
}

// start starts a member that is stopped when the test ends.
func (b *bench) start(o Options) *Server {
	b.t.Helper()
	s, err := Start(b.t.Context(), o)
	if err != nil {
		b.t.Fatalf("start %s: %v", o.Name, err)
	}
	b.t.Cleanup(func() { b.stop(s) })
	return s
}

func (b *bench) startAll(names ...string) map[string]*Server {
	b.t.Helper()
	servers := map[string]*Server{}
	for _, name := range names {
		servers[name] = b.start(b.options(name, names...))
	}
	for _, name := range names {
		b.ready(servers[name])
	}
	return servers
}

func (b *bench) ready(s *Server) {
	b.t.Helper()
	select {
	case <-s.Ready():
	case err := <-s.Err():
		b.t.Fatalf("%s ended: %v", s.options.Name, err)
	case <-time.After(patience):
		b.t.Fatalf("%s is not ready: %s", s.options.Name, s.Waiting())
	}
}

func (b *bench) stop(s *Server) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		b.t.Error(err)
	}
}

// refused starts a member that must not start, and returns why.
func (b *bench) refused(o Options) error {
	b.t.Helper()
	s, err := Start(b.t.Context(), o)
	if err == nil {
		b.stop(s)
		b.t.Fatalf("%s started", o.Name)
	}
	if strings.Contains(err.Error(), "\n") {
		b.t.Errorf("not one sentence: %v", err)
	}
	return err
}

func (b *bench) access(names ...string) Access {
	var at Access
	for _, n := range names {
		at.Endpoints = append(at.Endpoints, b.urls[n])
	}
	return at
}

func (b *bench) client(names ...string) *clientv3.Client {
	b.t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: b.access(names...).Endpoints, Logger: zap.NewNop()})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = c.Close() })
	return c
}

// eventually calls try until it returns "", and fails with its last word.
func (b *bench) eventually(try func() string) {
	b.t.Helper()
	last := ""
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if last = try(); last == "" {
			return
		}
	}
	b.t.Fatalf("still not: %s", last)
}

// put writes a key, with as many attempts as an election may cost.
func (b *bench) put(c *clientv3.Client, key, value string) {
	b.t.Helper()
	b.eventually(func() string {
		ctx, cancel := context.WithTimeout(b.t.Context(), time.Second)
		defer cancel()
		if _, err := c.Put(ctx, key, value); err != nil {
			return fmt.Sprintf("put %s: %v", key, err)
		}
		return ""
	})
}

func (b *bench) get(c *clientv3.Client, key string) (value string) {
	b.t.Helper()
	b.eventually(func() string {
		ctx, cancel := context.WithTimeout(b.t.Context(), time.Second)
		defer cancel()
		reply, err := c.Get(ctx, key)
		if err != nil {
			return fmt.Sprintf("get %s: %v", key, err)
		}
		if len(reply.Kvs) > 0 {
			value = string(reply.Kvs[0].Value)
		}
		return ""
	})
	return value
}

// noAlarmingLines fails if the log has a warning or an error.
func (b *bench) noAlarmingLines() {
	b.t.Helper()
	for line := range strings.Lines(b.log.String()) {
		if strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR") {
			b.t.Errorf("alarming line: %s", line)
		}
	}
}
