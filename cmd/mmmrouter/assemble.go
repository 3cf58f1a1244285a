package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mmm-ha/mmm/internal/certs"
	"github.com/mmm-ha/mmm/internal/conffile"
	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/router"
	"github.com/mmm-ha/mmm/router/auth"
	"github.com/mmm-ha/mmm/router/backend"
	"github.com/mmm-ha/mmm/router/follow"
	"github.com/mmm-ha/mmm/router/lexer"
	"github.com/mmm-ha/mmm/router/pick"
	"github.com/mmm-ha/mmm/router/session"
)

// parts are what a router is made of, and the configuration that counts now.
type parts struct {
	config   atomic.Pointer[router.Config]
	ruled    atomic.Pointer[session.Rules] // what it says to sessions
	follower *follow.Follower
	picker   *pick.Picker
	holder   *session.Holder
	accounts *auth.Loader
	servers  *servers
	pool     *backend.Pool
}

// What clients left behind is kept for the next one.
const (
	poolSize = 256
	poolAge  = time.Minute
)

// assemble puts together what a router is made of.
func assemble(ctx context.Context, cfg router.Config, log *slog.Logger) (router.Options, error) {
	etcd, err := cfg.Etcd.Certs()
	if err != nil {
		return router.Options{}, err
	}
	peers, err := peerCerts(cfg.Peer)
	if err != nil {
		return router.Options{}, err
	}
	client, err := store.Open(ctx, store.Options{Endpoints: cfg.Etcd.Endpoints, Cluster: cfg.Cluster, TLS: etcd, Log: log})
	if err != nil {
		return router.Options{}, err
	}
	p := &parts{picker: pick.New(time.Now, rand.IntN), pool: backend.NewPool(poolSize, poolAge), holder: session.NewHolder(holdLimits(cfg))}
	p.use(cfg)
	var talk *session.Conversations
	p.follower = follow.New(follow.Options{
		Client: client, Log: log, MaxLag: cfg.Readers.MaxLag.D(),
		Name: cfg.Name, Peers: peers, Writing: func() (int, int) { return talk.Writing() },
	})
	if p.servers, err = newServers(cfg.Backend, log); err != nil {
		return router.Options{}, err
	}
	if p.accounts, err = p.loader(cfg, log); err != nil {
		return router.Options{}, err
	}
	keys, err := auth.NewKeyPair()
	if err != nil {
		return router.Options{}, err
	}
	talk = session.New(session.Options{
		Log: log, Follow: p.follower, Picker: p.picker, Accounts: p.accounts, Keys: keys, Holder: p.holder, Pool: p.pool,
		Servers: p.servers.policy, Rules: p.rules,
	})
	return router.Options{
		Config: cfg, Log: log, Conversation: talk, Cluster: p.cluster, Accounts: p.known, Normal: normal, Reloaded: p.reloaded,
		Beside: func(ctx context.Context) error {
			defer func() { _ = client.Close() }()
			group, ctx := errgroup.WithContext(ctx)
			group.Go(func() error { return p.follower.Run(ctx) })
			group.Go(func() error { return p.accounts.Run(ctx) })
			group.Go(func() error { return p.sweep(ctx, talk) })
			group.Go(func() error { return p.servers.watch(ctx) })
			return group.Wait()
		},
	}, nil
}

// peerCerts is what agents are shown; nil: nothing, they are asked in the clear.
func peerCerts(p router.Peer) (*certs.Certs, error) {
	if p == (router.Peer{}) {
		return nil, nil
	}
	return certs.Open(p.Certs())
}

// sweep closes what the pool has kept for too long, and ends what waits for servers
// that have left and hang, until ctx ends.
func (p *parts) sweep(ctx context.Context, talk *session.Conversations) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	defer p.pool.Close()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case now := <-tick.C:
			p.pool.Sweep(int64(p.follower.View().Epoch))
			talk.Sweep(ctx, now)
		}
	}
}

// normal writes a statement without its literals.
func normal(sql []byte, mode uint8) string {
	return lexer.Normal(sql, lexer.Mode(mode))
}

func (p *parts) reloaded(cfg router.Config) {
	p.use(cfg)
	p.holder.SetLimits(holdLimits(cfg))
	p.follower.SetMaxLag(cfg.Readers.MaxLag.D())
	p.accounts.Kick() // whoever reloads may have changed users or the account's password
}

func holdLimits(cfg router.Config) session.HoldLimits {
	return session.HoldLimits{Time: cfg.Hold.Time.D(), Statements: cfg.Hold.Statements, Bytes: int(cfg.Hold.Bytes)}
}

var writerReads = map[router.WriterReads]session.WriterReads{
	router.WriterNever: session.Never, router.WriterFallback: session.IfNoReader, router.WriterAlways: session.AlwaysToo,
}

// use makes a configuration the one that counts.
func (p *parts) use(cfg router.Config) {
	p.config.Store(&cfg)
	p.ruled.Store(&session.Rules{
		Writer: writerReads[cfg.Readers.Writer], OwnReads: cfg.Consistency == router.ConsistencySession,
		AllReads: cfg.Consistency == router.ConsistencyGlobal, Most: int(cfg.Limits.Statement),
	})
}

// rules are what the configuration says now; every read asks.
func (p *parts) rules() session.Rules { return *p.ruled.Load() }

// loader reads users from the file, or from the writer.
func (p *parts) loader(cfg router.Config, log *slog.Logger) (*auth.Loader, error) {
	opt := auth.LoaderOptions{File: cfg.Users.File, Log: log}
	switch {
	case cfg.Users.PasswordFile != "":
		if _, err := conffile.Password("`users.passwordFile`", cfg.Users.PasswordFile); err != nil {
			return nil, err
		}
		opt.Source = func(ctx context.Context, each func(user, host, privileges string)) error {
			return p.readAccounts(ctx, cfg.Users, each)
		}
	case cfg.Users.File == "":
		log.Warn("no user is known", "why", router.NobodyIsKnown)
	}
	return auth.NewLoader(opt)
}

// readAccounts reads the accounts of the writer, for which it waits until ctx ends.
// The password is read each time: a new one needs no restart.
func (p *parts) readAccounts(ctx context.Context, u router.Users, each func(user, host, privileges string)) error {
	password, err := conffile.Password("`users.passwordFile`", u.PasswordFile)
	if err != nil {
		return err
	}
	v := p.follower.View()
	for v.Writer.Name == "" {
		select {
		case <-ctx.Done():
			return errors.New("there is no writer to read them from: " + p.follower.View().Why)
		case <-v.Next():
			v = p.follower.View()
		}
	}
	from := dbops.AccountServer{Address: v.Writer.Address, User: u.Account, Password: password, TLS: p.servers.demanded(v.Writer.Address)}
	err = dbops.ReadAccounts(ctx, from, each)
	if errors.Is(err, dbops.ErrDenied) {
		return fmt.Errorf("%w: write the password of %s into %s, or make the account with `mmmrouter grants`", err, u.Account, u.PasswordFile)
	}
	return err
}

// known is what is known of who may log in, as the router's pages show it.
func (p *parts) known() router.Accounts {
	s := p.accounts.Status()
	a := router.Accounts{Known: s.Users, Looked: s.Loads > 0, Read: s.ServerSeen, Problem: s.ServerErr}
	switch users := p.config.Load().Users; {
	case users.File == "" && users.PasswordFile == "":
		a.Problem = router.NobodyIsKnown
	case s.FileError != "":
		a.Problem = s.FileError
	}
	return a
}

// cluster is the view as the router's pages show it.
func (p *parts) cluster() router.Cluster {
	v := p.follower.View()
	statements, bytes := p.holder.Waiting()
	c := router.Cluster{
		Epoch: int64(v.Epoch), Writer: v.Writer.Name, Address: v.Writer.Address, Fresh: p.follower.Fresh(), FreshFor: p.follower.FreshFor(),
		Held: v.Held, Problem: v.Why,
		HeldStatements: statements, HeldBytes: int64(bytes),
	}
	now := time.Now()
	c.Failures = map[string]uint64{}
	if v.Writer.Name != "" {
		_, c.Failures[v.Writer.Name] = p.picker.Load(v.Writer.Name).Aside(now)
	}
	for _, r := range v.Readers {
		load := p.picker.Load(r.Name)
		busy, _, average := load.Now()
		aside, failures := load.Aside(now)
		c.Failures[r.Name] = failures
		c.Readers = append(c.Readers, router.ReaderState{
			Host: r.Name, Address: r.Address, Eligible: true, Lag: r.Lag, Latency: average, InFlight: int(busy), Aside: aside,
		})
	}
	for _, x := range v.Excluded {
		_, c.Failures[x.Name] = p.picker.Load(x.Name).Aside(now)
		c.Readers = append(c.Readers, router.ReaderState{Host: x.Name, Address: x.Address, Why: x.Why})
	}
	return c
}
