package etcdembed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"sync"
	"syscall"

	"go.etcd.io/etcd/server/v3/embed"

	"github.com/mmm-ha/mmm/internal/slogzap"
)

// defragAbove is how much unused space in the database file is worth giving
// back at a start, when nobody waits for this member yet.
const defragAbove = 64 // MiB

// Server is one running member. Its methods may be called from any goroutine.
type Server struct {
	options Options
	etcd    *embed.Etcd
	dir     *dataDir
	noise   *noise

	ready  chan struct{}
	errs   chan error // holds at most one
	cancel context.CancelFunc
	ran    chan struct{} // closed when run has returned

	stopOnce sync.Once
	shutDone chan struct{} // closed when etcd is closed and the lock released

	mu      sync.Mutex
	waiting string
}

// Start checks the options, the data directory, the ports and the other
// members, and starts the member. ctx bounds only the start; the member runs
// until Stop. It returns once the member listens, which is before it can serve:
// that takes a quorum, and Ready says when. An error is one sentence with the
// fix, and leaves nothing running; errors.Is finds the cases of this package.
func Start(ctx context.Context, o Options) (*Server, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("etcd options: %w", err)
	}
	o = o.withDefaults()
	dir, err := openDataDir(o)
	if err != nil {
		return nil, err
	}
	s, err := startIn(ctx, o, dir)
	if err != nil {
		dir.release()
		return nil, err
	}
	return s, nil
}

func startIn(ctx context.Context, o Options, dir *dataDir) (*Server, error) {
	// BEFORE admission, which may change the cluster.
	err := errors.Join(checkTLS("clientTLS", o.ClientTLS), checkTLS("peerTLS", o.PeerTLS),
		checkPort(ctx, "clientURL", o.ClientURL), checkPort(ctx, "peerURL", o.PeerURL))
	if err != nil {
		return nil, err
	}
	initial := initialCluster(configured(o))
	if dir.fresh {
		if initial, err = admission(ctx, o); err != nil {
			return nil, err
		}
	}
	s := &Server{
		options: o, dir: dir, noise: &noise{},
		ready: make(chan struct{}), errs: make(chan error, 1),
		ran: make(chan struct{}), shutDone: make(chan struct{}),
	}
	s.noise.enter(phaseStarting)
	if err := s.startEtcd(initial); err != nil {
		return nil, err
	}
	s.noise.enter(phaseWaiting)
	runCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	go s.run(runCtx)
	return s, nil
}

// startEtcd starts the server and checks that what it found in the directory
// is what the options describe.
func (s *Server) startEtcd(initial string) error {
	config, err := embedConfig(s.options, initial, s.noise)
	if err != nil {
		return err
	}
	if s.etcd, err = embed.StartEtcd(config); err != nil {
		return fmt.Errorf("start etcd: %w", err)
	}
	err = checkMembership(s.options, s.etcd.Server)
	if err == nil {
		err = s.dir.mark(s.options)
	}
	if err != nil {
		s.noise.enter(phaseStopping)
		closeEtcd(s.etcd, true)
		return err
	}
	return nil
}

// Ready is closed when the member is a voter and serves clients.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Err receives one error if the member ends by itself, before or after it was
// ready. Stop must be called all the same.
func (s *Server) Err() <-chan error { return s.errs }

// Endpoints returns the client URLs of this member.
func (s *Server) Endpoints() []string { return []string{s.options.ClientURL} }

// Waiting says in one sentence what a member that is not ready waits for. It
// is empty once the member is ready.
func (s *Server) Waiting() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting
}

// embedConfig translates the options.
func embedConfig(o Options, initial string, n *noise) (*embed.Config, error) {
	client, err := url.Parse(o.ClientURL)
	if err != nil {
		return nil, fmt.Errorf("parse clientURL: %w", err)
	}
	peer, err := url.Parse(o.PeerURL)
	if err != nil {
		return nil, fmt.Errorf("parse peerURL: %w", err)
	}
	c := embed.NewConfig()
	c.Name, c.Dir = o.Name, o.DataDir
	c.ListenClientUrls, c.AdvertiseClientUrls = []url.URL{*client}, []url.URL{*client}
	c.ListenPeerUrls, c.AdvertisePeerUrls = []url.URL{*peer}, []url.URL{*peer}
	c.InitialCluster, c.InitialClusterToken = initial, o.Token
	if o.Join {
		c.ClusterState = embed.ClusterStateFlagExisting
	}
	c.TickMs = uint(o.Heartbeat.Milliseconds())
	c.ElectionMs = uint(o.Election.Milliseconds())
	c.ClientTLSInfo, c.PeerTLSInfo = tlsInfo(o.ClientTLS), tlsInfo(o.PeerTLS)
	c.AutoCompactionMode = embed.CompactorModeRevision
	c.AutoCompactionRetention = strconv.FormatInt(o.KeepRevisions, 10)
	c.QuotaBackendBytes = o.QuotaBytes
	c.BootstrapDefragThresholdMegabytes = defragAbove
	c.EnableGRPCGateway = false // nobody speaks JSON to it, and it dials itself
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(slogzap.New(o.Log.With("component", "etcd"), n.judge))
	return c, nil
}

// checkTLS reads the files, which etcd would do only when it is ready to serve.
func checkTLS(field string, files TLSFiles) error {
	_, err := files.open(field)
	return err
}

// checkPort tries to listen, for an error that names the field and the fix.
func checkPort(ctx context.Context, field, raw string) error {
	address := hostPort(raw)
	_, port, _ := net.SplitHostPort(address)
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	switch {
	case err == nil:
		return listener.Close()
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s: port %s is %w by another program (`ss -ltnp sport = :%s` names it): stop that one, or choose another port",
			field, address, ErrInUse, port)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s: %s is no address of this host (`ip -brief address` lists them): correct it, or bring the address up first", field, address)
	default:
		return fmt.Errorf("%s: %w", field, err)
	}
}
