package follow

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mmm-ha/mmm/election"
	"github.com/mmm-ha/mmm/internal/certs"
	"github.com/mmm-ha/mmm/internal/peer"
	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/topology"
)

// look is how often freshness is looked at, and what grows old.
const look = 50 * time.Millisecond

// Options are what a Follower is made of.
type Options struct {
	Client *store.Client
	Log    *slog.Logger
	MaxLag time.Duration // see SetMaxLag

	// Name is this router's, and Writing counts what it does on the writer for its
	// clients: statements that run, and transactions that are open between two of
	// them. Without Writing the cluster does not hear of this router.
	Name    string
	Writing func() (running, open int)

	Clock election.Clock
	Peers *certs.Certs // what agents are shown when they are asked (R57); nil: nothing, in the clear
}

// Follower keeps the newest View. Its questions may be asked by many goroutines.
type Follower struct {
	opt   Options
	view  atomic.Pointer[View]
	fresh *freshness
	lag   atomic.Int64 // most that a reader may be behind
	over  atomic.Pointer[order]
	proof atomic.Pointer[time.Time] // what etcd held then is in the view

	granted *granted // the rest is Run's
	cluster topology.Cluster
	judged  time.Time
	hold    hold
	trust   trust
	silent  silences
	news    *news
}

// New makes a Follower; Run makes it work.
func New(opt Options) *Follower {
	f := &Follower{opt: opt, fresh: newFreshness(opt.Clock), granted: newGranted(opt.Client), silent: silences{}, news: newNews(opt.Log)}
	f.SetMaxLag(opt.MaxLag)
	f.proof.Store(&time.Time{})
	f.view.Store(&View{Why: "etcd has not answered yet", next: make(chan struct{})})
	return f
}

// View is the newest one. It is never nil.
func (f *Follower) View() *View { return f.view.Load() }

// Fresh reports whether a write may begin now by the newest View (R57).
func (f *Follower) Fresh() bool { return f.FreshFor() > 0 }

// FreshFor is how long a write may still begin by the newest View; 0: it may not.
func (f *Follower) FreshFor() time.Duration { return f.fresh.left(f.View().Epoch) }

// heard is the time since etcd last proved what is in the View.
func (f *Follower) heard() time.Duration { return time.Since(*f.proof.Load()) }

// SetMaxLag changes how far behind a reader may be, within a second; 0: no limit.
func (f *Follower) SetMaxLag(d time.Duration) { f.lag.Store(int64(d)) }

// Run follows the cluster until ctx ends, and returns its cause.
func (f *Follower) Run(ctx context.Context) error {
	watcher := f.opt.Client.NewWatcher()
	watched := make(chan error, 1)
	go func() { watched <- watcher.Run(ctx) }()
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { f.granted.run(ctx) })
	beside.Go(func() {
		by := peer.NewClient(peer.ClientOptions{TLS: f.opt.Peers})
		defer by.Close()
		f.askWriter(ctx, by)
	})
	if f.opt.Writing != nil {
		beside.Go(func() { f.herald(ctx) })
	}
	tick := time.NewTicker(look)
	defer tick.Stop()
	began := time.Now()
	for {
		select {
		case err := <-watched:
			return err
		case c := <-watcher.Changes():
			f.take(c, time.Now())
		case <-tick.C:
			f.refresh(watcher)
			f.tellFresh(began, time.Now())
		}
	}
}

// refresh takes the time of the last proof. It is read before the last change is:
// all that was true then is then in the view.
func (f *Follower) refresh(w *store.Watcher) {
	proved := w.Fresh()
	select {
	case c := <-w.Changes():
		f.take(c, time.Now())
	default:
	}
	if f.fresh.slept() {
		f.fresh.forget()
	}
	f.proof.Store(&proved)
	f.fresh.prove(proved, f.granted.of(f.cluster.Writer.Lease))
	if !f.judged.IsZero() && time.Since(f.judged) > time.Second { // states change with time alone
		f.take(f.cluster, time.Now())
	}
}

// take judges a snapshot and publishes the View if it says something new.
func (f *Follower) take(c topology.Cluster, now time.Time) {
	f.cluster, f.judged = c, now
	f.granted.want(c)
	f.fresh.prove(*f.proof.Load(), f.granted.of(c.Writer.Lease))
	old := f.view.Load()
	why := f.trust.look(c)
	v := judge(c, f.trust.epoch, now, time.Duration(f.lag.Load()))
	f.hold.limit(v, c.Switchover.Value, now)
	f.silent.drop(v, c, now)
	if why != "" {
		v.distrust(why)
	}
	f.view.Store(v)
	close(old.next)
	f.news.writer(old, v)
	f.news.reads(v, now)
}

// tellFresh says whether what is known is still good for a write.
func (f *Follower) tellFresh(began, now time.Time) {
	if f.judged.IsZero() {
		f.news.nothing(began, now)
		return
	}
	f.news.certain(f.View(), f.Fresh(), f.heard(), now)
}
