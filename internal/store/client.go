package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/mmm-ha/mmm/internal/certs"
)

// The limits of talking to etcd.
const (
	perTryDefault = 300 * time.Millisecond // three times the worst answer of a healthy member
	hedgeAfter    = 100 * time.Millisecond // a healthy member answers in 1-5 ms
	callDefault   = 2 * time.Second        // of a call whose context has no deadline
	shunFor       = 3 * time.Second        // how long a slow member is asked last
	connectLimit  = time.Second            // gRPC's own 20 s would outlast every partition
	userTimeout   = 1500 * time.Millisecond
	retryPause    = 50 * time.Millisecond
)

// Options says which etcd and which cluster.
type Options struct {
	Endpoints []string      // host:port or URL of each member, nearest first
	Cluster   string        // name of the cluster: no slash, not empty
	TLS       *certs.Certs  // nil: plain TCP
	Log       *slog.Logger  // nil: silent
	PerTry    time.Duration // limit of one attempt at one member; 0: 300 ms
}

// Client speaks with the members of one etcd about one cluster. All methods may
// be called from many goroutines. A call whose context has no deadline gives up
// after 2 s.
type Client struct {
	prefix  string
	log     *slog.Logger
	perTry  time.Duration
	born    time.Time
	members []*member

	mu     sync.Mutex
	known  map[string]placed    // first guess of overwrite; a wrong one costs a round trip
	warned map[string]string    // unreadable keys that the log has already named
	events map[string]*eventLog // own events by actor
}

// member is one etcd server. Each has its own connection, because a client with
// several endpoints was seen to lose a session although a majority lived.
type member struct {
	endpoint string
	client   *clientv3.Client
	kv       pb.KVClient
	watch    pb.WatchClient
	plain    bool                  // without TLS
	trouble  atomic.Pointer[error] // why the last connection by TLS did not come about; nil: it did, or nobody knows
	told     atomic.Pointer[error] // the last of these, also when another connection has begun
	failed   atomic.Int64          // when it last failed, as time since Client.born; 0: it is well
}

// Open prepares a client; connections are made when they are first needed, so
// it succeeds also while etcd is away. Close it after use.
func Open(_ context.Context, o Options) (*Client, error) {
	if len(o.Endpoints) == 0 {
		return nil, errors.New("open store: no etcd endpoint given")
	}
	if o.Cluster == "" || strings.Contains(o.Cluster, "/") {
		return nil, fmt.Errorf("open store: bad cluster name %q", o.Cluster)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.PerTry <= 0 {
		o.PerTry = perTryDefault
	}
	c := &Client{
		prefix: root + o.Cluster + "/",
		log:    o.Log,
		perTry: o.PerTry,
		born:   time.Now(),
		known:  map[string]placed{},
		warned: map[string]string{},
		events: map[string]*eventLog{},
	}
	for _, endpoint := range o.Endpoints {
		m, err := dial(endpoint, o.TLS)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open store: endpoint %s: %w", endpoint, err), c.Close())
		}
		c.members = append(c.members, m)
	}
	return c, nil
}

// dial makes the connection object of one member; nothing is sent yet.
func dial(endpoint string, by *certs.Certs) (*member, error) {
	m := &member{endpoint: endpoint, plain: !strings.HasPrefix(endpoint, "https:")}
	options := []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
		// gRPC's own back-off grows to two minutes: a host that comes back must
		// be found within the second.
		Backoff:           backoff.Config{BaseDelay: retryPause, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 500 * time.Millisecond},
		MinConnectTimeout: connectLimit,
	})}
	if !m.plain {
		options = append(options, grpc.WithTransportCredentials(by.Credentials(m.tell)))
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints: []string{endpoint},
		Logger:    zap.NewNop(),
		// gRPC raises the time below to its floor of 10 s, too late for us. What we
		// want of it is TCP_USER_TIMEOUT, which gRPC sets to the second value: it
		// ends a connection whose packets vanish before TCP's own patience does.
		DialKeepAliveTime:    10 * time.Second,
		DialKeepAliveTimeout: userTimeout,
		// One attempt: whether to ask again, and whom, is decided in here.
		MaxUnaryRetries: 1,
		DialOptions:     options,
	})
	if err != nil {
		return nil, err
	}
	conn := client.ActiveConnection()
	m.client, m.kv, m.watch = client, pb.NewKVClient(conn), pb.NewWatchClient(conn)
	return m, nil
}

// tell notes why a connection by TLS did not come about; nil: another begins.
func (m *member) tell(err error) {
	if err == nil {
		m.trouble.Store(nil)
		return
	}
	m.trouble.Store(&err)
	m.told.Store(&err)
}

// explain gives the error of a call its cause, when that lies in certificates.
func (m *member) explain(err error) error {
	trouble, told := m.trouble.Load(), m.told.Load()
	switch {
	case err == nil || definite(err):
		return err
	case m.plain:
		return (*certs.Certs)(nil).Explain(err)
	case trouble != nil:
		return *trouble
	case told != nil && strings.Contains(err.Error(), (*told).Error()):
		return *told // of the connection that this call waited for: the next one has begun
	}
	return err
}

// Close ends all connections. Calls that still run fail.
func (c *Client) Close() error {
	var errs []error
	for _, m := range c.members {
		if err := m.client.Close(); err != nil && !errors.Is(err, context.Canceled) {
			errs = append(errs, fmt.Errorf("close connection to %s: %w", m.endpoint, err))
		}
	}
	return errors.Join(errs...)
}

// Members gives one client per etcd member, nearest first, for the lease. They
// belong to the Client: do not close them. They try a request once; their calls
// wait for a connection until their context ends.
func (c *Client) Members() []*clientv3.Client {
	clients := make([]*clientv3.Client, 0, len(c.members))
	for _, m := range c.members {
		clients = append(clients, m.client)
	}
	return clients
}

// Silent asks each member for something, all at once, and returns who gives no
// answer, with the cause; nil: all do.
func (c *Client) Silent(ctx context.Context) error {
	ctx, cancel := bound(ctx)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	silent := failures{}
	for _, m := range c.members {
		wg.Go(func() {
			_, err := m.kv.Range(ctx, &pb.RangeRequest{Key: []byte(c.prefix), CountOnly: true}, grpc.WaitForReady(false))
			if err = m.explain(err); err != nil {
				mu.Lock()
				defer mu.Unlock()
				silent[m.endpoint] = err
			}
		})
	}
	wg.Wait()
	if len(silent) == 0 {
		return nil
	}
	return silent
}

// order lists the members to ask: the well ones, nearest first, then those that
// failed lately, the one whose failure is oldest first.
func (c *Client) order() []*member {
	now := int64(time.Since(c.born))
	rank := func(m *member) int64 {
		if at := m.failed.Load(); at > 0 && now-at < int64(shunFor) {
			return at
		}
		return 0
	}
	out := slices.Clone(c.members)
	ranks := map[*member]int64{}
	for _, m := range out {
		ranks[m] = rank(m)
	}
	slices.SortStableFunc(out, func(a, b *member) int {
		switch {
		case ranks[a] < ranks[b]:
			return -1
		case ranks[a] > ranks[b]:
			return 1
		}
		return 0
	})
	return out
}

// note remembers how a member did. An attempt that was given up early, because
// another member answered, says nothing; a refusal is an answer.
func (c *Client) note(m *member, took time.Duration, err error) {
	switch {
	case err == nil, definite(err):
		m.failed.Store(0)
	case took >= hedgeAfter || !cancelled(err):
		m.failed.Store(int64(time.Since(c.born)))
	}
}

// bound gives a context that has a deadline in any case.
func bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, callDefault)
}
