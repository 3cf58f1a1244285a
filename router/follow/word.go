package follow

import (
	"context"
	"net/netip"
	"time"

	"github.com/mmm-ha/mmm/internal/peer"
	"github.com/mmm-ha/mmm/topology"
)

// While etcd does not answer, the writer may go on by the promises of all other
// hosts (R49), and its agent says so to routers that ask. It is believed for the
// epoch that is known already, until its own deadline and no longer (R57).

const (
	silent    = 400 * time.Millisecond // without a proof for so long: ask; etcd proves itself every 250 ms
	wordPause = 100 * time.Millisecond // after a question in vain
	wordEvery = 300 * time.Millisecond // less than a third of the shortest lease
	wordLimit = 300 * time.Millisecond // of one question
)

// asked is whom to ask about a reign.
type asked struct {
	host    peer.Host
	cluster string
	epoch   topology.Rev
}

// peerPort is where an agent answers that does not say.
const peerPort = 9989

// askable is whom to ask about the reign of a View; nil: nobody.
func askable(c topology.Cluster) *asked {
	w := c.Writer.Value
	spec, known := c.Spec.Value.Host(w.Name)
	m := c.Memories[w.Name].Value
	if !c.Writer.Present() || !known || m.ID != w.ID || m.Key == "" {
		return nil
	}
	port := c.Hosts[w.ID].Value.Peer
	if port == 0 {
		port = peerPort
	}
	return &asked{host: peer.Host{ID: w.ID, Address: netip.AddrPortFrom(spec.Address, port), Key: m.Key}, cluster: c.Spec.Value.ID, epoch: c.Writer.Rev}
}

// reigning asks a host whether it still reigns; see peer.Client.Reign.
type reigning interface {
	Reign(ctx context.Context, to peer.Host, cluster string, epoch topology.Rev) (left time.Duration, why string, err error)
}

// askWriter asks the writer's agent, while etcd is silent, until ctx ends.
func (f *Follower) askWriter(ctx context.Context, by reigning) {
	said, at := "", time.Time{}
	for {
		pause := look
		v := f.View()
		switch {
		case f.heard() < silent:
			said = ""
		case v.ask == nil || v.Writer.Name == "":
		default:
			why := f.hear(ctx, by, v.ask)
			if now := time.Now(); said == "" || (why == reigns) != (said == reigns) || why != said && now.Sub(at) >= calm {
				said, at = why, now
				f.opt.Log.Info("etcd does not answer: the agent of the writer was asked whether that still reigns", "writer", v.Writer.Name, "epoch", v.ask.epoch, "answer", why)
			}
			if pause = wordEvery; why != reigns {
				pause = wordPause
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

const reigns = "yes"

// hear puts one question, and takes the answer for what it is worth.
func (f *Follower) hear(ctx context.Context, by reigning, q *asked) string {
	ctx, cancel := context.WithTimeout(ctx, wordLimit)
	defer cancel()
	at, sent := time.Now(), f.fresh.clock.Now() // BEFORE the question leaves
	left, why, err := by.Reign(ctx, q.host, q.cluster, q.epoch)
	switch {
	case err != nil: // nothing is known, and what was known holds until its end
		return err.Error()
	case left <= 0: // it says itself that its reign is over
		f.fresh.forget()
		return why
	}
	f.fresh.believe(q.epoch, at, sent, left)
	return reigns
}
