package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/mmm-ha/mmm/agent"
	"github.com/mmm-ha/mmm/internal/daemon"
)

const defaultConfig = "/etc/mmm/mmm.yaml"

func newRunCommand() *cobra.Command {
	var path, role string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the agent of this host",
		Long: `Run the agent of this host until it is told to stop.

SIGTERM ends the process and nothing else: what the host serves stays for the
rest of its lease, and an agent that starts again within it goes on with the same
lease, the same VIPs and the same reign. An upgrade of the agent on the writer is
no failover. To give the roles back, use mmmagent stop --release.

SIGHUP reads the file again. What a running agent can change is changed; for the
rest it says that a restart is needed.

With --role router (or role: router in its file) the agent stands beside an
mmmrouter and not a mysqld: it registers the router and holds the router VIPs of
the cluster file, as long as mmmrouter greets those who connect. mmmrouter itself
needs no capabilities then.

Before anything is changed the agent checks its file, mysqld's settings, etcd
and the network, and ends with one sentence when one of them is not as needed.`,
		Example: `  mmmagent run --config /etc/mmm/mmm.yaml
  mmmagent run --config /etc/mmm/mmm.yaml --log-level debug`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := daemon.Logger(cmd.Flags())
			if err != nil {
				return err
			}
			return run(cmd.Context(), path, role, log)
		},
	}
	cmd.Flags().StringVar(&path, "config", defaultConfig, "the file of this host")
	cmd.Flags().StringVar(&role, "role", "", roleUsage)
	return cmd
}

// roleUsage is the help of a flag that says what the file may say, too.
const roleUsage = "what runs on this host: database or router; empty: what the file says"

// readConfig reads the file, in which the flag has the last word.
func readConfig(path, role string) (agent.Config, error) {
	if role == "" {
		return agent.ReadConfig(path)
	}
	return agent.ReadConfigAs(path, agent.Role(role))
}

func run(ctx context.Context, path, role string, log *slog.Logger) error {
	cfg, err := readConfig(path, role)
	if err != nil {
		return err
	}
	log = log.With("cluster", cfg.Cluster, "host", cfg.Host)
	a, err := agent.New(ctx, cfg, log)
	if err != nil {
		return err
	}
	if err := os.WriteFile(cfg.Pidfile(), []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the pid file: %w", err)
	}
	defer func() { _ = os.Remove(cfg.Pidfile()) }()
	a.Notify(daemon.Watchdog())
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go signals(ctx, cancel, a, func() (agent.Config, error) { return readConfig(path, role) }, cfg, log)
	err = a.Run(ctx, func() { daemon.Notify(daemon.Ready) })
	daemon.Notify(daemon.Stopping)
	return err
}

// signals serves SIGHUP (read the file again) and SIGUSR1 (give the roles back
// and stop). It ends with ctx.
func signals(ctx context.Context, stop context.CancelFunc, a *agent.Agent, read func() (agent.Config, error), cfg agent.Config, log *slog.Logger) {
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGHUP, syscall.SIGUSR1)
	defer signal.Stop(ch)
	for {
		select {
		case <-ctx.Done():
			return
		case sig := <-ch:
			if sig == syscall.SIGHUP {
				daemon.Notify(daemon.Reloading)
				reload(read, cfg, log)
				daemon.Notify(daemon.Ready)
				continue
			}
			if err := a.Release(ctx); err != nil {
				log.Error("cannot give the roles back; the agent goes on", "err", err)
				continue
			}
			stop()
		}
	}
}

// reload says what a new file would change. Everything in it is needed to open
// the agent, so a change takes a restart, which within the lease costs nothing.
func reload(read func() (agent.Config, error), old agent.Config, log *slog.Logger) {
	cfg, err := read()
	switch {
	case err != nil:
		log.Error("the file was not taken: the agent goes on with what it has", "err", err)
	case cfg.Equal(old):
		log.Info("the file was read again; nothing in it has changed")
	default:
		log.Warn("the file has changed; restart the agent to use it (within the lease this moves nothing)")
	}
}

// withFile makes a command read the file of this host and work with it.
func withFile(cmd *cobra.Command, do func(ctx context.Context, cfg agent.Config, log *slog.Logger) error) *cobra.Command {
	path := cmd.Flags().String("config", defaultConfig, "the file of this host")
	role := cmd.Flags().String("role", "", roleUsage)
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		log, err := daemon.Logger(cmd.Flags())
		if err != nil {
			return err
		}
		cfg, err := readConfig(*path, *role)
		if err != nil {
			return err
		}
		return do(cmd.Context(), cfg, log)
	}
	return cmd
}

func newPreflightCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "preflight",
		Short: "Check whether the agent could run here, and change nothing",
		Long: `Check this host as run does before it starts: the file, mysqld and its settings,
etcd, the cluster file, and whether anybody else holds one of the VIPs. Ends with
0 when the agent can run, and with one sentence naming cause and fix when not.
What the agent could do without for a while is a warning: an etcd member that does
not answer, or what a copy of another host's data would need.`,
		Example: "  mmmagent preflight --config /etc/mmm/mmm.yaml",
	}
	return withFile(cmd, func(ctx context.Context, cfg agent.Config, log *slog.Logger) error {
		if err := agent.Preflight(ctx, cfg, log); err != nil {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), "OK: the agent can run here")
		return nil
	})
}

func newGrantsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "grants",
		Short: "Print the SQL that makes the accounts of the agent and of replication",
		Long: `Print the statements that make the two accounts which the file names, with
exactly the privileges that are needed and the passwords of the password files.
Run them once on each host before its agent starts, as they are: they are not
written to the binlog.`,
		Example: "  mmmagent grants --config /etc/mmm/mmm.yaml | mariadb",
	}
	return withFile(cmd, func(_ context.Context, cfg agent.Config, _ *slog.Logger) error {
		statements, err := agent.Grants(cfg)
		if err != nil {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), "SET sql_log_bin=0;")
		for _, s := range statements {
			fmt.Fprintln(cmd.OutOrStdout(), s+";")
		}
		return nil
	})
}

func newStopCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "stop",
		Short: "Stop the agent of this host, keeping or giving back its roles",
		Long: `Stop the agent of this host.

Without --release the process ends and the host keeps what it serves until its
lease runs out, so that a new agent can go on with it: for upgrades.

With --release the agent first gives everything back: a writer stops writing,
waits until an acker has all of it, writes down where it stopped and gives up the
key; a reader gives up its VIPs. Others take over at once.`,
		Example: "  mmmagent stop\n  mmmagent stop --release",
	}
	release := cmd.Flags().Bool("release", false, "give the roles back first")
	return withFile(cmd, func(ctx context.Context, cfg agent.Config, _ *slog.Logger) error {
		return stopAgent(ctx, cfg, *release)
	})
}

// stopLimit is how long an agent may take to end.
const stopLimit = 30 * time.Second

func stopAgent(ctx context.Context, cfg agent.Config, release bool) error {
	pid, err := agent.Running(cfg)
	if err != nil {
		return err
	}
	sig := syscall.SIGTERM
	if release {
		sig = syscall.SIGUSR1
	}
	if err := syscall.Kill(pid, sig); err != nil {
		return fmt.Errorf("signal the agent (pid %d): %w", pid, err)
	}
	ctx, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	for {
		if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the agent (pid %d) still runs after %s: its log says why", pid, stopLimit)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
