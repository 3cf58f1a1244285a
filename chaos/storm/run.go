package storm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/mmm-ha/mmm/chaos/history"
	"github.com/mmm-ha/mmm/chaos/lab"
)

// HistoryDir and LogDir are folders below Options.Out.
const (
	HistoryDir = "history"
	LogDir     = "log"
)

// Run carries out the plan of a seed and leaves the history below Options.Out,
// for package check. An error means that there is no history worth reading; a
// run that had to end early leaves one and says so in it.
func Run(ctx context.Context, o Options) (err error) {
	plan, err := newPlanner(o.Seed, o.Classes, o.Singles, len(routers(o.Bed)) > 0)
	if err != nil {
		return err
	}
	dir := filepath.Join(o.Out, HistoryDir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make folder of the history: %w", err)
	}
	s, err := newSite(ctx, o.Bed)
	if err != nil {
		return fmt.Errorf("look at the bed: %w", err)
	}
	defer func() { err = errors.Join(err, s.close(), o.keepLogs()) }()
	if err := s.awaitWhole(ctx, patience); err != nil {
		return fmt.Errorf("wait for a whole cluster: %w", err)
	}
	if err := s.prepare(ctx); err != nil {
		return err
	}
	r := &run{o: o, site: s, dir: dir}
	defer func() { err = errors.Join(err, r.close()) }()
	if err := r.open(); err != nil {
		return err
	}
	r.record(ctx)
	stopped := r.storm(ctx, plan)
	return r.end(context.WithoutCancel(ctx), stopped)
}

// run is the state of one Run.
type run struct {
	*site
	o   Options
	dir string

	faults, meta *history.Recorder
	recorders    []*history.Recorder
	about        history.Run

	stopClients, stopWatch context.CancelFunc
	clientsDone, watchDone sync.WaitGroup
	mu                     sync.Mutex // guards failed
	failed                 error      // of any observer or client
}

func (r *run) open() error {
	var err error
	if r.faults, err = r.recorder("faults"); err == nil {
		r.meta, err = r.recorder("run")
	}
	r.about = history.Run{Seed: r.o.Seed, Commit: r.o.Commit, Replay: r.o.Replay, Profile: r.o.Profile, TTL: TTL(r.o.Profile),
		Wall: time.Now(), Began: history.Now(), Total: total, MinRate: minRate, WriterVIPs: []string{writerVIP.String()}}
	for _, vip := range readerVIPs {
		r.about.ReaderVIPs = append(r.about.ReaderVIPs, vip.String())
	}
	for _, h := range r.bed.Hosts() {
		host := history.Host{Name: h.Name, Address: h.Address.String()}
		if h.Database() {
			host.Server = uint32(h.Address.As4()[3]) // as the bed's my.cnf has it
		}
		r.about.Hosts = append(r.about.Hosts, host)
	}
	return err
}

func (r *run) recorder(name string) (*history.Recorder, error) {
	rec, err := history.NewRecorder(r.dir, name)
	if err == nil {
		r.recorders = append(r.recorders, rec)
	}
	return rec, err
}

func (r *run) close() error {
	var errs []error
	for _, rec := range r.recorders {
		errs = append(errs, rec.Close())
	}
	return errors.Join(errs...)
}

// record starts observers and clients; each has a file of its own.
func (r *run) record(ctx context.Context) {
	watch, stopWatch := context.WithCancel(context.WithoutCancel(ctx))
	work, stopClients := context.WithCancel(watch)
	r.stopWatch, r.stopClients = stopWatch, stopClients
	began := time.Now()
	r.start(&r.watchDone, "pulse", func(out *history.Recorder) error { return pulse(watch, out) })
	r.start(&r.watchDone, "etcd", func(out *history.Recorder) error { return r.watchEtcd(watch, out) })
	r.start(&r.watchDone, "addresses", func(out *history.Recorder) error { return r.watchAddresses(watch, out) })
	r.start(&r.watchDone, "arp", func(out *history.Recorder) error { return r.askForVIPs(watch, out) })
	for _, h := range r.databases() {
		r.start(&r.clientsDone, "probe-"+h.Name, func(out *history.Recorder) error { return r.probe(work, h, began, out) })
	}
	clients, err := r.clients(r.o.Seed, began)
	r.fail(err)
	for _, c := range clients {
		r.start(&r.clientsDone, c.name, func(out *history.Recorder) error { return c.run(work, out) })
	}
}

func (r *run) start(group *sync.WaitGroup, name string, f func(*history.Recorder) error) {
	out, err := r.recorder(name)
	if err != nil {
		r.fail(err)
		return
	}
	group.Go(func() {
		if err := f(out); err != nil {
			r.fail(fmt.Errorf("observer %s: %w", name, err))
		}
	})
}

func (r *run) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = errors.Join(r.failed, err)
}

// storm carries out strike after strike; it returns why it ended early, if so.
func (r *run) storm(ctx context.Context, plan *planner) error {
	k := &strikes{site: r.site, out: r.faults, say: r.o.Say, slack: r.o.Slack}
	if err := rest(ctx, steady); err != nil {
		return err
	}
	end := time.Now().Add(r.o.Length)
	for n := 0; time.Now().Before(end) && (r.o.Strikes == 0 || n < r.o.Strikes); n++ {
		next := plan.next()
		if err := rest(ctx, next.calm); err != nil {
			return err
		}
		if err := k.strike(ctx, next); err != nil {
			return err
		}
	}
	return rest(ctx, steady)
}

// end stops the clients, reads every server and writes down what the run was.
func (r *run) end(ctx context.Context, stopped error) error {
	r.about.Ended = history.Now() // what is not acknowledged after this is no gap
	r.stopClients()
	r.clientsDone.Wait()
	// A host may have lost its role in the last moment: what is read must be final.
	missing := r.awaitWhole(ctx, patience)
	err := r.finals(ctx, r.meta)
	r.stopWatch()
	r.watchDone.Wait()
	for _, why := range []error{stopped, missing, err, r.failed} {
		if why != nil {
			r.about.Stopped = append(r.about.Stopped, brief(why))
		}
	}
	r.meta.Run(r.about)
	return nil
}

// keepLogs copies the logs of all programs out of the bed.
func (o Options) keepLogs() error {
	from := filepath.Dir(o.Bed.Log(lab.ClientHost, "host"))
	to := filepath.Join(o.Out, LogDir)
	if err := os.RemoveAll(to); err != nil {
		return fmt.Errorf("keep logs: %w", err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return fmt.Errorf("keep logs: %w", err)
	}
	return nil
}
