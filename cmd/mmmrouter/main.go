// Command mmmrouter is the proxy in front of the applications.
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
	context.AfterFunc(ctx, stop) // a second signal ends the drain at once
	if err := newRoot().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "mmmrouter:", err)
		stop()
		os.Exit(1)
	}
}

const defaultConfig = "/etc/mmm/mmmrouter.yaml"

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "mmmrouter",
		Short: "The proxy in front of the applications: reads and writes split, the writer followed",
		Long: `mmmrouter takes the connections of applications and gives each of them two
connections of its own behind it: one to the writer, and, when there is something
to read, one to a reader. It reads every statement, sends it to one of the two, and
passes the answer on. It believes etcd, and nobody else, about who the writer is.

A router needs two things: a way to etcd, and a small file:

  cluster: shop
  etcd: {endpoints: ["https://192.0.2.161:2379"], ca: …, cert: …, key: …}

Everything else has a default; mmmrouter sample-config prints them all. Clients
connect to port 3306 (each statement where it belongs), 3307 (readers only) or
3308 (the writer only). Run two routers, and an mmmagent --role router beside each,
which holds the address that clients use.`,
		Example: `  mmmrouter sample-config > /etc/mmm/mmmrouter.yaml
  mmmrouter check-config
  mmmrouter run
  mmmrouter status`,
		SilenceUsage: true, SilenceErrors: true,
	}
	root.PersistentFlags().String("config", defaultConfig, "the file of this router")
	daemon.AddFlags(root.PersistentFlags())
	root.AddCommand(newRunCommand(), newCheckCommand(), newSampleCommand(), newGrantsCommand(),
		newStatusCommand(), newSessionsCommand(), newDigestsCommand(), newTraceCommand(), newRouteCommand())
	return root
}
