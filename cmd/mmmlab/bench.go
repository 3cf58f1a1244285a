package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mmm-ha/mmm/chaos/bench"
	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/internal/version"
)

// exitNoPeer says that keepalived is not there to be measured beside us.
const exitNoPeer = 2

// benchSettings travel to the holder.
type benchSettings struct {
	Runs     int    `json:"runs"`
	PeerRuns int    `json:"peerRuns"`
	Profile  string `json:"profile"`
	Out      string `json:"out"`
	Only     string `json:"only"`
}

var benchTale = tale{bed: func(o *lab.Options) { o.Hosts = bench.Hosts() }, tell: tellBench}

// tellBench measures, prints the table and stores the result.
func tellBench(ctx context.Context, bed *lab.Bed, arguments string, say func(string)) error {
	var set benchSettings
	if err := json.Unmarshal([]byte(arguments), &set); err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own binary: %w", err)
	}
	last, _ := bench.Read(set.Out) // what was measured through the router stays; there may be nothing yet
	result, err := bench.Run(ctx, bench.Options{
		Bed: bed, Runs: set.Runs, PeerRuns: set.PeerRuns, Echo: []string{self, "echo"},
		Profile: set.Profile, Version: version.String(), Say: say,
	})
	if err != nil {
		return err
	}
	result.Routed = last.Routed
	say("\n" + result.Text())
	if err := result.Write(set.Out); err != nil {
		return err
	}
	say("stored as failover.json, failover.txt and failover.svg in " + set.Out)
	if !result.OK {
		return errors.New("the servers do not hold what the clients were told; see above")
	}
	return nil
}

var benchRoutedTale = tale{bed: func(o *lab.Options) { o.Hosts = bench.RoutedHosts() }, tell: tellBenchRouted}

// tellBenchRouted measures through the router, and adds that to the stored result.
func tellBenchRouted(ctx context.Context, bed *lab.Bed, arguments string, say func(string)) error {
	var set benchSettings
	if err := json.Unmarshal([]byte(arguments), &set); err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	var only []string
	if set.Only != "" {
		only = strings.Split(set.Only, ",")
	}
	routed, err := bench.RunRouted(ctx, bench.Options{Bed: bed, Runs: set.Runs, Profile: set.Profile, Version: version.String(), Say: say}, only)
	if err != nil {
		return err
	}
	result, err := bench.Read(set.Out)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	result.Through(routed)
	say("\n" + result.Text())
	if err := result.Write(set.Out); err != nil {
		return err
	}
	if !routed.OK {
		return errors.New("the servers do not hold what the clients were told; see above")
	}
	return nil
}

// benchCommand is bench-failover with its flags.
type benchCommand struct {
	bed    lab.Options
	set    benchSettings
	noPeer bool
	part   string
}

func newBench() *cobra.Command {
	b := &benchCommand{bed: lab.Options{AutoSetOnline: bench.AutoSetOnline, Parts: lab.All}}
	cmd := &cobra.Command{
		Use:   "bench-failover",
		Short: "Measure the write gap of each kind of failover, beside keepalived and through the router",
		Long: `Make a bed and let the writer fail or move again and again: mysqld killed, host
gone, mysqld frozen, planned switchover, agent killed, frozen or restarted, host
frozen and resumed, host gone that led etcd, etcd gone. A client inserts every
10 ms through the writer VIP; the gap is what it sees. A second one writes to the
struck host's own address where that may live on: it must hear no more once the
next writer has begun. At the end every acknowledged row is looked for on every
server. In the same run keepalived (advert_int 1) moves a bare VIP whose host
goes, as a measure of what a VIP alone costs.

Then, on a bed with two routers, sixteen clients write and read through the router
VIP while mysqld is killed, the writer is moved, or the router dies or hangs: the
longest time that one of them waits, and how many errors. Runs of this part that were
measured by the same version are added to those that are stored.

Prints a table and stores it as text, JSON and SVG. No duration is an error; the
table says whether the goal is met. Ten runs of each take about twenty-five minutes.

Exit code 2: keepalived is not installed (see --no-peer). 1: the measurement did
not work, or a server lacks what it should hold.`,
		Example: `  mmmlab bench-failover --runs 3 --out /tmp/result
  mmmlab bench-failover --part routed --only routed-planned --runs 20
  mmmlab bench-failover --work /var/tmp/bench     # datadirs on a disk`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&b.bed.BinDir, "bin", ownDir(), "directory of mmmagent, mmmctl and mmmrouter")
	f.StringVar(&b.bed.Profile, "profile", "fast", "timing profile: fast (lease 1 s) or lan (2 s)")
	f.IntVar(&b.set.Runs, "runs", 10, "runs of each fault")
	f.IntVar(&b.set.PeerRuns, "peer-runs", 10, "runs of keepalived")
	f.StringVar(&b.part, "part", "all", "what to measure: all, direct (one client of the writer VIP) or routed (16 clients of the router VIP); the rest of the stored result stays")
	f.StringVar(&b.set.Only, "only", "", "of routed, these rows: "+strings.Join(bench.RoutedFaults(), ","))
	f.BoolVar(&b.noPeer, "no-peer", false, "leave keepalived out")
	f.StringVar(&b.set.Out, "out", "docs/benchmarks", "folder of the results")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return b.run(cmd) }
	return cmd
}

func (b *benchCommand) run(cmd *cobra.Command) (err error) {
	if b.bed.Work, err = workDir(cmd); err != nil {
		return err
	}
	if b.bed.BinDir, err = filepath.Abs(b.bed.BinDir); err != nil {
		return fmt.Errorf("find binaries: %w", err)
	}
	if b.set.Out, err = filepath.Abs(b.set.Out); err != nil {
		return fmt.Errorf("find folder of the results: %w", err)
	}
	if b.set.Runs < 1 {
		return errors.New("--runs: at least 1")
	}
	switch {
	case b.part != "all" && b.part != "direct" && b.part != "routed":
		return fmt.Errorf("--part %s: all, direct or routed", b.part)
	case b.part == "routed":
	case b.noPeer:
		b.set.PeerRuns = 0
	default:
		if _, err := exec.LookPath("keepalived"); err == nil {
			break
		}
		fmt.Fprintln(cmd.ErrOrStderr(), "mmmlab: keepalived is not installed: scripts/install-deps.sh --bench installs it (it starts no service), --no-peer measures without it")
		os.Exit(exitNoPeer)
	}
	b.set.Profile = b.bed.Profile
	out := cmd.OutOrStdout()
	for _, one := range []struct{ part, verb string }{{"direct", "bench"}, {"routed", "bench-routed"}} {
		if b.part != "all" && b.part != one.part {
			continue
		}
		if err := perform(cmd.Context(), performance{one.verb, b.bed, false, func(line string) { fmt.Fprintln(out, line) }}, b.set); err != nil {
			return err
		}
	}
	return nil
}

// newEcho is the server behind keepalived's VIP; only bench-failover starts it.
func newEcho() *cobra.Command {
	return &cobra.Command{
		Use: "echo PORT", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			listener, err := new(net.ListenConfig).Listen(cmd.Context(), "tcp4", ":"+args[0])
			if err != nil {
				return fmt.Errorf("listen: %w", err)
			}
			for {
				conn, err := listener.Accept()
				if err != nil {
					return fmt.Errorf("accept: %w", err)
				}
				// It ends with its client, or with this process.
				go func() {
					defer conn.Close()
					_, _ = io.Copy(conn, conn)
				}()
			}
		},
	}
}
