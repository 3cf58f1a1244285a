// Command mmmlab runs the test bed: a whole cluster in network namespaces of
// this machine, and faults to try on it.
//
// `mmmlab up` leaves one process, the holder, which is pid 1 of the world that
// the bed lives in. The other commands ask it over a unix socket in the work
// directory. When the holder ends, however it ends, the kernel ends the bed.
//
// Goroutines: the holder has one per connection; it waits for them before it ends.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/mmm-ha/mmm/chaos/lab"
)

func main() {
	lab.Main() // worlds and hosts are this binary, started again
	if err := newRoot().Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "mmmlab:", err)
		code := 1
		if said := (exitError{}); errors.As(err, &said) {
			code = said.code
		}
		os.Exit(code)
	}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "mmmlab",
		Short: "A whole cluster on this machine, and faults to try on it",
		Long: `mmmlab makes a test bed on this machine: four database hosts and a client, each
with its own network, connected by a switch. mysqld, etcd and mmmagent run there
as they would on real machines. Nothing of this machine's own network is touched,
and nothing is left when the bed ends, not even after kill -9.

It needs root. Several beds can run at once, each in a work directory of its own
(--work, or the environment variable MMMLAB_WORK).

  host    address       may be writer   etcd member
  db1     192.0.2.161   yes             yes
  db2     192.0.2.162   yes             yes
  db3     192.0.2.164   never           yes
  db4     192.0.2.165   never           no
  client  192.0.2.10

The writer VIP is 192.0.2.113, the reader VIPs are .111 .112 .114 .115.
Applications log in as ` + lab.AppUser + ` / ` + lab.AppPassword + `, database ` + lab.AppDatabase + `.`,
		Example: `  mmmlab up                     make the bed
  mmmlab ctl show               what mmmctl says of the cluster
  mmmlab kill-mysqld db1        the writer's mysqld crashes ...
  mmmlab ctl show               ... and db2 is writer
  mmmlab start-mysqld db1
  mmmlab down`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	work := os.Getenv("MMMLAB_WORK")
	if work == "" {
		work = "/dev/shm/mmmlab"
	}
	root.PersistentFlags().String("work", work, "work directory of the bed; below it: logs, one folder per host")
	root.AddCommand(newUp(), newHold(), newDown(), newStatus(), newExec(), newCtl(), newDemo(), newBench(), newChaos(), newModel(), newSim(), newEcho())
	root.AddCommand(newReliability())
	root.AddCommand(faultCommands()...)
	root.AddCommand(newMutants(), newPrice(), newToll())
	return root
}

// workDir is the work directory that the flags name, as an absolute path.
func workDir(cmd *cobra.Command) (string, error) {
	dir, err := cmd.Flags().GetString("work")
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		return "", fmt.Errorf("find work directory: %w", err)
	}
	return dir, nil
}
