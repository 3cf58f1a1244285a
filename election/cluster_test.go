package election

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/goleak"
	"go.uber.org/zap"
)

// patience bounds the waits for a real cluster on a busy machine.
const patience = time.Minute

// startCluster starts an etcd of three members on loopback and returns how to
// stop each, which may be done twice, and their client addresses.
func startCluster(t *testing.T) (stop []func(), addresses []string) {
	t.Helper()
	t.Cleanup(func() { untilQuiet(t) }) // registered first, so it comes after every stop
	var configs []*embed.Config
	var initial []string
	for i := range 3 {
		cfg := embed.NewConfig()
		cfg.Name, cfg.Dir = fmt.Sprintf("m%d", i), t.TempDir()
		cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
		peer, client := freeURL(t), freeURL(t)
		cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
		cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
		initial = append(initial, cfg.Name+"="+peer.String())
		addresses = append(addresses, client.Host)
		configs = append(configs, cfg)
	}
	var members []*embed.Etcd
	for _, cfg := range configs {
		cfg.InitialCluster = strings.Join(initial, ",")
		member, err := embed.StartEtcd(cfg)
		if err != nil {
			t.Fatalf("start an etcd member: %v", err)
		}
		members, stop = append(members, member), append(stop, sync.OnceFunc(member.Close))
		t.Cleanup(stop[len(stop)-1])
	}
	for _, member := range members {
		select {
		case <-member.Server.ReadyNotify():
		case <-time.After(patience):
			t.Fatal("etcd found no leader")
		}
	}
	return stop, addresses
}

// untilQuiet waits until the members are really gone. Their connections to each
// other outlast Close by etcd's own read time-outs, some seconds, which is longer
// than goleak waits. What never ends is a failure all the same.
func untilQuiet(t *testing.T) {
	t.Helper()
	limit := time.Now().Add(patience)
	for {
		err := goleak.Find()
		if err == nil {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("after the members stopped: %v", err)
		}
	}
}

func freeURL(t *testing.T) url.URL {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return url.URL{Scheme: "http", Host: l.Addr().String()}
}

// proxy forwards TCP connections to one member until it is frozen: then
// connections stay open and are accepted, but nothing is forwarded.
type proxy struct {
	listener net.Listener
	frozen   chan struct{}
	running  sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
}

func startProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, frozen: make(chan struct{})}
	p.running.Go(func() { p.accept(target) })
	t.Cleanup(p.stop)
	return p
}

func (p *proxy) accept(target string) {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", target)
		if err != nil {
			_ = near.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, near, far)
		p.mu.Unlock()
		p.running.Go(func() { p.pump(far, near) })
		p.running.Go(func() { p.pump(near, far) })
	}
}

func (p *proxy) pump(to io.WriteCloser, from io.Reader) {
	defer to.Close()
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		select {
		case <-p.frozen:
			continue // swallowed
		default:
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (p *proxy) stop() {
	_ = p.listener.Close()
	p.mu.Lock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.running.Wait()
}

// renewedTimes waits until s was renewed n more times.
func renewedTimes(t *testing.T, s *Session, n int) {
	t.Helper()
	limit := time.After(patience)
	for range n {
		select {
		case <-s.Renewed():
		case <-s.Gone():
			t.Fatalf("the lease is gone: %v", s.Err())
		case <-limit:
			t.Fatalf("no renewal: %v", s.Err())
		}
	}
}

func TestClusterWithOneMemberFrozenRenewsTheLease(t *testing.T) {
	stopMember, addresses := startCluster(t)
	hung := startProxy(t, addresses[0])
	addresses[0] = hung.listener.Addr().String()
	var members []Granter
	for _, address := range addresses {
		c, err := clientv3.New(clientv3.Config{Endpoints: []string{address}, Logger: zap.NewNop()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		members = append(members, Member(c))
	}
	// A lease long enough that a busy machine does not lose it.
	s := open(t, Options{Members: members, TTL: 5 * time.Second})
	stop := run(t, s)
	renewedTimes(t, s, 2)
	close(hung.frozen)
	renewedTimes(t, s, 3)
	s.mu.Lock()
	first := s.first
	s.mu.Unlock()
	if first == 0 {
		t.Error("the frozen member gave the last answer")
	}
	stopMember[1]() // the frozen one still votes: only its clients are cut off
	renewedTimes(t, s, 3)
	stopMember[2]()
	limit := time.After(patience)
	for !errors.Is(s.Err(), ErrUnreachable) {
		select {
		case <-limit:
			t.Fatalf("without a quorum the error is %v, want ErrUnreachable", s.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
	select {
	case <-s.Gone():
		t.Error("nobody could say that the lease is gone")
	default:
	}
	if err := stop(); err != nil {
		t.Errorf("run returned %v", err)
	}
}
