package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/chaos/load"
)

// Options say what to measure.
type Options struct {
	// Bed is a whole cluster with the hosts of Hosts.
	Bed *lab.Bed
	// Runs of each fault.
	Runs int
	// PeerRuns of keepalived; 0: it is left out.
	PeerRuns int
	// Echo is a command that answers every byte sent to the TCP port which is
	// appended to it; it runs on the hosts of keepalived.
	Echo []string
	// Profile is the timing profile that the bed was made with.
	Profile string
	// Version of the project, for the result.
	Version string
	// Say takes lines about the progress.
	Say func(string)
}

// AutoSetOnline is what the bed's cluster file should say: short, as the bench
// wants the host back, not a proof that it is well.
const AutoSetOnline = time.Second

// The addresses of the measurement; the VIP of keepalived is the article's.
const writerVIP = "192.0.2.113"

var peerVIP = netip.MustParseAddr("192.0.2.170")

// peerHosts are the two hosts of keepalived.
var peerHosts = []lab.Host{
	{Name: "vrrp1", Address: netip.MustParseAddr("192.0.2.171")},
	{Name: "vrrp2", Address: netip.MustParseAddr("192.0.2.172")},
}

// Hosts are the machines of the bed: the default ones and two for keepalived.
func Hosts() []lab.Host { return append(lab.DefaultHosts(), peerHosts...) }

const (
	every = 10 * time.Millisecond
	// timeout is that of an attempt of the client, connecting included;
	// connectTimeout that of opening a TCP connection.
	timeout        = 150 * time.Millisecond
	connectTimeout = 100 * time.Millisecond
	// trail is how long after the return of writes the gap is still looked for.
	trail = time.Second
	// steady is how long the client writes undisturbed before a fault.
	steady = time.Second
	// returns is generous: it only ends a wait for writes, or a writer, that does not come back.
	returns = time.Minute
)

// TTL is that of the lease in a timing profile.
func TTL(profile string) time.Duration {
	if profile == "lan" {
		return 2 * time.Second
	}
	return time.Second
}

// Run measures everything and returns the result. It takes about ten seconds
// per run. An error means that the measurement itself did not work.
func Run(ctx context.Context, o Options) (Result, error) {
	r := Result{
		Date: time.Now(), Version: o.Version, Profile: o.Profile, TTL: Millis(TTL(o.Profile)),
		Every: Millis(every), Timeout: Millis(timeout), Connect: Millis(connectTimeout),
	}
	s, err := awaitWhole(ctx, o.Bed)
	if err != nil {
		return r, err
	}
	for _, h := range s.Hosts {
		r.MariaDB = h.Version
	}
	if err := r.lookAtMachine(ctx, o); err != nil {
		return r, err
	}
	var journals [][]*load.Journal // per row, that of the client on the VIP first
	for _, f := range faults {
		row, theirs, err := measure(ctx, o, f)
		if err != nil {
			return r, fmt.Errorf("measure %s: %w", f.what, err)
		}
		r.Rows, journals = append(r.Rows, row), append(journals, theirs)
	}
	if err := r.verify(ctx, o.Bed, journals); err != nil {
		return r, err
	}
	if o.PeerRuns > 0 {
		row, err := measurePeer(ctx, o)
		if err != nil {
			return r, fmt.Errorf("measure keepalived: %w", err)
		}
		r.Rows = append(r.Rows, row)
	}
	r.Load += " to " + loadAverage()
	for i := range r.Rows {
		r.Rows[i].settle()
	}
	return r, nil
}

// measure strikes one fault again and again, with a client of its own.
func measure(ctx context.Context, o Options, f fault) (Row, []*load.Journal, error) {
	row := Row{Name: f.name, What: f.what, Stays: f.stays, Published: f.published, goal: f.goal(TTL(o.Profile))}
	c, err := newClient(ctx, o.Bed, "bench-"+f.name, writerVIP)
	if err != nil {
		return row, nil, err
	}
	journals := []*load.Journal{c.journal}
	for i := range o.Runs {
		run, direct, wrong := strikeOnce(ctx, o, f, c.journal, i)
		if direct != nil {
			journals = append(journals, direct)
		}
		if wrong != nil {
			err = wrong
			break
		}
		o.Say(fmt.Sprintf("%-15s run %2d of %d: gap %-8s %s -> %s; whole again after %s, longest gap meanwhile %s",
			f.name, i+1, o.Runs, run.Gap, run.From, run.To, run.Whole, run.Healing))
		row.Runs = append(row.Runs, run)
	}
	err = errors.Join(err, c.stop())
	row.Acked = c.journal.Count(load.Acked)
	return row, journals, err
}

// awaitSteady waits until the client has written for a while without a gap of
// more than the time of a few inserts.
func awaitSteady(ctx context.Context, journal *load.Journal) error {
	const smooth = 100 * time.Millisecond
	for end := time.Now().Add(returns); time.Now().Before(end); {
		from := time.Now()
		if err := rest(ctx, steady); err != nil {
			return err
		}
		if journal.LongestGap(from, time.Now()).Length() < smooth {
			return nil
		}
	}
	return fmt.Errorf("the client did not write without gaps of %v within %v, before the fault", smooth, returns)
}

// awaitWrite waits until an insert that began after a moment is acknowledged,
// and returns when that was.
func awaitWrite(ctx context.Context, journal *load.Journal, after time.Time) (time.Time, error) {
	for end := time.Now().Add(returns); time.Now().Before(end); {
		if a, ok := journal.FirstAckAfter(after); ok {
			return a.End, nil
		}
		if err := rest(ctx, every); err != nil {
			return time.Time{}, err
		}
	}
	return time.Time{}, fmt.Errorf("no insert was acknowledged for %v after the fault", returns)
}

func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
