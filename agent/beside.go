package agent

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mmm-ha/mmm/internal/peer"
	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/topology"
)

// beside reports whether this agent stands beside an mmmrouter, with no mysqld.
func (a *Agent) beside() bool { return a.opt.Role == RoleRouter }

// asRead is the cluster as this agent takes it.
func (a *Agent) asRead(c topology.Cluster) topology.Cluster {
	if a.beside() {
		return c.AsRouters()
	}
	return c
}

// besideStore is etcd for an agent beside a router.
func (a *Agent) besideStore() registry {
	b := store.Beside{Client: a.client}
	if a.failsafe != nil { // dry, nothing is written
		b.Key = peer.Public(a.failsafe.key)
	}
	return b
}

// openRouter prepares the look at mmmrouter; nothing is sent yet.
func (a *Agent) openRouter() {
	a.router = &greeter{says: sayings{admin: a.opt.Router.Admin}}
	a.db = a.router
	a.prober = newProber(a.db, a.opt.State, a.log, func(p topology.Probe) { latest(a.in.probes, p) })
	a.prober.deathUnseen = true
}

// besideRun stands for the run of an mmmrouter, whose process is nothing to the
// agent: to the prober it never dies, so that a look in vain counts as a miss.
const besideRun = topology.Incarnation("mmmrouter")

// greeter looks at mmmrouter as a client does. It is the database of an agent
// that has none: of its verbs only Observe is ever asked for, for no rule of a
// router's agent asks for another.
type greeter struct {
	database
	at   atomic.Value // string: address:port
	says sayings
}

// aim says where mmmrouter listens.
func (g *greeter) aim(me topology.HostSpec) {
	g.at.Store(net.JoinHostPort(me.Address.String(), strconv.Itoa(int(me.Port))))
}

// Observe connects and reads the greeting. The connection alone proves nothing:
// the kernel takes it for a process that is frozen, too.
func (g *greeter) Observe(ctx context.Context) (topology.Probe, error) {
	at, _ := g.at.Load().(string)
	p := topology.Probe{At: time.Now(), ReadOnly: true, Says: g.says.last.Load()}
	version, err := greet(ctx, at)
	if err != nil {
		p.Why = err.Error()
		return p, err
	}
	p.Incarnation, p.Up, p.Version = besideRun, true, version
	return p, nil
}

// What a server says first: a greeting of this protocol version, or an error.
const (
	protocolTen   = 0x0a
	protocolError = 0xff
	tooMany       = 1040 // it is full: it answers
	longGreeting  = 1024
)

// greet reads the first packet of a server and returns the version in it. The
// error says in a few words what was found.
func greet(ctx context.Context, at string) (version string, err error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", at)
	if err != nil {
		return "", fmt.Errorf("it takes no connection at %s: %w", at, plainCause(err))
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return "", err
		}
	}
	var head [4]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return "", fmt.Errorf("it takes connections at %s and does not greet: %w", at, plainCause(err))
	}
	size := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
	if size < 3 || size > longGreeting {
		return "", fmt.Errorf("what answers at %s is no server of this protocol", at)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(conn, body); err != nil {
		return "", fmt.Errorf("it breaks its greeting off at %s: %w", at, plainCause(err))
	}
	switch {
	case body[0] == protocolTen:
		version, _, _ := strings.Cut(string(body[1:]), "\x00")
		return version, nil
	case body[0] == protocolError && binary.LittleEndian.Uint16(body[1:]) == tooMany:
		return "", nil
	case body[0] == protocolError:
		return "", fmt.Errorf("it turns clients away at %s: %q", at, body[3:])
	default:
		return "", fmt.Errorf("what answers at %s is no server of this protocol", at)
	}
}

// plainCause is the innermost cause, which is all that an operator needs.
func plainCause(err error) error {
	if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
		return errors.New("no answer in time")
	}
	for errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	return err
}
