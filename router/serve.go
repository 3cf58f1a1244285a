package router

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/mmm-ha/mmm/router/proxyproto"
	"github.com/mmm-ha/mmm/router/tally"
)

// desk is where connections become sessions.
type desk struct {
	log          *slog.Logger
	conversation Conversation
	gate         *gate
	sessions     *registry
	limits       func() Limits
	front        *front
	counts       *counts
	board        *tally.Board
	rare         *tally.Rare
	serving      sync.WaitGroup
}

// take begins the session of a new connection, in a goroutine of its own.
func (d *desk) take(ctx context.Context, l *Listener, c *net.TCPConn) {
	d.counts.accepted.Add(1)
	if limits := d.limits(); d.sessions.count() >= 2*limits.Connections+limits.Queue {
		// So many are logged in, wait, or have not said yet who they are.
		why := tooManyConnections("no more can log in at the same time (limits.connections, limits.queue)")
		d.turnedAway(reasonCrowd, addressOf(c), "", why)
		refuse(c, why)
		return
	}
	id := d.sessions.reserve()
	d.serving.Go(func() { d.keep(ctx, l, c, id) })
}

// keep is a session until its end. This and what it calls is what lies on the stack of
// a session that waits for its client, and there may be ten thousands of those: what
// needs room is done in functions that have ended by then (open, ended). With less than
// a kilobyte the collector halves the stack to 4 KB.
func (d *desk) keep(ctx context.Context, l *Listener, c *net.TCPConn, id uint32) {
	defer d.sessions.remove(id)
	defer d.survive(c, id)
	if err := d.serve(ctx, l, c, id); err != nil {
		d.ended(c, id, err)
	}
}

func (d *desk) ended(c net.Conn, id uint32, err error) {
	d.log.Debug("session ended", "session", id, "client", c.RemoteAddr().String(), "err", err)
}

// survive keeps a bug that one client has found from ending the others.
func (d *desk) survive(c net.Conn, id uint32) {
	if bug := recover(); bug != nil {
		_ = c.Close()
		d.counts.ended(reasonPanic)
		unsaid, due := d.rare.Due(reasonPanic)
		if !due {
			return
		}
		d.log.Error("a session ended with a bug of the router; please report it", "session", id, "err", fmt.Sprint(bug), "unsaid", unsaid, "stack", string(debug.Stack()))
	}
}

// serve is the life of one session.
func (d *desk) serve(ctx context.Context, l *Listener, c *net.TCPConn, id uint32) error {
	here, err := d.open(ctx, l, c, id)
	if here == nil {
		return err
	}
	defer here.place.leave()
	d.sessions.put(here)
	return here.session.Serve(ctx)
}

// open makes the session of a connection; nil: it has none, and is closed.
func (d *desk) open(ctx context.Context, l *Listener, c *net.TCPConn, id uint32) (*live, error) {
	info, err := d.inform(ctx, *l, c, id)
	switch {
	case errors.Is(err, proxyproto.ErrNothing): // whoever only looks whether the port is open
		_ = c.Close()
		return nil, nil
	case err != nil:
		d.turnedAway(reasonProxy, addressOf(c), "", err)
		refuse(c, &Refusal{1156, "08S01", "Got packets out of order: " + err.Error()})
		return nil, err
	}
	here := &live{raw: rawOf(c), at: reachedAt(c), began: time.Now(), place: place{desk: d, client: info.Client}}
	info.Admit = here.place.enter
	here.info, here.session = info, d.conversation.Open(c, info)
	return here, nil
}

// place is that of a session at the gate, once it is let in.
type place struct {
	desk   *desk
	client netip.AddrPort
	user   string
	taken  bool
}

// enter is a ClientInfo's Admit.
func (p *place) enter(ctx context.Context, user string, most int) error {
	var err error
	if p.taken {
		err = p.desk.gate.move(p.user, user, most)
	} else {
		err = p.desk.gate.enter(ctx, user, most)
	}
	if err != nil {
		p.desk.turnedAway(reasonOf(err), p.client, user, err)
		return err
	}
	p.user, p.taken = user, true
	return nil
}

func (p *place) leave() {
	if p.taken {
		p.desk.gate.leave(p.user)
	}
}

// reasonOf is why somebody got no place.
func reasonOf(err error) string {
	var r *Refusal
	switch {
	case !errors.As(err, &r):
		return reasonGone
	case r.Code == 1203 || r.Code == 1226:
		return reasonPerUser
	default:
		return reasonConnections
	}
}

// turnedAway counts a client that is not let in, and says so in the log, at most once
// a minute of each kind. Who went away by itself while it waited is only counted.
func (d *desk) turnedAway(reason string, client netip.AddrPort, user string, err error) {
	d.counts.refused(reason)
	if reason == reasonGone {
		return
	}
	if unsaid, due := d.rare.Due(reason + " " + user); due {
		d.log.Warn("a client was turned away", "client", client.String(), "user", user, "why", err, "unsaid", unsaid)
	}
}

// inform says what is known of a client. From the networks that a listener lists
// comes a PROXY header first; whoever else sends one has it taken for a login by
// the protocol, which refuses it.
func (d *desk) inform(ctx context.Context, l Listener, c *net.TCPConn, id uint32) (ClientInfo, error) {
	info := ClientInfo{
		ID: id, Listener: l.Address, Mode: l.Mode, Client: addressOf(c), TLSMode: l.TLS,
		Find: d.sessions.find, Counts: d.sessions.countsOf(id), Board: d.board,
	}
	if l.TLS != TLSOff {
		info.TLS = d.front.config
	}
	listed := slices.ContainsFunc(l.ProxyProtocol, func(p netip.Prefix) bool { return p.Contains(info.Client.Addr()) })
	if !listed {
		return info, nil
	}
	if err := c.SetReadDeadline(time.Now().Add(d.limits().LoginTime.D())); err != nil {
		return info, fmt.Errorf("read the PROXY header: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = c.SetReadDeadline(time.Now()) })()
	h, err := proxyproto.Read(c)
	if err != nil {
		return info, fmt.Errorf("%s is listed under proxyProtocol of %s and must send a PROXY header first: %w", info.Client.Addr(), l.Address, err)
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		return info, fmt.Errorf("read the PROXY header: %w", err)
	}
	if !h.Local {
		info.Via, info.Client = info.Client, h.Source
	}
	return info, nil
}

// addressOf is where a connection comes from; an IPv4 client of an IPv6 listener
// has its IPv4 address.
func addressOf(c net.Conn) netip.AddrPort {
	if tcp, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		a := tcp.AddrPort()
		return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	}
	return netip.AddrPort{}
}

// refuseLimit bounds the writing of a few bytes to a fresh connection.
const refuseLimit = time.Second

// refuse ends a connection on which nothing was said yet, with an error packet in
// place of the greeting, as servers do. It has no SQLSTATE: the client has not said
// yet that it knows about them.
func refuse(c net.Conn, why *Refusal) {
	body := append([]byte{0xff, byte(why.Code), byte(why.Code >> 8)}, why.Message...)
	packet := append([]byte{byte(len(body)), byte(len(body) >> 8), 0, 0}, body...)
	_ = c.SetDeadline(time.Now().Add(refuseLimit))
	_, _ = c.Write(packet) // it is closed either way
	_ = c.Close()
}
