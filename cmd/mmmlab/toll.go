package main

import (
	"errors"
	"fmt"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/mmm-ha/mmm/chaos/toll"
	"github.com/mmm-ha/mmm/internal/version"
)

func newToll() *cobra.Command {
	o := toll.Options{Version: version.String()}
	var out string
	cmd := &cobra.Command{
		Use:   "bench-router",
		Short: "Measure what the router costs, beside haproxy and MySQL Router",
		Long: `Start a writer and a reader on this machine, and before them haproxy (which copies
bytes), MySQL Router (passing through), mmmrouter with all that it does, and ProxySQL
if its binary is named. Clients do six loads, 1, 8 and 64 at once; what is measured is
the CPU time that the proxy takes for a query, as a ratio to haproxy in the same round,
beside queries per second, latency, system calls, allocations, and the memory of idle
sessions. In each round the order is drawn anew.

Nothing is bound to a core, as on a machine that is a router. With --pin the proxies
have one core and all else another: then a proxy is idle much of the time, and what is
measured is how cheaply it falls asleep and wakes up.

It must be run as root. Ten rounds take about twelve minutes. No number is an error;
the table says which goals are met. A quick look: --rounds 2 --each 200ms.`,
		Example: `  mmmlab bench-router --rounds 2 --each 200ms --out /tmp/result
  mmmlab bench-router --only point-select --clients 8 --sessions 1000 --out /tmp/result
  mmmlab bench-router --mysql-router "$(scripts/unpack.sh sid mysql-router)"
  mmmlab bench-router --proxysql /usr/bin/proxysql`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&o.BinDir, "bin", ownDir(), "directory of mmmrouter")
	f.StringVar(&o.MySQLRouter, "mysql-router", "", "folder of a MySQL Router, as scripts/unpack.sh sid mysql-router prints it; empty: leave it out")
	f.StringVar(&o.ProxySQL, "proxysql", "", "binary of ProxySQL; empty: leave it out")
	f.IntVar(&o.Rounds, "rounds", 10, "over all cells")
	f.DurationVar(&o.Each, "each", 500*time.Millisecond, "how long one cell counts in one round")
	f.IntSliceVar(&o.Clients, "clients", []int{1, 8, 64}, "how many clients at once")
	f.IntSliceVar(&o.Sessions, "sessions", []int{1000, 10000}, "how many idle sessions the memory is looked at with")
	f.BoolVar(&o.Pin, "pin", false, "bind the proxies to one core and all else to another")
	only := f.StringSlice("only", nil, "loads to measure; default: all")
	f.StringVar(&out, "out", "docs/benchmarks", "folder of the results")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		var err error
		if o.BinDir, err = filepath.Abs(o.BinDir); err != nil {
			return fmt.Errorf("find binaries: %w", err)
		}
		if o.Rounds < 1 {
			return errors.New("--rounds: at least 1")
		}
		if o.Loads, err = toll.Named(*only); err != nil {
			return err
		}
		w := cmd.OutOrStdout()
		o.Say = func(line string) { fmt.Fprintln(w, line) }
		result, err := toll.Run(ctx, o)
		if err != nil {
			return err
		}
		fmt.Fprintln(w, "\n"+result.Text())
		if err := result.Write(out); err != nil {
			return err
		}
		o.Say("stored as router.json, router.md and router.svg in " + out)
		return nil
	}
	return cmd
}
