package follow

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/mmm-ha/mmm/election"
	"github.com/mmm-ha/mmm/topology"
)

// What a planned switchover is worth to this router's clients. The old writer
// waits for its routers a second at most (topology); the sum of grace and last is
// less, so that it hears of this router in time.
const (
	grace     = 500 * time.Millisecond // transactions that are open may end
	last      = 200 * time.Millisecond // then only the statements that run may
	quietLook = 2 * time.Millisecond
	heraldTTL = 2 * time.Second // how long a router that is gone is waited for, once
	sayAgain  = 50 * time.Millisecond
	sayRest   = 5 * time.Second // most between two tries
	openAgain = 500 * time.Millisecond
	sayLimit  = time.Second // of one word to etcd
)

// herald tells the cluster, under a lease of its own, that this router is there,
// and for which planned switchover it holds its clients' statements (R58).
func (f *Follower) herald(ctx context.Context) {
	run := rand.Text()
	log := f.opt.Log.With("leaseOf", "this router's word in etcd")
	opt := election.Options{TTL: heraldTTL, Log: log}
	var mute failing
	for _, m := range f.opt.Client.Members() {
		opt.Members = append(opt.Members, election.Member(m))
	}
	for ctx.Err() == nil {
		session, err := election.Open(ctx, opt)
		if err == nil {
			f.say(ctx, session, run, &mute)
			continue
		}
		mute.say(ctx, f.opt.Log, err)
		select {
		case <-ctx.Done():
		case <-time.After(openAgain):
		}
	}
}

// say speaks under one lease, until that is gone or ctx ends; then it is given back,
// so that nobody waits for a router that has ended.
func (f *Follower) say(ctx context.Context, session *election.Session, run string, mute *failing) {
	under, cancel := context.WithCancel(ctx)
	var renewing sync.WaitGroup
	renewing.Go(func() { _ = session.Run(under); cancel() })
	defer func() {
		cancel()
		renewing.Wait()
		limited, done := context.WithTimeout(context.WithoutCancel(ctx), sayLimit)
		defer done()
		_ = session.Revoke(limited) // or it ends by itself
	}()
	said := topology.Rev(-1)
	for under.Err() == nil {
		v := f.View()
		if said >= 0 && (v.asked == 0 || v.asked == said) {
			select {
			case <-under.Done():
			case <-v.Next():
			}
			continue
		}
		done, err := f.tell(under, session, run, v)
		switch {
		case done:
			said = v.asked
			mute.over(f.opt.Log)
		case err != nil:
			mute.say(under, f.opt.Log, err)
			f.rest(under, mute, v)
		}
	}
}

// failing is what keeps this router from saying what it holds. One that may not write
// there at all works and is not waited for: it must not ask without end.
type failing struct {
	text string // of what was said in the log
	wait time.Duration
}

func (m *failing) say(ctx context.Context, log *slog.Logger, err error) {
	if ctx.Err() == nil && m.text == "" {
		m.text = err.Error()
		log.Warn("cannot tell the cluster what is held: a planned switchover does not wait for this router, and some of its statements may fail", "err", err)
	}
}

func (m *failing) over(log *slog.Logger) {
	if m.text != "" {
		log.Info("the cluster hears again what this router holds")
	}
	*m = failing{}
}

// rest waits before the next try, longer each time, unless there is another order to
// answer.
func (f *Follower) rest(ctx context.Context, m *failing, v *View) {
	m.wait = min(max(2*m.wait, sayAgain), sayRest)
	over := time.After(m.wait)
	for now := v; now.asked == v.asked; now = f.View() {
		select {
		case <-ctx.Done():
			return
		case <-over:
			return
		case <-now.Next():
		}
	}
}

// tell says what the view asks for: that this router is there, or that it holds.
// It is false without an error when there is something else to say by now.
func (f *Follower) tell(ctx context.Context, session *election.Session, run string, v *View) (bool, error) {
	hold := topology.RouterHold{Name: f.opt.Name, Order: v.asked, Addresses: ownAddresses()}
	if v.asked != 0 {
		unsure, quiet := f.quiet(ctx, v)
		if !quiet {
			return false, nil
		}
		hold.Unsure = unsure
	}
	limited, cancel := context.WithTimeout(ctx, sayLimit)
	defer cancel()
	_, err := f.opt.Client.PutHold(limited, session.ID(), run, hold)
	if err != nil {
		return false, err
	}
	f.opt.Log.Debug("told the cluster what is held", "order", hold.Order, "unsure", hold.Unsure)
	return true, nil
}

// quiet waits until nothing that writes is under way on the writer. Transactions
// may end for a time; after it Over says that they may not go on. What still runs at
// the very end is counted: what comes of it is the writer's to say. It is false when
// the order is no longer what it was.
func (f *Follower) quiet(ctx context.Context, v *View) (unsure int, still bool) {
	began := time.Now()
	tick := time.NewTicker(quietLook)
	defer tick.Stop()
	for f.View().asked == v.asked {
		took := time.Since(began)
		over := took >= grace
		if over {
			f.over.Store(&v.order) // before the look: who begins after it sees it
		}
		running, open := f.opt.Writing()
		if over {
			open = 0
		}
		if running+open == 0 || took >= grace+last {
			return running, true
		}
		select {
		case <-ctx.Done():
			return 0, false
		case <-tick.C:
		}
	}
	return 0, false
}

// Over reports whether the transactions that were open when the hold of a View
// began have had their time: the switchover does not wait for them any longer.
func (f *Follower) Over(v *View) bool {
	over := f.over.Load()
	return v.Held && over != nil && *over == v.order
}

// addressesMost bounds how many addresses a router names.
const addressesMost = 16

// ownAddresses are those of this machine: from one of them agents will be asked.
func ownAddresses() []netip.Addr {
	all, _ := net.InterfaceAddrs() // without them agents do not answer, and writes are held
	var out []netip.Addr
	for _, a := range all {
		prefix, err := netip.ParsePrefix(a.String())
		if err == nil && prefix.Addr().IsGlobalUnicast() && len(out) < addressesMost {
			out = append(out, prefix.Addr().Unmap())
		}
	}
	return out
}
