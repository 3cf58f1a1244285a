package dbops

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

// absenceKept is how long a missing table is taken for missing while nothing
// is written: long beside a probe, short beside an operator's patience.
const absenceKept = time.Second

// absence remembers that there is no table of epochs, so that a host without one
// does not ask for it twenty times a second.
type absence struct {
	known    bool
	at       time.Time
	position string
}

// Observe reads the server once: one round trip, about a millisecond, two while
// somebody waits for an acknowledgement. It never judges, and changes nothing.
//
// The Probe is worth reading with an error too: Up is then false, Why says the
// cause in words, and Incarnation and PID name the process when there is one
// (it hangs, is full, or refuses us) and are empty when there is none. Problems
// are not filled in; they come from Problems.
//
// Received counts what the IO thread got only as far as it can be trusted; see
// facts.got. Waiting counts everybody who is stuck, not only the first.
func (s *Server) Observe(ctx context.Context) (topology.Probe, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	p := topology.Probe{At: time.Now()}
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return s.down(p, s.explain("observe", ctx.Err()))
	}
	d, err := s.speak(ctx, s.watch)
	if err == nil {
		err = s.observe(ctx, d, &p)
	}
	if err != nil {
		return s.down(p, err)
	}
	who := s.livePeer()
	if who.pid == 0 {
		return s.down(p, fmt.Errorf("observe: it died meanwhile: %w", ErrUnreachable))
	}
	p.Up, p.Incarnation, p.PID = true, who.inc, who.pid
	s.reserve(ctx, who.inc)
	return p, nil
}

// down is a probe of a server that does not answer. A server that was never
// reached through the watch session is not named: only a socket proves who it is.
func (s *Server) down(p topology.Probe, err error) (topology.Probe, error) {
	who := s.livePeer()
	return topology.Probe{At: p.At, Incarnation: who.inc, PID: who.pid, Why: why(err, who)}, err
}

// why is the cause in one line for an operator.
func why(err error, who peer) string {
	switch {
	case errors.Is(err, ErrUnreachable) && who.pid == 0:
		return "mysqld does not run"
	case errors.Is(err, ErrTimeout), errors.Is(err, context.Canceled):
		return "mysqld does not answer in time"
	case errors.Is(err, ErrTooMany):
		return "mysqld has no free connection (max_connections)"
	default:
		return err.Error()
	}
}

// reserve opens the fence session of a server that is new to us, while it has
// connections to give. It is retried at the next probe, so its error is not news.
func (s *Server) reserve(ctx context.Context, inc topology.Incarnation) {
	if s.warmed == inc {
		return
	}
	if s.fence.PingContext(ctx) == nil {
		s.warmed = inc
	}
}

func (s *Server) observe(ctx context.Context, d *dialect, p *topology.Probe) error {
	askEpoch := !s.absent.known || time.Since(s.absent.at) > absenceKept
	sets, err := s.observeSets(ctx, d, askEpoch)
	missing := askEpoch && isNumber(err, errNoSuchTable, errUnknownDatabase)
	if err != nil && !missing {
		return s.explain("observe", err)
	}
	const general, channels, semi, epoch = 0, 1, 2, 3
	if len(sets) <= semi || askEpoch && !missing && len(sets) <= epoch {
		return fmt.Errorf("observe: only %d answers came back", len(sets))
	}
	f, err := d.parseFacts(sets[general], sets[channels])
	if err != nil {
		return fmt.Errorf("observe: %w", err)
	}
	s.attached.see(f.channel)
	d.fill(p, f, sets[semi])
	switch {
	case missing:
		s.absent = absence{known: true, at: p.At, position: f.position.String()}
	case !askEpoch && s.absent.position != f.position.String():
		s.absent = absence{} // something was written: it may be the table; ask next time
	case askEpoch:
		s.absent = absence{}
		if p.Epoch, p.Joints, err = parseEpochs(sets[epoch]); err != nil {
			return fmt.Errorf("observe: %w", err)
		}
	}
	if p.Waiting == 0 {
		return nil
	}
	n, err := s.count(ctx, s.watch, "count who waits", d.waiters)
	p.Waiting = max(p.Waiting, int(n))
	return err
}

// observeSets sends everything in one round trip. The epoch comes last: when its
// table is missing the server stops there, and the answers before are good.
func (s *Server) observeSets(ctx context.Context, d *dialect, askEpoch bool) (_ [][]row, err error) {
	text := d.facts + ";" + d.replication + ";" + d.semi
	if askEpoch {
		text += ";" + d.epochRow
	}
	rows, err := s.watch.QueryContext(ctx, text)
	if err != nil {
		return nil, err
	}
	sets, err := readSets(rows)
	return sets, errors.Join(err, rows.Close())
}

func (d *dialect) fill(p *topology.Probe, f facts, semi []row) {
	status := make(map[string]string, len(semi))
	for _, r := range semi {
		status[r["Variable_name"]] = r["Value"]
	}
	waiting, _ := strconv.Atoi(status[d.status.waitSessions]) // absent: semi-sync is not built in, nobody waits
	p.Version = f.version
	p.ServerID = f.serverID
	p.ReadOnly = f.readOnly
	p.Position = f.position
	p.State = f.state
	p.Applied = f.done()
	p.Received = f.got()
	p.Replication = f.report(isTrue(status[d.status.attached]))
	p.SemiSource = f.semiSource
	p.Waiting = waiting
}

// parseEpochs reads the newest rows of epochs: the newest itself, and where each
// of these reigns followed on the one before.
func parseEpochs(set []row) (newest topology.EpochRow, joints []gtid.Joint, err error) {
	for i, line := range set {
		r := &reader{row: line}
		one := topology.EpochRow{
			Cluster: r.text("cluster"),
			Epoch:   topology.Rev(r.number("epoch", 63)),
			ID:      topology.HostID(r.text("host")),
			GTID:    r.set("gtid"),
			Base:    r.set("base"),
		}
		if r.err != nil {
			return topology.EpochRow{}, nil, r.err
		}
		if i == 0 {
			newest = one
		}
		if one.Cluster != newest.Cluster {
			continue // a dump of another cluster was loaded here: its numbers are not of this history
		}
		joints = append(joints, gtid.Joint{Before: one.Base, After: one.GTID})
	}
	return newest, joints, nil
}
