package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/chaos/load"
)

// RoutedHosts are the machines of the bed for RunRouted: the default ones and two
// routers with one VIP.
func RoutedHosts() []lab.Host { return append(lab.DefaultHosts(), lab.RouterHosts()...) }

var routerVIP = netip.MustParseAddr("192.0.2.170")

const (
	// crowd is how many clients there are, each with one connection.
	crowd = 16
	// routedEvery is the time between two inserts of one client; it reads in between.
	routedEvery = 50 * time.Millisecond
	// routedTimeout is that of a statement, connecting included: longer than any pause.
	routedTimeout = 15 * time.Second
)

// routedFault is one way for something behind, or before, the router to fail or move.
type routedFault struct {
	name, what string
	goal       goal
	// forgives says that the router itself fails: what was under way goes down with it.
	forgives bool
	// stays: the writer should be the same before and after.
	stays  bool
	strike func(ctx context.Context, bed *lab.Bed, now whereabouts) error
}

// whereabouts is who is who before a fault.
type whereabouts struct {
	writer, reader, router string
	epoch                  int64
}

// routedFaults are measured in this order.
var routedFaults = []routedFault{
	{
		name: "routed-kill", what: "mysqld of the writer kill -9", goal: goal{50, 250 * time.Millisecond},
		strike: func(ctx context.Context, b *lab.Bed, now whereabouts) error {
			return b.KillMysqld(ctx, now.writer, false)
		},
	},
	{
		name: "routed-reader", what: "mysqld of a reader kill -9", goal: goal{99, 150 * time.Millisecond}, stays: true,
		strike: func(ctx context.Context, b *lab.Bed, now whereabouts) error {
			return b.KillMysqld(ctx, now.reader, false)
		},
	},
	{
		name: "routed-planned", what: "planned switchover", goal: goal{99, 150 * time.Millisecond},
		strike: func(ctx context.Context, b *lab.Bed, _ whereabouts) error {
			if out, err := b.Ctl(ctx, "switchover", "--yes", "--reason", "measurement"); err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			return nil
		},
	},
	{
		name: "router-killed", what: "mmmrouter with the VIP kill -9", forgives: true, stays: true,
		strike: func(ctx context.Context, b *lab.Bed, now whereabouts) error {
			return b.KillRouter(ctx, now.router, false)
		},
	},
	{
		name: "router-frozen", what: "mmmrouter with the VIP frozen (SIGSTOP)", forgives: true, stays: true,
		strike: func(ctx context.Context, b *lab.Bed, now whereabouts) error {
			return b.Freeze(ctx, now.router, lab.UnitRouter)
		},
	},
}

// RoutedFaults are the names of what RunRouted measures.
func RoutedFaults() []string {
	var names []string
	for _, f := range routedFaults {
		names = append(names, f.name)
	}
	return names
}

// RunRouted measures what sixteen clients of the router VIP see of each fault, or of
// those named. An error means that the measurement itself did not work.
func RunRouted(ctx context.Context, o Options, only []string) (*Routed, error) {
	r := &Routed{
		Date: time.Now(), Version: o.Version, Profile: o.Profile, TTL: Millis(TTL(o.Profile)),
		Clients: crowd, Every: Millis(routedEvery), Load: loadAverage(),
	}
	var all []*load.Journal
	for _, f := range routedFaults {
		if len(only) > 0 && !slices.Contains(only, f.name) {
			continue
		}
		row, theirs, err := measureRouted(ctx, o, f)
		if err != nil {
			return r, fmt.Errorf("measure %s: %w", f.what, err)
		}
		r.Rows, all = append(r.Rows, row), append(all, theirs...)
		if err := r.lookUp(ctx, o.Bed, &r.Rows[len(r.Rows)-1], theirs, all); err != nil {
			return r, err
		}
	}
	r.Load += " to " + loadAverage()
	for i := range r.Rows {
		r.Rows[i].settle()
	}
	return r, nil
}

// measureRouted strikes one fault again and again, with clients of its own.
func measureRouted(ctx context.Context, o Options, f routedFault) (RoutedRow, []*load.Journal, error) {
	row := RoutedRow{Name: f.name, What: f.what, Stays: f.stays, goal: f.goal, forgives: f.forgives}
	clients, err := newCrowd(ctx, o.Bed, f.name)
	if err != nil {
		return row, nil, err
	}
	for i := range o.Runs {
		var run RoutedRun
		if run, err = strikeRouted(ctx, o.Bed, f, clients, phase(i)); err != nil {
			break
		}
		o.Say(fmt.Sprintf("%-15s run %2d of %d: longest wait of a client %-8s with a read %-8s longest gap %-8s before it %-8s errors %d, of reads %d; under way %d; %s -> %s",
			f.name, i+1, o.Runs, run.Wait, run.ReadWait, run.Gap, run.Before, run.Errors, run.ReadErrors, run.UnderWay, run.From, run.To))
		for _, why := range run.Why {
			o.Say("                " + why)
		}
		row.Runs = append(row.Runs, run)
	}
	err = errors.Join(err, clients.stop())
	for _, j := range clients.writes() {
		row.Acked += j.Count(load.Acked)
	}
	row.Reads, row.Stale = clients.read()
	return row, clients.writes(), err
}

// strikeRouted waits for a whole cluster, strikes, sees every client write and read
// again, and repairs.
func strikeRouted(ctx context.Context, bed *lab.Bed, f routedFault, c *clients, phase time.Duration) (RoutedRun, error) {
	before, err := awaitRouted(ctx, bed)
	if err != nil {
		return RoutedRun{}, err
	}
	noise, err := c.awaitSteady(ctx)
	if err != nil {
		return RoutedRun{}, err
	}
	if err := rest(ctx, phase); err != nil {
		return RoutedRun{}, err
	}
	struck := time.Now()
	if err := f.strike(ctx, bed, before); err != nil {
		return RoutedRun{}, err
	}
	first, err := c.awaitAll(ctx, time.Now())
	if err != nil {
		return RoutedRun{}, err
	}
	if err := rest(ctx, trail-time.Since(first)); err != nil {
		return RoutedRun{}, err
	}
	run := c.saw(struck, first.Add(trail), f.forgives)
	if err := repair(ctx, bed); err != nil {
		return run, err
	}
	after, err := awaitRouted(ctx, bed)
	if err != nil {
		return run, err
	}
	run.Before, run.From, run.To, run.At = noise, before.writer, after.writer, struck.Format(clockFormat)
	if !f.stays && before.epoch == after.epoch {
		return run, fmt.Errorf("%s reigns in epoch %d before and after: the fault did not bite", after.writer, after.epoch)
	}
	return run, nil
}

// awaitRouted waits until cluster and routers are whole, and returns who is who.
func awaitRouted(ctx context.Context, bed *lab.Bed) (whereabouts, error) {
	for end := time.Now().Add(healsWithin); ; {
		s, err := awaitWhole(ctx, bed)
		if err != nil {
			return whereabouts{}, err
		}
		w := whereabouts{writer: s.Writer, epoch: s.Epoch}
		up := 0
		for _, r := range s.Routers {
			if r.State == "ONLINE" && r.Ready != nil && *r.Ready && r.Epoch == s.Epoch {
				up++
			}
			if len(r.VIPs) > 0 {
				w.router = r.Name
			}
		}
		for _, h := range s.Hosts {
			if h.Name != s.Writer {
				w.reader = h.Name
			}
		}
		if up == len(s.Routers) && up > 0 && w.router != "" {
			return w, nil
		}
		if time.Now().After(end) {
			return w, fmt.Errorf("%d of %d routers are whole after %v", up, len(s.Routers), healsWithin)
		}
		if err := rest(ctx, lookAgain); err != nil {
			return w, err
		}
	}
}

// lookUp looks on all servers for every write that was acknowledged so far, and
// counts what of one row's clients is lost.
func (r *Routed) lookUp(ctx context.Context, bed *lab.Bed, row *RoutedRow, theirs, all []*load.Journal) error {
	report, servers, err := compareServers(ctx, bed, all)
	if err != nil {
		return err
	}
	r.OK, r.Verified = report.OK(), verdict(report)
	for _, j := range theirs {
		n, err := lost(ctx, j, servers)
		if err != nil {
			return err
		}
		row.Lost += n
	}
	return nil
}
