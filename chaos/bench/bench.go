package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
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
	// returns is generous: it only ends a wait for writes that do not come back.
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
	var journals []*load.Journal
	for _, f := range faults {
		row, journal, err := measure(ctx, o, f)
		if err != nil {
			return r, fmt.Errorf("measure %s: %w", f.what, err)
		}
		r.Rows, journals = append(r.Rows, row), append(journals, journal)
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
func measure(ctx context.Context, o Options, f fault) (Row, *load.Journal, error) {
	row := Row{Name: f.name, What: f.what, Published: f.published, goal: f.goal(TTL(o.Profile))}
	journal, err := load.NewJournal("bench-"+f.name, nil)
	if err != nil {
		return row, nil, err
	}
	dialer, err := o.Bed.Dialer(lab.ClientHost)
	if err != nil {
		return row, nil, err
	}
	client, end := context.WithCancel(ctx)
	var writing sync.WaitGroup
	var failed error
	writing.Go(func() {
		failed = load.Run(client, load.Options{
			Dial: impatient(dialer), Address: fmt.Sprintf("%s:%d", writerVIP, lab.ClientPort),
			User: lab.AppUser, Password: lab.AppPassword, Every: every, Timeout: timeout, Journal: journal,
		})
	})
	for i := range o.Runs {
		run, wrong := strikeOnce(ctx, o.Bed, f, journal, phase(i))
		if wrong != nil {
			err = wrong
			break
		}
		o.Say(fmt.Sprintf("%-8s run %2d of %d: gap %-8s %s -> %s; whole again after %s, longest gap meanwhile %s",
			f.name, i+1, o.Runs, run.Gap, run.From, run.To, run.Whole, run.Healing))
		row.Runs = append(row.Runs, run)
	}
	end()
	writing.Wait()
	row.Acked = journal.Count(load.Acked)
	return row, journal, errors.Join(err, failed)
}

// impatient dials from a host, but not for long.
func impatient(d *lab.Dialer) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, connectTimeout)
		defer cancel()
		return d.DialContext(ctx, network, address)
	}
}

// phase spreads the moments of the faults evenly over a second, so that they do
// not all meet the same point between two renewals of a lease or two adverts.
func phase(run int) time.Duration {
	const golden = 618 * time.Millisecond
	return time.Duration(run) * golden % time.Second
}

// strikeOnce waits for a whole cluster and a steady client, strikes, sees the
// writes return, repairs, and waits until all is whole again.
func strikeOnce(ctx context.Context, bed *lab.Bed, f fault, journal *load.Journal, phase time.Duration) (Strike, error) {
	before, err := awaitWhole(ctx, bed)
	if err != nil {
		return Strike{}, err
	}
	if err := awaitSteady(ctx, journal); err != nil {
		return Strike{}, err
	}
	if err := rest(ctx, phase); err != nil {
		return Strike{}, err
	}
	struck := time.Now()
	if err := f.strike(ctx, bed, before.Writer); err != nil {
		return Strike{}, err
	}
	first, err := awaitWrite(ctx, journal, time.Now())
	if err != nil {
		return Strike{}, err
	}
	if err := rest(ctx, trail-time.Since(first)); err != nil {
		return Strike{}, err
	}
	window := first.Add(trail)
	gap := journal.LongestGap(struck, window)
	repaired := time.Now()
	if err := repair(ctx, bed, before.Writer); err != nil {
		return Strike{}, err
	}
	after, err := awaitWhole(ctx, bed)
	if err != nil {
		return Strike{}, err
	}
	if after.Writer == before.Writer {
		return Strike{}, fmt.Errorf("%s is writer before and after: the fault did not bite", after.Writer)
	}
	return Strike{
		Gap: Millis(gap.Length()), Healing: Millis(journal.LongestGap(window, time.Now()).Length()),
		Whole: Millis(time.Since(repaired)), From: before.Writer, To: after.Writer,
		At: struck.Format("15:04:05.000"),
	}, nil
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

// verify compares all servers with what the clients were told, and counts what
// was lost per fault.
func (r *Result) verify(ctx context.Context, bed *lab.Bed, journals []*load.Journal) error {
	const settles = 30 * time.Second
	var servers []load.Server
	for _, h := range bed.Hosts() {
		if !h.Database() {
			continue
		}
		db, err := bed.DB(h.Name)
		if err != nil {
			return err
		}
		servers = append(servers, load.Server{Name: h.Name, DB: db})
	}
	report, err := load.Await(ctx, settles, "", journals, servers)
	if err != nil {
		return fmt.Errorf("compare servers: %w", err)
	}
	r.OK, r.Verified, r.Inserts, r.Unknown = report.OK(), report.String(), report.Acked, report.Unknown
	if r.OK {
		r.Verified += "; checksums equal, no row too many"
	}
	for i, j := range journals {
		if r.Rows[i].Lost, err = lost(ctx, j, servers); err != nil {
			return err
		}
	}
	return nil
}

// lost counts the acknowledged rows of a client that at least one server lacks.
func lost(ctx context.Context, j *load.Journal, servers []load.Server) (int, error) {
	missing := make(map[uint64]bool)
	for _, s := range servers {
		rows, err := s.DB.QueryContext(ctx, "SELECT seq FROM app.journal WHERE client = ?", j.Client())
		if err != nil {
			return 0, fmt.Errorf("read rows of %s: %w", s.Name, err)
		}
		var has []uint64
		for rows.Next() {
			var seq uint64
			if err := rows.Scan(&seq); err != nil {
				return 0, errors.Join(fmt.Errorf("read rows of %s: %w", s.Name, err), rows.Close())
			}
			has = append(has, seq)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return 0, fmt.Errorf("read rows of %s: %w", s.Name, err)
		}
		slices.Sort(has)
		for _, a := range j.Attempts() {
			if _, found := slices.BinarySearch(has, a.Seq); a.Outcome == load.Acked && !found {
				missing[a.Seq] = true
			}
		}
	}
	return len(missing), nil
}
