package storm

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/mmm-ha/mmm/chaos/history"
	"github.com/mmm-ha/mmm/chaos/lab"
)

// A storm may have routers in front of the cluster. Then more applications go through
// the router VIP, beside those of the other VIPs, and routers are struck, too.

var routerVIP = netip.MustParseAddr("192.0.2.170")

const routerRoute = "router"

// routerTime limits one operation through a router, connecting included. It is longer
// than a router holds a statement back in any strike, so that what a router answers is
// seen, and not that somebody was impatient.
const routerTime = 5 * time.Second

// The places of the faults of routers.
const (
	onRouter      place = "the router with the VIP"
	onOtherRouter place = "a router without the VIP"
)

// routerFamily: one router at most is struck at a time.
const routerFamily = "router"

// routerClasses are the faults of routers. None may move the writer.
var routerClasses = []class{
	{Name: "router-kill", Says: "mmmrouter killed, started again later", family: routerFamily, on: []place{onRouter, onRouter, onOtherRouter},
		hold: span(0.3, 4), do: killRouter, undo: startRouter, bites: noRouter, ends: routerRuns, seen: atOnce},
	{Name: "router-freeze", Says: "mmmrouter stopped (SIGSTOP) and continued", family: routerFamily, on: []place{onRouter, onRouter, onOtherRouter},
		hold: span(0.2, 5), do: freezeRouter, undo: thawRouter, bites: frozenRouter, ends: routerRuns, seen: byLease},
	{Name: "router-cable", Says: "network cable of a router's machine pulled and plugged", family: routerFamily, on: []place{onRouter, onOtherRouter},
		hold: span(0.3, 4), do: unplug, undo: plug, bites: gone, ends: onWireAgain, seen: byLease},
	{Name: "router-agent-kill", Says: "agent beside a router killed, started again later", family: routerFamily, on: []place{onRouter, onOtherRouter},
		hold: span(0.3, 4), do: killAgent, undo: startAgent, bites: noAgent, ends: agentRuns, seen: byLease},
	{Name: "router-agent-freeze", Says: "agent beside a router stopped (SIGSTOP) and continued", family: routerFamily, on: []place{onRouter, onOtherRouter},
		hold: span(0.2, 5), do: freezeAgent, undo: thawAgent, bites: frozenAgent, ends: agentRuns, seen: byLease},
}

// classesFor are all faults that a bed can have.
func classesFor(routers bool) []class {
	if routers {
		return slices.Concat(classes, routerClasses)
	}
	return classes
}

// RouterClasses lists the faults of routers.
func RouterClasses() (out []Class) {
	for _, c := range routerClasses {
		out = append(out, Class{c.Name, c.Says})
	}
	return out
}

// WithRouters adds two routers and their VIP to a bed for a storm.
func WithRouters(o lab.Options) lab.Options {
	o.Hosts = slices.Concat(o.Hosts, lab.RouterHosts())
	o.RouterVIPs = []netip.Addr{routerVIP}
	return o
}

// routers are the machines of the bed that have one.
func routers(b *lab.Bed) (names []string) {
	for _, h := range b.Hosts() {
		if h.Router {
			names = append(names, h.Name)
		}
	}
	return names
}

// chooseRouter is choose for the faults of routers.
func (s *site) chooseRouter(on place) string {
	holder := s.now().RouterClaims[routerVIP].Value.Name
	for _, name := range routers(s.bed) {
		if (name == holder) == (on == onRouter) {
			return name
		}
	}
	return ""
}

func killRouter(ctx context.Context, s *site, a *act) error {
	return s.bed.KillRouter(ctx, a.host, false)
}
func startRouter(ctx context.Context, s *site, a *act) error { return s.bed.StartRouter(ctx, a.host) }
func freezeRouter(ctx context.Context, s *site, a *act) error {
	return s.bed.Freeze(ctx, a.host, lab.UnitRouter)
}
func thawRouter(ctx context.Context, s *site, a *act) error {
	return s.bed.Thaw(ctx, a.host, lab.UnitRouter)
}

func noRouter(ctx context.Context, s *site, a *act) (string, error) {
	u, err := s.unit(ctx, a.host, lab.UnitRouter)
	if err == nil && u.PID != 0 {
		err = errors.New("an mmmrouter runs")
	}
	return "no mmmrouter runs", err
}

func frozenRouter(ctx context.Context, s *site, a *act) (string, error) {
	u, err := s.unit(ctx, a.host, lab.UnitRouter)
	if err == nil && !u.Frozen {
		err = errors.New("mmmrouter is not stopped")
	}
	return "every thread of mmmrouter is stopped", err
}

func routerRuns(ctx context.Context, s *site, a *act) error {
	u, err := s.unit(ctx, a.host, lab.UnitRouter)
	if err == nil && (u.PID == 0 || u.Frozen) {
		err = fmt.Errorf("mmmrouter has pid %d, is stopped: %t", u.PID, u.Frozen)
	}
	return err
}

func onWireAgain(ctx context.Context, s *site, a *act) error {
	there, err := s.onWire(ctx, a.host)
	if err == nil && !there {
		err = errors.New("nobody answers ARP for the machine's address")
	}
	return err
}

// where asks which server answers, in words that a router takes for any other read.
func (c *client) where(ctx context.Context) history.Op {
	return c.read(ctx, history.Op{Do: history.Where}, "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_VARIABLES WHERE VARIABLE_NAME = 'SERVER_ID'")
}

// ownRow writes and reads a register that is this client's alone, turn by turn.
func (c *client) ownRow(ctx context.Context) history.Op {
	if c.seq%2 == 0 {
		return c.read(ctx, history.Op{Do: history.OwnGet, Key: c.name}, fmt.Sprintf("SELECT COALESCE(MAX(v), 0) FROM app.register WHERE k = '%s'", c.name))
	}
	o := c.write(ctx, history.OwnSet, fmt.Sprintf("INSERT INTO app.register VALUES ('%s', %d) ON DUPLICATE KEY UPDATE v = VALUES(v)", c.name, c.seq))
	o.Key, o.Value = c.name, int64(c.seq)
	return o
}
