package agent

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/mmm-ha/mmm/election"
	"github.com/mmm-ha/mmm/internal/peer"
	"github.com/mmm-ha/mmm/topology"
)

// listenPause is how long to wait before the peer port is tried again.
const listenPause = time.Second

// question is what another host asks, on its way through the loop.
type question struct {
	ask    topology.Ask
	ttl    time.Duration
	answer chan string // why not; empty: promised, and binding from now on
}

// answerOthers answers hosts that lost etcd, on the peer port of this host.
func (a *Agent) answerOthers(ctx context.Context, address netip.Addr) error {
	server := peer.NewServer(peer.ServerOptions{
		Self: a.id, Key: a.failsafe.key, TLS: a.peerCerts, Log: a.log, Promise: a.promise, Donate: a.donate, Reigning: a.stillReigns,
		KeyOf: func(id topology.HostID) string { return a.failsafe.others().keys[id] },
		Known: func(addr netip.Addr) bool { return a.failsafe.others().addresses[addr] },
		Clock: a.clock.Uptime,
	})
	at := net.JoinHostPort(address.String(), strconv.Itoa(int(a.opt.Peer.Port)))
	told := false
	for {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", at)
		if err == nil {
			err = server.Serve(ctx, l)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !told {
			a.log.Error("cannot answer other hosts; without etcd the writer must close", "address", at, "err", err)
			told = true
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(listenPause):
		}
	}
}

// others is who the other hosts are; nobody before the first turn of the loop.
func (f *failsafe) others() book {
	if b := f.book.Load(); b != nil {
		return *b
	}
	return book{}
}

// promise asks the loop, and answers only what is durable (R51).
func (a *Agent) promise(ctx context.Context, ask topology.Ask, ttl time.Duration) string {
	q := question{ask: ask, ttl: ttl, answer: make(chan string, 1)}
	select {
	case a.failsafe.asks <- q:
	case <-ctx.Done():
		return "this host is busy"
	}
	why := <-q.answer // the loop answers in the same turn
	if why != "" {
		return why
	}
	if err := a.failsafe.promises.Save(a.failsafe.made(ask, ttl)); err != nil {
		a.log.Error("cannot keep a promise on disk, so none is given", "err", err)
		return "this host cannot keep a promise on disk"
	}
	return ""
}

// word is a router's question whether this host still reigns, on its way through
// the loop.
type word struct {
	ask    topology.Ask
	answer chan said
}

type said struct {
	left time.Duration
	why  string
}

// stillReigns asks the loop: only it knows whether something is about to end the reign.
func (a *Agent) stillReigns(ctx context.Context, ask topology.Ask) (time.Duration, string) {
	q := word{ask: ask, answer: make(chan said, 1)}
	select {
	case a.failsafe.words <- q:
	case <-ctx.Done():
		return 0, "this host is busy"
	}
	w := <-q.answer // the loop answers in the same turn
	return w.left, w.why
}

// say answers a question inside the loop. What is left counts from now on, and the
// router counts it from before it asked.
func (a *Agent) say(s *state, q word) {
	left, why := topology.StillReigns(s.View(a.reading(s, a.vips.Held(), time.Now())), q.ask)
	q.answer <- said{left, why}
}

func (f *failsafe) made(ask topology.Ask, ttl time.Duration) election.Promise {
	return election.Promise{To: string(ask.From), Reign: ask.Epoch > 0, TTL: ttl}
}

// consider judges a question inside the loop: nothing can be started between the
// judgement and the moment from which the promise binds.
func (a *Agent) consider(s *state, q question) {
	why, may := topology.MayPromise(s.View(a.reading(s, a.vips.Held(), time.Now())), q.ask)
	if may {
		m := a.failsafe.made(q.ask, q.ttl)
		_, m.To = hostOf(s.Cluster, q.ask.From)
		a.failsafe.promises.Bind(m)
	}
	q.answer <- why
}
