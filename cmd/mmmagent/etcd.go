package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/mmm-ha/mmm/etcdembed"
	"github.com/mmm-ha/mmm/internal/daemon"
)

const (
	// etcdStopLimit is shorter than systemd's usual TimeoutStopSec of 30 s, so
	// that a stop that hangs is reported by us and not by a SIGKILL.
	etcdStopLimit = 25 * time.Second
	// etcdTellEvery paces what systemd is told while the member waits.
	etcdTellEvery = 2 * time.Second
	// etcdStartExtend is how much longer systemd should wait after each of
	// these: hosts may come up hours apart, and a member that waits is well.
	etcdStartExtend = 30 * time.Second
)

// newEtcdCommand returns `mmmagent etcd` with its subcommands.
func newEtcdCommand() *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use:   "etcd --config FILE",
		Short: "Run one etcd member, for a site that has no etcd of its own",
		Long: `Run one etcd member on this host until SIGTERM.

etcd holds the one truth that all agents act on: who is the writer, and until
when. A site that has an etcd cluster points its agents at that and never needs
this command. A site that has none runs it on THREE hosts (or five): the cluster
goes on as long as more than half of them are up, so two members are no better
than one, and four no better than three.

The member is a process of its own, with a unit of its own (mmm-etcd.service),
and not a part of the agent: an agent that restarts, crashes or hangs takes no
member of the quorum with it, and an agent can be upgraded at any time.

The file describes this member:

  name: db1
  dataDir: /var/lib/mmm-etcd          # kept at mode 0700; best on a disk of its own
  clientURL: http://192.0.2.161:2379  # agents, routers and mmmctl come here
  peerURL: http://192.0.2.161:2380    # the other members come here
  initialCluster:                     # the same on every host
    db1: http://192.0.2.161:2380
    db2: http://192.0.2.162:2380
    db3: http://192.0.2.164:2380
  profile: lan                        # lan: heartbeat 100ms, election 1s; fast: 50ms, 500ms;
                                      # wan: 300ms, 3s; or give heartbeat: and election:
  insecure: true                      # plain http on a network; better: https, and
                                      # clientTLS: and peerTLS: {cert: FILE, key: FILE, ca: FILE}

To replace a member whose host or data is lost, remove it on a host that runs,
then start the new one with "join: true" in its file (which may stay there); it
adds itself, catches up without a vote, and gets its vote by itself.`,
		Example: `  mmmagent etcd --config /etc/mmm/etcd.yaml            run the member
  mmmagent etcd members --config /etc/mmm/etcd.yaml    who is in the cluster, and who leads it
  mmmagent etcd remove db3 --config /etc/mmm/etcd.yaml take out a member that is lost`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options, err := etcdembed.ReadFile(config)
			if err != nil {
				return err
			}
			if options.Log, err = daemon.Logger(cmd.Flags()); err != nil {
				return err
			}
			return runEtcd(cmd.Context(), options)
		},
	}
	cmd.PersistentFlags().StringVar(&config, "config", "/etc/mmm/etcd.yaml", "file that describes this member")
	cmd.AddCommand(newEtcdMembersCommand(&config), newEtcdRemoveCommand(&config))
	return cmd
}

// runEtcd runs the member until ctx ends or the member does. It returns nil
// only after a clean stop that was asked for.
func runEtcd(ctx context.Context, options etcdembed.Options) error {
	server, err := etcdembed.Start(ctx, options)
	if err != nil {
		return err
	}
	failed := accompanyEtcd(ctx, server)
	daemon.Notify(daemon.Stopping)
	options.Log.Info("etcd member is stopping", "member", options.Name)
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), etcdStopLimit)
	defer cancel()
	if err := server.Stop(stopCtx); err != nil && failed == nil {
		failed = err
	}
	return failed
}

// accompanyEtcd keeps systemd informed. It returns nil when ctx ends, else why
// the member ended.
func accompanyEtcd(ctx context.Context, server *etcdembed.Server) error {
	ready := server.Ready()
	tell := time.NewTicker(etcdTellEvery)
	defer tell.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-server.Err():
			return err
		case <-ready:
			daemon.Notify(daemon.Ready + "\nSTATUS=serving clients")
			ready = nil // said once
			tell.Stop()
		case <-tell.C:
			daemon.Notify(fmt.Sprintf("STATUS=%s\nEXTEND_TIMEOUT_USEC=%d", server.Waiting(), etcdStartExtend.Microseconds()))
		}
	}
}

func newEtcdMembersCommand(config *string) *cobra.Command {
	return &cobra.Command{
		Use:   "members",
		Short: "List the members of the cluster, who leads it and who does not answer",
		Long: `List the members of the cluster that this host's file names: their roles, how far
their logs reach, and why one does not answer. It may run on any host that has
such a file, also while its own member is down.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options, err := etcdembed.ReadFile(*config)
			if err != nil {
				return err
			}
			access, err := etcdembed.FindAccess(cmd.Context(), options)
			if err != nil {
				return err
			}
			statuses, err := etcdembed.Statuses(cmd.Context(), access)
			if err != nil {
				return err
			}
			return printEtcdMembers(cmd.OutOrStdout(), statuses)
		},
	}
}

func printEtcdMembers(out io.Writer, statuses []etcdembed.MemberStatus) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "MEMBER\tROLE\tID\tINDEX\tSIZE\tCLIENT URL\tSTATE")
	for _, s := range statuses {
		role, state := "voter", "ok"
		switch {
		case s.Err != nil:
			state = s.Err.Error()
		case len(s.Alarms) > 0:
			state = strings.Join(s.Alarms, "; ")
		}
		switch {
		case s.Leader:
			role = "leader"
		case s.Learner:
			role = "learner"
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%x\t%d\t%d KiB\t%s\t%s\n", s.Label(), role, s.ID,
			s.RaftIndex, s.DBBytes/1024, strings.Join(s.ClientURLs, ","), state)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print members: %w", err)
	}
	return nil
}

func newEtcdRemoveCommand(config *string) *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME",
		Short: "Take a member out of the cluster for good",
		Long: `Take a member out of the cluster for good, by its name, its id or its peer URL.
Its data directory is of no use afterwards: to come back it starts with an empty
one and "join: true". The cluster refuses when too few healthy members would be
left. It may run on any host that has a file of this cluster.`,
		Example: `  mmmagent etcd remove db3 --config /etc/mmm/etcd.yaml`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			options, err := etcdembed.ReadFile(*config)
			if err != nil {
				return err
			}
			access, err := etcdembed.FindAccess(cmd.Context(), options)
			if err != nil {
				return err
			}
			removed, err := etcdembed.RemoveMember(cmd.Context(), access, args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "removed %s (%x)\n", removed.Label(), removed.ID)
			return err
		},
	}
}
