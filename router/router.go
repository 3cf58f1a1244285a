package router

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mmm-ha/mmm/router/tally"
)

// Options are what a Router is made of.
type Options struct {
	Config       Config // as ReadConfig returned it
	Log          *slog.Logger
	Conversation Conversation
	// Cluster is what is known of the cluster now; it is for pages and for whether
	// the router is ready.
	Cluster func() Cluster
	// Accounts is what is known of who may log in; nil: nothing needs to be known.
	Accounts func() Accounts
	// Normal writes a statement without its literals, for digests and the slow log;
	// mode is that of tally.Statement.
	Normal func(sql []byte, mode uint8) string
	// Reloaded is told each configuration that counts from now on; it may be nil.
	Reloaded func(Config)
	// Beside runs as long as there are sessions: it follows the cluster. It returns
	// when its context ends, or with what cannot be mended, which ends the router.
	Beside func(context.Context) error
}

// Router is the daemon, as a value. Make it with New, then Run it once.
type Router struct {
	opt      Options
	log      *slog.Logger
	front    *front
	gate     *gate
	sessions *registry
	counts   *counts
	desk     *desk
	sweeper  *sweeper
	board    *tally.Board
	rare     *tally.Rare
	began    time.Time

	reload  sync.Mutex             // one at a time
	config  atomic.Pointer[Config] // what counts now
	leaving atomic.Bool            // told to end
	unread  atomic.Bool            // the file was not taken when it was last read
	bound   chan struct{}          // closed when every listener listens
	ports   []*port
	admin   *net.TCPListener
}

// port is one listener at work.
type port struct {
	Listener
	socket   *net.TCPListener
	accepted atomic.Uint64
}

// New checks what can be checked before anything is served: files that the
// configuration names are read. Its error is one sentence with the cause.
func New(opt Options) (*Router, error) {
	front, err := newFront(opt.Config.TLS, opt.Log)
	if err != nil {
		return nil, err
	}
	r := &Router{
		opt: opt, log: opt.Log, front: front, gate: newGate(opt.Config.Limits), sessions: newRegistry(), counts: newCounts(),
		bound: make(chan struct{}), board: newBoard(opt), rare: new(tally.Rare), began: time.Now(),
	}
	if err := r.board.Slow.Use(opt.Config.SlowLog.File, opt.Config.SlowLog.Threshold.D()); err != nil {
		return nil, err
	}
	r.config.Store(&opt.Config)
	limits := func() Limits { return r.config.Load().Limits }
	r.desk = &desk{
		log: r.log, conversation: opt.Conversation, gate: r.gate, sessions: r.sessions,
		limits: limits, front: front, counts: r.counts, board: r.board, rare: r.rare,
	}
	r.sweeper = &sweeper{
		sessions: r.sessions, limits: limits, places: make(chan struct{}, killsAtOnce), standing: standing, ended: r.counts.ended, beat: func() {},
		failed: func(l *live, err error) {
			if unsaid, due := r.rare.Due("kill"); due {
				r.log.Warn("cannot kill a statement on its server: it goes on there", "session", l.info.ID, "err", err, "unsaid", unsaid)
			}
		},
	}
	return r, nil
}

func newBoard(opt Options) *tally.Board {
	b := &tally.Board{Slow: tally.NewSlowLog(opt.Log), Trace: tally.NewTracer(), Normal: opt.Normal}
	b.Trace.ShowLiterals(opt.Config.Trace.Literals)
	if opt.Config.Digests > 0 {
		b.Digests = tally.NewDigests(opt.Config.Digests)
	}
	return b
}

// Accepted is how many connections have come so far.
func (r *Router) Accepted() uint64 { return r.counts.accepted.Load() }

// Notify makes the sweeper feed a watchdog at each turn, once a second. It is called
// before Run.
func (r *Router) Notify(beat func()) { r.sweeper.beat = beat }

// Run is the router's life: it learns who the writer is, listens, calls ready, and
// serves until ctx ends.
// Then it drains: it says that it is not ready, gives its place to another router
// of this host, lets statements and transactions end, and returns nil. It returns
// an error when something breaks that cannot be mended.
func (r *Router) Run(ctx context.Context, ready func()) error {
	life, end := context.WithCancel(context.WithoutCancel(ctx)) // sessions outlive ctx by the drain
	defer end()
	group, life := errgroup.WithContext(life)
	if r.opt.Beside != nil {
		group.Go(func() error { return r.opt.Beside(life) })
	}
	r.learn(ctx, life)
	err := ctx.Err() // told to end before it began?
	if err == nil {
		err = r.open(ctx)
	}
	if err != nil {
		end()
		_ = group.Wait() // it ended because it was told to
		return unlessCanceled(err)
	}
	r.doubt(r.opt.Config.Limits)
	accepting := r.accept(life, group)
	group.Go(func() error { return r.sweeper.run(life) })
	group.Go(func() error { return r.front.watch(life) })
	group.Go(func() error { return r.board.Slow.Run(life) })
	group.Go(func() error { return r.pages(life) })
	ready()
	select {
	case <-ctx.Done():
		r.leave(life, accepting)
	case <-life.Done(): // something broke: there is nothing to wait for
		r.closePorts()
		r.endAll(shutdown())
	}
	end()
	err = group.Wait()
	r.desk.serving.Wait()
	return unlessCanceled(err)
}

// unlessCanceled is an error, but for that of an end that was asked for.
func unlessCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// learnLimit is how long a router waits for its first word of the cluster before it
// listens. Then it listens anyway: clients are told what is missing, and /readyz too.
const learnLimit = 5 * time.Second

// learn waits until clients can be served. A router that listened before would take
// clients away from the one that it follows, and have nothing to say to them.
func (r *Router) learn(ctx, life context.Context) {
	end := time.Now().Add(learnLimit)
	for !r.knows() && time.Now().Before(end) && ctx.Err() == nil && life.Err() == nil {
		pause(ctx, lookEvery)
	}
}

// doubt says that there are too few files for the limits.
func (r *Router) doubt(l Limits) {
	if why := l.fewFiles(mayOpen()); why != "" {
		r.log.Warn("clients may be refused before their limit is reached", "why", why)
	}
}

// knows reports whether there is somebody to serve clients by, and who they may be
// was looked for: who is let in before that reads from the writer for as long as it
// stays.
func (r *Router) knows() bool {
	return (r.opt.Cluster == nil || r.opt.Cluster().ready() == nil) && (r.opt.Accounts == nil || r.opt.Accounts().Looked)
}

// open binds all addresses, or none.
func (r *Router) open(ctx context.Context) error {
	for _, l := range r.opt.Config.Listeners {
		socket, err := listen(ctx, l.Address)
		if err != nil {
			r.closePorts()
			return err
		}
		if err := unsteer(socket); err != nil {
			r.log.Warn("a restart may refuse connections", "listener", l.Address, "err", err)
		}
		r.ports = append(r.ports, &port{Listener: l, socket: socket})
		r.log.Info("listening", "listener", socket.Addr().String(), "mode", string(l.Mode), "tls", string(l.TLS))
	}
	var err error
	if r.admin, err = listen(ctx, r.opt.Config.Admin); err != nil {
		r.closePorts()
		return fmt.Errorf("open the pages for operators: %w", err)
	}
	if err := unsteer(r.admin); err != nil {
		r.log.Warn("a restart may refuse a request for a page", "err", err)
	}
	close(r.bound)
	return nil
}

// Addresses are those that the router listens on, by the order of the file, and
// last that of the pages, once it does. It waits for that until ctx ends.
func (r *Router) Addresses(ctx context.Context) ([]net.Addr, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-r.bound:
	}
	addresses := make([]net.Addr, len(r.ports), len(r.ports)+1)
	for i, p := range r.ports {
		addresses[i] = p.socket.Addr()
	}
	return append(addresses, r.admin.Addr()), nil
}

// accept starts the accept loops; the group ends when they have.
func (r *Router) accept(life context.Context, group *errgroup.Group) *sync.WaitGroup {
	var accepting sync.WaitGroup
	for _, p := range r.ports {
		accepting.Add(1)
		group.Go(func() error {
			defer accepting.Done()
			return accept(p.socket, r.log, r.rare, func(c *net.TCPConn) {
				p.accepted.Add(1)
				r.desk.take(life, &p.Listener, c)
			})
		})
	}
	return &accepting
}

func (r *Router) closePorts() {
	for _, p := range r.ports {
		_ = p.socket.Close() // only once, and nothing is lost with it
	}
}

// endAll closes every session.
func (r *Router) endAll(why *Refusal) {
	for _, l := range r.sessions.all() {
		l.session.Close(why)
	}
}
