// Command mmmrouter is the proxy in front of the applications.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/lmittmann/tint"
	"github.com/spf13/cobra"
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
	root.PersistentFlags().String("log-level", "info", "debug, info, warn or error")
	root.AddCommand(newRunCommand(), newCheckCommand(), newSampleCommand(), newGrantsCommand(),
		newStatusCommand(), newSessionsCommand(), newDigestsCommand(), newTraceCommand(), newRouteCommand())
	return root
}

// logger writes for a person on a terminal, for the journal otherwise.
func logger(cmd *cobra.Command) (*slog.Logger, error) {
	text, err := cmd.Flags().GetString("log-level")
	if err != nil {
		return nil, err
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(text)); err != nil {
		return nil, fmt.Errorf("--log-level %s: use debug, info, warn or error", text)
	}
	plain := os.Getenv("NO_COLOR") != "" || !terminal(os.Stderr)
	return slog.New(tint.NewTextHandler(os.Stderr, &tint.Options{Level: level, NoColor: plain, TimeFormat: "15:04:05.000"})), nil
}

func terminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
