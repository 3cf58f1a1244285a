package toll

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"time"
)

// Options say what to measure.
type Options struct {
	BinDir      string        // where mmmrouter is
	MySQLRouter string        // folder of a MySQL Router, as `scripts/unpack.sh sid mysql-router` prints it; empty: it is left out
	ProxySQL    string        // its binary; empty: it is left out
	Rounds      int           // over all cells
	Each        time.Duration // that one cell counts, in one round
	Loads       []Load        // which; empty: all
	Clients     []int         // how many at once; empty: 1, 8 and 64
	Sessions    []int         // idle ones, for the memory; empty: 1,000 and 10,000
	Pin         bool          // bind the proxies to one core and all else to another
	Version     string        // of the project, for the result
	Say         func(string)  // takes lines about the progress
}

// held is how many idle sessions are there while others work.
const held = 1000

// complete fills in what is empty.
func (o Options) complete() Options {
	if len(o.Loads) == 0 {
		o.Loads = Loads
	}
	if len(o.Clients) == 0 {
		o.Clients = []int{1, 8, 64}
	}
	if o.Sessions == nil {
		o.Sessions = []int{1000, 10000}
	}
	return o
}

// cores are what the parts of a measurement run on; -1: any.
type cores struct{ proxy, rest int }

// ofProxy is how many cores a proxy has.
func (c cores) ofProxy() int {
	if c.proxy < 0 {
		return runtime.NumCPU()
	}
	return 1
}

// A proxy that splits has three files open for each client, and some besides.
const (
	filesEach  = 3
	spareFiles = 500
)

// bed is what stands around the proxies.
type bed struct {
	dir            string
	most           int // clients that a proxy can have at once, by its limit of open files
	cores          cores
	writer, reader *server
	registry       *registry
	targets        []*target
}

// Run measures everything. With Pin it binds this process to one core. An error means that
// the measurement itself did not work; no number is one.
func Run(ctx context.Context, o Options) (_ Result, err error) {
	o = o.complete()
	result := lookAtMachine(o)
	b, err := makeBed(ctx, o)
	if err != nil {
		return result, err
	}
	defer b.close()
	for _, t := range b.targets {
		result.Targets = append(result.Targets, Target{Name: t.name, What: t.what, Version: t.version})
	}
	result.Pinned = b.cores.proxy >= 0
	if err := b.rounds(ctx, o, &result); err != nil {
		return result, err
	}
	if err := b.withIdle(ctx, o, &result); err != nil {
		return result, err
	}
	if err := b.counts(ctx, o, &result); err != nil {
		return result, err
	}
	if err := b.memories(ctx, o, &result); err != nil {
		return result, err
	}
	result.settle()
	return result, nil
}

// makeBed starts servers, etcd and proxies.
func makeBed(ctx context.Context, o Options) (_ *bed, err error) {
	if err := o.Missing(); err != nil {
		return nil, err
	}
	files, err := allowFiles()
	if err != nil {
		return nil, err
	}
	b := &bed{cores: cores{proxy: -1, rest: -1}, most: (files - spareFiles) / filesEach}
	if runtime.NumCPU() >= 2 && o.Pin {
		b.cores = cores{proxy: 1, rest: 0}
		if err := bind(b.cores.rest); err != nil {
			return nil, err
		}
	}
	if b.dir, err = os.MkdirTemp("/dev/shm", "mmm-toll-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	o.Say("starting two servers, etcd and the proxies")
	if b.writer, b.reader, err = makeServers(ctx, b.dir, b.cores.rest); err != nil {
		return nil, err
	}
	if b.registry, err = announce(ctx, b.dir, b.writer.address, b.reader.address); err != nil {
		return nil, err
	}
	b.targets, err = makeTargets(ctx, o, b)
	return b, err
}

func (b *bed) close() {
	for _, t := range b.targets {
		if t.proxy != nil {
			t.proxy.kill()
		}
	}
	if b.registry != nil {
		b.registry.close()
	}
	for _, s := range []*server{b.reader, b.writer} {
		if s != nil {
			s.stop()
		}
	}
	_ = os.RemoveAll(b.dir)
}

// rounds measures every cell, in each round in another order; the targets of a cell
// one right after the other, in another order, too.
func (b *bed) rounds(ctx context.Context, o Options, r *Result) error {
	for round := 1; round <= o.Rounds; round++ {
		for _, i := range rand.Perm(len(o.Loads) * len(o.Clients)) {
			l, n := o.Loads[i/len(o.Clients)], o.Clients[i%len(o.Clients)]
			if err := b.cell(ctx, o, r, round, l, n, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

// cell measures all targets at one load.
func (b *bed) cell(ctx context.Context, o Options, r *Result, round int, l Load, clients int, beside string) error {
	line := fmt.Sprintf("round %2d of %d, %-12s %2d clients%s:", round, o.Rounds, l.Name, clients, beside)
	samples := map[string]Sample{}
	for _, i := range rand.Perm(len(b.targets)) {
		t := b.targets[i]
		s, err := measured(ctx, t, l, clients, o.Each)
		if err != nil {
			return err
		}
		s.Round = round
		samples[t.name] = s
	}
	for _, t := range b.targets {
		s, base := samples[t.name], samples[Haproxy]
		if t.proxy != nil {
			s.Ratio = s.CPU / base.CPU
			line += fmt.Sprintf("  %s %.1f us (%.2f)", t.name, s.CPU, s.Ratio)
		}
		s.Speed = s.PerSecond / base.PerSecond
		r.add(t.name, l.Name+beside, clients, s)
	}
	o.Say(line)
	return nil
}

// besideIdle names the cells that are measured while others hold idle sessions.
const besideIdle = " beside 1000 idle"

// withIdle measures point selects while every proxy holds idle sessions.
func (b *bed) withIdle(ctx context.Context, o Options, r *Result) error {
	o.Say(fmt.Sprintf("holding %d idle sessions at each proxy", held))
	for _, t := range b.targets {
		let, err := hold(ctx, t, held, true)
		if err != nil {
			return err
		}
		defer let()
	}
	for round := 1; round <= o.Rounds; round++ {
		if err := b.cell(ctx, o, r, round, PointSelect, 8, besideIdle); err != nil {
			return err
		}
	}
	return nil
}

// counts counts system calls and allocations.
func (b *bed) counts(ctx context.Context, o Options, r *Result) error {
	if r.Uncounted = cannotCount(ctx); r.Uncounted != "" {
		o.Say("system calls are not counted: " + r.Uncounted)
		return nil
	}
	for _, t := range b.targets {
		if t.proxy == nil {
			continue
		}
		calls, err := countCalls(ctx, t)
		if err == nil && t.admin != "" {
			calls.Allocations, err = countAllocations(ctx, t)
		}
		if err != nil {
			return err
		}
		o.Say(fmt.Sprintf("%s: %.2f reads, %.2f writes, %.2f system calls for a point select of eight clients", t.name, calls.Read, calls.Write, calls.All))
		r.calls(t.name, calls)
	}
	return nil
}

// memories looks at how much memory idle sessions take, at one proxy after the other.
func (b *bed) memories(ctx context.Context, o Options, r *Result) error {
	for _, t := range b.targets {
		for _, n := range o.Sessions {
			if t.proxy == nil {
				continue
			}
			m, err := memory(ctx, t, min(n, b.most))
			if err != nil {
				return err
			}
			o.Say(fmt.Sprintf("%s: %.1f MB for %d idle sessions", t.name, float64(m.RSS)/1e6, m.Sessions))
			r.idle(t.name, m)
		}
	}
	return nil
}
