package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/mmm-ha/mmm/chaos/price"
)

func newPrice() *cobra.Command {
	var o price.Options
	cmd := &cobra.Command{
		Use:   "bench-durability",
		Short: "Measure what it costs that an acknowledged write is safe",
		Long: `Start a source and a replica on this machine, and let 1, 8 and 32 clients write with
each choice of settings: flushed at each commit or lazily, the relay log synced or
not, commits that wait for an acknowledgement or not. All of it is one run, so that
the numbers may be compared. The page docs/benchmarks/durability.md is written.

It must be run inside the source tree, as root; MariaDB must be installed.`,
		Example: `  mmmlab bench-durability                       # on disk, then in memory
  mmmlab bench-durability --dir /var/tmp --each 10s`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringSliceVar(&o.Dirs, "dir", []string{"/var/tmp", "/dev/shm"}, "where the servers' files are; a pair for each")
	cmd.Flags().DurationVar(&o.Each, "each", 700*time.Millisecond, "how long each number of clients writes with each choice in one round")
	cmd.Flags().IntVar(&o.Rounds, "rounds", 3, "over all choices; the best of each cell counts")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		root, err := sourceTree()
		if err != nil {
			return err
		}
		o.Say = func(line string) { fmt.Fprintln(cmd.OutOrStdout(), line) }
		result, err := price.Run(cmd.Context(), o)
		if err != nil {
			return err
		}
		if err := result.Write(root); err != nil {
			return err
		}
		o.Say("stored in " + price.PageFile)
		return nil
	}
	return cmd
}
