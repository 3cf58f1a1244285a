package follow

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mmm-ha/mmm/election"
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
}

// Follower keeps the newest View. Its questions may be asked by many goroutines.
type Follower struct {
	opt   Options
	view  atomic.Pointer[View]
	fresh atomic.Int64 // FreshUntil as time since born
	lag   atomic.Int64 // most that a reader may be behind
	over  atomic.Pointer[order]
	born  time.Time

	cluster topology.Cluster // the rest is Run's
	proved  time.Time        // what etcd held then is in the view
	judged  time.Time
	hold    hold
}

// New makes a Follower; Run makes it work.
func New(opt Options) *Follower {
	f := &Follower{opt: opt, born: time.Now()}
	f.SetMaxLag(opt.MaxLag)
	f.view.Store(&View{Why: "etcd has not answered yet", next: make(chan struct{})})
	return f
}

// View is the newest one. It is never nil.
func (f *Follower) View() *View { return f.view.Load() }

// Fresh reports whether a write may begin now by the newest View (R57).
func (f *Follower) Fresh() bool { return time.Since(f.born) < time.Duration(f.fresh.Load()) }

// FreshFor is how long a write may still begin by the newest View; 0: it may not.
func (f *Follower) FreshFor() time.Duration {
	return max(time.Duration(f.fresh.Load())-time.Since(f.born), 0)
}

// SetMaxLag changes how far behind a reader may be, within a second; 0: no limit.
func (f *Follower) SetMaxLag(d time.Duration) { f.lag.Store(int64(d)) }

// Run follows the cluster until ctx ends, and returns its cause.
func (f *Follower) Run(ctx context.Context) error {
	watcher := f.opt.Client.NewWatcher()
	watched := make(chan error, 1)
	go func() { watched <- watcher.Run(ctx) }()
	var heralding sync.WaitGroup
	if f.opt.Writing != nil {
		heralding.Go(func() { f.herald(ctx) })
	}
	defer heralding.Wait()
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		select {
		case err := <-watched:
			return err
		case c := <-watcher.Changes():
			f.take(c)
		case <-tick.C:
			f.refresh(watcher)
		}
	}
}

// refresh takes the time of the last proof. It is read before the last change is:
// all that was true then is then in the view.
func (f *Follower) refresh(w *store.Watcher) {
	proved := w.Fresh()
	select {
	case c := <-w.Changes():
		f.take(c)
	default:
	}
	if proved.After(f.proved) {
		f.proved = proved
		ttl := f.cluster.Spec.Value.Timing.TTL.D()
		f.fresh.Store(int64(proved.Add(ttl - election.Margin(ttl)).Sub(f.born)))
	}
	if !f.judged.IsZero() && time.Since(f.judged) > time.Second { // states change with time alone
		f.take(f.cluster)
	}
}

// take judges a snapshot and publishes the View if it says something new.
func (f *Follower) take(c topology.Cluster) {
	f.cluster, f.judged = c, time.Now()
	old := f.view.Load()
	v := judge(c, old.Epoch, f.judged, time.Duration(f.lag.Load()))
	f.hold.limit(v, c.Switchover.Value, f.judged)
	f.view.Store(v)
	close(old.next)
	if v.Writer != old.Writer || v.Epoch != old.Epoch || v.Held != old.Held {
		f.opt.Log.Info("follows", "epoch", v.Epoch, "writer", v.Writer.Name, "why", v.Why)
	}
}
