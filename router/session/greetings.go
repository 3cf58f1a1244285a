package session

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/mmm-ha/mmm/router/backend"
	"github.com/mmm-ha/mmm/router/follow"
	"github.com/mmm-ha/mmm/router/lexer"
	"github.com/mmm-ha/mmm/router/wire"
)

// greetings are what servers have greeted with. A client is promised what all of them
// can, for its session may go on at any of them.
type greetings struct {
	mu   sync.Mutex
	of   map[string]wire.Greeting // by the host's name
	last wire.Greeting            // of whichever greeted last; without a version: none has
}

// heard keeps how a host greets.
func (g *greetings) heard(host string, said wire.Greeting) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.of == nil {
		g.of = map[string]wire.Greeting{}
	}
	g.of[host], g.last = said, said
}

// common is what the hosts of a view have in common, as far as they have greeted: the
// capabilities of all and the version of the oldest. A reader of another kind than the
// writer is not read from, and does not count. It is false when no server has greeted.
func (g *greetings) common(v *follow.View) (all wire.Greeting, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	names := []string{v.Writer.Name}
	for _, r := range v.Readers {
		names = append(names, r.Name)
	}
	for _, name := range names {
		one, known := g.of[name]
		switch {
		case !known:
		case !ok:
			all, ok = one, true
		case one.MariaDB() == all.MariaDB():
			all.Capabilities &= one.Capabilities
			if slices.Compare(version(one), version(all)) < 0 {
				all.Version = one.Version
			}
		}
	}
	if !ok {
		all, ok = g.last, g.last.Version != ""
	}
	return all, ok
}

// greeting is what a client is greeted with; a server is asked when none has greeted yet.
func (c *Conversations) greeting(ctx context.Context) (wire.Greeting, error) {
	view := c.opt.Follow.View()
	if g, ok := c.greetings.common(view); ok {
		return g, nil
	}
	type host struct {
		name    string
		address netip.AddrPort
	}
	var ask []host
	if view.Writer.Name != "" {
		ask = append(ask, host{view.Writer.Name, view.Writer.Address})
	}
	for _, r := range view.Readers {
		ask = append(ask, host{r.Name, r.Address})
	}
	err := fmt.Errorf("%w: %s", errNoServer, view.Why)
	for _, h := range ask {
		var g wire.Greeting
		dial, cancel := context.WithTimeout(ctx, c.opt.Rules().complete().Dial)
		g, err = backend.Greet(dial, h.address)
		cancel()
		if err == nil {
			c.greetings.heard(h.name, g)
			return g, nil
		}
	}
	return wire.Greeting{}, err
}

// shaping are the capabilities that change the form of requests and answers, or what
// an answer means.
const shaping = wire.FoundRows | wire.LongFlag | wire.Protocol41 | wire.MultiStatements | wire.MultiResults | wire.PSMultiResults | wire.DeprecateEOF |
	wire.QueryAttributes | wire.MariaProgress | wire.MariaBulk | wire.MariaExtendedMetadata | wire.MariaBulkUnitResults

// less says in what way a server is less than what the client was promised; empty: in
// none.
func (s *Session) less(srv *server) string {
	is := brand(srv.conn.Greeting)
	switch {
	case is&lexer.MySQL != s.brand&lexer.MySQL:
		return srv.conn.Target.Name + " is of another kind: it greets as " + srv.conn.Greeting.Version
	case s.caps&shaping&^srv.conn.Capabilities != 0:
		return fmt.Sprintf("%s (%s) lacks capabilities that the client was promised: %#x", srv.conn.Target.Name, srv.conn.Greeting.Version, uint64(s.caps&shaping&^srv.conn.Capabilities))
	case srv.reader && s.brand&lexer.Newer != 0 && is&lexer.Newer == 0:
		return srv.conn.Target.Name + " is older, and lacks functions by which statements are sent to readers: it greets as " + srv.conn.Greeting.Version
	}
	return ""
}
