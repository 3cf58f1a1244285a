// Command mmmagent is the daemon of a database host.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/mmm-ha/mmm/internal/daemon"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := newRoot().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "mmmagent:", err)
		stop()
		os.Exit(1)
	}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "mmmagent",
		Short: "The daemon of a database host: lease, election, VIPs",
		Long: `mmmagent runs on every database host. It heartbeats through a lease in etcd,
takes part in the election of the writer, keeps its mysqld in line and holds its
VIPs. There is no central monitor: every agent runs the same decisions over the
same view of etcd.

A host needs three things: a mysqld that starts read-only (mmmagent preflight
says what is missing), a way to etcd (your own, or mmmagent etcd on three of the
hosts), and a small file that says who the host is:

  host: db1
  cluster: shop
  etcd: {endpoints: ["https://192.0.2.161:2379"], ca: …, cert: …, key: …}
  mysql: {socket: /run/mysqld/mysqld.sock, user: mmm_agent, passwordFile: …}`,
		SilenceUsage: true, SilenceErrors: true,
	}
	daemon.AddFlags(root.PersistentFlags())
	root.AddCommand(newRunCommand(), newPreflightCommand(), newGrantsCommand(), newStopCommand(), newPrestartCommand(), newUnfenceCommand(), newEtcdCommand())
	return root
}
