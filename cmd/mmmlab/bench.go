package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"

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
	result, err := bench.Run(ctx, bench.Options{
		Bed: bed, Runs: set.Runs, PeerRuns: set.PeerRuns, Echo: []string{self, "echo"},
		Profile: set.Profile, Version: version.String(), Say: say,
	})
	if err != nil {
		return err
	}
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

func newBench() *cobra.Command {
	o := lab.Options{AutoSetOnline: bench.AutoSetOnline, Parts: lab.All}
	set := benchSettings{}
	var noPeer bool
	cmd := &cobra.Command{
		Use:   "bench-failover",
		Short: "Measure the write gap of each kind of failover, beside keepalived",
		Long: `Make a bed and let the writer fail or move again and again: mysqld killed, host
gone, mysqld frozen, planned switchover, agent killed, frozen or restarted, host
frozen and resumed, host gone that led etcd, etcd gone. A client inserts every
10 ms through the writer VIP; the gap is what it sees. A second one writes to the
struck host's own address where that may live on: it must hear no more once the
next writer has begun. At the end every acknowledged row is looked for on every
server. In the same run keepalived (advert_int 1) moves a bare VIP whose host
goes, as a measure of what a VIP alone costs.

Prints a table and stores it as text, JSON and SVG. No duration is an error; the
table says whether the goal is met. Ten runs of each take about fifteen minutes.

Exit code 2: keepalived is not installed (see --no-peer). 1: the measurement did
not work, or a server lacks what it should hold.`,
		Example: `  mmmlab bench-failover --runs 3 --out /tmp/result
  mmmlab bench-failover --work /var/tmp/bench     # datadirs on a disk`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&o.BinDir, "bin", ownDir(), "directory of mmmagent and mmmctl")
	f.StringVar(&o.Profile, "profile", "fast", "timing profile: fast (lease 1 s) or lan (2 s)")
	f.IntVar(&set.Runs, "runs", 10, "runs of each fault")
	f.IntVar(&set.PeerRuns, "peer-runs", 10, "runs of keepalived")
	f.BoolVar(&noPeer, "no-peer", false, "leave keepalived out")
	f.StringVar(&set.Out, "out", "docs/benchmarks", "folder of the results")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var err error
		if o.Work, err = workDir(cmd); err != nil {
			return err
		}
		if o.BinDir, err = filepath.Abs(o.BinDir); err != nil {
			return fmt.Errorf("find binaries: %w", err)
		}
		if set.Out, err = filepath.Abs(set.Out); err != nil {
			return fmt.Errorf("find folder of the results: %w", err)
		}
		if set.Runs < 1 {
			return errors.New("--runs: at least 1")
		}
		if noPeer {
			set.PeerRuns = 0
		} else if _, err := exec.LookPath("keepalived"); err != nil {
			fmt.Fprintln(cmd.ErrOrStderr(), "mmmlab: keepalived is not installed: scripts/install-deps.sh --bench installs it (it starts no service), --no-peer measures without it")
			os.Exit(exitNoPeer)
		}
		set.Profile = o.Profile
		out := cmd.OutOrStdout()
		return perform(cmd.Context(), performance{"bench", o, false, func(line string) { fmt.Fprintln(out, line) }}, set)
	}
	return cmd
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
