package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/mmm-ha/mmm/internal/daemon"
	"github.com/mmm-ha/mmm/router"
	"github.com/mmm-ha/mmm/router/auth"
)

func newRunCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Run the router of this host",
		Long: `Run the router of this host until it is told to stop.

SIGTERM drains: the router says on /readyz that it is not ready, stops accepting,
lets statements and transactions end (drain.time), closes each client with error
1053 when it pauses, and ends. A second SIGTERM ends it at once.

SIGUSR2 is a restart without a refused connection, for a new version: the router
starts the binary that stands at its path now, waits until that serves, and drains.
Both listen on the same addresses, and the old one turns new connections to the new
one before it closes its sockets. A binary or file that does not work changes nothing.

SIGHUP reads the file again. What a running router can change counts at once:
limits, hold, readers, consistency, slowLog, drain, tls. For the rest it says that
a restart is needed. A file with a mistake changes nothing.`,
		Example: `  mmmrouter run --config /etc/mmm/mmmrouter.yaml
  mmmrouter run --config /etc/mmm/mmmrouter.yaml --log-level debug`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := daemon.Logger(cmd.Flags())
			if err != nil {
				return err
			}
			return run(cmd.Context(), configPath(cmd), log, assemble)
		},
	}
}

func configPath(cmd *cobra.Command) string {
	path, err := cmd.Flags().GetString("config")
	if err != nil {
		return defaultConfig
	}
	return path
}

// assembler puts together what a router is made of.
type assembler func(context.Context, router.Config, *slog.Logger) (router.Options, error)

func run(ctx context.Context, path string, log *slog.Logger, assemble assembler) error {
	self, err := binary()
	if err != nil {
		return err
	}
	cfg, err := router.CheckConfig(path)
	if err != nil {
		return err
	}
	tune(cfg.Threads)
	log = log.With("cluster", cfg.Cluster, "router", cfg.Name)
	opt, err := assemble(ctx, cfg, log)
	if err != nil {
		return err
	}
	r, err := router.New(opt)
	if err != nil {
		return err
	}
	beat, logins := daemon.Watchdog(), crowd{}
	r.Notify(func() {
		beat()
		if logins.passed(r.Accepted()) {
			giveBack(log)
		}
	})
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended, end := context.WithCancel(context.WithoutCancel(ctx))
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGHUP, syscall.SIGUSR2) // before anybody is told that this router is there: it would die of one
	defer signal.Stop(heard)
	var listening sync.WaitGroup
	listening.Go(func() {
		signals(ended, heard, func(sig os.Signal) {
			switch {
			case ctx.Err() != nil:
				log.Info("this router drains; the signal is ignored", "signal", sig.String())
			case sig == syscall.SIGUSR2:
				handOver(ctx, self, stop, log)
			default:
				daemon.Notify(daemon.Reloading)
				reload(r, path, log)
				daemon.Notify(daemon.Ready)
			}
		})
	})
	// Systemd does not believe it when a successor is the service by now.
	context.AfterFunc(ctx, func() { daemon.Notify(daemon.Stopping) })
	err = r.Run(ctx, func() {
		announce()
		giveBack(log)
	})
	end()
	listening.Wait()
	return err
}

// signals hands what is heard to do until ctx ends.
func signals(ctx context.Context, heard <-chan os.Signal, do func(os.Signal)) {
	for {
		select {
		case <-ctx.Done():
			return
		case sig := <-heard:
			do(sig)
		}
	}
}

func reload(r *router.Router, path string, log *slog.Logger) {
	cfg, err := router.CheckConfig(path)
	if err != nil {
		r.NotTaken()
		log.Error("the file was not taken: the router goes on with what it has", "err", err)
		return
	}
	change, err := r.Reload(cfg)
	switch {
	case err != nil:
		log.Error("the file was not taken: the router goes on with what it has", "err", err)
	case len(change.Taken)+len(change.Restart) == 0:
		log.Info("the file was read again; nothing in it has changed")
	}
	if len(change.Taken) > 0 {
		log.Info("the file has changed and counts now", "keys", strings.Join(change.Taken, " "))
	}
	if len(change.Restart) > 0 {
		log.Warn("the file has changed; a part of it needs another process, which SIGUSR2 starts without a refused connection (systemctl kill --kill-whom=main -s USR2 mmmrouter)",
			"keys", strings.Join(change.Restart, " "))
	}
}

func newCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check-config",
		Short: "Check the file and change nothing",
		Long: `Check the file as run does before it starts: every key, what the keys say of each
other, and the certificates that it names. Says all mistakes at once, each with its
place and how to mend it, and ends with 1 when there is one.`,
		Example: "  mmmrouter check-config --config /etc/mmm/mmmrouter.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := router.CheckConfig(configPath(cmd))
			if cfg.Users.File != "" {
				_, bad := auth.ReadUsers(cfg.Users.File)
				err = errors.Join(err, bad)
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "OK: router %s of cluster %s\n", cfg.Name, cfg.Cluster)
			for _, l := range cfg.Listeners {
				fmt.Fprintf(cmd.OutOrStdout(), "  %-22s %-7s TLS %s\n", l.Address, l.Mode, l.TLS)
			}
			for _, doubt := range cfg.Doubts(time.Now()) {
				fmt.Fprintf(cmd.OutOrStdout(), "but %s\n", doubt)
			}
			return nil
		},
	}
}

func newSampleCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "sample-config",
		Short: "Print a file with every key, its default and what it means",
		Long: `Print a file with every key, its default and what it means. It can be used as it is
when the name of the cluster is put in.`,
		Example: "  mmmrouter sample-config > /etc/mmm/mmmrouter.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), router.Sample)
			return err
		},
	}
}
