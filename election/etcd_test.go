package election

import (
	"context"
	"errors"
	"net"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/client/pkg/v3/types"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/config"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3rpc"
	"go.etcd.io/etcd/server/v3/features"
	"go.etcd.io/etcd/server/v3/lease"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
)

// bubbleEtcd is the real etcd server, of one member, that talks through memory
// and so can live in a bubble of virtual time.
type bubbleEtcd struct {
	server   *etcdserver.EtcdServer
	grpc     *grpc.Server
	listener *bufconn.Listener
	serving  chan struct{}
}

func startBubbleEtcd(t *testing.T) *bubbleEtcd {
	t.Helper()
	peer := types.MustNewURLs([]string{"http://192.0.2.1:2380"}) // never dialled
	server, err := etcdserver.NewServer(config.ServerConfig{
		Name: "one", DataDir: t.TempDir(), Logger: zap.NewNop(),
		ClientURLs: types.URLs{url.URL{Scheme: "http", Host: "192.0.2.1:2379"}}, PeerURLs: peer,
		InitialPeerURLsMap: types.URLsMap{"one": peer}, InitialClusterToken: "bubble", NewCluster: true,
		TickMs: 100, ElectionTicks: 10, PreVote: true, BootstrapTimeout: time.Second,
		SnapshotCount: 10000, SnapshotCatchUpEntries: 5000, MaxTxnOps: 128, MaxRequestBytes: 1 << 20,
		MaxConcurrentStreams: 1000, UnsafeNoFsync: true, BackendFreelistType: bolt.FreelistMapType, AuthToken: "simple",
		TokenTTL: 300, DowngradeCheckTime: time.Hour, WatchProgressNotifyInterval: time.Hour, Metrics: "basic",
		WarningApplyDuration: time.Minute, WarningUnaryRequestDuration: time.Minute,
		ServerFeatureGate: features.NewDefaultServerFeatureGate("one", zap.NewNop()),
	})
	if err != nil {
		t.Fatalf("make the etcd server: %v", err)
	}
	server.Start()
	<-server.ReadyNotify()
	e := &bubbleEtcd{server: server, grpc: v3rpc.Server(server, nil, nil), listener: bufconn.Listen(1 << 20), serving: make(chan struct{})}
	go func() {
		defer close(e.serving)
		_ = e.grpc.Serve(e.listener) // ends by stop
	}()
	t.Cleanup(func() {
		e.grpc.Stop()
		<-e.serving
		e.server.Stop()
	})
	return e
}

// lives reports whether the lease of s exists at etcd.
func (e *bubbleEtcd) lives(s *Session) bool {
	_, err := e.server.LeaseTimeToLive(context.Background(), &etcdserverpb.LeaseTimeToLiveRequest{ID: int64(s.ID())})
	return !errors.Is(err, lease.ErrLeaseNotFound)
}

// client returns a client over its own link to the server.
func (e *bubbleEtcd) client(t *testing.T) (*clientv3.Client, *link) {
	t.Helper()
	l := &link{}
	l.thaw()
	c, err := clientv3.New(clientv3.Config{
		Endpoints: []string{"http://192.0.2.1:2379"}, Logger: zap.NewNop(),
		DialOptions: []grpc.DialOption{
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
				return l.dial(ctx, e.listener)
			}),
		},
	})
	if err != nil {
		t.Fatalf("make a client: %v", err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, l
}

// link is the way to one member. When it is frozen requests still get there, but
// no answer comes back until it thaws. When it is cut, connections break and are
// refused.
type link struct {
	mu     sync.Mutex
	opened chan struct{}
	cut    bool
	conn   *linkConn // the last one
}

func (l *link) freeze() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.opened = make(chan struct{})
}

func (l *link) thaw() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.opened == nil {
		l.opened = make(chan struct{})
	}
	close(l.opened)
}

func (l *link) gate() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.opened
}

func (l *link) setCut(cut bool) {
	l.mu.Lock()
	l.cut = cut
	conn := l.conn
	l.mu.Unlock()
	if cut && conn != nil {
		_ = conn.Close()
	}
}

func (l *link) dial(ctx context.Context, listener *bufconn.Listener) (net.Conn, error) {
	l.mu.Lock()
	cut := l.cut
	l.mu.Unlock()
	if cut {
		return nil, errRefused
	}
	conn, err := listener.DialContext(ctx)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn = &linkConn{Conn: conn, link: l, closed: make(chan struct{})}
	return l.conn, nil
}

type linkConn struct {
	net.Conn
	link   *link
	once   sync.Once
	closed chan struct{}
}

func (c *linkConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	select {
	case <-c.link.gate():
	case <-c.closed:
	}
	return n, err
}

func (c *linkConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// bubbleSession opens a session over three links to the real server.
func bubbleSession(t *testing.T, e *bubbleEtcd) (*Session, []*link) {
	t.Helper()
	var members []Granter
	var links []*link
	for range 3 {
		c, l := e.client(t)
		members, links = append(members, Member(c)), append(links, l)
	}
	return open(t, Options{Members: members, TTL: time.Second, Clock: newBootClock().clock()}), links
}

func TestRealEtcdHourOfRenewals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := startBubbleEtcd(t)
		s, links := bubbleSession(t, e)
		if s.TTL() != 2*time.Second {
			t.Fatalf("granted %s; with an election timeout of 1 s it should be 2s though 1s was asked", s.TTL())
		}
		stop := run(t, s)
		least := s.TTL()
		for minute := range 60 {
			if minute == 30 {
				links[0].freeze() // the nearest one hangs from now on
			}
			for range 600 {
				time.Sleep(100 * time.Millisecond)
				least = min(least, s.Deadline().Left(s.opt.Clock.Now()))
			}
		}
		if want := 1100 * time.Millisecond; least < want {
			t.Errorf("once only %s were left, want never less than %s", least, want)
		}
		if !e.lives(s) || s.Err() != nil {
			t.Errorf("the lease lives: %v; error %v", e.lives(s), s.Err())
		}
		if err := stop(); err != nil {
			t.Errorf("run returned %v", err)
		}
		links[0].thaw()
	})
}

func TestRealEtcdOutlivesTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := startBubbleEtcd(t)
		s, links := bubbleSession(t, e)
		stop := run(t, s)
		time.Sleep(10 * time.Second)
		for _, l := range links {
			l.freeze() // requests arrive, and etcd renews; but nobody hears of it
		}
		guard := NewGuard(s.opt.Clock, s.Deadline())
		if err := guard.Wait(t.Context()); !errors.Is(err, ErrExpired) {
			t.Fatal(err)
		}
		if !e.lives(s) {
			t.Error("etcd ended the lease before the deadline")
		}
		if !errors.Is(s.Err(), ErrUnreachable) {
			t.Errorf("error is %v, want ErrUnreachable", s.Err())
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * s.TTL())
		if e.lives(s) {
			t.Error("the lease lives without renewals; the test proves nothing")
		}
		for _, l := range links {
			l.thaw()
		}
		if _, err := Resume(t.Context(), s.opt, s.ID()); !errors.Is(err, ErrGone) {
			t.Errorf("resume gave %v, want ErrGone", err)
		}
	})
}

func TestRealEtcdTellsAStrangersRevocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := startBubbleEtcd(t)
		s, _ := bubbleSession(t, e)
		run(t, s)
		time.Sleep(time.Second)
		stranger, _ := e.client(t)
		if _, err := stranger.Revoke(t.Context(), clientv3.LeaseID(s.ID())); err != nil {
			t.Fatal(err)
		}
		told := time.Now()
		<-s.Gone()
		if took := time.Since(told); took > s.TTL()/renewals+10*time.Millisecond {
			t.Errorf("it took %s", took)
		}
	})
}

func TestRealEtcdResumeAndRevoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := startBubbleEtcd(t)
		first, _ := bubbleSession(t, e)
		time.Sleep(time.Second)
		s, err := Resume(t.Context(), first.opt, first.ID())
		if err != nil {
			t.Fatal(err)
		}
		if s.ID() != first.ID() || s.TTL() != first.TTL() || !s.Deadline().After(first.Deadline()) {
			t.Errorf("resumed lease %x with ttl %s", s.ID(), s.TTL())
		}
		for range 2 { // the second finds nothing, which is as good
			if err := s.Revoke(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if e.lives(s) {
			t.Error("the revoked lease lives")
		}
	})
}

// TestRealEtcdIsHeardSoonAfterALongOutage would take up to two minutes longer if
// gRPC were left to choose when to connect again.
func TestRealEtcdIsHeardSoonAfterALongOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := startBubbleEtcd(t)
		s, links := bubbleSession(t, e)
		run(t, s)
		for _, l := range links {
			l.setCut(true)
		}
		time.Sleep(10 * time.Minute)
		if !errors.Is(s.Err(), ErrUnreachable) {
			t.Errorf("error is %v, want ErrUnreachable", s.Err())
		}
		for _, l := range links {
			l.setCut(false)
		}
		back := time.Now()
		<-s.Gone() // it ended long ago
		if took := time.Since(back); took > time.Second {
			t.Errorf("it took %s to hear from etcd", took)
		}
	})
}
